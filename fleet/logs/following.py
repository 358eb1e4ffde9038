"""New log records of many sites as they are written: every site is asked again and again from where it was left."""

from __future__ import annotations

import time as clock
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Self

import anyio
import anyio.lowlevel

from fleet.admin.log_pages import LogPages, LogQuery, Record, identity
from fleet.client.site import SiteClient
from fleet.errors import Cancelled, SiteError, UsageError
from fleet.fanout.engine import Progress
from fleet.fanout.fleet import Seconds, Selection
from fleet.fanout.stop import Stop
from fleet.logs.beside import beside
from fleet.logs.merged import HELD
from fleet.logs.rows import as_row
from fleet.report import Report, ReportWarning
from fleet.rows.logs import read_page

__all__ = ["FollowedLogs", "Tail", "follow_logs"]

OVERLAP = 30_000
"""Milliseconds that are asked for again each time: a machine's records may come to the site's log a little late."""

PATIENCE = 2.0
"""Seconds that new records wait for the sites that have not answered yet, so that they stand in one order with theirs."""


class Tail:
    """Where one site's log was left: what was seen of its last half minute, and from when on to ask."""

    def __init__(self, query: LogQuery) -> None:
        self._query = query
        self._border = query.oldest
        self._seen: dict[int, Counter[int]] = {}

    @property
    def begun(self) -> bool:
        """Whether it is known from when on to ask."""
        return self._border is not None

    def begin(self, now: int) -> None:
        """Nothing of before *now*, the site's own time in epoch milliseconds, is new."""
        self._border = now

    def question(self) -> LogQuery:
        """What to ask for next."""
        if self._border is None:
            return self._query
        oldest = self._border - OVERLAP
        if self._query.oldest is not None:
            oldest = max(oldest, self._query.oldest)
        return replace(self._query, oldest=oldest)

    def news(self, rows: list[tuple[int, Record]], now: int | None) -> list[tuple[int, Record]]:
        """What is new in *rows*, the oldest first; *now* is the site's own time, which the next question begins before.

        A record of a clock that runs ahead does not move the place from which to ask on.
        """
        left = {time: Counter(bucket) for time, bucket in self._seen.items()}
        seen: dict[int, Counter[int]] = {}
        fresh = []
        for time, record in rows:
            name = identity(record)
            seen.setdefault(time, Counter())[name] += 1
            bucket = left.get(time)
            if bucket is not None and bucket[name] > 0:
                bucket[name] -= 1
            else:
                fresh.append((time, record))
        newest = max((time for time, _ in rows), default=None)
        if newest is not None:
            reached = newest if now is None else min(newest, now)
            self._border = reached if self._border is None else max(self._border, reached)
        for time, bucket in self._seen.items():
            seen[time] = seen.get(time, Counter()) | bucket
        begin = (self._border or 0) - OVERLAP
        self._seen = {time: bucket for time, bucket in seen.items() if time >= begin}
        fresh.reverse()
        return fresh


