"""How often a failing fleet is asked again, when, and how much of its answers is held at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
from aiohttp import web
from aiohttp.test_utils import TestServer

from fleet import Fleet, ops
from fleet.client.holding import Holding
from fleet.client.settings import RetryPolicy
from fleet.simulator import Simulator

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]


async def test_all_sites_of_a_run_share_one_budget_of_repetitions(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=30, paths=True, faults={"*": "http-503"})
    inventory = write_inventory(simulator)
    for budget, share in ((4, 0.0), (0, 0.5)):
        before = len(simulator.ledger)
        policy = RetryPolicy(base=0.01, cap=0.02, budget_floor=budget, budget_share=share)
        async with Fleet.from_inventory(inventory, retry=policy) as fleet:
            report = await fleet.select().run(ops.info.healthcheck())
        assert Counter(report.names.values()) == {"failed": 30}
        assert len(simulator.ledger) - before == 30 + budget + int(share * 30)


async def test_a_pause_that_the_site_asks_for_is_kept(write_inventory: Write) -> None:
    asked: list[float] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(anyio.current_time())
        if len(asked) == 1:
            return web.Response(status=503, headers={"Retry-After": "1"})
        return web.json_response({"success": True})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app, host="127.0.0.1") as server:
        inventory = write_inventory(f'[sites.s]\nurl = "http://127.0.0.1:{server.port}/arcgis"\n')
        async with Fleet.from_inventory(inventory, retry=RetryPolicy(base=0.01, cap=0.02)) as fleet:
            report = await fleet.select().run(ops.info.healthcheck())
    assert report.ok
    first, second = asked
    assert second - first >= 1.0


async def test_beyond_the_cap_only_the_oldest_answer_is_read_on() -> None:
    holding = Holding(10)
    oldest, younger = holding.enter(), holding.enter()
    await holding.take(oldest, 4)
    await holding.take(younger, 6)
    reached: list[str] = []

    async def take(name: str, ticket: int) -> None:
        await holding.take(ticket, 5)
        reached.append(name)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take, "younger", younger)
        await anyio.wait_all_tasks_blocked()
        assert reached == []
        tasks.start_soon(take, "oldest", oldest)
        await anyio.wait_all_tasks_blocked()
        assert reached == ["oldest"]
        holding.leave(oldest)
    assert reached == ["oldest", "younger"]
    holding.leave(younger)
    assert holding.total == 0
