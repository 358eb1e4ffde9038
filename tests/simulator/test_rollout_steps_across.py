"""Steps that need what lies outside of their site: a set that another step made, another site, accounts that were there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from fleet import Fleet
from fleet import admin as ops
from fleet.bulk import change, plan
from fleet.client.settings import RetryPolicy
from fleet.rollout.spec import Step
from fleet.rollout.verbs import Making, verb_of
from fleet.rows.accounts import members_of
from fleet.simulator import Simulator

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

PATIENCE = RetryPolicy(base=0.05, cap=0.1, settle=0.5, lock_patience=0.5)


def made(fleet: Fleet, do: str, given: Mapping[str, Any], folder: Path = Path()) -> Any:
    return verb_of(Step(name="one", do=do, given=given), Making(inventory=fleet.inventory, folder=folder))


def running(simulator: Simulator, site: str) -> set[str]:
    return {one.key for one in simulator.sites[site].services.values() if one.real == "STARTED"}


async def test_what_one_step_stopped_and_remembered_a_later_one_starts(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        # Both are made before either is carried out, as those of one rollout are.
        stop = made(fleet, "services.stop", {"services": "Planning/*", "remember": "before"})
        start = made(fleet, "services.start", {"remembered": "before"})
        client = fleet.client("sim-0001")
        before = running(simulator, "sim-0001")
        _, nothing = await plan(fleet.select("all"), start)
        stopped = await change(fleet.select("all"), stop)
        away = before - running(simulator, "sim-0001")
        started = await change(fleet.select("all"), start)
        again = await start.plan(client)

    assert nothing["sim-0001"].changes == []
    assert (stopped.counts, started.counts) == ({"changed": 1}, {"changed": 1})
    assert away
    assert running(simulator, "sim-0001") == before
    assert {one.state for one in again} == {"noop"}


async def test_settings_come_from_another_site_that_is_read_once(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=3)
    service = next(one for one in simulator.sites["sim-0001"].services.values() if one.type == "MapServer")
    service.definition["maxInstancesPerNode"] = 11
    given = {"from": "sim-0001", "services": service.key, "only": "maxInstancesPerNode"}
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        _, plans = await plan(fleet.select("sim-0002 or sim-0003"), made(fleet, "services.copy-settings", given))

    there = [one for site in ("sim-0002", "sim-0003") for one in plans[site].changes]
    assert there
    assert all(one.new == {"maxInstancesPerNode": 11} or one.state == "impossible" for one in there)
    reads = [one for one in simulator.ledger if one.site == "sim-0001" and one.path.endswith(service.key)]
    assert len(reads) <= 1


async def test_a_role_that_was_removed_is_put_back_with_its_members(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=1)
    (tmp_path / "roles.csv").write_text("rolename,state\nplanners-of-oslo,absent\n")
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        client = fleet.client("sim-0001")
        await client.call(ops.security.user_add("ola", "a-password-of-ola"))
        await client.call(ops.security.role_add("planners-of-oslo", "who plan"))
        await client.call(ops.security.role_assign_privilege("planners-of-oslo", "PUBLISH"))
        await client.call(ops.security.user_assign_roles("ola", ["planners-of-oslo"]))
        verb = made(fleet, "security.accounts", {"files": "roles.csv"}, tmp_path)
        _, plans = await plan(fleet.select("all"), verb)
        report = await change(fleet.select("all"), verb)
        (one,) = plans["sim-0001"].changes
        for operation in one.undo:
            await client.call(operation)
        members = await members_of(client, "planners-of-oslo")
        again = await verb.plan(client)

    assert report.counts == {"changed": 1}
    assert members == ["ola"]
    assert again[0].to_dict() == one.to_dict()