class FollowedLogs:
    """New records as they come: an async iterator of (site, record), in the order of time within a poll.

    `report` is there when the context has ended: a site that was away at the end has failed.
    """

    def __init__(
        self,
        sites: int,
        query: LogQuery,
        *,
        interval: float,
        wanted: Callable[[Mapping[str, Any]], bool] | None,
        on_change: Callable[[str, SiteError | None], None] | None,
        width: int,
    ) -> None:
        self._query = query
        self._filtered = query.filtered()
        self._interval = interval
        self._wanted = wanted
        self._on_change = on_change
        self._most = max(100, HELD // max(1, sites))
        self._turns = anyio.Semaphore(max(1, width), fast_acquire=True)
        self._rows: list[tuple[int, int, str, Record]] = []
        self._arrived = 0.0
        self._count = 0
        self._polling = 0
        self._working = sites
        self._news = anyio.Event()
        self._room = anyio.Event()
        self._scopes: set[anyio.CancelScope] = set()
        self._closed = False
        self._batch: list[tuple[str, Record]] = []
        self.notes: dict[tuple[str, str], str] = {}
        """What a reader of the records must know: site and kind -> message."""
        self.given = 0
        self.report: Report | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[str, Record]:
        if not self._batch:
            self._batch = await self.batch()
            self._batch.reverse()
        if not self._batch:
            raise StopAsyncIteration
        return self._batch.pop()

    async def batch(self) -> list[tuple[str, Record]]:
        """The next records, in the order of time, as soon as there are some; none at the end."""
        await anyio.lowlevel.checkpoint()
        while True:
            waited = clock.monotonic() - self._arrived
            patience = min(self._interval, PATIENCE)
            if self._rows and (not self._polling or self._closed or waited >= patience):
                rows, self._rows = sorted(self._rows, key=lambda row: row[:2]), []
                self._room.set()
                self._room = anyio.Event()
                self.given += len(rows)
                return [(site, record) for _, _, site, record in rows]
            if self._closed or not self._working:
                return []
            self._news = anyio.Event()
            with anyio.move_on_after(patience - waited if self._rows else None):
                await self._news.wait()

    def close(self) -> None:
        """Follow no longer: what is on its way is cancelled, what came is still given."""
        self._closed = True
        for scope in list(self._scopes):
            scope.cancel()
        self._news.set()

    async def read(self, client: SiteClient) -> dict[str, Any]:
        """The work on one site: ask again and again until closed; raises what the last poll came to."""
        told = {"records": 0, "polls": 0}
        tail = Tail(self._query)
        away: SiteError | None = None
        try:
            with anyio.CancelScope() as scope:
                self._scopes.add(scope)
                if self._closed:
                    scope.cancel()
                while True:
                    due = anyio.current_time() + self._interval
                    before, away = away, await self._poll(client, tail, told)
                    if (before is None) != (away is None) and self._on_change is not None:
                        self._on_change(client.site.name, away)
                    while len(self._rows) > HELD:
                        await self._room.wait()
                    await anyio.sleep_until(due)
        finally:
            self._scopes.discard(scope)
            self._working -= 1
            self._news.set()
        if away is None and not told["polls"]:
            away = Cancelled("it had not answered yet when the following ended")
        if away is not None:
            away.value = told
            raise away
        return told

    async def _poll(self, client: SiteClient, tail: Tail, told: dict[str, Any]) -> SiteError | None:
        """Ask once; why the site did not answer, if it did not."""
        self._polling += 1
        try:
            async with self._turns:
                if not tail.begun:
                    await self._begin(client, tail)
                rows, now = await self._since(client, tail)
        except SiteError as error:
            return error
        finally:
            self._polling -= 1
            self._news.set()
        told["polls"] += 1
        for time, record in tail.news(rows, now):
            if self._filtered is not None and not self._filtered(record):
                continue
            if self._wanted is not None and not self._wanted(as_row(client.site.name, record)):
                continue
            if not self._rows:
                self._arrived = clock.monotonic()
            self._count += 1
            told["records"] += 1
            self._rows.append((time, self._count, client.site.name, record))
        return None

    async def _begin(self, client: SiteClient, tail: Tail) -> None:
        """Begin with what is written from now on, by the site's own clock; what is there already is not new."""
        pages = LogPages(self._query, size=1)
        rows = await read_page(client, pages)
        newest = pages.now if pages.now is not None else rows[0][0] if rows else round(clock.time() * 1000)
        tail.begin(newest)
        tail.news(*await self._since(client, tail))

    async def _since(self, client: SiteClient, tail: Tail) -> tuple[list[tuple[int, Record]], int | None]:
        """The records since the tail was left, newest first, and the site's own time.

        Of more than can be held the newest are taken.
        """
        pages = LogPages(tail.question())
        rows: list[tuple[int, Record]] = []
        while not pages.done:
            rows += await read_page(client, pages)
            if len(rows) > self._most and not pages.done:
                told = f"more than {self._most} log records came at once: the older ones of them were left out"
                self.notes[client.site.name, "log_skipped"] = told
                break
        self.notes |= {(client.site.name, kind): text for kind, text in pages.notes.items()}
        return rows, pages.now


@asynccontextmanager
async def follow_logs(
    selection: Selection,
    query: LogQuery | None = None,
    *,
    interval: float = 5.0,
    where: Callable[[Mapping[str, Any]], bool] | None = None,
    on_change: Callable[[str, SiteError | None], None] | None = None,
    stop: Stop | None = None,
    progress: Progress | None = None,
    deadline: Seconds = None,
    width: int | None = None,
) -> AsyncIterator[FollowedLogs]:
    """The records that *selection* writes from now on, or since the `oldest` of *query*, each once, as they come.

    Every *interval* seconds all sites are asked at once. *on_change* is told when a site goes away (with the error) and
    when it is back (with None); what it wrote meanwhile is told then. `close()` ends it, as leaving the context does.
    Raises `UsageError` for an *interval* of no time.

        async with follow_logs(fleet.select("prod")) as records:
            async for site, record in records:
                ...
    """
    if not interval > 0:
        raise UsageError("an interval of no time at all would never let a site rest")
    stop = stop or Stop()
    records = FollowedLogs(
        len(selection),
        query or LogQuery(),
        interval=interval,
        wanted=where,
        on_change=on_change,
        width=selection.fleet.width if width is None else width,
    )

    async def run() -> None:
        report = await selection.run(
            records.read,
            command="logs follow",
            stop=stop,
            progress=progress,
            deadline=deadline,
            width=max(1, len(selection)),
        )
        told = [ReportWarning(site=site, kind=kind, message=text) for (site, kind), text in records.notes.items()]
        records.report = replace(report, warnings=[*report.warnings, *told])

    async with beside(run, records.close, stop=stop, stopped=records.close):
        yield records
