"""What the steps of a rollout would change on a site, told by reading it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from fleet import Fleet
from fleet.client.settings import RetryPolicy
from fleet.errors import SiteError
from fleet.rollout.looking import look
from fleet.rollout.plan import SitePlan
from fleet.rollout.spec import Step
from fleet.rollout.verbs import Making, verb_of
from fleet.simulator import Simulator
from fleet.simulator.state import Service

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

PATIENCE = RetryPolicy(base=0.05, cap=0.1, settle=0.5, lock_patience=0.5)


def map_service(simulator: Simulator) -> Service:
    return next(
        one
        for one in simulator.sites["sim-0001"].services.values()
        if one.type == "MapServer" and one.configured == "STARTED"
    )


def step(name: str, do: str, **given: Any) -> Step:
    return Step(name=name, do=do, given=given)


async def seen(inventory: Path, *steps: Step) -> SitePlan:
    async with Fleet.from_inventory(inventory, retry=PATIENCE) as fleet:
        making = Making(inventory=fleet.inventory, folder=Path())
        return await look(fleet.client("sim-0001"), {one.name: verb_of(one, making) for one in steps})


async def test_a_step_is_told_with_what_is_and_what_will_be(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    name = map_service(simulator).key
    edit = step("more", "services.edit", services=[name], set={"maxInstancesPerNode": 7})

    site = await seen(write_inventory(simulator), edit)

    (planned,) = site.steps
    assert site.state == "change"
    assert planned.old != planned.new
    assert planned.new == {"maxInstancesPerNode": 7}
    assert planned.undo
    assert [one for one in simulator.ledger if one.changed and one.operation != "generateToken"] == []


async def test_the_digest_changes_with_what_is_seen_and_with_nothing_else(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    service = map_service(simulator)
    inventory = write_inventory(simulator)
    edit = step("more", "services.edit", services=[service.key], set={"maxInstancesPerNode": 7})

    first = await seen(inventory, edit)
    again = await seen(inventory, edit)
    service.definition["description"] = "somebody was here"
    changed = await seen(inventory, edit)

    assert again == first
    # Nothing that the step sets is different, and yet it would send something else.
    assert changed.steps == first.steps
    assert changed.digest != first.digest


async def test_what_an_earlier_step_changes_is_looked_at_again(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    name = map_service(simulator).key
    steps = step("quiet", "services.stop", services=[name]), step("loud", "services.start", services=[name])

    site = await seen(write_inventory(simulator), *steps)

    assert [(one.name, one.state, one.why) for one in site.steps] == [
        ("quiet", "change", ""),
        ("loud", "noop", "it is looked at again after quiet"),
    ]


async def test_a_service_that_is_not_there_is_impossible(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    site = await seen(write_inventory(simulator), step("edit", "services.start", services=["Nowhere.MapServer"]))

    assert site.state == "impossible"
    assert "there is no service Nowhere.MapServer" in site.steps[0].why


async def test_a_site_that_can_not_be_read_says_why(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    inventory = write_inventory(simulator)
    simulator.sites["sim-0001"].fault("refused")

    with pytest.raises(SiteError) as refusal:
        await seen(inventory, step("edit", "services.start", services=["*"]))

    assert refusal.value.kind == "connect"
