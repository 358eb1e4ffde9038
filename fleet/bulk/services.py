"""Verbs on services: which services are meant, and starting, stopping and restarting them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fleet import admin as ops
from fleet.aggregate.where import Where, fields_of, matches, require_fields
from fleet.bulk.change import Change, impossible
from fleet.bulk.verb import Verb
from fleet.client.site import SiteClient
from fleet.errors import NotFound
from fleet.protocol.fields import ServiceId
from fleet.protocol.patterns import ServicePatterns
from fleet.rows.services import SERVICES
from fleet.rows.table import Row, Wanted

__all__ = ["Chosen", "Restart", "ServiceVerb", "Start", "Stop"]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which services of a site are meant: by patterns, and by a condition on their rows.

    A service that is named without `*` and `?` and is not there is a mistake, unless *missing_ok*. Raises `UsageError`
    for a condition on a field that services have not.
    """

    patterns: ServicePatterns
    where: Where | None = None
    missing_ok: bool = False

    def __post_init__(self) -> None:
        if self.where is not None:
            require_fields(self.where, SERVICES.names)

    async def rows(self, client: SiteClient, columns: Sequence[str]) -> tuple[list[Row], list[Change]]:
        """The rows of those that are meant, with *columns*, and an impossible change for each name that is not there."""
        fields = frozenset() if self.where is None else fields_of(self.where)
        wanted = frozenset(name.partition(".")[0] for name in {*columns, *fields})
        rows = await SERVICES.read(client, Wanted(columns=wanted, folders=self.patterns.folders))
        every = [ServiceId.parse(row["service"]) for row in rows]
        found = [
            row
            for row, service in zip(rows, every, strict=True)
            if self.patterns.match(service) and (self.where is None or matches(self.where, row))
        ]
        missing = [] if self.missing_ok else self.patterns.missing(every)
        return found, [self._missing(text, every) for text in missing]

    def _missing(self, text: str, services: Sequence[ServiceId]) -> Change:
        near = self.patterns.nearest(text, services)
        hint = f"did you mean {near}?" if near else "--ignore-not-found passes over it"
        return impossible(text, NotFound(f"there is no service {text}", hint=hint, may_have_arrived=False))


@dataclass(frozen=True)
class ServiceVerb(Verb):
    """A verb on the services that are *chosen*."""

    chosen: Chosen
    thing: str = field(default="service", init=False)

    columns = ("configuredState", "realTimeState")
    """What must be known of a service to judge it."""

    def judge(self, service: ServiceId, row: Row) -> Change:
        """What is to be done to *service*, of which *row* is known."""
        raise NotImplementedError

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        rows, missing = await self.chosen.rows(client, self.columns)
        return [*missing, *(self.judge(ServiceId.parse(row["service"]), row) for row in rows)]

    def parameters(self) -> Mapping[str, Any]:
        told: dict[str, Any] = {"services": list(self.chosen.patterns.texts)}
        if self.chosen.where is not None:
            told["where"] = str(self.chosen.where)
        return told


def states_of(row: Row) -> dict[str, str]:
    """The two states of a row; only the wish where both are the same."""
    wish, real = (str(row.get(name) or "").upper() for name in ("configuredState", "realTimeState"))
    return {"configuredState": wish} if wish == real else {"configuredState": wish, "realTimeState": real}


@dataclass(frozen=True)
class Start(ServiceVerb):
    """Start services; those that run, and should, are left alone."""

    name = "services.start"
    doing: str = field(default="start", init=False)

    def judge(self, service: ServiceId, row: Row) -> Change:
        old, new = states_of(row), {"configuredState": "STARTED"}
        if old == new:
            return Change(item=str(service), state="noop", old=old, new=new)
        undo = (ops.services.stop(service),) if old["configuredState"] == "STOPPED" else ()
        return Change(item=str(service), old=old, new=new, operations=(ops.services.start(service),), undo=undo)


@dataclass(frozen=True)
class Stop(ServiceVerb):
    """Stop services; those that stand, and should, are left alone."""

    name = "services.stop"
    doing: str = field(default="stop", init=False)
    disrupts: bool = field(default=True, init=False)

    def judge(self, service: ServiceId, row: Row) -> Change:
        old, new = states_of(row), {"configuredState": "STOPPED"}
        if old == new:
            return Change(item=str(service), state="noop", old=old, new=new)
        undo = (ops.services.start(service),) if old["configuredState"] == "STARTED" else ()
        return Change(item=str(service), old=old, new=new, operations=(ops.services.stop(service),), undo=undo)


@dataclass(frozen=True)
class Restart(ServiceVerb):
    """Stop and start services that should run; those that should stand are left alone."""

    name = "services.restart"
    doing: str = field(default="restart", init=False)
    disrupts: bool = field(default=True, init=False)

    def judge(self, service: ServiceId, row: Row) -> Change:
        old = states_of(row)
        if old["configuredState"] == "STOPPED":
            return Change(item=str(service), state="noop", old=old, new=old, why="it is stopped, and stays so")
        new = {"configuredState": "STARTED", "restarted": True}
        both = (ops.services.stop(service), ops.services.start(service))
        return Change(item=str(service), old=old, new=new, operations=both)
