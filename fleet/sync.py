"""The fleet without `async`: the same calls for scripts and notebooks, run on an event loop in a thread of its own."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from fleet.admin.operation import Operation
from fleet.errors import UsageError
from fleet.fanout.engine import Work
from fleet.fanout.fleet import Fleet as AsyncFleet
from fleet.fanout.fleet import Selection as AsyncSelection
from fleet.health import HealthOptions
from fleet.health import sweep as sweep_async
from fleet.inventory.model import Inventory, Site
from fleet.logs import LogQuery, MergedLogs
from fleet.logs import merged_logs as merged_logs_async
from fleet.outcome import Outcome
from fleet.report import Report

__all__ = ["Fleet", "Selection", "merged_logs", "sweep"]

T = TypeVar("T")


class Fleet:
    """As `fleet.Fleet`, with a plain `with`; it works in a notebook, where a loop runs already."""

    def __init__(self, fleet: AsyncFleet) -> None:
        self._fleet = fleet
        self._portal: BlockingPortal | None = None
        self._opened_things = ExitStack()

    @classmethod
    def from_inventory(cls, *paths: str | os.PathLike[str], **options: Any) -> Fleet:
        """The fleet in the inventory files *paths*; options and errors as in `fleet.Fleet.from_inventory`."""
        return cls(AsyncFleet.from_inventory(*paths, **options))

    @property
    def inventory(self) -> Inventory:
        """The inventory."""
        return self._fleet.inventory

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal())
            stack.enter_context(portal.wrap_async_context_manager(self._fleet))
            self._opened_things = stack.pop_all()
        self._portal = portal
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._portal = None
        self._opened_things.__exit__(kind, error, trace)

    def select(self, expression: str = "all", *, allow_empty: bool = False) -> Selection:
        """The sites that *expression* picks; raises `SelectorError`."""
        return Selection(self._fleet.select(expression, allow_empty=allow_empty), self._opened())

    def call(self, site: str, operation: Operation[T]) -> T:
        """The answer of the one *site* to *operation*; raises the `SiteError` that it came to, or `KeyError`."""
        answer: T = _done(self._opened(), self._fleet.client(site).call, operation)
        return answer

    def _opened(self) -> BlockingPortal:
        if self._portal is None:
            raise UsageError("open the fleet first: with Fleet.from_inventory(…) as fleet:")
        return self._portal


class Selection:
    """Some sites of a fleet, in inventory order."""

    def __init__(self, selection: AsyncSelection, portal: BlockingPortal) -> None:
        self._selection = selection
        self._portal = portal

    def __len__(self) -> int:
        return len(self._selection)

    @property
    def sites(self) -> tuple[Site, ...]:
        """The sites."""
        return self._selection.sites

    def portals(self, work: Operation[Any] | Work) -> Work:
        """*work* for the portals of these sites, as in `fleet.Selection.portals`."""
        return self._selection.portals(work)

    def run(self, work: Operation[Any] | Work, **options: Any) -> Report:
        """Do *work* on every site and report; options as in `fleet.Selection.run`."""

        async def go() -> Report:
            return await self._selection.run(work, **options)

        return _done(self._portal, go)

    def stream(self, work: Operation[Any] | Work, **options: Any) -> Iterator[Outcome]:
        """Give the outcomes as they come; leaving the loop early cancels what is under way."""

        def opened() -> Any:
            return self._selection.stream(work, **options)

        async def following(outcomes: Any) -> Outcome | None:
            return await anext(outcomes, None)

        # The deadline is counted by the loop's clock, so the stream is made in the loop's thread.
        make: Callable[[], Any] = opened
        with self._portal.wrap_async_context_manager(self._portal.call(make)) as outcomes:
            while (outcome := _done(self._portal, following, outcomes)) is not None:
                yield outcome


def sweep(selection: Selection, options: HealthOptions | None = None, **more: Any) -> Report:
    """Check every site of *selection*; values, options and errors as in `fleet.sweep`."""

    async def go() -> Report:
        return await sweep_async(selection._selection, options, **more)

    return _done(selection._portal, go)


def merged_logs(
    selection: Selection, query: LogQuery | None = None, **options: Any
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The log records of *selection* as (site, record), the newest first; options and errors as in `fleet.logs.merged_logs`.

    Leaving the loop early cancels what is under way. A site that fails is not told here: `fleet.logs` has the report.
    """

    def opened() -> Any:
        return merged_logs_async(selection._selection, query, **options)

    async def following(records: MergedLogs) -> list[tuple[str, dict[str, Any]]]:
        return await records.batch()

    make: Callable[[], Any] = opened
    with selection._portal.wrap_async_context_manager(selection._portal.call(make)) as records:
        while batch := _done(selection._portal, following, records):
            yield from batch


def _done(portal: BlockingPortal, work: Callable[..., Awaitable[T]], *arguments: Any) -> T:
    """What *work* comes to in the loop of *portal*; an interrupt of the wait cancels it."""
    future = portal.start_task_soon(work, *arguments)
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise
