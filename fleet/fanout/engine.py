"""The engine: workers take sites in turn, and every selected site comes to exactly one outcome whatever happens."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import zip_longest
from typing import Any, TypeAlias

import anyio

from fleet.client.clients import Clients
from fleet.client.site import Answer, SiteClient
from fleet.errors import Cancelled, DeadlinePassed, FateUnknown, SiteError
from fleet.fanout.stop import Stop
from fleet.inventory.model import Site
from fleet.outcome import Answered, Failed, NotReached, Outcome, outcome_of

__all__ = ["Progress", "Skipped", "Work", "fan_out", "interleaved"]

Work: TypeAlias = Callable[[SiteClient], Awaitable[Any]]
"""What is done on one site: returns a value or an `Answer`, or raises a `SiteError`."""


class Skipped(Exception):
    """Raised by work that leaves its site alone on purpose; the text says why."""


DEADLINE_HINT = "raise --deadline, or select fewer sites"

BACKLOG = 1000
"""Outcomes that may wait for the consumer before workers wait for it."""


class Progress:
    """How a run stands, for whoever shows it: counts, and since when each running site runs (monotonic seconds).

    `spent` is how many seconds the finished sites took together. Of work that has parts within a site, `steps` of
    `all_steps` are done, each of which is a `thing`, such as a service; `began` is when the first could be (monotonic
    seconds). `moved` is how many bytes were sent, or kept. `stage` says which part of the run this is, such as wave 2/5.
    """

    __slots__ = (
        "all_steps",
        "began",
        "done",
        "failed",
        "moved",
        "running",
        "spent",
        "stage",
        "steps",
        "thing",
        "total",
    )

    def __init__(self, total: int) -> None:
        self.running: dict[str, float] = {}
        self.again(total)

    def again(self, total: int, stage: str = "") -> None:
        """Begin anew, with *total* sites: the run has a further part, *stage*."""
        self.total, self.done, self.failed, self.spent, self.stage = total, 0, 0, 0.0, stage
        self.steps, self.all_steps, self.thing, self.began, self.moved = 0, 0, "", 0.0, 0

    def expect(self, steps: int, thing: str, now: float) -> None:
        """There are *steps* things to be done on all sites together, from *now* on."""
        self.steps, self.all_steps, self.thing, self.began = 0, steps, thing, now


@asynccontextmanager
async def fan_out(
    sites: Sequence[Site],
    work: Work,
    clients: Clients,
    *,
    width: int = 100,
    deadline: float = math.inf,
    stop: Stop | None = None,
    progress: Progress | None = None,
    backlog: int = BACKLOG,
) -> AsyncIterator[AsyncIterator[Outcome]]:
    """Do *work* on *sites*, at most *width* at once, and give their outcomes in order of completion.

    No further site is started while *backlog* outcomes wait for a consumer that is slower than the sites.
    *deadline* is a time of the event loop's clock. A read in flight at the deadline comes to `timeout`, a change to
    `unknown`, and a site that was not started to `not_run`. Leaving the context early cancels and awaits everything.
    An exception that is no `SiteError` is a bug, stops the run, and surfaces.
    """
    run = _Run(sites, work, clients, deadline, stop or Stop(), progress or Progress(len(sites)), backlog)
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(run.supervise, min(width, len(sites)))
            yield run.outcomes()
            group.cancel_scope.cancel()
    except BaseExceptionGroup as errors:
        cause: BaseException = errors
        while isinstance(cause, BaseExceptionGroup) and len(cause.exceptions) == 1:
            cause = cause.exceptions[0]
        if cause is errors:
            raise
        raise cause from None


def _host(site: Site) -> str:
    """Host and port of *site* as its address has them."""
    return site.url.split("/", 3)[2]


def interleaved(sites: Iterable[Site]) -> list[Site]:
    """*sites* reordered so that those on one host don't stand together and take all workers at once."""
    hosts: dict[str, list[Site]] = {}
    count = 0
    for site in sites:
        hosts.setdefault(_host(site), []).append(site)
        count += 1
    if len(hosts) == count:
        return [site for group in hosts.values() for site in group]
    return [site for turn in zip_longest(*hosts.values()) for site in turn if site is not None]


