"""Whether a site is really up: it answers, no upgrade is going on, it is healthy, signs in, and its machines run."""

from __future__ import annotations

from typing import Any

from fleet import admin as ops
from fleet.client.site import Answer, SiteClient
from fleet.client.waiting import until_well
from fleet.errors import NotFound, VerifyFailed
from fleet.protocol.fields import as_bool
from fleet.rows.machines import MACHINES
from fleet.rows.table import EVERYTHING

__all__ = ["not_up", "unhealthy", "upgrade_state", "web_server_back"]

ENDED = ("SUCCESS", "SUCCESS WITH WARNINGS")
"""What `upgradeStatus` says of an upgrade that is over, where the resource is still there."""


async def upgrade_state(client: SiteClient) -> str:
    """What the site says of an upgrade: UPGRADE_REQUIRED, IN_PROGRESS, …; the empty text where there is none to do."""
    try:
        told = await client.call(ops.site.upgrade_status())
    except NotFound:
        return ""
    state = str(told.get("upgradeStatus") or "").strip().upper().replace(" ", "_")
    return "" if state in (word.replace(" ", "_") for word in ENDED) else state


async def unhealthy(client: SiteClient) -> str:
    """What the health check of the site says against it; the empty text where it has none to say."""
    try:
        answer = await client.call(ops.info.healthcheck())
    except NotFound:
        return ""
    return "" if as_bool(answer.get("success")) else "the site says that it is not healthy"


async def not_up(client: SiteClient, *, upgraded: bool = False) -> str:
    """What the site lacks to be really up; the empty text where it lacks nothing. With *upgraded* no upgrade is left.

    Raises the `SiteError` that a call comes to.
    """
    await client.call(ops.info.rest())
    # Before anything that needs a token: while an upgrade goes on, everything else is refused.
    state = await upgrade_state(client)
    if state == "UPGRADE_REQUIRED" and not upgraded:
        state = ""
    if state:
        return f"the upgrade is {state}"
    missing = await unhealthy(client)
    if missing:
        return missing
    await client.call(ops.info.admin())
    for row in await MACHINES.read(client, EVERYTHING):
        wish, real = (str(row[name] or "").upper() for name in ("configuredState", "realTimeState"))
        if wish == "STARTED" and real != "STARTED":
            return f"{row['machineName']} is {real or 'in no known state'}"
    return ""


async def web_server_back(client: SiteClient, limit: float, answer: Answer[Any]) -> Answer[None]:
    """Wait until the web server answers again after its restart, for *limit* seconds; raises `VerifyFailed`."""

    async def look() -> str:
        await client.call(ops.info.rest())
        return await unhealthy(client)

    missing = await until_well(look, limit)
    if missing:
        raise VerifyFailed(
            f"it was changed, and its web server is not back after {limit:g} s: {missing}",
            hint="look at the machine itself",
        )
    return Answer(value=None, outcome="noop")
