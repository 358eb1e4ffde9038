"""Bulk verbs: planned by reading, carried out change by change, each seen in the site's state afterwards."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from fleet import Fleet
from fleet.aggregate.where import parse
from fleet.audit import AuditLog, Origin, read_audit
from fleet.bulk import apply, change, plan
from fleet.bulk.services import Chosen, Restart, Start, Stop
from fleet.client.settings import RetryPolicy
from fleet.errors import UsageError
from fleet.fanout.stop import Stop as StopRun
from fleet.protocol.fields import ServiceId
from fleet.protocol.patterns import ServicePatterns
from fleet.simulator import Simulator

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

PATIENCE = RetryPolicy(base=0.05, cap=0.1, settle=0.5, lock_patience=0.5)


def every(*texts: str, where: str | None = None) -> Chosen:
    return Chosen(ServicePatterns(texts), None if where is None else parse(where))


def sent(record: dict[str, Any]) -> list[str]:
    """The services that the call of *record* was for: one by its path, or many by a parameter."""
    if "services" not in record["parameters"]:
        return [record["path"].removeprefix("admin/services/").rpartition("/")[0]]
    named = json.loads(record["parameters"]["services"])["services"]
    return [str(ServiceId(one["folderName"], one["serviceName"], one["type"])) for one in named]


async def test_a_plan_tells_old_and_new_and_sends_no_change(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2)
    site = simulator.sites["sim-0001"]
    running, standing, *_ = site.services.values()
    standing.configured = standing.real = "STOPPED"
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        report, plans = await plan(fleet.select("all"), Stop(every(running.key, standing.key)))

    assert report.to_dict()["dry_run"] is True
    by_item = {one.item: one for one in plans["sim-0001"].changes}
    assert by_item[running.key].to_dict() == {
        "item": running.key,
        "state": "change",
        "old": {"configuredState": "STARTED"},
        "new": {"configuredState": "STOPPED"},
    }
    assert by_item[standing.key].state == "noop"
    assert [op.name for op in by_item[running.key].undo] == ["services.start"]
    assert not any(entry.changed for entry in simulator.ledger if entry.operation != "generateToken")


async def test_what_was_planned_is_done_and_is_on_record(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=2)
    file = tmp_path / "audit.jsonl"
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        with AuditLog(file, Origin.here("services.stop", "all")) as audit:
            report = await change(fleet.select("all"), Stop(every("Planning/*")), audit=audit)

    for site in simulator.sites.values():
        states = {service.real for service in site.services.values() if service.folder == "Planning"}
        assert states <= {"STOPPED"}
        assert {service.real for service in site.services.values() if service.folder != "Planning"} == {"STARTED"}
    done = [(outcome.site, one["item"]) for outcome in report.outcomes for one in outcome.value["changes"]]
    assert done
    recorded = [(record["site"], item) for record in read_audit(file) for item in sent(record)]
    assert sorted(recorded) == sorted(done)
    assert {record["outcome"] for record in read_audit(file)} == {"changed"}


async def test_a_failing_service_does_not_keep_the_others_from_it(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    for service in site.services.values():
        service.configured = service.real = "STOPPED"
    gone = next(iter(site.services))
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        report, plans = await plan(fleet.select("all"), Start(every()))
        del site.services[gone]
        report = await apply(fleet.select("all"), Start(every()), plans)

    (outcome,) = report.outcomes
    told = {one["item"]: one["outcome"] for one in outcome.value["changes"]}
    assert told.pop(gone) == "failed"
    assert set(told.values()) == {"changed"}
    assert outcome.outcome == "failed"
    assert {service.real for service in site.services.values()} == {"STARTED"}


async def test_a_change_that_nobody_agreed_to_is_left_alone(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    first, second, *_ = site.services.values()
    second.configured = second.real = "STOPPED"
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        _, plans = await plan(fleet.select("all"), Stop(every()))
        second.configured = second.real = "STARTED"
        report = await apply(fleet.select("all"), Stop(every()), plans)

    (outcome,) = report.outcomes
    told = {one["item"]: one for one in outcome.value["changes"]}
    assert told[first.key]["outcome"] == "changed"
    assert told[second.key]["outcome"] == "failed"
    assert "since you were asked" in told[second.key]["error"]["message"]
    assert second.real == "STARTED"


async def test_a_name_that_is_not_there_fails_with_the_nearest(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    key = next(iter(simulator.sites["sim-0001"].services))
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        report = await change(fleet.select("all"), Stop(every(f"{key}x")))

    (outcome,) = report.outcomes
    assert outcome.outcome == "failed"
    assert outcome.error.kind == "not_found"  # type: ignore[union-attr]
    assert outcome.error.hint == f"did you mean {key}?"  # type: ignore[union-attr]


async def test_a_site_with_a_path_for_a_name_fails_alone(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2)
    bad, good = simulator.sites["sim-0001"], simulator.sites["sim-0002"]
    bad.state.add_service("", "../../etc/passwd", "MapServer")
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        report = await change(fleet.select("all"), Stop(every()))

    assert {one.site: one.outcome for one in report.outcomes} == {"sim-0001": "protocol", "sim-0002": "changed"}
    assert {service.real for service in good.services.values()} == {"STOPPED"}
    assert "STOPPED" not in {service.configured for service in bad.services.values()}


async def test_a_condition_picks_services_by_their_rows(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, faults={"sim-0001": "service-down"})
    site = simulator.sites["sim-0001"]
    down = [service.key for service in site.services.values() if service.real == "STOPPED"]
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        where = "configuredState=STARTED and realTimeState=STOPPED"
        report = await change(fleet.select("all"), Start(every(where=where)))

    (outcome,) = report.outcomes
    assert [one["item"] for one in outcome.value["changes"]] == down
    assert {service.real for service in site.services.values()} == {"STARTED"}
    with pytest.raises(UsageError, match="did you mean realTimeState"):
        every(where="realTimeStat=STOPPED")


async def test_a_restart_is_whole_although_the_run_is_stopped(simulate: Simulate, write_inventory: Write) -> None:
    """No service is left between stop and start, and what was not begun says so."""
    simulator = await simulate(sites=1, services=4)
    site = simulator.sites["sim-0001"]
    stop = StopRun()
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        site_was_asked = site.requests

        class Watching(Restart):
            async def carry_out(self, client, changes, sender, done):  # type: ignore[no-untyped-def]
                def told(one, result):  # type: ignore[no-untyped-def]
                    done(one, result)
                    stop.launch_no_more()

                await super().carry_out(client, changes, sender, told)

        report = await apply(fleet.select("all"), Watching(every(), together=False), stop=stop)

    (outcome,) = report.outcomes
    told = [one["outcome"] for one in outcome.value["changes"]]
    assert told == ["changed", "not_run", "not_run", "not_run"]
    assert [
        entry.operation for entry in site_was_asked() if entry.changed and entry.operation in ("start", "stop")
    ] == [
        "stop",
        "start",
    ]
    assert {service.real for service in site.services.values()} == {"STARTED"}


async def test_a_site_that_goes_away_ends_its_changes_and_keeps_what_was_done(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, services=4)
    site = simulator.sites["sim-0001"]
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:

        class Watching(Stop):
            async def carry_out(self, client, changes, sender, done):  # type: ignore[no-untyped-def]
                def told(one, result):  # type: ignore[no-untyped-def]
                    done(one, result)
                    site.fault("refused")

                await super().carry_out(client, changes, sender, told)

        report = await apply(fleet.select("all"), Watching(every(), together=False))

    (outcome,) = report.outcomes
    told = [one["outcome"] for one in outcome.value["changes"]]
    assert told == ["changed", "unreachable", "not_run", "not_run"]
    assert outcome.outcome == "unreachable"
