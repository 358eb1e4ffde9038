"""The site as a whole: its mode and its licences."""

from __future__ import annotations

from typing import Any, Literal

from fleet.admin.operation import Effect, Operation
from fleet.admin.readback import mode_is

__all__ = ["licenses", "mode", "set_mode"]


def mode() -> Operation[dict[str, Any]]:
    """`{"siteMode": "EDITABLE" | "READ_ONLY", …}`; since 10.4."""
    return Operation(name="mode", path="admin/mode", since="10.4")


def set_mode(wanted: Literal["EDITABLE", "READ_ONLY"]) -> Operation[dict[str, Any]]:
    """Switch the mode; READ_ONLY restarts all services. Source: server/updatesitemode of the admin API's help."""
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
    """Edition, level, extensions and features, each with `canExpire` and `expiration` in epoch milliseconds."""
    return Operation(name="system.licenses", path="admin/system/licenses")