class _Run:
    def __init__(
        self,
        sites: Sequence[Site],
        work: Work,
        clients: Clients,
        deadline: float,
        stop: Stop,
        progress: Progress,
        backlog: int,
    ) -> None:
        self._waiting = deque(interleaved(sites))
        self._on_host = Counter(_host(site) for site in sites)
        self._work = work
        self._clients = clients
        self._deadline = deadline
        self._stop = stop
        self._progress = progress
        self._backlog = backlog
        self._ready: deque[Outcome] = deque()
        self._news = anyio.Event()
        self._room = anyio.Event()
        self._scopes: list[anyio.CancelScope] = []
        self._over = False

    async def supervise(self, width: int) -> None:
        """Run the workers, then give an outcome to every site that none of them came to."""
        unlisten = self._stop.listen(self._stopped)
        try:
            async with anyio.create_task_group() as group:
                for _ in range(width):
                    group.start_soon(self._worker)
        finally:
            unlisten()
        while self._waiting:
            self._record(self._not_started(self._waiting.popleft()))
        self._over = True
        self._news.set()

    async def outcomes(self) -> AsyncIterator[Outcome]:
        """The outcomes, as they come."""
        while True:
            while self._ready:
                outcome = self._ready.popleft()
                if len(self._ready) == self._backlog - 1:
                    # Whoever waits holds the old event, and only this place makes a new one: nobody is left behind.
                    room, self._room = self._room, anyio.Event()
                    room.set()
                yield outcome
            if self._over:
                return
            self._news = anyio.Event()
            await self._news.wait()

    def _stopped(self) -> None:
        if self._stop.cancelled:
            for scope in self._scopes:
                scope.cancel()

    async def _worker(self) -> None:
        with anyio.CancelScope(deadline=self._deadline) as scope:
            self._scopes.append(scope)
            if self._stop.cancelled:
                scope.cancel()
            while self._waiting and self._stop.launching and not self._late():
                await self._one(self._waiting.popleft(), scope)
                while len(self._ready) >= self._backlog:
                    await self._room.wait()
        self._scopes.remove(scope)

    def _late(self) -> bool:
        return self._deadline != math.inf and anyio.current_time() >= self._deadline

    async def _one(self, site: Site, scope: anyio.CancelScope) -> None:
        client = self._clients[site]
        client.first_attempt = None
        client.most_attempts = 0
        client.change_in_flight = None
        client.partial = None
        began = self._progress.running[site.name] = self._clients.clock()
        outcome: Outcome | None = None
        try:
            try:
                result = await self._work(client)
            except SiteError as error:
                outcome = self._failed(client, error, began)
            except Skipped as reason:
                outcome = NotReached(site=site.name, error=Cancelled(str(reason)), outcome="skipped", at=time.time())
            else:
                outcome = self._answered(client, result, began)
        finally:
            # No await between an answer and its record: a deadline falling there would lose the outcome.
            if outcome is None and scope.cancel_called:
                outcome = self._broken_off(client, began)
            del self._progress.running[site.name]
            self._progress.spent += self._clients.clock() - began
            if self._on_host[_host(site)] == 1:
                self._clients.leave(site)
            if outcome is not None:
                self._record(outcome)

    def _record(self, outcome: Outcome) -> None:
        self._progress.done += 1
        self._progress.failed += not outcome.ok
        self._ready.append(outcome)
        self._news.set()

    def _times(self, client: SiteClient, began: float) -> dict[str, Any]:
        start = began if client.first_attempt is None else client.first_attempt
        return {
            "site": client.site.name,
            "attempts": client.most_attempts,
            "elapsed": self._clients.clock() - start,
            "at": time.time(),
        }

    def _answered(self, client: SiteClient, result: Any, began: float) -> Outcome:
        if isinstance(result, Answer):
            return Answered(
                value=result.value, outcome=result.outcome, verified=result.verified, **self._times(client, began)
            )
        return Answered(value=result, **self._times(client, began))

    def _failed(self, client: SiteClient, error: SiteError, began: float) -> Outcome:
        times = self._times(client, began)
        if error.kind == "config" and error.value is None:
            # What the site needs is missing on our side: the attempt ended before anything was sent.
            times["attempts"] = 0
        return Failed(error=error, outcome=outcome_of(error), value=error.value, **times)

    def _broken_off(self, client: SiteClient, began: float) -> Outcome:
        """The outcome of a site whose work was cancelled while it ran: by the deadline, or by somebody."""
        times = self._times(client, began)
        by_hand = self._stop.cancelled
        cause = "the run was stopped" if by_hand else "the run's deadline passed"
        if client.change_in_flight is not None:
            unknown = FateUnknown(
                f"{client.change_in_flight} was sent, and its fate is unknown: {cause}",
                hint="look at the site before you send it again",
            )
            value = None if client.partial is None else client.partial(unknown)
            return Failed(error=unknown, outcome="unknown", value=value, **times)
        error = Cancelled(cause) if by_hand else DeadlinePassed(cause, hint=DEADLINE_HINT)
        value = None if client.partial is None else client.partial(error)
        if by_hand:
            return NotReached(error=error, outcome="cancelled", value=value, **times)
        return Failed(error=error, outcome="timeout", value=value, **times)

    def _not_started(self, site: Site) -> Outcome:
        stopped = not self._stop.launching
        error: SiteError = (
            Cancelled("the run was stopped before this site's turn")
            if stopped
            else DeadlinePassed("the run's deadline passed before this site's turn", hint=DEADLINE_HINT)
        )
        return NotReached(site=site.name, error=error, outcome="not_run", at=time.time())
