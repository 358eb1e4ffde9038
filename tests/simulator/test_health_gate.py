"""The gate `health` on simulated sites: what breaks after the baseline is a no, what was broken before is not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fleet.client.settings import RetryPolicy
from fleet.fanout.fleet import Fleet
from fleet.fanout.stop import Stop
from fleet.rollout.gates import gate_check
from fleet.rollout.spec import Gate
from fleet.rollout.verbs import Making
from fleet.rollout.verdict import Asked, GateCheck
from fleet.simulator import Simulator

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]


@asynccontextmanager
async def opened(simulator: Simulator, write_inventory: Write, timeout: str = "20s") -> AsyncIterator[Fleet]:
    path = write_inventory(simulator.inventory_toml())
    async with Fleet.from_inventory(path, timeout=timeout, retry=RetryPolicy(base=0.01, cap=0.02)) as fleet:
        yield fleet


def asked(fleet: Fleet, **more: Any) -> Asked:
    return Asked(**{"selection": fleet.select(), "wave": 0, "began": 0.0, **more})


def check_of(fleet: Fleet, when: Any = "after", **given: Any) -> GateCheck:
    gate = Gate(when=when, check="health", given=given)
    return gate_check(gate, Making(inventory=fleet.inventory, folder=Path()))


async def remembered(check: GateCheck, what: Asked) -> Any:
    """The baseline as the journal gives it back."""
    return json.loads(json.dumps(await check.baseline(what)))


async def test_what_was_broken_before_may_stay_so(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(
        sites=4, faults={"sim-0001": "service-down", "sim-0002": "unhealthy", "sim-0003": "machine-down"}
    )
    async with opened(simulator, write_inventory) as fleet:
        check = check_of(fleet)
        verdict = await check.judge(asked(fleet), await remembered(check, asked(fleet)))
        every = await check_of(fleet, no="any_failure").judge(asked(fleet), None)
    assert verdict.answer == "go"
    assert every.answer == "no"
    assert every.sites == ("sim-0001", "sim-0002", "sim-0003")


@pytest.mark.parametrize(
    ("fault", "check_name"), [("service-down", "services"), ("unhealthy", "healthcheck"), ("machine-down", "machines")]
)
async def test_what_breaks_after_the_baseline_is_a_no(
    simulate: Simulate, write_inventory: Write, fault: str, check_name: str
) -> None:
    simulator = await simulate(sites=3)
    async with opened(simulator, write_inventory) as fleet:
        check = check_of(fleet)
        before = await remembered(check, asked(fleet))
        simulator.sites["sim-0002"].fault(fault)
        verdict = await check.judge(asked(fleet), before)
    assert verdict.answer == "no"
    assert verdict.sites == ("sim-0002",)
    assert check_name in verdict.data["no"]["sites"]["sim-0002"]["checks"]
    assert verdict.data["asked"] == 3


async def test_another_service_that_stops_is_a_new_failure_beside_one_that_was_stopped(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, faults={"sim-0001": "service-down"})
    site = simulator.sites["sim-0001"]
    third = list(site.services)[2]
    async with opened(simulator, write_inventory) as fleet:
        check = check_of(fleet)
        before = await remembered(check, asked(fleet))
        assert (await check.judge(asked(fleet), before)).answer == "go"
        site.services[third].real = "STOPPED"
        verdict = await check.judge(asked(fleet), before)
    assert verdict.answer == "no"
    assert third in verdict.why
    assert next(iter(site.services)) not in verdict.why, "that one was stopped before"


async def test_a_site_that_is_gone_is_a_no_and_one_that_was_gone_is_told_and_has_no_say(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=3, faults={"sim-0001": "refused"})
    async with opened(simulator, write_inventory) as fleet:
        check = check_of(fleet)
        before = await remembered(check, asked(fleet))
        well = await check.judge(asked(fleet), before)
    simulator.sites["sim-0003"].fault("refused")
    async with opened(simulator, write_inventory) as fleet:
        # Another process, as after a crash: it has no connection that is still open.
        verdict = await check_of(fleet).judge(asked(fleet), before)
    assert well.answer == "go"
    assert list(well.data["ignored"]["sites"]) == ["sim-0001"]
    assert verdict.answer == "no"
    assert verdict.sites == ("sim-0003",)
    assert verdict.data["no"]["sites"]["sim-0003"]["kind"] == "connect"


async def test_what_the_wave_lost_is_told_apart_and_not_asked(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2)
    async with opened(simulator, write_inventory) as fleet:
        check = check_of(fleet)
        before = await remembered(check, asked(fleet))
        simulator.sites["sim-0002"].fault("unhealthy")
        count = simulator.sites["sim-0002"].count()
        verdict = await check.judge(asked(fleet, lost=("sim-0002",)), before)
        nobody = await check.judge(asked(fleet, lost=("sim-0001", "sim-0002")), before)
    assert verdict.answer == "go"
    assert verdict.data == {"asked": 1, "lost": {"count": 1, "sites": ["sim-0002"]}}
    assert simulator.sites["sim-0002"].count() == count
    assert nobody.answer == "cannot_tell"


async def test_a_look_that_is_stopped_or_has_nothing_to_compare_with_is_never_a_go(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=2)
    async with opened(simulator, write_inventory) as fleet:
        check = check_of(fleet)
        before = await remembered(check, asked(fleet))
        stop = Stop()
        stop.launch_no_more()
        stopped = await check.judge(asked(fleet, stop=stop), before)
        unknown = [await check.judge(asked(fleet), odd) for odd in (None, {}, [], {"sites": {"sim-0001": [1]}})]
    assert stopped.answer == "cannot_tell"
    assert [verdict.answer for verdict in unknown] == ["cannot_tell"] * 4
    assert stopped.sites == ("sim-0001", "sim-0002")


async def test_a_share_of_the_sites_may_say_no(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=4)
    async with opened(simulator, write_inventory) as fleet:
        few, none = check_of(fleet, share="25%"), check_of(fleet)
        before = await remembered(few, asked(fleet))
        simulator.sites["sim-0001"].fault("unhealthy")
        assert (await none.judge(asked(fleet), before)).answer == "no"
        one = await few.judge(asked(fleet), before)
        simulator.sites["sim-0002"].fault("unhealthy")
        two = await few.judge(asked(fleet), before)
    assert (one.answer, two.answer) == ("go", "no")
    assert list(one.data["no"]["sites"]) == ["sim-0001"], "it is told all the same"


async def test_warnings_count_only_where_that_is_wanted(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    async with opened(simulator, write_inventory) as fleet:
        failures, warnings = check_of(fleet), check_of(fleet, no="new_warnings")
        before = await remembered(warnings, asked(fleet))
        simulator.sites["sim-0001"].fault("read-only")
        assert (await failures.judge(asked(fleet), before)).answer == "go"
        assert (await warnings.judge(asked(fleet), before)).answer == "no"


async def test_only_the_checks_that_are_named_are_carried_out(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    async with opened(simulator, write_inventory) as fleet:
        check = check_of(fleet, only=["machines"])
        before = await remembered(check, asked(fleet))
        simulator.sites["sim-0001"].fault("service-down")
        assert (await check.judge(asked(fleet), before)).answer == "go"
        simulator.sites["sim-0001"].fault("machine-down")
        assert (await check.judge(asked(fleet), before)).answer == "no"


async def test_a_site_whose_admin_is_blocked_half_way_cannot_tell(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    async with opened(simulator, write_inventory) as fleet:
        check = check_of(fleet)
        before = await remembered(check, asked(fleet))
        simulator.sites["sim-0001"].fault("admin-blocked")
        verdict = await check.judge(asked(fleet), before)
    assert verdict.answer == "cannot_tell"
    assert verdict.sites == ("sim-0001",)


async def test_a_site_that_is_left_alone_after_failures_was_not_asked_and_is_no_no(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    async with opened(simulator, write_inventory) as fleet:
        check = check_of(fleet, only=["services", "machines"])
        before = await remembered(check, asked(fleet))
        site.fault("http-503")
        failing = await check.judge(asked(fleet), before)
        site.clear_faults()
        count = site.count()
        spared = await check.judge(asked(fleet), before)
    assert failing.answer == "no"
    assert site.count() == count, "nothing was sent"
    assert spared.answer == "cannot_tell"
