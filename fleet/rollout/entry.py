"""What a journal consists of: entries that are only ever appended, and the journal that keeps them. Pure."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from fleet.rollout.plan import Plan

__all__ = ["NOTHING", "Entry", "EntryKind", "Journal", "Phase", "Request", "RequestKind"]

Phase: TypeAlias = Literal["forward", "back"]

EntryKind: TypeAlias = Literal[
    "started",  # data: by, host, pid, plan (digest)
    "resumed",  # data: by, host, pid: another process goes on with it
    "approved",  # wave; data: by
    "accepted",  # data: by: what counts against the budgets, and what a gate said, is accepted; it goes on
    "paused",  # wave; outcome: approval | gate | hand | interrupted; data: by, why
    "unpaused",  # data: by
    "aborted",  # data: by
    "wave_begun",  # wave
    "gate",  # wave; item: the gate's place in the rollout; outcome: go | no | cannot_tell; data: see Verdict
    "baseline",  # wave; item: the gate's place; data: what the gate remembers from before the wave
    "soak_begun",  # wave
    "soak_ended",  # wave
    "wave_ended",  # wave
    "site_begun",  # wave, site, fence
    "intent",  # wave, site, step, item, fence; data: operation, place, operations, undo
    "answer",  # wave, site, step, item: an operation was answered; outcome; data: place, error, resolved (by a read-back)
    "result",  # wave, site, step, item: what a change came to; outcome; data: error, verified; with what follows it
    "site_ended",  # wave, site; outcome; data: error
    "memo",  # site, step, item: the name; data: value: what a script's journalled context remembers
    "rollback_begun",  # data: sites, why, by
    "rollback_ended",
    "finished",  # outcome: done | stopped | aborted | rolled_back; data: why
]

NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a journal: what happened, when (epoch seconds), where.

    *phase* is `back` for what a rollback does. *wave* counts from 0, *step* is the name of the step and *item* what of the
    site it is about. *fence* is the fencing number of the site's lease. *outcome* is the name of an outcome of a site, or
    what the kind says. *data* holds no secret. The journal gives *number*.
    """

    kind: EntryKind
    at: float
    phase: Phase = "forward"
    wave: int | None = None
    site: str | None = None
    step: str | None = None
    item: str | None = None
    fence: int | None = None
    outcome: str | None = None
    data: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    number: int = 0


RequestKind: TypeAlias = Literal["approve", "pause", "abort"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What somebody asks of a rollout from another terminal: *wave* (from 0) is the one that is approved."""

    kind: RequestKind
    by: str
    at: float
    wave: int | None = None
    number: int = 0


class Journal(Protocol):
    """The journal of one rollout, held by one process.

    Each method raises `StoreFailed` where the store can't be read or written.
    """

    rollout: str
    """The ID of the rollout: `NAME-YYYYMMDDTHHMMSSZ-xxxx`."""

    async def append(self, *entries: Entry) -> None:
        """Keep *entries*, all or none; they are durable when this returns, whatever happens to the machine.

        Raises `LeaseLost` for an entry with a *fence* that is no longer the one of its site's lease: nothing is kept.
        """

    async def entries(self) -> Sequence[Entry]:
        """Every entry, oldest first. Raises `StoreFailed` for one that is damaged."""

    async def plan(self) -> Plan:
        """The plan that is carried out."""

    def requests(self) -> AsyncIterator[Request]:
        """What others ask, as it comes, each once; it never ends."""
