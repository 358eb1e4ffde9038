"""The check `public`: whether the site answers to anybody, and with it every service that it lists to anybody."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from fleet.admin.operation import Operation
from fleet.errors import BadAnswer, Forbidden, SiteError, TokenRefused
from fleet.health.check import Check, Finding, Limits
from fleet.health.facts import Facts
from fleet.health.words import counted
from fleet.protocol.fields import path_name, path_part
from fleet.rows.reading import all_of, each, list_of

__all__ = ["public"]

WANTED = "rest/services and every service that it lists answer without a login"
CLOSED = (TokenRefused, Forbidden)


async def _ask(facts: Facts, *parts: str) -> Mapping[str, Any]:
    """What stands below `rest/services`, as anybody sees it."""
    path = "/".join(["rest/services", *(path_part(path_name(part)) for part in parts)])
    return await facts.client.call(Operation(name="rest.services", path=path, token=False, anonymous=True))


async def _look(facts: Facts, limits: Limits) -> Finding:
    site = facts.client.site.name
    try:
        root = await _ask(facts)
    except CLOSED as error:
        return Finding(
            status="critical",
            saw=f"rest/services wants a login: {error.message}",
            wanted=WANTED,
            advice=f"look who may use the root: fleet services permissions list -s {site}",
        )
    folders = list_of(root, "folders")
    if not all(isinstance(name, str) and name for name in folders):
        raise BadAnswer("rest/services lists a folder without a name")
    # A folder that is listed and closed to everybody has nothing public in it.
    told = [one for one in await each([partial(_ask, facts, name) for name in folders]) if not isinstance(one, CLOSED)]
    listed = [one for answer in (root, *all_of(told)) for one in list_of(answer, "services")]
    services = [_parts(one) for one in listed]
    failed, closed = [], 0
    answers = await each([partial(_ask, facts, *parts) for parts in services])
    for parts, answer in zip(services, answers, strict=True):
        if isinstance(answer, CLOSED):
            closed += 1
        elif isinstance(answer, SiteError):
            failed.append(f"{'/'.join(parts)}: {answer.message}")
        elif not answer:
            raise BadAnswer(f"{'/'.join(parts)} says nothing of itself")
    open_ones = len(services) - closed
    saw = f"{open_ones - len(failed)} of {counted(open_ones, 'service')} answer to anybody"
    return Finding(
        status=limits.at_least(len(failed)),
        saw=saw if not closed else f"{saw}, {closed} want a login",
        wanted=WANTED,
        advice=f"look at them: fleet services report -s {site}" if failed else "",
        items=tuple(failed),
    )


def _parts(entry: Any) -> tuple[str, ...]:
    """The parts of a service's path, folder and name and type."""
    name, kind = (entry.get("name"), entry.get("type")) if isinstance(entry, Mapping) else (None, None)
    if not isinstance(name, str) or not isinstance(kind, str):
        raise BadAnswer("rest/services lists a service without a name or a type")
    parts = (*name.split("/"), kind)
    if not all(parts):
        raise BadAnswer("rest/services lists a service with an empty name")
    return parts


public = Check(name="public", look=_look, limits=Limits(None, 1), on_demand=True)
