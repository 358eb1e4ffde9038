"""Verbs on machines: which are meant, starting and stopping them, and what they are set to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import translate
from typing import Any, ClassVar

from fleet import admin as ops
from fleet.aggregate.where import Where, fields_of, matches, require_fields
from fleet.bulk.change import Change, impossible
from fleet.bulk.states import states_of
from fleet.bulk.verb import Verb
from fleet.client.site import SiteClient
from fleet.errors import NotFound, UsageError
from fleet.rows.machines import MACHINES
from fleet.rows.table import Row, Wanted

__all__ = ["ChosenMachines", "MachineVerb", "Start", "Stop", "without_outage"]


@dataclass(frozen=True, slots=True)
class ChosenMachines:
    """Which machines of a site are meant: those that fit any of *texts* (all where there are none), and a condition.

    `*` stands for any text, `?` for one character; letters may be large or small, and the domain may be left out. A
    machine that is named without them and is not there is a mistake, unless *missing_ok*. Raises `UsageError` for an
    empty text, and for a condition on a field that machines have not.
    """

    texts: tuple[str, ...] = ()
    where: Where | None = None
    missing_ok: bool = False

    def __post_init__(self) -> None:
        if not all(text.strip() for text in self.texts):
            raise UsageError("the name of a machine is empty; '*' stands for all machines")
        if self.where is not None:
            require_fields(self.where, MACHINES.names)

    def match(self, name: str) -> bool:
        """Whether the machine *name* is meant, whatever the condition says."""
        return not self.texts or any(_fits(text, name) for text in self.texts)

    async def rows(self, client: SiteClient, columns: Sequence[str] = ()) -> tuple[list[Row], list[Row], list[Change]]:
        """The rows of those that are meant, of all machines, and an impossible change for each name that is not there.

        They have the states and *columns*.
        """
        fields = {name.partition(".")[0] for name in (fields_of(self.where) if self.where is not None else ())}
        cheap = {column.name for column in MACHINES.columns if not column.costly}
        every = list(await MACHINES.read(client, Wanted(columns=frozenset({*cheap, *columns, *fields}))))
        names = [row["machineName"] for row in every]
        found = [
            row for row in every if self.match(row["machineName"]) and (self.where is None or matches(self.where, row))
        ]
        return found, every, self.missing(names)

    def missing(self, names: Sequence[str]) -> list[Change]:
        """An impossible change for each machine that is named and is not among *names*."""
        named = [] if self.missing_ok else [text for text in self.texts if "*" not in text and "?" not in text]
        return [_missing(text, names) for text in named if not any(_fits(text, name) for name in names)]


def _fits(text: str, name: str) -> bool:
    pattern = re.compile(translate(text.strip().casefold().replace("[", "[[]")))
    own = name.casefold()
    return pattern.fullmatch(own) is not None or pattern.fullmatch(own.partition(".")[0]) is not None


def _missing(text: str, names: Sequence[str]) -> Change:
    near = get_close_matches(text.upper(), [name.upper() for name in names], n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
    return impossible(text, NotFound(f"there is no machine {text}", hint=hint, may_have_arrived=False))


@dataclass(frozen=True)
class MachineVerb(Verb):
    """A verb on the machines that are *chosen*."""

    chosen: ChosenMachines
    thing: str = field(default="machine", init=False)

    columns: ClassVar[tuple[str, ...]] = ()
    """What must be known of a machine beside its states."""

    def judge(self, row: Row, every: Sequence[Row]) -> Change:
        """What is to be done to the machine of *row*, where *every* are all machines of its site."""
        raise NotImplementedError

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        rows, every, missing = await self.chosen.rows(client, self.columns)
        return [*missing, *(self.judge(row, every) for row in rows)]

    def parameters(self) -> Mapping[str, Any]:
        told: dict[str, Any] = {"machines": list(self.chosen.texts)}
        if self.chosen.where is not None:
            told["where"] = str(self.chosen.where)
        return told


def runs(row: Row) -> bool:
    """Whether the machine of *row* runs at this moment."""
    return str(row.get("realTimeState") or "").upper() == "STARTED"


def without_outage(change: Change, staying: Sequence[Row], *, allowed: bool) -> Change:
    """*change*, which stops its machine, or why it can't be made: none of *staying* would carry the load meanwhile."""
    if allowed or any(map(runs, staying)):
        return change
    alone = "it is the only machine of the site" if not staying else "no other machine of the site would run"
    told = f"{change.item} is left alone: {alone}; --allow-outage stops it all the same"
    return impossible(change.item, told, old=change.old, new=change.new)


@dataclass(frozen=True)
class Start(MachineVerb):
    """Start machines; those that run, and should, are left alone."""

    name = "machines.start"
    doing: str = field(default="start", init=False)

    def judge(self, row: Row, every: Sequence[Row]) -> Change:
        name, old = row["machineName"], states_of(row)
        new = dict.fromkeys(old, "STARTED")
        if old == new:
            return Change(item=name, state="noop", old=old, new=new)
        undo = (ops.machines.stop(name),) if old["configuredState"] == "STOPPED" else ()
        return Change(item=name, old=old, new=new, operations=(ops.machines.start(name),), undo=undo)


@dataclass(frozen=True)
class Stop(MachineVerb):
    """Stop machines; those that stand, and should, are left alone, and a site keeps one that runs.

    With *allow_outage* a site may be left without any.
    """

    name = "machines.stop"
    doing: str = field(default="stop", init=False)
    disrupts: bool = field(default=True, init=False)
    allow_outage: bool = False

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        rows, every, missing = await self.chosen.rows(client, self.columns)
        going = {row["machineName"] for row in rows}
        staying = [row for row in every if row["machineName"] not in going]
        return [*missing, *(self._judged(row, staying) for row in rows)]

    def _judged(self, row: Row, staying: Sequence[Row]) -> Change:
        name, old = row["machineName"], states_of(row)
        new = dict.fromkeys(old, "STOPPED")
        if old == new:
            return Change(item=name, state="noop", old=old, new=new)
        undo = (ops.machines.start(name),) if old["configuredState"] == "STARTED" else ()
        change = Change(item=name, old=old, new=new, operations=(ops.machines.stop(name),), undo=undo)
        return without_outage(change, staying, allowed=self.allow_outage)

    def parameters(self) -> Mapping[str, Any]:
        return {**super().parameters(), "allow_outage": self.allow_outage}
