"""The logs of many sites as one stream, newest first, in bounded memory.

Every site has a reader that asks for a page when half of the one before it is used up. A reader waits for room; the
merge waits for the site whose border is the newest. As each site has room of its own, none can starve another.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Self

import anyio
import anyio.lowlevel

from fleet.admin.log_pages import LogPages, LogQuery, Record
from fleet.aggregate.newest import NewestFirst
from fleet.client.site import SiteClient
from fleet.errors import Cancelled, SiteError, UsageError
from fleet.fanout.engine import Progress
from fleet.fanout.fleet import Seconds, Selection
from fleet.fanout.stop import Stop
from fleet.logs.beside import beside
from fleet.logs.rows import as_row
from fleet.report import Report, ReportWarning
from fleet.rows.logs import read_page

__all__ = ["HELD", "MergedLogs", "merged_logs"]

HELD = 180_000
"""Rows that are held over all sites; a page that is larger than usual comes on top, one at a time."""

PAGE = 1000
"""Records that a page is asked to have where few sites share the room."""

BATCH = 1000
"""Rows that are given at once."""

Wanted = Callable[[Mapping[str, Any]], bool]


class MergedLogs:
    """The records of the selected sites, newest first: an async iterator of (site, record).

    The order is by time, then by the sites' order in the inventory, then as the site told them. `report` is there when
    the records have ended, or the context has: one outcome a site, whose value is
    `{"records", "pages", "complete", "until"}`; `until` is the time in epoch milliseconds down to which it was read.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        query: LogQuery,
        *,
        wanted: Wanted | None,
        limit: int | None,
        held: int,
        width: int,
    ) -> None:
        self._names = names
        self._places = {name: place for place, name in enumerate(names)}
        self._query = query
        self._filtered = query.filtered()
        self._wanted = wanted
        self._left = limit
        # A site holds at most a page, and half of the one before it.
        self._size = max(1, min(PAGE, held * 2 // (3 * max(1, len(names)))))
        if limit is not None and wanted is None and self._filtered is None:
            self._size = max(1, min(self._size, limit))
        self._merge: NewestFirst[Record] = NewestFirst(len(names))
        self._news = anyio.Event()
        self._rooms: dict[int, anyio.Event] = {}
        self._turns = anyio.Semaphore(max(1, width), fast_acquire=True)
        self._large = anyio.Lock()
        self._scopes: set[anyio.CancelScope] = set()
        self._closed = False
        self._stopped = False
        self._batch: list[tuple[str, Record]] = []
        self.warnings: list[ReportWarning] = []
        self.report: Report | None = None
        self.given = 0

    @property
    def most_held(self) -> int:
        """The largest number of records that were held at once."""
        return self._merge.most_held

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[str, Record]:
        if not self._batch:
            self._batch = await self.batch()
            self._batch.reverse()
        if not self._batch:
            raise StopAsyncIteration
        return self._batch.pop()

    async def batch(self, most: int = BATCH) -> list[tuple[str, Record]]:
        """The next records, at most *most*, as soon as there is one; none at the end."""
        await anyio.lowlevel.checkpoint()
        while not self._stopped and self._left != 0:
            taken = self._merge.take(most if self._left is None else min(most, self._left))
            for place in {place for place, _ in taken}:
                self._make_room(place)
            if taken:
                self.given += len(taken)
                if self._left is not None:
                    self._left -= len(taken)
                    if not self._left:
                        self.close()
                names = self._names
                return [(names[place], record) for place, record in taken]
            if self._merge.ended:
                break
            self._news = anyio.Event()
            await self._news.wait()
        self.close()
        return []

    def close(self) -> None:
        """Nothing more is wanted: what is on its way is cancelled, and every site did what was asked of it."""
        self._closed = True
        for scope in list(self._scopes):
            scope.cancel()
        self._news.set()

    def interrupt(self) -> None:
        """Somebody stops the run: nothing more is given, and what was not read to its end is `cancelled`."""
        if not self._closed:
            self._stopped = True
            self.close()

    def _make_room(self, place: int) -> None:
        event = self._rooms.get(place)
        if event is not None and self._merge.waiting(place) <= self._size // 2:
            del self._rooms[place]
            event.set()

    async def read(self, client: SiteClient) -> dict[str, Any]:
        """The work on one site: its pages go to the merge, until they end or nothing more is wanted."""
        place = self._places[client.site.name]
        pages = LogPages(self._query, size=self._size)
        told = {"records": 0, "pages": 0, "complete": False, "until": None}
        client.partial = lambda error: told
        try:
            with anyio.CancelScope() as scope:
                self._scopes.add(scope)
                if self._closed:
                    scope.cancel()
                await self._read(client, pages, place, told)
        except SiteError as error:
            error.value = told if told["pages"] else None
            raise
        finally:
            self._scopes.discard(scope)
            self._merge.end(place)
            self._news.set()
            self.warnings += [
                ReportWarning(site=client.site.name, kind=kind, message=message)
                for kind, message in pages.notes.items()
            ]
        if self._stopped and not pages.done:
            stopped = Cancelled("the run was stopped")
            stopped.value = told if told["pages"] else None
            raise stopped
        return told

    async def _read(self, client: SiteClient, pages: LogPages, place: int, told: dict[str, Any]) -> None:
        while not pages.done:
            if self._merge.waiting(place) > self._size // 2:
                room = self._rooms[place] = anyio.Event()
                await room.wait()
            if pages.large:
                # One at a time: what such a page holds is beyond the room that a site has.
                async with self._large, self._turns:
                    rows = await read_page(client, pages)
            else:
                async with self._turns:
                    rows = await read_page(client, pages)
            rows = self._sifted(client.site.name, rows)
            told["records"] += len(rows)
            told["pages"] = pages.pages
            told["complete"] = pages.done
            told["until"] = None if pages.border == float("inf") else int(pages.border)
            if rows or not pages.done:
                self._merge.push(place, rows, rows[-1][0] if pages.done else int(pages.border))
            self._news.set()

    def _sifted(self, site: str, rows: list[tuple[int, Record]]) -> list[tuple[int, Record]]:
        test, wanted = self._filtered, self._wanted
        if test is not None:
            rows = [row for row in rows if test(row[1])]
        if wanted is not None:
            rows = [row for row in rows if wanted(as_row(site, row[1]))]
        return rows


@asynccontextmanager
async def merged_logs(
    selection: Selection,
    query: LogQuery | None = None,
    *,
    where: Wanted | None = None,
    limit: int | None = None,
    held: int = HELD,
    stop: Stop | None = None,
    progress: Progress | None = None,
    deadline: Seconds = None,
    width: int | None = None,
    command: str = "logs query",
) -> AsyncIterator[MergedLogs]:
    """The log records of *selection* that *query* wants, as one stream, newest first.

    A record is given when no site that is still read can have a newer one. A site that fails leaves the merge with what
    it brought; the others go on, and the report tells. *where* sees each row (`as_row`) and says whether it is wanted;
    *limit* is how many there may be; *held* how many are held over all sites; *width* how many sites are asked at once.
    Leaving the context early cancels what is under way. Raises `UsageError` for a *limit* or *held* below 1.

        async with merged_logs(fleet.select("prod"), LogQuery(level="SEVERE")) as records:
            async for site, record in records:
                ...
    """
    if (limit is not None and limit < 1) or held < 1:
        raise UsageError("a limit of records is at least 1")
    stop = stop or Stop()
    at_once = selection.fleet.width if width is None else width
    records = MergedLogs(
        tuple(site.name for site in selection.sites),
        query or LogQuery(),
        wanted=where,
        limit=limit,
        held=held,
        width=at_once,
    )

    async def run() -> None:
        report = await selection.run(
            records.read,
            command=command,
            stop=stop,
            progress=progress,
            deadline=deadline,
            width=max(1, len(selection)),
        )
        records.report = replace(report, warnings=[*report.warnings, *records.warnings])

    async with beside(run, records.close, stop=stop, stopped=records.interrupt):
        yield records
