"""All rollouts of a state database: begun, taken up again under their lock, looked at without it, and asked for something."""

from __future__ import annotations

import difflib
import json
import re
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleet import platform
from fleet.errors import LockHeld, StoreFailed, UsageError
from fleet.history import rollout_rows as sql
from fleet.history.database import Connection, Database, Row, in_list, state_database
from fleet.history.holding import FileLock, holder_of, is_held, oneself
from fleet.history.sqlite import Sqlite, explained
from fleet.rollout.packing import SPAN, entry_of, packed

if TYPE_CHECKING:
    from fleet.rollout.entry import Entry, EntryKind, Phase, Request
    from fleet.rollout.journal import DurableJournal
    from fleet.rollout.plan import Plan

__all__ = ["Counts", "Journals", "RolloutRecord"]

LOCKS = 0x666C6575
"""The first number of the advisory locks of rollouts in PostgreSQL; the second one is the rollout's key."""

TRY_LOCK = "select pg_try_advisory_lock(?, ?)"
IS_LOCKED = """
    select count(*) from pg_locks
    where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())
        and classid = ? and objid = ? and objsubid = 2 and granted
"""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}-\d{8}T\d{6}Z-[0-9a-f]{4}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutRecord:
    """What is known of a rollout without its plan and its entries.

    *state* is `running`, `paused`, `aborted`, `rolling_back`, `rolled_back`, `done` or `stopped` by what was written
    last; *holder* is who has it open now, None where nobody has: one that is `running` then has died. *started* and
    *changed* are epoch seconds. *waves* are how many sites each has, *steps* the names of the steps, *budget* as in a
    file.
    """

    id: str
    name: str
    digest: str
    started: float
    changed: float
    state: str
    holder: str | None = None
    waves: tuple[int, ...] = ()
    steps: tuple[str, ...] = ()
    budget: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How far a rollout is, counted by the database: for each phase and wave (from 0) how many sites have begun, how
    many came to which outcome, and how many results of changes there are by outcome."""

    begun: Mapping[tuple[Phase, int], int]
    sites: Mapping[tuple[Phase, int], Mapping[str, int]]
    results: Mapping[tuple[Phase, int], Mapping[str, int]]

    def outcomes(self, phase: Phase = "forward") -> Counter[str]:
        """Outcome -> sites, of all waves together."""
        total: Counter[str] = Counter()
        for (of, _), found in self.sites.items():
            if of == phase:
                total.update(found)
        return total


class Journals:
    """The rollouts of *database*, the usual one where it is None; nothing is opened before it is needed.

    Every method raises `StoreFailed` where the database can't be read or written, and those with an ID raise `UsageError`
    where there is no such rollout.
    """

    def __init__(self, database: Database | None = None) -> None:
        self.database = state_database() if database is None else database

    def create(self, plan: Plan, *, now: float, urls: Mapping[str, str]) -> DurableJournal:
        """Begin the journal of a new rollout by *plan*, under its lock; *urls* are those of its sites by name.

        *now* is epoch seconds. It is durable when this returns.
        """
        name = plan.rollout.name
        made = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
        rollout = f"{name}-{made}-{secrets.token_hex(2)}"
        shape = {
            "waves": [len(wave) for wave in plan.waves],
            "steps": [step.name for step in plan.rollout.steps],
            "budget": {"run": plan.rollout.run.to_dict(), "wave": plan.rollout.wave.to_dict()},
        }
        told = json.dumps(shape, separators=(",", ":"))
        row = (rollout, name, plan.digest, now, now, "running", told, None, packed(plan.to_dict()))
        with self.database.connect() as connection:
            ((key,),) = connection.execute(sql.ADD_ROLLOUT, row)
        return self._held(rollout, int(key), urls, plan)

    def open(self, rollout: str, *, urls: Mapping[str, str]) -> DurableJournal:
        """Take up the journal of *rollout* under its lock; raises `LockHeld`, which says who has it and since when."""
        with self.database.connect() as connection:
            key = int(self._find(connection, rollout)[0])
        return self._held(rollout, key, urls, None)

    def look(self, rollout: str) -> RolloutRecord:
        """What is known of *rollout*; no lock is needed."""
        with self.database.connect(durable=False) as connection:
            return self._record(connection, self._find(connection, rollout))

    def listed(self) -> list[RolloutRecord]:
        """Every rollout, the newest first."""
        with self.database.connect(durable=False) as connection:
            return [self._record(connection, row) for row in connection.execute(sql.LIST)]

    def plan(self, rollout: str) -> Plan:
        """The plan of *rollout*; raises `StoreFailed` where it is damaged."""
        from fleet.rollout.journal import plan_from

        with self.database.connect(durable=False) as connection:
            ((data,),) = connection.execute(sql.PLAN, (self._find(connection, rollout)[0],))
        return plan_from(data, rollout)

    def entries(self, rollout: str, kinds: Collection[EntryKind] | None = None) -> Sequence[Entry]:
        """The entries of *rollout*, oldest first, or only those of *kinds*; raises `StoreFailed` for a damaged one.

        Kinds other than `intent` and `answer` are found without reading the rest, and then what is read is not seen to
        be whole: that takes every entry.
        """
        from fleet.rollout.journal import checked

        with self.database.connect(durable=False) as connection:
            span = _span(self._find(connection, rollout))
            if kinds is None:
                return checked(connection.execute(sql.ENTRIES, span), rollout)
            if {"intent", "answer"} & set(kinds):
                return [one for one in checked(connection.execute(sql.ENTRIES, span), rollout) if one.kind in kinds]
            wanted = sorted(kinds)
            rows = connection.execute(sql.ENTRIES_OF_KINDS + in_list(len(wanted)), (*span, *wanted)) if wanted else []
        return sorted((entry_of(row, rollout, None, None) for row in rows), key=lambda entry: entry.number)

    def counts(self, rollout: str) -> Counts:
        """How far *rollout* is; neither its plan nor its entries are read."""
        with self.database.connect(durable=False) as connection:
            span = _span(self._find(connection, rollout))
            begun, sites, results = (
                _counted(connection.execute(one, span)) for one in (sql.BEGUN, sql.ENDED, sql.RESULTS)
            )
        return Counts(
            begun={place: sum(found.values()) for place, found in begun.items()},
            sites=sites,
            results=results,
        )

    def ask(self, rollout: str, request: Request) -> None:
        """Leave *request* for whoever carries *rollout* out, now or when it is resumed."""
        with self.database.connect() as connection:
            key = self._find(connection, rollout)[0]
            connection.change(sql.ADD_REQUEST, (key, request.kind, request.wave, request.by, request.at))

    def _find(self, connection: Connection, rollout: str) -> Row:
        found = connection.execute(sql.FIND, (rollout,))
        if found:
            return found[0]
        known = [row[0] for row in connection.execute(sql.NOTED)]
        near = difflib.get_close_matches(rollout, known, 1) if known else []
        there = f"did you mean {near[0]}?" if near else f"the last ones are {', '.join(known) or 'none'}"
        raise UsageError(f"there is no rollout {rollout!r}; {there}")

    def _record(self, connection: Connection, row: Row) -> RolloutRecord:
        key, rollout, name, digest, started, changed, state, shape, holder = row
        try:
            told = json.loads(shape)
            waves, steps, budget = tuple(told["waves"]), tuple(told["steps"]), dict(told["budget"])
        except (ValueError, KeyError, TypeError):
            raise StoreFailed(f"what is kept of {rollout} is damaged") from None
        return RolloutRecord(
            id=rollout,
            name=name,
            digest=digest,
            started=started,
            changed=changed,
            state=state,
            holder=(holder_of(holder or "") or "somebody") if self._is_locked(connection, rollout, key) else None,
            waves=waves,
            steps=steps,
            budget=budget,
        )

    # The lock

    def _held(self, rollout: str, key: int, urls: Mapping[str, str], plan: Plan | None) -> DurableJournal:
        from fleet.rollout.journal import DurableJournal

        connection = self.database.connect()
        unlock: Callable[[], None] = lambda: None  # noqa: E731 - what gives it back depends on the database
        try:
            unlock = self._lock(connection, rollout, key)
            connection.change(sql.TAKE_HOLDER, (oneself(f"rollout {rollout}"), key))
            return DurableJournal(connection, rollout, key, urls=urls, unlock=unlock, plan=plan)
        except BaseException:
            with suppress(StoreFailed):
                connection.close()
            unlock()
            raise

    def _lock(self, connection: Connection, rollout: str, key: int) -> Callable[[], None]:
        """Take the lock of *rollout*, on *connection* with PostgreSQL; what gives it back. Raises `LockHeld`."""
        held = f"{rollout} is being carried out"
        if isinstance(self.database, Sqlite):
            path = self._lock_file(rollout)
            with explained(path):
                platform.secure_folder(path.parent, ("",))
                return FileLock(path, f"rollout {rollout}", held).close
        ((done,),) = connection.execute(TRY_LOCK, (LOCKS, key % (1 << 31)))
        if not done:
            ((holder,),) = connection.execute(sql.HOLDER, (key,))
            raise LockHeld(f"{held}: {holder_of(holder or '') or 'by another process'}; try again when it has ended")
        # It ends with the connection, which the journal closes first.
        return lambda: None

    def _is_locked(self, connection: Connection, rollout: str, key: int) -> bool:
        if isinstance(self.database, Sqlite):
            path = self._lock_file(rollout)
            with explained(path):
                return is_held(path)
        ((count,),) = connection.execute(IS_LOCKED, (LOCKS, key % (1 << 31)))
        return bool(count)

    def _lock_file(self, rollout: str) -> Path:
        assert isinstance(self.database, Sqlite)
        if not _ID.fullmatch(rollout):
            raise StoreFailed(f"{rollout!r} is no ID of a rollout")
        return self.database.path.parent / "rollouts" / f"{rollout}.lock"


def _span(row: Row) -> tuple[int, int]:
    return row[0] * SPAN, row[0] * SPAN + SPAN - 1


def _counted(rows: Sequence[Row]) -> dict[tuple[Phase, int], dict[str, int]]:
    found: dict[tuple[Phase, int], dict[str, int]] = {}
    for phase, wave, outcome, count in rows:
        place = found.setdefault((phase, -1 if wave is None else wave), {})
        place[outcome or ""] = place.get(outcome or "", 0) + count
    return found
