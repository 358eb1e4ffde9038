"""Operations that were kept in a journal, sent again and undone on simulated sites."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from fleet import Fleet
from fleet import admin as ops
from fleet.client.settings import RetryPolicy
from fleet.errors import ConfigFailed, VerifyFailed
from fleet.rollout.restoring import is_done, kept, operation_of, refill, undoing
from fleet.simulator import Simulator
from fleet.simulator.state import Service

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

PATIENCE = RetryPolicy(base=0.05, cap=0.1, settle=0.5, lock_patience=0.5)


def map_service(simulator: Simulator) -> Service:
    return next(one for one in simulator.sites["sim-0001"].services.values() if one.type == "MapServer")


def through_a_file(told: dict[str, Any]) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(json.dumps(told))
    return loaded


async def test_an_edit_is_undone_and_what_others_changed_since_stays(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    service = map_service(simulator)
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        client = fleet.client("sim-0001")
        before = await client.call(ops.services.get(service.key))
        edit = ops.services.edit(service.key, {**before, "maxInstancesPerNode": 7})
        back = ops.services.edit(service.key, before)
        done, undo = (through_a_file(kept(*pair)) for pair in ((edit,), (back,)))
        assert await is_done(client, operation_of(done)) is False
        await client.call(operation_of(done))
        assert await is_done(client, operation_of(done)) is True
        theirs = await client.call(ops.services.get(service.key))
        await client.call(ops.services.edit(service.key, {**theirs, "description": "of somebody else"}))
        operation = await undoing(client, done, undo)
        assert operation is not None
        await client.call(operation)
        after = await client.call(ops.services.get(service.key))
        again = await undoing(client, done, undo)

    assert after["maxInstancesPerNode"] == before["maxInstancesPerNode"] != 7
    assert after["description"] == "of somebody else"
    assert again is None


async def test_a_setting_that_somebody_changed_too_is_told_and_left_alone(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    service = map_service(simulator)
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        client = fleet.client("sim-0001")
        before = await client.call(ops.services.get(service.key))
        edit = ops.services.edit(service.key, {**before, "maxInstancesPerNode": 7})
        done, undo = kept(edit), kept(ops.services.edit(service.key, before))
        await client.call(edit)
        await client.call(ops.services.edit(service.key, {**before, "maxInstancesPerNode": 9}))
        with pytest.raises(VerifyFailed, match="maxInstancesPerNode was left as 7, is 9 now"):
            await undoing(client, done, undo)
        forced = await undoing(client, done, undo, force=True)
        assert forced is not None
        await client.call(forced)
        after = await client.call(ops.services.get(service.key))

    assert after["maxInstancesPerNode"] == before["maxInstancesPerNode"]


async def test_what_was_masked_is_filled_in_from_the_present_state(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    service = map_service(simulator)
    service.definition["properties"]["connectionPassword"] = "of-the-database"
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        client = fleet.client("sim-0001")
        before = await client.call(ops.services.get(service.key))
        told = through_a_file(kept(ops.services.edit(service.key, {**before, "maxInstancesPerNode": 7})))
        assert "of-the-database" not in json.dumps(told)
        await client.call(await refill(client, told))
        after = await client.call(ops.services.get(service.key))
        new = {**before, "properties": {**before["properties"], "connectionPassword": "another"}}
        lost = kept(ops.services.edit(service.key, new), beside=ops.services.edit(service.key, before))
        with pytest.raises(ConfigFailed, match=r"properties\.connectionPassword"):
            await refill(client, lost)

    assert after["maxInstancesPerNode"] == 7
    assert after["properties"]["connectionPassword"] == "of-the-database"


async def test_files_and_passwords_of_their_own_are_told_to_be_missing(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        client = fleet.client("sim-0001")
        file = kept(ops.machines.certificate_import_root("GIS01.EXAMPLE.COM", "root", b"certificate"))
        with pytest.raises(ConfigFailed, match="the file"):
            await refill(client, file)
        user = kept(ops.security.user_add("ola", "a-new-password"))
        with pytest.raises(ConfigFailed, match="password"):
            await refill(client, user)
