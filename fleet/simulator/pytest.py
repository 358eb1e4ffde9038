"""Fixtures: `simulator`, three healthy sites that run, and `simulate`, which runs any others until the test ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest_asyncio

from fleet.simulator.server import Simulator

__all__ = ["simulate", "simulator"]


@pytest_asyncio.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """Three healthy sites on free ports."""
    async with Simulator(sites=3) as running:
        yield running


@pytest_asyncio.fixture
async def simulate() -> AsyncIterator[Callable[..., Awaitable[Simulator]]]:
    """A function that takes the arguments of `Simulator` and returns it running."""
    async with AsyncExitStack() as stack:

        async def run(**options: Any) -> Simulator:
            return await stack.enter_async_context(Simulator(**options))

        yield run
