"""Services of a site that are started, stopped and restarted by one call, and each is seen to have followed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from fleet import Fleet
from fleet.bulk import change
from fleet.bulk.services import Chosen, Restart, Start, Stop, Switch
from fleet.bulk.together import TOGETHER_CAP
from fleet.client.settings import RetryPolicy
from fleet.protocol.patterns import ServicePatterns
from fleet.report import Report
from fleet.rows.services import SERVICES
from fleet.rows.table import EVERYTHING
from fleet.simulator import Simulator

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

PATIENCE = RetryPolicy(base=0.05, cap=0.1, settle=0.5, lock_patience=0.5)
EVERY = Chosen(ServicePatterns(()))


def calls(simulator: Simulator) -> Counter[str]:
    """How often each change was sent."""
    return Counter(one.operation for one in simulator.ledger if one.changed and one.operation != "generateToken")


def told(report: Report) -> dict[str, str]:
    """Service -> outcome on the one site."""
    (outcome,) = report.outcomes
    return {one["item"]: one["outcome"] for one in outcome.value["changes"]}


async def carried_out(simulator: Simulator, write_inventory: Write, verb: Switch) -> Report:
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        return await change(fleet.select("all"), verb)


@pytest.mark.parametrize(
    ("verb", "before", "after", "sent"),
    [
        (Stop, "STARTED", "STOPPED", {"stopServices": 1}),
        (Start, "STOPPED", "STARTED", {"startServices": 1}),
        (Restart, "STARTED", "STARTED", {"stopServices": 1, "startServices": 1}),
    ],
)
async def test_one_call_is_sent_for_all_services_of_a_site(
    verb: Any, before: str, after: str, sent: dict[str, int], simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, services=6)
    services = simulator.sites["sim-0001"].services
    for one in services.values():
        one.configured = one.real = before

    report = await carried_out(simulator, write_inventory, verb(EVERY))

    assert told(report) == dict.fromkeys(services, "changed")
    assert {(one.configured, one.real) for one in services.values()} == {(after, after)}
    assert calls(simulator) == sent


async def test_one_service_and_one_by_one_are_calls_of_their_own(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, services=3)
    first, *_ = simulator.sites["sim-0001"].services

    await carried_out(simulator, write_inventory, Stop(Chosen(ServicePatterns((first,)))))
    await carried_out(simulator, write_inventory, Stop(EVERY, together=False))

    assert calls(simulator) == {"stop": 3}


async def test_more_services_than_one_call_is_for_are_sent_in_lists(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, services=TOGETHER_CAP + 1)
    simulator.sites["sim-0001"].switches.stop_time = 0

    report = await carried_out(simulator, write_inventory, Stop(EVERY))

    assert set(told(report).values()) == {"changed"}
    assert calls(simulator) == {"stopServices": 1, "stop": 1}


async def test_services_that_do_not_follow_are_sent_a_call_of_their_own(
    simulate: Simulate, write_inventory: Write
) -> None:
    """A hosted service makes the whole call fail; what followed all the same is not sent again."""
    simulator = await simulate(sites=1, services=5)
    services = simulator.sites["sim-0001"].services
    hosted, *others = services.values()
    hosted.definition["provider"] = "SDS"

    report = await carried_out(simulator, write_inventory, Stop(EVERY))

    assert told(report) == {one.key: "changed" for one in others} | {hosted.key: "failed"}
    assert hosted.real == "STARTED"
    assert {one.real for one in others} == {"STOPPED"}
    (outcome,) = report.outcomes
    assert "Hosted service" in str(outcome.error)  # type: ignore[union-attr]
    assert [one.operation for one in simulator.ledger if one.operation in ("stopServices", "stop")] == [
        "stopServices",
        "stop",
    ]


async def test_a_release_without_such_a_call_gets_one_for_each(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, services=4)
    site = simulator.sites["sim-0001"]
    site.switches.lacking = frozenset({"stopServices"})

    report = await carried_out(simulator, write_inventory, Stop(EVERY))

    assert set(told(report).values()) == {"changed"}
    assert calls(simulator)["stop"] == 4


async def test_a_restart_whose_start_fails_says_so_of_each(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, services=3, faults={"sim-0001": "start-fails"})
    services = simulator.sites["sim-0001"].services

    report = await carried_out(simulator, write_inventory, Restart(EVERY))

    assert told(report) == dict.fromkeys(services, "failed")
    assert {one.real for one in services.values()} == {"STOPPED"}


async def test_a_lost_answer_is_judged_service_by_service(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, services=4, faults={"sim-0001": "lost-answer"})
    services = simulator.sites["sim-0001"].services

    report = await carried_out(simulator, write_inventory, Stop(EVERY))

    assert told(report) == dict.fromkeys(services, "changed")
    assert {one.real for one in services.values()} == {"STOPPED"}


async def test_twenty_thousand_services_of_one_site_are_asked_for_in_lists(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, services=20_000, folders=0)
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        rows = await SERVICES.read(fleet.client("sim-0001"), EVERYTHING)

    assert len({row["service"] for row in rows}) == 20_000
    reports = [entry for entry in simulator.ledger if entry.operation == "report"]
    assert [entry.method for entry in reports] == ["POST"] * 10


async def test_a_site_that_is_away_when_the_one_call_is_due_is_told_once(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, services=4)
    site = simulator.sites["sim-0001"]

    class GoingAway(Stop):
        async def carry_out(self, client, changes, sender, done):  # type: ignore[no-untyped-def]
            site.fault("refused")
            await super().carry_out(client, changes, sender, done)

    report = await carried_out(simulator, write_inventory, GoingAway(EVERY))

    assert list(told(report).values()) == ["unreachable", "not_run", "not_run", "not_run"]
    assert {one.real for one in site.services.values()} == {"STARTED"}


async def test_what_a_deadline_breaks_off_in_the_middle_is_unknown(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, services=4)
    simulator.sites["sim-0001"].switches.stop_time = 5
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE, deadline=2) as fleet:
        report = await change(fleet.select("all"), Stop(EVERY))

    (outcome,) = report.outcomes
    assert outcome.outcome == "unknown"
    assert set(told(report).values()) == {"unknown"}


async def test_services_that_vanish_in_between_do_not_keep_the_others(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, services=4)
    services = simulator.sites["sim-0001"].services
    gone, *others = services

    class Vanishing(Stop):
        async def carry_out(self, client, changes, sender, done):  # type: ignore[no-untyped-def]
            simulator.sites["sim-0001"].services.pop(gone, None)
            await super().carry_out(client, changes, sender, done)

    report = await carried_out(simulator, write_inventory, Vanishing(EVERY))

    assert told(report) == {gone: "failed"} | dict.fromkeys(others, "changed")
