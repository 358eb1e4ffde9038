"""Cancelled from outside at any moment: no task and no connection is left, and what is still open works on."""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from fleet import Fleet, ops, sweep
from fleet.client.settings import RetryPolicy
from fleet.simulator import Simulator

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

FAULTS = {
    "sim-0002": "hang",
    "sim-0005": "slow",
    "sim-0007": "http-503",
    "sim-0009": "reset",
    "sim-0011": "huge",
    "sim-0013": "truncated",
}
WELL = " or ".join(f"sim-{number:04d}" for number in range(14, 31))


async def by_run(fleet: Fleet) -> None:
    await fleet.select("all").run(ops.info.admin())


async def by_stream(fleet: Fleet) -> None:
    async with fleet.select("all").stream(ops.services.report()) as outcomes:
        async for _ in outcomes:
            await anyio.sleep(0.001)


async def by_sweep(fleet: Fleet) -> None:
    await sweep(fleet.select("all"))


async def by_calls_of_one_s_own(fleet: Fleet) -> None:
    async def one(name: str) -> None:
        for _ in range(3):
            with suppress(Exception):
                await fleet.client(name).call(ops.info.admin())

    async with anyio.create_task_group() as group:
        for name in fleet.inventory.sites:
            for _ in range(6):
                group.start_soon(one, name)


WAYS = [by_run, by_stream, by_sweep, by_calls_of_one_s_own]


def alone() -> bool:
    """Whether no task but this one is left in the loop."""
    return asyncio.all_tasks() == {asyncio.current_task()}


async def cut_short(way: Callable[[Fleet], Awaitable[None]], fleet: Fleet, moment: float, natively: bool) -> bool:
    """Cancel *way* after *moment* seconds, as anyio or as asyncio itself does; whether it was not done before."""
    if not natively:
        with anyio.move_on_after(moment) as scope:
            await way(fleet)
        return scope.cancelled_caught
    task = asyncio.ensure_future(way(fleet))
    await asyncio.wait({task}, timeout=moment)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return task.cancelled()


async def in_a_loop_of_its_own(path: Path, way: Callable[[Fleet], Awaitable[None]], seed: int, times: int) -> int:
    """How many of *times* attempts were cut short; raises where anything of one was left behind."""
    pick = random.Random(seed)
    cut = 0
    for _ in range(times):
        async with Fleet.from_inventory(path, width=pick.choice([3, 12, 30]), retry=RetryPolicy(base=0.05)) as fleet:
            cut += await cut_short(way, fleet, pick.uniform(0.0, 0.15), natively=pick.random() < 0.5)
            assert alone(), asyncio.all_tasks()
            assert fleet.clients.transport.held == 0
            with anyio.fail_after(20):
                report = await fleet.select(WELL).run(ops.info.admin())
            assert Counter(outcome.outcome for outcome in report.outcomes) == {"ok": 17}, report.outcomes
        assert alone(), asyncio.all_tasks()
    return cut


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_a_scope_that_is_cancelled_at_any_moment_leaves_nothing(
    simulate: Simulate, write_inventory: Write, way: Callable[[Fleet], Awaitable[None]], loop: str
) -> None:
    await cancel_often(simulate, write_inventory, way, loop, seed=1, times=12)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(2, 12))
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_a_scope_that_is_cancelled_at_many_moments_leaves_nothing(
    simulate: Simulate, write_inventory: Write, way: Callable[[Fleet], Awaitable[None]], loop: str, seed: int
) -> None:
    await cancel_often(simulate, write_inventory, way, loop, seed=seed, times=50)


async def cancel_often(
    simulate: Simulate,
    write_inventory: Write,
    way: Callable[[Fleet], Awaitable[None]],
    loop: str,
    *,
    seed: int,
    times: int,
) -> None:
    simulator = await simulate(sites=30, paths=True, faults=FAULTS, latency=0.005)
    path = write_inventory(simulator)

    def elsewhere() -> int:
        # In a loop of its own, in which the simulator has no tasks.
        options = {"use_uvloop": loop == "uvloop"}
        return anyio.run(in_a_loop_of_its_own, path, way, seed, times, backend_options=options)

    cut = await anyio.to_thread.run_sync(elsewhere)
    assert cut >= times // 2
    with anyio.fail_after(5):
        while simulator.connections:
            await anyio.sleep(0.02)


async def test_a_cancelled_login_is_begun_anew_by_the_next_caller(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        client = fleet.client("sim-0001")
        site.switches.latency = 2.0
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(client.call, ops.info.admin())
            await anyio.sleep(0.2)
            group.cancel_scope.cancel()
        assert simulator.ledger == [], "nobody has signed in yet"
        site.switches.latency = 0.0
        with anyio.fail_after(5):
            told = await client.call(ops.info.admin())
    assert told["currentversion"]


async def test_a_deadline_around_a_run_is_the_caller_s_own(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=3, faults={"*": "hang"})
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        with pytest.raises(TimeoutError):
            with anyio.fail_after(0.3):
                await fleet.select("all").run(ops.info.admin())
        report = await fleet.select("all").run(ops.info.admin(), deadline="300ms")
    assert Counter(outcome.outcome for outcome in report.outcomes) == {"timeout": 3}
    assert math.isclose(report.elapsed, 0.3, abs_tol=1.0)
