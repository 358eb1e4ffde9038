"""Machines of a site: which there are, their state, their certificates."""

from __future__ import annotations

from typing import Any

from fleet.admin.operation import Effect, Operation
from fleet.admin.readback import state_is
from fleet.protocol.fields import path_part

__all__ = ["certificate", "certificates", "listing", "start", "status", "stop"]


def listing() -> Operation[dict[str, Any]]:
    """`{"machines": [{"machineName", "adminURL"}]}`; their states are asked one by one.

    Raises, when called: `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/machines
    """
    return Operation(name="machines", path="admin/machines")


def status(machine: str) -> Operation[dict[str, Any]]:
    """`configuredState`, stored, and `realTimeState`, measured: STARTED beside STOPPED is a dead *machine*.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/status
    """
    return Operation(name="machines.status", path=f"admin/machines/{path_part(machine)}/status")


def certificates(machine: str) -> Operation[dict[str, Any]]:
    """`{"certificates": [alias]}` of the key store of *machine*.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/sslcertificates
    """
    return Operation(
        name="machines.sslcertificates",
        path=f"admin/machines/{path_part(machine)}/sslcertificates",
    )


def certificate(machine: str, alias: str) -> Operation[dict[str, Any]]:
    """The certificate *alias* of *machine*: `issuer`, `subject`, `validUntil`, and so on.

    `validUntil` is Java's text of a date; from 11.1 on `validUntilEpoch` tells the same in epoch milliseconds.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/certificate
    """
    path = f"admin/machines/{path_part(machine)}/sslcertificates/{path_part(alias)}"
    return Operation(name="machines.sslcertificates.get", path=path)


def start(machine: str) -> Operation[dict[str, Any]]:
    """Start *machine*: it loads every service, which can take minutes; one attempt may take 300 s.

    Done when both states are STARTED.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`, `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/startmachine
    """
    path = f"admin/machines/{path_part(machine)}"
    return Operation(
        name="machines.start",
        path=f"{path}/start",
        method="POST",
        effect=Effect.DISRUPT,
        read_back=state_is(f"{path}/status", "STARTED"),
        limit=300.0,
    )


def stop(machine: str) -> Operation[dict[str, Any]]:
    """Stop *machine* and all services on it; it can still be administered. One attempt may take 300 s.

    Done when both states are STOPPED.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`, `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/stopmachine
    """
    path = f"admin/machines/{path_part(machine)}"
    return Operation(
        name="machines.stop",
        path=f"{path}/stop",
        method="POST",
        effect=Effect.DISRUPT,
        read_back=state_is(f"{path}/status", "STOPPED"),
        limit=300.0,
    )
