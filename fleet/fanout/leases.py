"""The leases of one run: taken all together before anything is sent, renewed while it goes on, given back at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Self, TypeVar

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from fleet import platform
from fleet.errors import LeaseLost, StoreFailed
from fleet.history.database import Connection, Database
from fleet.history.leases import LASTS, LeaseRows, living_folder
from fleet.inventory.model import Site

__all__ = ["EVERY", "Lease", "Leases", "check_lease"]

T = TypeVar("T")

EVERY = 15.0
"""Seconds between two renewals."""

AGAIN = 2.0
"""Seconds after which a renewal that did not get through is tried again."""

AT_THE_END = 15.0
"""Seconds that giving leases back may take; those that are not given back end by themselves."""


class Lease:
    """That this process, and nobody else, may change the site *name* now; *fence* is its number, greater than any before."""

    __slots__ = ("_lasts", "_lost", "_renewed", "fence", "name", "url")

    def __init__(self, name: str, url: str, fence: int, renewed: float, lasts: float) -> None:
        self.name = name
        self.url = url
        self.fence = fence
        self._renewed = renewed
        self._lasts = lasts
        self._lost = False

    def check(self) -> None:
        """Raise `LeaseLost` where it is somebody else's, or may be: to be called before anything is sent to the site."""
        if self._lost:
            raise LeaseLost(
                "the lease on this site was lost to somebody else, and nothing more is sent to it",
                hint="see who changes it: another fleet command or rollout",
            )
        if platform.lasting_clock() - self._renewed >= self._lasts:
            raise LeaseLost(
                f"the lease on this site could not be renewed for {self._lasts:.0f} seconds, and nothing more is sent "
                "to it",
                hint="look whether the state database can be reached and written",
            )

    def renewed(self, fence: int | None, at: float) -> None:
        """What a renewal, which began *at*, found: *fence*, or None where the lease is gone."""
        if fence == self.fence:
            self._renewed = at
        else:
            self._lost = True


def check_lease(leases: Mapping[str, Lease], name: str) -> None:
    """Raise `LeaseLost` unless the site *name* has one of *leases* which is good."""
    lease = leases.get(name)
    if lease is None:
        raise LeaseLost("this run has no lease on this site, and nothing is sent to it")
    lease.check()


class Leases:
    """An async context manager in which leases on sites are taken, for *what* (`services.edit`, `rollout ID`).

    They are renewed every 15 seconds. The moment that the database can't be reached is no loss: a lease is only good for
    60 seconds after its last renewal began, by a clock that nobody sets.
    """

    def __init__(
        self, database: Database, what: str, *, lasts: float = LASTS, every: float = EVERY, again: float = AGAIN
    ) -> None:
        self._database = database
        self._what = what
        self._lasts = lasts
        self._every = every
        self._again = min(again, every)
        self._held: dict[str, Lease] = {}
        self._limiter: anyio.CapacityLimiter | None = None
        self._connection: Connection | None = None
        self._rows: LeaseRows | None = None
        self._group: TaskGroup | None = None

    async def __aenter__(self) -> Self:
        self._limiter = anyio.CapacityLimiter(1)
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        self._group.start_soon(self._keep)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        assert self._group is not None
        try:
            self._group.cancel_scope.cancel()
            if isinstance(error, Exception):
                # It goes on as it is, and not in a group, which would be one of a single error.
                await self._group.__aexit__(None, None, None)
                return None
            return await self._group.__aexit__(kind, error, trace)
        finally:
            await self._give_back()

    async def take(self, sites: Iterable[Site], *, over: str | None = None) -> dict[str, Lease]:
        """Site name -> its lease, of all *sites* or none. See `take_urls`."""
        return await self.take_urls({site.name: site.url for site in sites}, over=over)

    async def take_urls(self, urls: Mapping[str, str], *, over: str | None = None) -> dict[str, Lease]:
        """Name -> lease of each of *urls* (name -> URL), of all or none; names of one URL share its lease.

        What was taken for *over* is taken from it at once: only for whoever knows that it is dead, by holding the lock
        of that rollout. Raises `LockHeld`, which says who holds which site, and `StoreFailed`.
        """
        began = platform.lasting_clock()
        fences = await self._in_thread(lambda rows: rows.take({url: name for name, url in urls.items()}, over=over))
        taken = {}
        for name, url in urls.items():
            lease = self._held.get(url)
            if lease is None or lease.fence != fences[url]:
                lease = self._held[url] = Lease(name, url, fences[url], began, self._lasts)
            lease.renewed(fences[url], began)
            taken[name] = lease
        return taken

    async def release(self, names: Iterable[str]) -> None:
        """Give the leases of the sites *names* back before the end. Raises `StoreFailed`."""
        wanted = frozenset(names)
        urls = [url for url, lease in self._held.items() if lease.name in wanted]
        for url in urls:
            self._held.pop(url).renewed(None, 0.0)
        if urls:
            await self._in_thread(lambda rows: rows.release(urls))

    async def _keep(self) -> None:
        """Renew what is held, again and again."""
        pause = self._every
        while True:
            await anyio.sleep(pause)
            began = platform.lasting_clock()
            held = dict(self._held)
            if not held:
                continue
            try:
                fences = await self._in_thread(LeaseRows.renew)
            except StoreFailed:
                # Each lease knows how long ago it was renewed last.
                pause = self._again
                await self._close()
                continue
            pause = self._every
            for url, lease in held.items():
                lease.renewed(fences.get(url), began)

    async def _in_thread(self, work: Callable[[LeaseRows], T]) -> T:
        def go() -> T:
            if self._connection is None:
                self._connection = self._database.connect()
                if self._rows is None:
                    living = living_folder(self._database)
                    self._rows = LeaseRows(self._connection, self._what, lasts=self._lasts, living=living)
                self._rows.connection = self._connection
            assert self._rows is not None
            return work(self._rows)

        return await anyio.to_thread.run_sync(go, limiter=self._limiter)

    async def _close(self) -> None:
        """Forget a connection that failed: the next try makes a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await anyio.to_thread.run_sync(connection.close, limiter=self._limiter)

    async def _give_back(self) -> None:
        with anyio.CancelScope(shield=True), anyio.move_on_after(AT_THE_END):
            try:
                # Also where nothing is known to be held: a taking may have been cancelled when it was done.
                if self._rows is not None:
                    await self._in_thread(LeaseRows.release)
            except StoreFailed:
                # They end by themselves.
                pass
            finally:
                self._held.clear()
                if self._rows is not None:
                    await anyio.to_thread.run_sync(self._rows.close, limiter=self._limiter)
                await self._close()
