"""Verbs on services: which services are meant, and starting, stopping and restarting them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

from fleet import admin as ops
from fleet.aggregate.where import Where, fields_of, matches, require_fields
from fleet.bulk.change import Change, impossible
from fleet.bulk.states import states_of
from fleet.bulk.together import State, Switched, by_lists, can_together, together
from fleet.bulk.verb import Done, Sender, Verb, make
from fleet.client.site import Answer, SiteClient
from fleet.errors import NotFound, SiteError
from fleet.protocol.fields import ServiceId
from fleet.protocol.patterns import ServicePatterns
from fleet.rows.services import SERVICES
from fleet.rows.table import Row, Wanted

__all__ = ["Chosen", "Restart", "ServiceVerb", "Start", "Stop"]


COSTLY = frozenset(column.name for column in SERVICES.columns if column.costly)


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
        # Where each service costs a request, only those are read that fit; else all, of which one may be the nearest name.
        fitting = self.patterns if wanted & COSTLY else None
        rows = await SERVICES.read(client, Wanted(columns=wanted, folders=self.patterns.folders, services=fitting))
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


@dataclass(frozen=True)
class Switch(ServiceVerb):
    """A verb that starts or stops services: by one call for all that are meant on a site where *together*.

    The services that did not follow such a call, and all of them on a site that has none, are sent a call of their own.
    """

    together: bool = True

    wanted: ClassVar[State] = "STARTED"

    async def carry_out(self, client: SiteClient, changes: Sequence[Change], sender: Sender, done: Done) -> None:
        joint = self.together
        for some in by_lists(changes):
            joint = joint and can_together(client, some)
            left: Sequence[Change] = some
            if joint:
                sender.begin()
                switched = await self._switched(client, some, sender, done)
                joint, left = switched.known, switched.left
            for change in left:
                await make(client, change, sender, done, self.name)

    async def _switched(self, client: SiteClient, changes: Sequence[Change], sender: Sender, done: Done) -> Switched:
        """What one call for *changes* came to; of those that are not left *done* was told."""
        try:
            switched = await together(client, changes, self.wanted, sender, done)
        except SiteError as error:
            done(changes[0], error)
            raise
        for change in switched.followed:
            done(change, Answer(value=None, outcome="changed"))
        for change, unknown in switched.lost:
            done(change, copy(unknown))
        return switched

    def parameters(self) -> Mapping[str, Any]:
        return {**super().parameters(), **({} if self.together else {"together": False})}


@dataclass(frozen=True)
class Start(Switch):
    """Start services; those that run, and should, are left alone."""

    name = "services.start"
    doing: str = field(default="start", init=False)

    def judge(self, service: ServiceId, row: Row) -> Change:
        old = states_of(row)
        new = dict.fromkeys(old, "STARTED")
        if old == new:
            return Change(item=str(service), state="noop", old=old, new=new)
        undo = (ops.services.stop(service),) if old["configuredState"] == "STOPPED" else ()
        return Change(item=str(service), old=old, new=new, operations=(ops.services.start(service),), undo=undo)


@dataclass(frozen=True)
class Stop(Switch):
    """Stop services; those that stand, and should, are left alone."""

    name = "services.stop"
    doing: str = field(default="stop", init=False)
    disrupts: bool = field(default=True, init=False)

    wanted = "STOPPED"

    def judge(self, service: ServiceId, row: Row) -> Change:
        old = states_of(row)
        new = dict.fromkeys(old, "STOPPED")
        if old == new:
            return Change(item=str(service), state="noop", old=old, new=new)
        undo = (ops.services.start(service),) if old["configuredState"] == "STARTED" else ()
        return Change(item=str(service), old=old, new=new, operations=(ops.services.stop(service),), undo=undo)


@dataclass(frozen=True)
class Restart(Switch):
    """Stop and start services that should run; those that should stand are left alone.

    Together they are all stopped, and then all started: it is sooner over, and none of them runs meanwhile. One by one
    the others run while each is restarted.
    """

    name = "services.restart"
    lasting = False
    doing: str = field(default="restart", init=False)
    disrupts: bool = field(default=True, init=False)

    def judge(self, service: ServiceId, row: Row) -> Change:
        old = states_of(row)
        if old["configuredState"] == "STOPPED":
            return Change(item=str(service), state="noop", old=old, new=old, why="it is stopped, and stays so")
        new = {"configuredState": "STARTED", "restarted": True}
        both = (ops.services.stop(service), ops.services.start(service))
        return Change(item=str(service), old=old, new=new, operations=both)

    async def _switched(self, client: SiteClient, changes: Sequence[Change], sender: Sender, done: Done) -> Switched:
        try:
            stopped = await together(client, changes, "STOPPED", sender, done)
        except SiteError as error:
            done(changes[0], error)
            raise
        for change, unknown in stopped.lost:
            done(change, copy(unknown))
        if stopped.followed:
            await self._start_again(client, stopped.followed, sender.to_the_end(), done)
        return stopped

    async def _start_again(self, client: SiteClient, changes: Sequence[Change], sender: Sender, done: Done) -> None:
        """Start *changes*, which were stopped: whatever happens, each is told of."""
        # Nothing is in flight between the two calls, and the change is not whole all the same.
        client.change_in_flight = self.name
        try:
            started = await together(client, changes, "STARTED", sender, done)
        except SiteError as error:
            for change in changes:
                done(change, copy(error))
            raise
        client.change_in_flight = None
        for change in started.followed:
            done(change, Answer(value=None, outcome="changed"))
        for change, unknown in started.lost:
            done(change, copy(unknown))
        for change in started.left:
            half = replace(change, operations=change.operations[-1:])
            await make(client, half, sender, partial(_of_whole, change, done), self.name)


def _of_whole(change: Change, done: Done, _: Change, result: Answer[Any] | BaseException) -> None:
    """Tell *done* of *change* what its second half came to, which began with a service that was stopped for it."""
    done(change, result if not isinstance(result, Answer) else Answer(value=None, outcome="changed"))
