"""Services of a site: listing, reports, state, and changing them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from fleet.admin.operation import Effect, Operation
from fleet.admin.readback import definition_is, state_is
from fleet.protocol.fields import ServiceId, path_part

__all__ = ["edit", "get", "listing", "report", "start", "statistics", "status", "stop"]

REPORT_CAP = 64 * 1024 * 1024
BASE = "admin/services"


def listing(folder: str = "") -> Operation[dict[str, Any]]:
    """The folders and services of one folder (the root without *folder*): `folders`, `services`; one level only.

    Source: developers.arcgis.com/rest/enterprise-administration/server/services.
    """
    return Operation(name="services", path=f"{BASE}/{path_part(folder)}" if folder else BASE)


def report(
    folder: str = "",
    *,
    parameters: Iterable[str] = ("status", "instances"),
    services: Iterable[ServiceId] | None = None,
) -> Operation[dict[str, Any]]:
    """`{"reports": […]}` of all services in one folder, or of *services* of any folders.

    *parameters* are any of description, status, instances, iteminfo, properties, permissions. With *services* it is a
    POST, since such a list doesn't fit an address; what it does is read all the same.
    Source: developers.arcgis.com/rest/enterprise-administration/server/report.
    """
    form = {"parameters": json.dumps(list(parameters))}
    path = f"{BASE}/{path_part(folder)}/report" if folder else f"{BASE}/report"
    if services is None:
        return Operation(name="services.report", path=path, parameters=form, cap=REPORT_CAP)
    form["services"] = json.dumps([service.to_parameter() for service in services])
    return Operation(
        name="services.report",
        path=path,
        method="POST",
        parameters=form,
        cap=REPORT_CAP,
    )


def get(service: ServiceId) -> Operation[dict[str, Any]]:
    """The whole definition of *service*. Raises `NotFound` when called."""
    return Operation(name="services.get", path=f"{BASE}/{service.path}")


def status(service: ServiceId) -> Operation[dict[str, Any]]:
    """`configuredState`, the wish, and `realTimeState`, the measurement, of *service*."""
    return Operation(name="services.status", path=f"{BASE}/{service.path}/status")


def statistics(service: ServiceId) -> Operation[dict[str, Any]]:
    """`summary` and `perMachine` instances of *service*."""
    return Operation(name="services.statistics", path=f"{BASE}/{service.path}/statistics")


def start(service: ServiceId) -> Operation[dict[str, Any]]:
    """Start *service* on every reachable machine; blocks until its minimum of instances exists, up to ten minutes.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed` with each machine's report.
    Source: developers.arcgis.com/rest/enterprise-administration/server/startservice.
    """
    path = f"{BASE}/{service.path}"
    return Operation(
        name="services.start",
        path=f"{path}/start",
        method="POST",
        effect=Effect.CHANGE,
        read_back=state_is(f"{path}/status", "STARTED"),
        limit=600.0,
    )


def stop(service: ServiceId) -> Operation[dict[str, Any]]:
    """Stop all instances of *service* on every reachable machine of the site; waits for running requests.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/stopservice.
    """
    path = f"{BASE}/{service.path}"
    return Operation(
        name="services.stop",
        path=f"{path}/stop",
        method="POST",
        effect=Effect.CHANGE,
        read_back=state_is(f"{path}/status", "STOPPED"),
        limit=120.0,
    )


def edit(service: ServiceId, definition: Mapping[str, Any]) -> Operation[dict[str, Any]]:
    """Replace the whole definition of *service*: what *definition* leaves out is lost. Restarts a running service.

    Source: developers.arcgis.com/rest/enterprise-administration/server/editservice.
    """
    path = f"{BASE}/{service.path}"
    return Operation(
        name="services.edit",
        path=f"{path}/edit",
        method="POST",
        parameters={"service": json.dumps(definition)},
        effect=Effect.DISRUPT,
        read_back=definition_is(path, definition),
        limit=300.0,
    )
