"""The fleet without `async`: the same calls for scripts and notebooks, run on an event loop in a thread of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Self, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from fleet.admin.operation import Operation
from fleet.fanout.engine import Work
from fleet.fanout.fleet import Fleet as AsyncFleet
from fleet.fanout.fleet import Selection as AsyncSelection
from fleet.health import HealthOptions
from fleet.health import sweep as sweep_async
from fleet.inventory.model import Inventory, Site
from fleet.outcome import Outcome
from fleet.report import Report

__all__ = ["Fleet", "Selection", "sweep"]

T = TypeVar("T")


class Fleet:
    """As `fleet.Fleet`, with a plain `with`; it works in a notebook, where a loop runs already."""

    def __init__(self, fleet: AsyncFleet) -> None:
        self._fleet = fleet
        self._running: AbstractContextManager[BlockingPortal] | None = None
        self._portal: BlockingPortal | None = None
        self._entered: AbstractContextManager[AsyncFleet] | None = None

    @classmethod
    def from_inventory(cls, *paths: str | os.PathLike[str], **options: Any) -> Fleet:
        """The fleet in the inventory files *paths*; options and errors as in `fleet.Fleet.from_inventory`."""
        return cls(AsyncFleet.from_inventory(*paths, **options))

    @property
    def inventory(self) -> Inventory:
        """The inventory."""
        return self._fleet.inventory

    def __enter__(self) -> Self:
        self._running = start_blocking_portal()
        self._portal = self._running.__enter__()
        self._entered = self._portal.wrap_async_context_manager(self._fleet)
        self._entered.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._entered is not None
        assert self._running is not None
        try:
            self._entered.__exit__(kind, error, trace)
        finally:
            self._running.__exit__(None, None, None)
            self._running = self._portal = self._entered = None

    def select(self, expression: str = "all", *, allow_empty: bool = False) -> Selection:
        """The sites that *expression* picks; raises `SelectorError`."""
        return Selection(self._fleet.select(expression, allow_empty=allow_empty), self._opened())

    def call(self, site: str, operation: Operation[T]) -> T:
        """The answer of the one *site* to *operation*; raises the `SiteError` that it came to, or `KeyError`."""
        return self._opened().call(self._fleet.client(site).call, operation)

    def _opened(self) -> BlockingPortal:
        if self._portal is None:
            raise RuntimeError("open the fleet first: with Fleet.from_inventory(…) as fleet:")
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

        return self._portal.call(go)

    def stream(self, work: Operation[Any] | Work, **options: Any) -> Iterator[Outcome]:
        """Give the outcomes as they come; leaving the loop early cancels what is under way."""

        def opened() -> Any:
            return self._selection.stream(work, **options)

        async def following(outcomes: Any) -> Outcome | None:
            return await anext(outcomes, None)

        # The deadline is counted by the loop's clock, so the stream is made in the loop's thread.
        make: Callable[[], Any] = opened
        with self._portal.wrap_async_context_manager(self._portal.call(make)) as outcomes:
            while (outcome := self._portal.call(following, outcomes)) is not None:
                yield outcome


def sweep(selection: Selection, options: HealthOptions | None = None, **more: Any) -> Report:
    """Check every site of *selection*; values, options and errors as in `fleet.sweep`."""

    async def go() -> Report:
        return await sweep_async(selection._selection, options, **more)

    return selection._portal.call(go)
