"""The journal of a rollout as its driver holds it: appended to durably, several at once in one commit, fenced by leases."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

import anyio
import anyio.to_thread

from fleet.errors import FleetError, LeaseLost, StoreFailed
from fleet.history.database import Connection, Row
from fleet.history.leases import fences
from fleet.history.rollout_rows import ADD_ENTRY, ENTRIES, LAST, NEW_REQUESTS, PLAN, SEEN, STATE
from fleet.rollout.entry import Entry, Request
from fleet.rollout.packing import FIRST, SPAN, entry_of, row_of, unpacked
from fleet.rollout.plan import Plan

__all__ = ["DurableJournal", "checked", "state_after"]

T = TypeVar("T")

POLL = 0.5
"""Seconds between two looks for what others ask."""

STATES: Mapping[str, str] = {
    "started": "running",
    "resumed": "running",
    "unpaused": "running",
    "paused": "paused",
    "aborted": "aborted",
    "rollback_begun": "rolling_back",
    "rollback_ended": "rolled_back",
}


def state_after(entry: Entry) -> str | None:
    """The state that `fleet rollout list` gives a rollout by *entry*; None where that leaves it as it is."""
    return entry.outcome if entry.kind == "finished" else STATES.get(entry.kind)


class _Batch:
    """The entries of one call of `append`, until they are durable or refused."""

    __slots__ = ("done", "entries", "error")

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = entries
        self.done = False
        self.error: FleetError | None = None


class DurableJournal:
    """The journal of *rollout*, under its lock, which `close` gives back; a context manager.

    *connection* is its own. *urls* are those of its sites by name: the lease of a site is that of its URL.
    """

    def __init__(
        self,
        connection: Connection,
        rollout: str,
        key: int,
        *,
        urls: Mapping[str, str],
        unlock: Callable[[], None],
        plan: Plan | None = None,
    ) -> None:
        self.rollout = rollout
        self._connection = connection
        self._key = key
        self._urls = urls
        self._unlock = unlock
        self._plan = plan
        self._waiting: list[_Batch] = []
        self._turn = anyio.Lock()
        self._limiter: anyio.CapacityLimiter | None = None
        found = connection.execute(LAST, self._span)
        self._number = int(found[0][0]) % SPAN if found else 0
        self._chain = bytes(found[0][1]) if found else FIRST

    @property
    def _span(self) -> tuple[int, int]:
        return self._key * SPAN, self._key * SPAN + SPAN - 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the lock back and close the database; a second time is nothing."""
        self._connection.close()
        self._unlock()

    async def append(self, *entries: Entry) -> None:
        """Keep *entries*, all or none; they are durable when this returns, whatever happens to the machine.

        Whoever cancels this waits for it all the same: what became of a change must not be lost. Raises `LeaseLost` for
        an entry with a *fence* that is no longer the one of its site's lease (nothing is kept), and `StoreFailed`.
        """
        if not entries:
            return
        batch = _Batch(entries)
        self._waiting.append(batch)
        with anyio.CancelScope(shield=True):
            # Whoever has its turn writes down everything that waits: many sites, one commit.
            async with self._turn:
                if not batch.done:
                    batches, self._waiting = self._waiting, []
                    await self._in_thread(lambda: self._write(batches))
        if batch.error is not None:
            raise batch.error

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(1)
        return await anyio.to_thread.run_sync(work, limiter=self._limiter)

    def _write(self, batches: Sequence[_Batch]) -> None:
        try:
            number, chain = self._number, self._chain
            state: tuple[str, float] | None = None
            rows: list[Row] = []
            with self._connection.transaction():
                refused = self._refused(batches)
                for batch in batches:
                    if batch in refused:
                        continue
                    for entry in batch.entries:
                        number += 1
                        row = row_of(entry, self.rollout, self._key, number, chain)
                        chain = row[10]
                        rows.append(row)
                        if (found := state_after(entry)) is not None:
                            state = found, entry.at
                if rows:
                    self._connection.execute_many(ADD_ENTRY, rows)
                if state is not None:
                    self._connection.change(STATE, (*state, self._key))
            self._number, self._chain = number, chain
            for batch, lost in refused.items():
                batch.error = lost
        except StoreFailed as error:
            for batch in batches:
                batch.error = StoreFailed(f"the journal of {self.rollout} can't be written: {error}")
        except BaseException:
            for batch in batches:
                batch.error = StoreFailed(f"the journal of {self.rollout} was broken off")
            raise
        finally:
            for batch in batches:
                batch.done = True

    def _refused(self, batches: Sequence[_Batch]) -> dict[_Batch, LeaseLost]:
        """The batches with an entry whose fence is not that of its site's lease; what is seen here holds until they are
        kept."""
        fenced = {entry.site: None for batch in batches for entry in batch.entries if entry.fence is not None}
        if not fenced:
            return {}
        urls = {self._urls[site] for site in fenced if site is not None and site in self._urls}
        good = fences(self._connection, urls)
        refused = {}
        for batch in batches:
            for entry in batch.entries:
                if entry.fence is None or good.get(self._urls.get(entry.site or "", "")) == entry.fence:
                    continue
                refused[batch] = LeaseLost(
                    "the lease on this site was lost to somebody else, and nothing more is sent to it",
                    site=entry.site,
                    hint="see who changes it: another fleet command or rollout",
                )
                break
        return refused

    async def entries(self) -> Sequence[Entry]:
        """Every entry, oldest first. Raises `StoreFailed` for one that is damaged."""
        return await self._in_thread(lambda: checked(self._connection.execute(ENTRIES, self._span), self.rollout))

    async def plan(self) -> Plan:
        """The plan that is carried out. Raises `StoreFailed` where it is damaged."""
        if self._plan is None:
            ((data,),) = await self._in_thread(lambda: self._connection.execute(PLAN, (self._key,)))
            self._plan = plan_from(data, self.rollout)
        return self._plan

    async def requests(self) -> AsyncIterator[Request]:
        """What others ask, as it comes, each once; it never ends.

        One that was given out is done with when the next is asked for: what a process was about to do when it died is
        given to the one that goes on.
        """
        while True:
            rows = await self._in_thread(lambda: self._connection.execute(NEW_REQUESTS, (self._key,)))
            for number, kind, wave, by, at in rows:
                yield Request(kind=kind, by=by, at=at, wave=wave, number=number)
                await self._in_thread(partial(self._connection.change, SEEN, (number,)))
            await anyio.sleep(POLL)


def checked(rows: Iterable[Row], rollout: str) -> list[Entry]:
    """The entries of all *rows* of a journal, each as it was written; raises `StoreFailed`."""
    found = []
    chain = FIRST
    for number, row in enumerate(rows, 1):
        found.append(entry_of(row, rollout, chain, number))
        chain = bytes(row[10])
    return found


def plan_from(data: bytes, rollout: str) -> Plan:
    """The plan that is kept as *data*; raises `StoreFailed` where it is damaged."""
    # Read only here: what only counts entries needs no plan.
    from fleet.rollout.files import plan_of

    try:
        plan: Plan = plan_of(unpacked(data))
    except ValueError:
        raise StoreFailed(f"the plan of {rollout} is damaged") from None
    return plan
