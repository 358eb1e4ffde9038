"""What a site says of itself as one row: release, build, machines, mode, federation, and how it is licensed."""

from __future__ import annotations

from typing import Any

from fleet import admin as ops
from fleet.client.site import SiteClient
from fleet.errors import NotFound
from fleet.rows.machines import machines_of
from fleet.rows.table import Row

__all__ = ["COLUMNS", "site_info"]

COLUMNS = (
    "release",
    "build",
    "machines",
    "siteMode",
    "federatedWith",
    "level",
    "timezone",
    "user",
    "privilege",
    "machineNames",
    "url",
)


async def site_info(client: SiteClient) -> list[Row]:
    """The row of the site of *client*, with `COLUMNS`; `machines` counts them."""
    rest = await client.call(ops.info.rest())
    admin = await client.call(ops.info.admin())
    names = [entry["machineName"] for entry in await machines_of(client)]
    licences = await client.call(ops.system.licenses())
    level = licences.get("level")
    row: dict[str, Any] = {
        "release": str(client.release) if client.release is not None else admin.get("fullVersion"),
        "build": admin.get("currentbuild"),
        "machines": len(names),
        "siteMode": await _mode(client),
        "federatedWith": rest.get("owningSystemUrl"),
        "level": level.get("name") if isinstance(level, dict) else None,
        "timezone": admin.get("timezone"),
        "user": admin.get("loggedInUser"),
        "privilege": admin.get("loggedInUserPrivilege"),
        "machineNames": names,
        "url": client.site.url,
    }
    return [{name: row[name] for name in COLUMNS}]


async def _mode(client: SiteClient) -> Any:
    try:
        return (await client.call(ops.site.mode())).get("siteMode")
    except NotFound:
        return None  # before 10.4 there is none
