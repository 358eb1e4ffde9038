"""Machines of a site: which there are, their state, their certificates."""

from __future__ import annotations

from typing import Any

from fleet.admin.catalogue import operation
from fleet.admin.machine_certificates import (
    certificate_csr,
    certificate_delete,
    certificate_export,
    certificate_generate,
    certificate_import_existing,
    certificate_import_root,
    certificate_import_signed,
    certificate_update,
)
from fleet.admin.operation import Effect, Operation
from fleet.admin.readback import state_is
from fleet.protocol.fields import path_part

__all__ = [
    "certificate",
    "certificate_csr",
    "certificate_delete",
    "certificate_export",
    "certificate_generate",
    "certificate_import_existing",
    "certificate_import_root",
    "certificate_import_signed",
    "certificate_update",
    "certificates",
    "edit",
    "get",
    "hardware",
    "listing",
    "register",
    "rename",
    "start",
    "status",
    "stop",
    "synchronize",
    "unregister",
    "use_certificate",
]


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


def get(machine: str) -> Operation[dict[str, Any]]:
    """What *machine* is set to: `adminURL`, heap sizes in MB, `webServerCertificateAlias`, `configuredState`, and more.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/machine
    """
    return operation("machines.get", machine=machine)


def hardware(machine: str) -> Operation[dict[str, Any]]:
    """`cpu`, `os`, `systemMemoryMB`, `numPhysicalProcessors`, `numLogicalProcessors` of *machine*.

    Since 10.6.1.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/machine
    """
    return operation("machines.hardware", machine=machine)


def edit(machine: str, **settings: str | int) -> Operation[dict[str, Any]]:
    """Change *settings* of *machine*, called as `get` calls them: `webServerCertificateAlias`, `socMaxHeapSize`.

    Heap sizes are MB. Its web server restarts, and may drop the connection before it answers.

    One attempt may take 150 s. Done when the machine tells each of them.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/machine
    """
    return operation("machines.edit", settings, machine=machine)


def use_certificate(machine: str, alias: str) -> Operation[dict[str, Any]]:
    """Let the web server of *machine* show the certificate *alias*, which must be in its key store; it restarts.

    One attempt may take 150 s. Done when the machine tells that alias.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/machine
    """
    return operation("machines.edit", {"webServerCertificateAlias": alias}, machine=machine)


def register(machine: str, admin_url: str) -> Operation[dict[str, Any]]:
    """Let *machine*, which has the software and is in no site, join the site; *admin_url* is its own address.

    One attempt may take 300 s. Done when the site lists it.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/machines
    """
    return operation("machines.register", {"machineName": machine, "adminURL": admin_url})


def rename(machine: str, new_name: str) -> Operation[dict[str, Any]]:
    """Tell the site that *machine* is now called *new_name*; it restarts.

    Since 10.2. One attempt may take 300 s. Done when the site lists the new name.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/machines
    """
    return operation("machines.rename", {"machineName": machine, "newMachineName": new_name})


def unregister(machine: str) -> Operation[dict[str, Any]]:
    """Take *machine* out of the site for good.

    One attempt may take 300 s. Done when the site no longer lists it.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/machine
    """
    return operation("machines.unregister", machine=machine)


def synchronize(machine: str) -> Operation[dict[str, Any]]:
    """Bring *machine* to the state of its site; it restarts. Only for one whose `synchronize` is true.

    Since 10.2.1. One attempt may take 300 s. No resource tells afterwards that it was done.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/machine
    """
    return operation("machines.synchronizeWithSite", machine=machine)
