"""The site as a whole: its mode, its backups, an upgrade."""

from __future__ import annotations

from typing import Any, Literal

from fleet.admin.catalogue import operation
from fleet.admin.operation import Effect, Operation
from fleet.admin.readback import mode_is

__all__ = ["delete", "export", "import_", "mode", "set_mode", "upgrade", "upgrade_status"]


def mode() -> Operation[dict[str, Any]]:
    """`{"siteMode": "EDITABLE" | "READ_ONLY", …}`; since 10.4.

    Raises, when called: `NotFound` on older releases, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/mode
    """
    return Operation(name="mode", path="admin/mode", since="10.4")


def set_mode(wanted: Literal["EDITABLE", "READ_ONLY"]) -> Operation[dict[str, Any]]:
    """Switch the mode to *wanted*; READ_ONLY restarts all services. Since 10.4; one attempt may take 300 s.

    Done when the site says that it is in that mode.

    Raises, when called: `NotFound` on older releases, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/update-site-mode
    """
    return Operation(
        name="mode.update",
        path="admin/mode/update",
        method="POST",
        parameters={"siteMode": wanted},
        effect=Effect.DISRUPT,
        read_back=mode_is(wanted),
        since="10.4",
        limit=300.0,
    )


def export(location: str = "") -> Operation[dict[str, Any]]:
    """Write a backup of the site into *location*, a folder that the server can write to; it answers where.

    Without *location* the server picks a place, from where it must be fetched soon. Allowed in read-only mode.

    Since 10.2. One attempt may take 300 s. No resource tells afterwards that it was done.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/exportsite
    """
    return operation("exportSite", {"location": location})


def import_(location: str) -> Operation[dict[str, Any]]:
    """Replace the whole configuration by the backup at *location*, a path or an upload's ID; everything restarts.

    Not through a web adaptor. The answer is a report that is kept nowhere else.

    Since 10.2. One attempt may take 300 s. No resource tells afterwards that it was done.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/importsite
    """
    return operation("importSite", {"location": location})


def delete() -> Operation[dict[str, Any]]:
    """Delete the site with all its configuration; every call then says that the machine is in no site.

    One attempt may take 300 s. No resource tells afterwards that it was done.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/exportsite
    """
    return operation("deleteSite")


def upgrade_status() -> Operation[dict[str, Any]]:
    """`{"upgradeStatus"}`; `NotFound` where no upgrade is wanted or going on.

    It is only ever read by GET: a POST would begin the upgrade.

    Since 10.5.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/mode
    """
    return operation("upgrade")


def upgrade(*, run_async: bool = True) -> Operation[dict[str, Any]]:
    """Upgrade the site; with *run_async*, which releases before 11.3 do not know, it answers at once and works on.

    `upgrade_status` tells how far it is. It lasts up to hours.

    Since 10.5. One attempt may take 300 s. No resource tells afterwards that it was done.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/mode
    """
    return operation("upgrade.start", {"runAsync": run_async})
