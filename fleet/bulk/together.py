"""Services of one site that are started or stopped by one call, and how each of them is seen to have followed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from fleet import admin as ops
from fleet.bulk.change import Change
from fleet.bulk.verb import Done, Sender
from fleet.client.site import SiteClient
from fleet.errors import NotFound, SiteError
from fleet.outcome import REACHED, outcome_of
from fleet.protocol.fields import ServiceId
from fleet.protocol.release import Release
from fleet.rows.reading import all_of, each
from fleet.rows.reports import ServiceReports

__all__ = ["TOGETHER_CAP", "State", "Switched", "by_lists", "can_together", "states_by_service", "together"]

TOGETHER_CAP = 100
"""Services that one call is sent for: it answers when the last of them has followed, and that must not take for ever."""

SINCE = Release((10, 3, 0))

State = Literal["STARTED", "STOPPED"]


@dataclass(slots=True)
class Switched:
    """What one call for many came to.

    *followed* are in the state that was wanted, *left* are not and may be sent a call of their own, and *lost* are those
    whose fate is unknown, with the error that says so.
    """

    followed: list[Change] = field(default_factory=list)
    left: list[Change] = field(default_factory=list)
    lost: list[tuple[Change, SiteError]] = field(default_factory=list)
    known: bool = True
    """Whether the site has such a call."""


def by_lists(changes: Sequence[Change]) -> Iterator[Sequence[Change]]:
    """*changes* in lists that one call each is sent for."""
    for start in range(0, len(changes), TOGETHER_CAP):
        yield changes[start : start + TOGETHER_CAP]


def can_together(client: SiteClient, changes: Sequence[Change]) -> bool:
    """Whether one call for *changes* is worth it, and the release of the site, where it is known, has it."""
    return len(changes) > 1 and (client.release is None or client.release >= SINCE)


async def together(
    client: SiteClient, changes: Sequence[Change], wanted: State, sender: Sender, done: Done
) -> Switched:
    """Start or stop the services of *changes* by one call, and look at the state of each.

    Raises the error of a site that is out of reach, of which nothing was carried out. What breaks it off in the middle
    is told to *done* of every change.
    """
    services = [ServiceId.parse(change.item) for change in changes]
    many = ops.services.start_many if wanted == "STARTED" else ops.services.stop_many
    result = Switched()
    unknown: SiteError | None = None
    try:
        answer = await sender.send(client, many(services))
        if answer.verified is None:
            result.followed = list(changes)
            return result
    except SiteError as error:
        outcome = outcome_of(error)
        if outcome == "unknown":
            unknown = error
        elif outcome not in REACHED:
            raise
        result.known = not isinstance(error, NotFound)
    except BaseException as error:
        for change in changes:
            done(change, error)
        raise
    if not result.known:
        result.left = list(changes)
        return result
    try:
        states = await states_by_service(client, services)
    except SiteError:
        # They can't be told apart: a call of their own looks at each before it sends anything.
        states = {}
    for change, service in zip(changes, services, strict=True):
        if states.get(service) == (wanted, wanted):
            result.followed.append(change)
        elif unknown is not None:
            result.lost.append((change, unknown))
        else:
            result.left.append(change)
    return result


async def states_by_service(client: SiteClient, services: Sequence[ServiceId]) -> Mapping[ServiceId, tuple[str, str]]:
    """Wish and measured state of each of *services* that is there."""
    reports = ServiceReports(client.call, ["status"])
    try:
        found = {entry.service: entry.told.get("status") for entry in await reports.of(services)}
    except SiteError as error:
        if outcome_of(error) not in REACHED:
            raise
        answers = await each([partial(client.call, ops.services.status(service)) for service in services])
        pairs = zip(services, answers, strict=True)
        there = {service: answer for service, answer in pairs if not isinstance(answer, NotFound)}
        found = dict(zip(there, all_of(list(there.values())), strict=True))
    return {service: _pair(status) for service, status in found.items()}


def _pair(status: Any) -> tuple[str, str]:
    told = status if isinstance(status, Mapping) else {}
    return str(told.get("configuredState") or "").upper(), str(told.get("realTimeState") or "").upper()
