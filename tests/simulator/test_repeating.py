"""When a change is sent again: only where it can't have arrived, or where the site's state says that it is not done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from fleet import Fleet, ops
from fleet.admin.catalogue import operation_for
from fleet.client.settings import RetryPolicy
from fleet.protocol.fields import ServiceId
from fleet.simulator import SimulatedSite, Simulator
from tests.wire import first_service

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

PATIENCE = RetryPolicy(base=0.05, cap=0.1, settle=0.5, lock_patience=0.5)


async def reset_after_look(site: SimulatedSite) -> None:
    """Reset the connection of the one request that follows the next look at a service's state."""
    looks = site.count("status")
    while site.count("status") == looks:
        await asyncio.sleep(0.005)
    # The site waits a little before it answers: the next request is not judged yet.
    site.fault("reset")
    while site.count("reset") == 0:
        await asyncio.sleep(0.005)
    site.clear_faults()


async def test_a_change_whose_token_was_refused_is_sent_again_with_a_new_one(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    key = ServiceId.parse(first_service(site))
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        assert (await fleet.select().run(ops.info.admin())).ok
        site.tokens.expire_all()
        report = await fleet.select().run(operation_for("admin/logs/clean")[0])
        assert report.outcomes[0].outcome == "changed"
        site.forget_tokens()
        assert (await fleet.select().run(ops.services.stop(key))).outcomes[0].outcome == "changed"
    assert [(entry.code, entry.changed) for entry in site.requests("clean")] == [(498, False), (None, True)]
    assert [entry.changed for entry in site.requests("stop")].count(True) == 1


async def test_a_change_that_broke_before_it_was_done_is_sent_once_more(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, latency=0.1)
    site = simulator.sites["sim-0001"]
    key = ServiceId.parse(first_service(site))
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        assert (await fleet.select().run(ops.info.admin())).ok
        breaking = asyncio.create_task(reset_after_look(site))
        report = await fleet.select().run(ops.services.stop(key))
        await breaking
    assert report.outcomes[0].outcome == "changed"
    assert site.services[str(key)].real == "STOPPED"
    sent = [(entry.operation, entry.path.rpartition("/")[2]) for entry in site.requests()]
    assert ("reset", "stop") in sent, "it was the change that broke"
    assert [entry.changed for entry in site.requests("stop")] == [True]
    assert sent.index(("status", "status"), sent.index(("reset", "stop"))) < sent.index(("stop", "stop"))


async def test_a_change_that_can_t_be_looked_at_is_sent_once_whatever_happens(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, switches={"lost-answers": "clean"})
    site = simulator.sites["sim-0001"]
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        report = await fleet.select().run(operation_for("admin/logs/clean")[0])
    assert report.outcomes[0].outcome == "unknown"
    assert site.count("clean") == 1


async def test_a_lock_keeps_a_change_out_and_it_is_sent_again_when_the_lock_has_gone(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    key = first_service(site)
    site.switches.stuck_locks = frozenset({f"service:{key}"})
    patience = RetryPolicy(base=0.05, cap=0.1, settle=0.5, lock_patience=5.0)

    async def let_go() -> None:
        while site.count("stop") < 3:
            await asyncio.sleep(0.01)
        site.lose_stuck_locks()

    freeing = asyncio.create_task(let_go())
    async with Fleet.from_inventory(write_inventory(simulator), retry=patience) as fleet:
        report = await fleet.select().run(ops.services.stop(ServiceId.parse(key)))
    await freeing
    assert report.outcomes[0].outcome == "changed"
    names = [entry.operation for entry in site.requests() if entry.operation in ("stop", "status")]
    pairs = [names[place : place + 2] for place in range(len(names) - 1)]
    assert ["stop", "stop"] not in pairs, "the state is read between two attempts"
    assert [entry.changed for entry in site.requests("stop")].count(True) == 1
