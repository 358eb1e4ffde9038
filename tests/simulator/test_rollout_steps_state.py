"""The step that says how things should be, and verbs that are carried out and put back, on simulated sites."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from fleet import Fleet
from fleet import admin as ops
from fleet.bulk import change, plan
from fleet.client.settings import RetryPolicy
from fleet.errors import UsageError
from fleet.rollout.restoring import kept, undoing
from fleet.rollout.spec import Step
from fleet.rollout.verbs import Making, verb_of
from fleet.simulator import Simulator
from fleet.simulator.state import Service

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

PATIENCE = RetryPolicy(base=0.05, cap=0.1, settle=0.5, lock_patience=0.5)


def made(fleet: Fleet, do: str, given: Mapping[str, Any], folder: Path = Path()) -> Any:
    return verb_of(Step(name="one", do=do, given=given), Making(inventory=fleet.inventory, folder=folder))


def map_service(simulator: Simulator) -> Service:
    services = simulator.sites["sim-0001"].services.values()
    return next(one for one in services if one.type == "MapServer" and one.definition["provider"] == "ArcObjects11")


async def test_services_logs_and_mode_are_brought_to_their_state_and_back(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    service = map_service(simulator)
    before = copy.deepcopy(service.definition)
    given = {
        "services": service.key,
        "set": {"properties.maxRecordCount": 2000},
        "runtime": "shared",
        "state": "stopped",
        "logs": {"logLevel": "FINE"},
    }
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        client = fleet.client("sim-0001")
        logs = await client.call(ops.logs.settings())
        verb = made(fleet, "state", given)
        _, plans = await plan(fleet.select("all"), verb)
        report = await change(fleet.select("all"), verb)
        after = await client.call(ops.services.get(service.key))
        status = await client.call(ops.services.status(service.key))
        again = await change(fleet.select("all"), verb)
        for one in reversed(plans["sim-0001"].changes):
            for operation in one.undo:
                await client.call(operation)
        back = await client.call(ops.services.get(service.key))
        running = await client.call(ops.services.status(service.key))
        logs_back = await client.call(ops.logs.settings())

    changes = plans["sim-0001"].changes
    assert [one.item for one in changes] == ["log settings", service.key]
    assert set(changes[1].new) == {
        "properties.maxRecordCount",
        "provider",
        "configuredState",
    }
    assert report.counts == {"changed": 1}
    assert again.counts == {"noop": 1}, again.outcomes
    assert (after["provider"], status["realTimeState"]) == ("DMaps", "STOPPED")
    assert after["properties"]["maxRecordCount"] == "2000"
    assert (back["maxInstancesPerNode"], back["provider"]) == (before["maxInstancesPerNode"], "ArcObjects11")
    assert running["realTimeState"] == "STARTED"
    assert logs_back == logs


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "there is nothing that should be so"),
        ({"set": {"maxInstancesPerNode": 1}}, "services is missing"),
        ({"services": "*"}, "services should be how?"),
        (
            {"services": "*", "runtime": "shared", "set": {"minInstancesPerNode": 1}},
            "has no minInstancesPerNode of its own",
        ),
        ({"machines": "*"}, "machine_state is missing"),
        ({"services": "*", "state": "start"}, "did you mean started?"),
    ],
)
async def test_what_no_state_is_is_told(
    given: Mapping[str, Any], told: str, simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        with pytest.raises(UsageError) as caught:
            made(fleet, "state", given)
    assert told in str(caught.value)


UNDOABLE = [
    ("services.stop", {"services": "*.MapServer"}),
    ("services.edit", {"services": "*.MapServer", "set": {"maxInstancesPerNode": 9}}),
    ("services.permissions", {"role": "esriEveryone", "services": "*.MapServer", "allowed": False}),
    ("services.permissions.clean", {"role": "esriEveryone"}),
    ("logs.edit", {"set": {"logLevel": "FINE"}}),
    ("site.mode", {"mode": "READ_ONLY"}),
    ("security.config.set", {"set": {"HSTSEnabled": True}}),
    ("security.tokens.set", {"set": {"shortTimeout": 37}}),
    ("properties.set", {"set": {"WebContextURL": "https://gis.example.net/arcgis"}}),
    ("services-directory", {"on": False}),
    ("machines.edit", {"set": {"socMaxHeapSize": 129}}),
]

LOOKS = (
    ops.logs.settings(),
    ops.site.mode(),
    ops.system.properties(),
    ops.system.services_directory(),
    ops.security.config(),
    ops.security.tokens(),
    ops.services.permissions(folder=""),
)


async def whole_state(fleet: Fleet, simulator: Simulator) -> dict[str, Any]:
    """What the site tells of everything that these steps change."""
    client = fleet.client("sim-0001")
    state: dict[str, Any] = {look.name: await client.call(look) for look in LOOKS}
    for service in simulator.sites["sim-0001"].services.values():
        state[service.key] = await client.call(ops.services.get(service.key))
        state[f"{service.key} roles"] = await client.call(ops.services.permissions(service.key))
        state[f"{service.key} status"] = await client.call(ops.services.status(service.key))
    for machine in (await client.call(ops.machines.listing()))["machines"]:
        state[machine["machineName"]] = await client.call(ops.machines.get(machine["machineName"]))
    state["mode"].pop("lastModified")
    for told in state.values():
        if "permissions" in told:
            told["permissions"].sort(key=lambda one: one["principal"])
    return state


@pytest.mark.parametrize(("do", "given"), UNDOABLE, ids=[do for do, _ in UNDOABLE])
async def test_what_can_be_undone_is_as_it_was_from_what_a_journal_keeps(
    do: str, given: Mapping[str, Any], simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        client = fleet.client("sim-0001")
        before = await whole_state(fleet, simulator)
        verb = made(fleet, do, given)
        _, plans = await plan(fleet.select("all"), verb)
        report = await change(fleet.select("all"), verb)
        assert report.counts == {"changed": 1}
        pending = plans["sim-0001"].pending
        assert pending
        assert all(one.undo for one in pending)
        assert await whole_state(fleet, simulator) != before
        for one in reversed(pending):
            done = [kept(operation) for operation in one.operations]
            for undo in one.undo:
                partner = next((told for told in done if (told["name"], told["path"]) == (undo.name, undo.path)), None)
                operation = await undoing(client, partner, kept(undo))
                if operation is not None:
                    await client.call(operation)
        after = await whole_state(fleet, simulator)

    assert [(before[key], after[key]) for key in before if before[key] != after[key]] == []


async def test_a_shared_key_that_was_masked_when_it_was_read_is_never_sent_back(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    # The password of the inventory is in it, and so it reads as ***-of-the-site.
    kept_settings = simulator.sites["sim-0001"].state.kept.setdefault(
        "token_settings", {"shortTimeout": "60", "longTimeout": "1440"}
    )
    kept_settings["sharedKey"] = "simulated-of-the-site"
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        report = await change(fleet.select("all"), made(fleet, "security.tokens.set", {"set": {"shortTimeout": 37}}))

    assert report.counts == {"failed": 1}
    assert "can't be sent back as it is" in str(report.outcomes[0].error)
    assert kept_settings["sharedKey"] == "simulated-of-the-site"
