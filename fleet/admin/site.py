"""The site as a whole: its mode and its licences."""

from __future__ import annotations

from typing import Any, Literal

from fleet.admin.operation import Effect, Operation
from fleet.admin.readback import mode_is

__all__ = ["licenses", "mode", "set_mode"]


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


def licenses() -> Operation[dict[str, Any]]:
    """`edition`, `level`, `datafeature`, `extensions` and `features`, each with `canExpire` and `expiration`.

    `expiration` is epoch milliseconds, and means something only where `canExpire` is true.

    Raises, when called: `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/licenses
    """
    return Operation(name="system.licenses", path="admin/system/licenses")
