"""How long one attempt may take: the limit of the operator, of the site, or of a slow operation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fleet import Fleet, ops
from fleet.client.settings import RetryPolicy
from fleet.protocol.fields import ServiceId
from fleet.simulator import SimulatedSite, Simulator
from tests.wire import first_service

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

PATIENCE = RetryPolicy(base=0.02, cap=0.1, settle=0.2, lock_patience=0.5)


async def stopped(simulator: Simulator, write_inventory: Write, timeout: str | None) -> tuple[str, SimulatedSite]:
    """The outcome of a stop that takes two seconds at a site whose inventory allows one."""
    site = simulator.sites["sim-0001"]
    site.switches.set("stop-time", "2s")
    path = write_inventory(simulator.inventory_toml() + 'timeout = "1s"\n')
    stop = ops.services.stop(ServiceId.parse(first_service(site)))
    async with Fleet.from_inventory(path, timeout=timeout, retry=PATIENCE) as fleet:
        return (await fleet.select().run(stop)).outcomes[0].outcome, site


async def test_a_slow_operation_has_its_own_limit_where_the_operator_gave_none(
    simulate: Simulate, write_inventory: Write
) -> None:
    outcome, site = await stopped(await simulate(sites=1), write_inventory, None)
    assert (outcome, site.count("stop")) == ("changed", 1)


async def test_the_operator_s_limit_holds_for_slow_operations_too(simulate: Simulate, write_inventory: Write) -> None:
    outcome, site = await stopped(await simulate(sites=1), write_inventory, "1s")
    assert (outcome, site.count("stop")) == ("unknown", 0), "the ledger has it when it is over"


@pytest.mark.parametrize(("limit", "outcome"), [("1s", "timeout"), ("15s", "ok")])
async def test_a_read_has_the_limit_of_its_site_and_is_not_asked_again_when_that_is_used_up(
    simulate: Simulate, write_inventory: Write, limit: str, outcome: str
) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    site.switches.set("durations", "info:2s")
    path = write_inventory(simulator.inventory_toml() + f'timeout = "{limit}"\n')
    async with Fleet.from_inventory(path, retry=PATIENCE) as fleet:
        [told] = (await fleet.select().run(ops.info.admin())).outcomes
    assert told.outcome == outcome
    assert told.attempts == 1


async def test_waiting_for_a_login_does_not_count(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, latency=0.7)
    async with Fleet.from_inventory(write_inventory(simulator), timeout="1s", retry=PATIENCE) as fleet:
        report = await fleet.select().run(ops.info.admin())
    assert report.ok, "two answers of 700 ms each, and a second for each of them"
