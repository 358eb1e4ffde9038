"""Steps that send any operation, and steps that wait, on simulated sites."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from fleet import Fleet
from fleet import admin as ops
from fleet.bulk import change, plan
from fleet.bulk.verb import Verb
from fleet.client.settings import RetryPolicy
from fleet.errors import UsageError
from fleet.fanout.stop import Stop
from fleet.rollout.spec import Step
from fleet.rollout.verbs import Making, verb_of
from fleet.simulator import Simulator

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

PATIENCE = RetryPolicy(base=0.05, cap=0.1, settle=0.5, lock_patience=0.5)
MODE = {"path": "admin/mode/update", "parameters": {"siteMode": "READ_ONLY", "runAsync": False}}


def made(fleet: Fleet, do: str, given: Mapping[str, Any], folder: Path = Path()) -> Verb:
    return verb_of(Step(name="one", do=do, given=given), Making(inventory=fleet.inventory, folder=folder))


async def test_any_operation_is_sent_once_and_undone(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2)
    back = {"path": "admin/mode/update", "parameters": {"siteMode": "EDITABLE", "runAsync": False}}
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        everywhere = fleet.select("all")
        verb = made(fleet, "call", {**MODE, "undo": back})
        _, plans = await plan(everywhere, verb)
        report = await change(everywhere, verb)
        again = await change(everywhere, verb)
        modes = [await fleet.client(site).call(ops.site.mode()) for site in fleet.inventory.sites]
        (planned,) = plans["sim-0001"].changes
        for operation in planned.undo:
            await fleet.client("sim-0001").call(operation)
        undone = await fleet.client("sim-0001").call(ops.site.mode())

    assert report.counts == {"changed": 2}
    assert again.counts == {"noop": 2}
    assert [mode["siteMode"] for mode in modes] == ["READ_ONLY", "READ_ONLY"]
    assert undone["siteMode"] == "EDITABLE"
    assert planned.new["parameters"]["siteMode"] == "READ_ONLY"
    assert [one.operation for one in simulator.ledger if one.changed and one.operation != "generateToken"] == 3 * [
        "update"
    ]


async def test_an_operation_is_sent_for_each_service_with_the_facts_of_its_site(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    given = {
        "path": "admin/services/{service}/iteminfo/edit",
        "parameters": {"serviceItemInfo": json.dumps({"title": "on {site}"})},
        "each": "services",
        "services": "*.MapServer",
    }
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        verb = made(fleet, "call", given)
        _, plans = await plan(fleet.select("all"), verb)

    changes = plans["sim-0001"].changes
    services = [one for one in simulator.sites["sim-0001"].services.values() if one.type == "MapServer"]
    assert sorted(change.item for change in changes) == sorted(one.key for one in services)
    assert all(
        json.loads(one.operations[0].parameters["serviceItemInfo"]) == {"title": "on sim-0001"} for one in changes
    )


async def test_an_operation_has_its_name_in_the_catalogue_too(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        given = {"parameters": {"folderName": "Archive", "description": ""}}
        report = await change(fleet.select("all"), made(fleet, "services.createFolder", given))
        gone = made(fleet, "services.folder.deleteFolder", {"names": {"folder": "Archive"}})
        removed = await change(fleet.select("all"), gone)
        listing = await fleet.client("sim-0001").call(ops.services.listing())

    assert (report.counts, removed.counts) == ({"changed": 1}, {"changed": 1})
    assert "Archive" not in str(listing["folders"])


async def test_what_the_catalogue_has_against_a_call_is_told_before_anything_is_sent(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        for do, given, told in (
            ("call", {"path": "admin/mode/update", "parameters": {"siteMod": "READ_ONLY"}}, "did you mean siteMode?"),
            ("call", {"path": "admin/mode/update", "parameters": {"siteMode": "READONLY"}}, "did you mean READ_ONLY?"),
            ("call", {"path": "admin/mode"}, "is a read, and changes nothing"),
            ("call", {"path": "admin/services/{service}/stop"}, "goes with each = 'services'"),
            ("services.folder.deleteFolder", {}, "names is missing folder"),
            ("admin/mode/update", {"parameters": {"token": "x"}}, "fleet signs in by itself"),
            ("security.users.add", {"parameters": {"username": "ola", "password": "x"}}, "give it in secrets"),
        ):
            with pytest.raises(UsageError) as caught:
                made(fleet, do, given)
            assert told in str(caught.value), do
        assert not simulator.ledger


async def test_a_secret_parameter_is_looked_up_at_the_last_moment_and_not_shown(
    simulate: Simulate, write_inventory: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator = await simulate(sites=1)
    monkeypatch.setenv("NEW_PASSWORD", "of-the-new-user")
    given = {"parameters": {"username": "ola"}, "secrets": {"password": {"env": "NEW_PASSWORD"}}}
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        verb = made(fleet, "security.users.add", given)
        _, plans = await plan(fleet.select("all"), verb)
        report = await change(fleet.select("all"), verb)

    assert report.counts == {"changed": 1}
    assert "of-the-new-user" not in repr(verb) + repr(plans) + json.dumps(report.to_dict(), default=str)


# Waiting


async def test_what_holds_already_is_not_waited_for(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        for until in (
            {"reachable": True},
            {"release": "10.1"},
            {"path": "admin/mode", "where": "siteMode=EDITABLE"},
            {"path": "admin/mode", "query": "siteMode == 'EDITABLE'"},
            {"health": ["healthcheck"]},
        ):
            report = await change(fleet.select("all"), made(fleet, "wait", {"until": until, "timeout": "5s"}))
            assert report.counts == {"noop": 1}, until


async def test_it_is_waited_until_somebody_has_changed_it(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    until = {"path": "admin/mode", "where": "siteMode=READ_ONLY"}
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        verb = made(fleet, "wait", {"until": until, "timeout": "20s", "every": "50ms"})
        found: list[Any] = []

        async def waits() -> None:
            found.append(await change(fleet.select("all"), verb))

        async with anyio.create_task_group() as group:
            group.start_soon(waits)
            await anyio.sleep(0.3)
            assert found == []
            await fleet.client("sim-0001").call(ops.site.set_mode("READ_ONLY"))

    assert found[0].outcomes[0].ok


async def test_waiting_ends_with_its_time_and_with_the_run(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    until = {"services": "*", "state": "stopped"}
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        short = made(fleet, "wait", {"until": until, "timeout": "200ms", "every": "50ms"})
        report = await change(fleet.select("all"), short)
        assert report.outcomes[0].outcome == "verify_failed"
        assert "after 0.2 s" in str(report.outcomes[0].error)
        stop = Stop()
        long = made(fleet, "wait", {"until": until, "timeout": "10m", "every": "50ms"})
        began = time.monotonic()
        async with anyio.create_task_group() as group:

            async def stops() -> None:
                await anyio.sleep(0.5)
                stop.launch_no_more()

            group.start_soon(stops)
            ended = await change(fleet.select("all"), long, stop=stop)
    assert [one["outcome"] for one in ended.outcomes[0].value["changes"]] == ["not_run"]
    assert time.monotonic() - began < 20
    assert {one.operation for one in simulator.ledger if one.changed} <= {"generateToken"}


@pytest.mark.parametrize(
    ("until", "told"),
    [
        ({"servces": "*"}, "did you mean services?"),
        ({"state": "started"}, "state goes with services"),
        ({"path": "admin/mode"}, "goes with where, a condition, or with query"),
        ({"health": ["licence"]}, "there is no health check"),
        ({"release": "soon"}, "release is the least one"),
        ({"services": "*", "state": "paused"}, "state is started or stopped"),
    ],
)
async def test_what_can_not_be_waited_for_is_told(
    until: Mapping[str, Any], told: str, simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        with pytest.raises(UsageError) as caught:
            made(fleet, "wait", {"until": until})
    assert told in str(caught.value)
