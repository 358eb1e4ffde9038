"""Services of a site: listing, reports, state, and changing them.

A service is a `ServiceId`, or the text that names one: `Planning/Hydrants.MapServer`, without folder in the root.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from fleet.admin.operation import Effect, Operation
from fleet.admin.readback import definition_is, state_is
from fleet.admin.service_changes import (
    as_id,
    can_create,
    change_provider,
    create,
    delete,
    delete_many,
    exists,
    export_services,
    folder_create,
    folder_delete,
    folder_edit,
    import_services,
    rename,
    start_many,
    stop_many,
)
from fleet.admin.service_parts import (
    item_info,
    item_info_delete,
    item_info_edit,
    job,
    job_cancel,
    job_delete,
    jobs,
    jobs_purge,
    manifest,
    permission_add,
    permissions,
    permissions_clean,
)
from fleet.protocol.fields import ServiceId, path_part
from fleet.protocol.message import REPORT_CAP

__all__ = [
    "ServiceId",
    "can_create",
    "change_provider",
    "create",
    "delete",
    "delete_many",
    "edit",
    "exists",
    "export_services",
    "folder_create",
    "folder_delete",
    "folder_edit",
    "get",
    "import_services",
    "item_info",
    "item_info_delete",
    "item_info_edit",
    "job",
    "job_cancel",
    "job_delete",
    "jobs",
    "jobs_purge",
    "listing",
    "manifest",
    "permission_add",
    "permissions",
    "permissions_clean",
    "rename",
    "report",
    "start",
    "start_many",
    "statistics",
    "status",
    "stop",
    "stop_many",
]

BASE = "admin/services"


def listing(folder: str = "") -> Operation[dict[str, Any]]:
    """`{"folderName", "folders": [name], "services": [{"folderName", "serviceName", "type"}]}` of *folder*.

    Without *folder* it is the root, which alone lists folders; one level only.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/services
    """
    return Operation(name="services", path=f"{BASE}/{path_part(folder)}" if folder else BASE)


def report(
    folder: str = "",
    *,
    parameters: Iterable[str] = ("status", "instances"),
    services: Iterable[ServiceId | str] | None = None,
) -> Operation[dict[str, Any]]:
    """`{"reports": [{"folderName", "serviceName", "type", "status", "instances", …}]}` of all services in *folder*.

    With *services* of these, of any folders. *parameters* are any of description, status, instances, iteminfo,
    properties, permissions. With *services* it is a POST, since such a list doesn't fit an address; what it does is
    read all the same. The answer may have 64 MiB.

    Raises, when called: `NotFound` where the folder, or on old releases the report, is not there, `Forbidden`,
    `ServerFailed`, `TooLarge`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/servicesreport
    """
    form = {"parameters": json.dumps(list(parameters))}
    path = f"{BASE}/{path_part(folder)}/report" if folder else f"{BASE}/report"
    if services is None:
        return Operation(name="services.report", path=path, parameters=form, cap=REPORT_CAP)
    form["services"] = json.dumps([as_id(service).to_parameter() for service in services])
    return Operation(
        name="services.report",
        path=path,
        method="POST",
        parameters=form,
        cap=REPORT_CAP,
    )


def get(service: ServiceId | str) -> Operation[dict[str, Any]]:
    """The whole definition of *service*, every setting of it; values in `properties` are texts.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/service
    """
    return Operation(name="services.get", path=f"{BASE}/{as_id(service).path}")


def status(service: ServiceId | str) -> Operation[dict[str, Any]]:
    """`configuredState`, the wish, and `realTimeState`, the measurement, of *service*.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/service-status
    """
    return Operation(name="services.status", path=f"{BASE}/{as_id(service).path}/status")


def statistics(service: ServiceId | str) -> Operation[dict[str, Any]]:
    """Instances of *service*: `{"summary": {"max", "busy", "free", …}, "perMachine": […]}`, counted since its start.

    Where `isStatisticsAvailable` is false the numbers mean nothing.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/servicestatistics
    """
    return Operation(name="services.statistics", path=f"{BASE}/{as_id(service).path}/statistics")


def start(service: ServiceId | str) -> Operation[dict[str, Any]]:
    """Start *service* on every reachable machine; it blocks until its minimum of instances exists.

    One attempt may take 600 s. Done when both states are STARTED.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed` with each machine's report, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/startservice
    """
    path = f"{BASE}/{as_id(service).path}"
    return Operation(
        name="services.start",
        path=f"{path}/start",
        method="POST",
        effect=Effect.CHANGE,
        read_back=state_is(f"{path}/status", "STARTED"),
        limit=600.0,
    )


def stop(service: ServiceId | str) -> Operation[dict[str, Any]]:
    """Stop all instances of *service* on every reachable machine of the site; it waits for running requests.

    One attempt may take 120 s. Done when both states are STOPPED.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`, `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/stopservice
    """
    path = f"{BASE}/{as_id(service).path}"
    return Operation(
        name="services.stop",
        path=f"{path}/stop",
        method="POST",
        effect=Effect.CHANGE,
        read_back=state_is(f"{path}/status", "STOPPED"),
        limit=120.0,
    )


def edit(service: ServiceId | str, definition: Mapping[str, Any]) -> Operation[dict[str, Any]]:
    """Replace the whole definition of *service*: what *definition* leaves out is lost. Restarts a running service.

    *definition* is what `get` answers, with the changes made to it. One attempt may take 300 s. Done when every member
    of *definition* is in the service's own.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`, `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/editservice
    """
    path = f"{BASE}/{as_id(service).path}"
    return Operation(
        name="services.edit",
        path=f"{path}/edit",
        method="POST",
        parameters={"service": json.dumps(definition)},
        effect=Effect.DISRUPT,
        read_back=definition_is(path, definition),
        limit=300.0,
    )
