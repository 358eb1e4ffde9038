"""Definitions that are edited, and services that are moved, renamed and deleted, on simulated sites."""

from __future__ import annotations

import copy
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from fleet import Fleet
from fleet.bulk import change, plan
from fleet.bulk.edits import Edit, MoveRuntime
from fleet.bulk.removals import Delete, Rename
from fleet.bulk.services import Chosen
from fleet.bulk.settings import Edits
from fleet.client.settings import RetryPolicy
from fleet.errors import UsageError
from fleet.protocol.fields import ServiceId
from fleet.protocol.patterns import ServicePatterns
from fleet.simulator import Simulator
from fleet.simulator.state import Service

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

PATIENCE = RetryPolicy(base=0.05, cap=0.1, settle=0.5, lock_patience=0.5)


def chosen(*texts: str) -> Chosen:
    return Chosen(ServicePatterns(texts))


def map_service(simulator: Simulator) -> Service:
    return next(one for one in simulator.sites["sim-0001"].services.values() if one.type == "MapServer")


async def test_an_edit_changes_what_is_named_and_can_be_undone(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    service = map_service(simulator)
    before = copy.deepcopy(service.definition)
    edits = Edits(
        settings=(("maxInstancesPerNode", "5"), ("properties.maxRecordCount", "2000")),
        enable=("WMSServer",),
        disable=("KmlServer",),
        capabilities=(("FeatureServer", "Query,Create"),),
    )
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        _, plans = await plan(fleet.select("all"), Edit(chosen(service.key), edits))
        report = await change(fleet.select("all"), Edit(chosen(service.key), edits))
        after = copy.deepcopy(service.definition)
        again = await change(fleet.select("all"), Edit(chosen(service.key), edits))
        (planned,) = plans["sim-0001"].changes
        for operation in planned.undo:
            await fleet.client("sim-0001").call(operation)

    assert report.outcomes[0].outcome == "changed"
    assert planned.old == {
        "maxInstancesPerNode": before["maxInstancesPerNode"],
        "properties.maxRecordCount": "1000",
        "extensions.KmlServer.enabled": "true",
        "extensions.WMSServer.enabled": "false",
        "extensions.FeatureServer.capabilities": None,
    }
    assert after["maxInstancesPerNode"] == 5
    assert after["properties"] == {**before["properties"], "maxRecordCount": "2000"}
    assert {key: after[key] for key in before if key not in ("maxInstancesPerNode", "properties", "extensions")} == {
        key: before[key] for key in before if key not in ("maxInstancesPerNode", "properties", "extensions")
    }
    assert again.outcomes[0].outcome == "noop"
    assert service.definition == before


async def test_a_setting_that_can_not_be_is_told_and_nothing_is_sent_for_it(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    service = map_service(simulator)
    edits = Edits(settings=(("minInstancesPerNode", "9"),))
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        report = await change(fleet.select("all"), Edit(chosen(service.key), edits))

    (outcome,) = report.outcomes
    assert outcome.outcome == "failed"
    assert "minInstancesPerNode 9 would be more than maxInstancesPerNode" in str(outcome.error)  # type: ignore[union-attr]
    assert not any(entry.operation == "edit" for entry in simulator.ledger)


async def test_what_somebody_else_changed_meanwhile_is_kept(simulate: Simulate, write_inventory: Write) -> None:
    """The definition is read afresh before it is sent back: the change of another administrator is not undone."""
    simulator = await simulate(sites=1)
    service = map_service(simulator)
    verb = Edit(chosen(service.key), Edits(settings=(("maxIdleTime", "60"),)))
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        await plan(fleet.select("all"), verb)
        service.definition["maxWaitTime"] = 77
        await change(fleet.select("all"), verb)

    assert service.definition["maxIdleTime"] == 60
    assert service.definition["maxWaitTime"] == 77


async def test_map_services_are_moved_and_others_left_out(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, release="11.3")
    services = simulator.sites["sim-0001"].services
    other = next(one for one in services.values() if one.type != "MapServer")
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        _, plans = await plan(fleet.select("all"), MoveRuntime(chosen("*"), "shared"))
        _, named = await plan(fleet.select("all"), MoveRuntime(chosen(other.key), "shared"))

    assert {one.item for one in plans["sim-0001"].changes} == {
        one.key for one in services.values() if one.type == "MapServer"
    }
    (first, *_) = plans["sim-0001"].changes
    assert (first.old, first.new) == ({"provider": "ArcObjects11"}, {"provider": "DMaps"})
    assert [op.name for op in first.operations] == ["services.changeProvider"]
    assert [op.name for op in first.undo] == ["services.changeProvider", "services.edit"]
    assert [one.state for one in named["sim-0001"].changes] == ["impossible"]


async def test_services_are_deleted_and_those_of_the_server_are_kept(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    own = site.state.add_service("System", "PublishingTools", "GPServer")
    printing = site.state.add_service("Utilities", "PrintingTools", "GPServer")
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        report = await change(fleet.select("all"), Delete(chosen("*")))
        kept = dict(site.services)
        named = await change(fleet.select("all"), Delete(chosen(own.key)))

    assert report.outcomes[0].outcome == "changed"
    assert list(kept) == [own.key, printing.key]
    assert named.outcomes[0].outcome == "changed"
    assert list(site.services) == [printing.key]


async def test_a_service_is_renamed_once(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    service = map_service(simulator)
    old = ServiceId(service.folder, service.name, service.type)
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        verb = Rename(old, "Streets_2")
        outcomes = [(await change(fleet.select("all"), verb)).outcomes[0].outcome for _ in range(2)]
        renamed = ServiceId(old.folder, "Streets_2", old.type)
        site_says = await change(fleet.select("all"), Rename(ServiceId(old.folder, "Streets_3", old.type), "Streets_4"))
        taken = simulator.sites["sim-0001"].state.add_service(old.folder, "Taken", old.type)
        in_use = await change(fleet.select("all"), Rename(renamed, taken.name))

    services = simulator.sites["sim-0001"].services
    assert outcomes == ["changed", "noop"]
    assert str(renamed) in services
    assert str(old) not in services
    assert site_says.outcomes[0].error.hint == f"did you mean {renamed}?"  # type: ignore[union-attr]
    assert "already" in str(in_use.outcomes[0].error)  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["a/b", "Roads.MapServer", "", "../x", "x\n", "a b", "Roads"])
def test_a_name_that_can_not_be_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        Rename(ServiceId("", "Roads", "MapServer"), name)


async def test_hostile_names_are_sent_as_they_are_and_shown_harmless(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, services=1)
    site = simulator.sites["sim-0001"]
    hostile = ["=cmd()\x1b[31m", "a b%2f..", "<b>x", "Größe"]
    for name in hostile:
        site.state.add_service("", name, "MapServer")
    verb = Edit(chosen("*.MapServer"), Edits(settings=(("maxIdleTime", "60"),)))
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        report = await change(fleet.select("all"), verb)

    (outcome,) = report.outcomes
    assert outcome.outcome == "changed", outcome
    assert all(site.services[f"{name}.MapServer"].definition["maxIdleTime"] == 60 for name in hostile)
    told: list[dict[str, Any]] = outcome.value["changes"]
    assert {f"{name}.MapServer" for name in hostile} <= {one["item"] for one in told}
    assert json.dumps(told)
