"""Machines in bulk: rows, starting and stopping, and the rolling restart that checks that the rest carries the load."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from fleet import Fleet
from fleet.aggregate.where import parse
from fleet.bulk import change, plan
from fleet.bulk.machine_settings import Edit, Register, Synchronize, Unregister
from fleet.bulk.machines import ChosenMachines, Start, Stop
from fleet.bulk.rolling import Restart
from fleet.client.settings import RetryPolicy
from fleet.errors import UsageError
from fleet.fanout.stop import Stop as StopRun
from fleet.outcome import Outcome
from fleet.rows.machines import MACHINES
from fleet.rows.table import EVERYTHING, Wanted
from fleet.simulator import SimulatedSite, Simulator

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

PATIENCE = RetryPolicy(base=0.05, cap=0.1, settle=0.5, restart=5.0, lock_patience=0.5, breaker_pause=0.2)
ALL = ChosenMachines()


def sent(site: SimulatedSite) -> list[str]:
    """The changes that a site was sent, as `stop A`."""
    return [
        f"{entry.operation} {entry.path.split('/')[-2].partition('.')[0][-1]}"
        for entry in site.requests()
        if entry.changed and entry.operation in ("start", "stop")
    ]


def told(outcome: Outcome) -> list[tuple[str, str]]:
    return [(one["item"].partition(".")[0][-1], one["outcome"]) for one in outcome.value["changes"]]


async def rows_of(simulator: Simulator, write: Write, wanted: Wanted = EVERYTHING) -> list[dict[str, Any]]:
    async with Fleet.from_inventory(write(simulator)) as fleet:
        report = await fleet.select("all").run(lambda client: MACHINES.read(client, wanted), merge="union")
    return [row for outcome in report.outcomes for row in outcome.value]


async def test_a_machine_is_a_row_and_what_costs_more_is_read_when_it_is_wanted(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, machines=2)
    site = simulator.sites["sim-0001"]

    cheap = await rows_of(simulator, write_inventory)
    assert [row["realTimeState"] for row in cheap] == ["STARTED", "STARTED"]
    assert site.count("hardware") == 0
    rows = await rows_of(simulator, write_inventory, Wanted(columns=frozenset(MACHINES.names)))

    assert [row["machineName"] for row in rows] == list(site.machines)
    assert list(rows[0]) == list(MACHINES.names)
    assert (rows[0]["systemMemoryMB"], rows[0]["release"]) == (16384, "11.3")
    assert rows[0]["webServerCertificateAlias"] == "selfsignedcertificate"
    assert site.count("hardware") == 2


async def test_an_old_release_tells_no_hardware(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, machines=1, release="10.5.1")

    (row,) = await rows_of(simulator, write_inventory, Wanted(columns=frozenset({"machineName", "cpu", "build"})))

    assert row["cpu"] is None
    assert row["build"]


async def test_machines_are_restarted_one_after_another(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2, machines=3)
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        report = await change(fleet.select("all"), Restart(ALL, wait=10.0))

    assert {outcome.outcome for outcome in report.outcomes} == {"changed"}
    for site in simulator.sites.values():
        assert sent(site) == ["stop A", "start A", "stop B", "start B", "stop C", "start C"]
        assert {machine.real for machine in site.machines.values()} == {"STARTED"}


async def test_a_connection_that_breaks_at_every_restart_is_no_failure(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, machines=2)
    site = simulator.sites["sim-0001"]
    site.switches.cut_connections = frozenset({"machines.stop", "machines.start"})
    site.switches.restart_time = 1.0
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        report = await change(fleet.select("all"), Restart(ALL, wait=10.0))

    (outcome,) = report.outcomes
    assert told(outcome) == [("A", "changed"), ("B", "changed")]
    assert sent(site) == ["stop A", "start A", "stop B", "start B"]


async def test_a_site_of_one_machine_is_refused_unless_an_outage_is_meant(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, machines=1)
    site = simulator.sites["sim-0001"]
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        report, _ = await plan(fleet.select("all"), Restart(ALL))
        (outcome,) = report.outcomes
        assert outcome.outcome == "failed"
        assert "the only machine of the site" in outcome.error.message  # type: ignore[union-attr]

        stopped = await change(fleet.select("all"), Stop(ALL))
        assert stopped.outcomes[0].outcome == "failed"
        assert sent(site) == []
        report = await change(fleet.select("all"), Restart(ALL, allow_outage=True, wait=10.0))

    assert report.outcomes[0].outcome == "changed"
    assert sent(site) == ["stop A", "start A"]


async def test_the_round_ends_at_the_first_machine_that_does_not_come_back(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, machines=3)
    site = simulator.sites["sim-0001"]
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:

        class Failing(Restart):
            """What ran before is made ill the moment its machine was started."""

            async def _back(self, client, machine, before, answer):  # type: ignore[no-untyped-def]
                site.fault("service-down")
                return await super()._back(client, machine, before, answer)

        report = await change(fleet.select("all"), Failing(ALL, wait=1.0))

    (outcome,) = report.outcomes
    assert told(outcome) == [("A", "verify_failed"), ("B", "not_run"), ("C", "not_run")]
    assert outcome.outcome == "verify_failed"
    assert "not back" in outcome.error.message  # type: ignore[union-attr]
    assert sent(site) == ["stop A", "start A"]


async def test_no_machine_is_stopped_while_another_one_is_away(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, machines=3, faults={"sim-0001": "machine-down"})
    site = simulator.sites["sim-0001"]
    a, b = list(site.machines)[:2]
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        report = await change(fleet.select("all"), Restart(ChosenMachines((a, b)), wait=0.5))
        assert told(report.outcomes[0]) == [("A", "failed"), ("B", "not_run")]
        assert "does not carry the load" in report.outcomes[0].error.message  # type: ignore[union-attr]
        assert sent(site) == []

        report = await change(fleet.select("all"), Restart(ALL, wait=5.0))

    # The one that was away comes first, and can carry the others' load from then on.
    assert told(report.outcomes[0]) == [("C", "changed"), ("A", "changed"), ("B", "changed")]


async def test_machines_are_picked_by_glob_short_name_and_condition(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, machines=3)
    site = simulator.sites["sim-0001"]
    last = list(site.machines.values())[-1]
    last.configured = last.real = "STOPPED"
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        _, plans = await plan(fleet.select("all"), Stop(ChosenMachines(("sim-0001-b",))))
        assert [one.item for one in plans["sim-0001"].changes] == [list(site.machines)[1]]
        _, plans = await plan(fleet.select("all"), Stop(ChosenMachines(("*",), parse("realTimeState=STOPPED"))))
        assert [(one.item, one.state) for one in plans["sim-0001"].changes] == [(last.name, "noop")]
        report, _ = await plan(fleet.select("all"), Stop(ChosenMachines(("sim-0001-x",))))
        assert "there is no machine sim-0001-x" in report.outcomes[0].error.message  # type: ignore[union-attr]
        report = await change(fleet.select("all"), Start(ALL))

    assert told(report.outcomes[0]) == [("A", "noop"), ("B", "noop"), ("C", "changed")]
    assert last.real == "STARTED"
    with pytest.raises(UsageError, match="did you mean realTimeState"):
        ChosenMachines((), parse("realTimeStat=STOPPED"))


async def test_a_run_that_is_stopped_leaves_no_machine_between_stop_and_start(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, machines=3)
    site = simulator.sites["sim-0001"]
    stop = StopRun()
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:

        class Watching(Restart):
            async def _carried(self, client, machine, sender):  # type: ignore[no-untyped-def]
                await super()._carried(client, machine, sender)
                if machine == next(iter(site.machines)):
                    return
                stop.launch_no_more()

        report = await change(fleet.select("all"), Watching(ALL, wait=10.0), stop=stop)

    assert told(report.outcomes[0]) == [("A", "changed"), ("B", "not_run"), ("C", "not_run")]
    assert sent(site) == ["stop A", "start A"]


async def test_settings_are_changed_and_the_others_kept(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, machines=2)
    site = simulator.sites["sim-0001"]
    site.switches.restart_time = 0.5
    first, second = site.machines.values()
    second.heap = 96
    first.ports["JMXPort"] = 4444
    verb = Edit(ALL, settings={"socMaxHeapSize": "96", "webServerMaxHeapSize": "512"}, wait=5.0)
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        _, plans = await plan(fleet.select("all"), verb)
        report = await change(fleet.select("all"), verb)

    one, two = plans["sim-0001"].changes
    assert (one.old, one.new) == (
        {"socMaxHeapSize": 512, "webServerMaxHeapSize": -1},
        {"socMaxHeapSize": 96, "webServerMaxHeapSize": 512},
    )
    assert two.old == {"webServerMaxHeapSize": -1}
    assert told(report.outcomes[0]) == [("A", "changed"), ("B", "changed")]
    assert [(m.heap, m.heaps["webServerMaxHeapSize"]) for m in (first, second)] == [(96, 512), (96, 512)]
    assert first.ports["JMXPort"] == 4444
    form = next(entry.params for entry in site.requests("edit") if entry.changed)
    assert form["JMXPort"] == "4444"
    with pytest.raises(UsageError, match="no setting 'heap'"):
        Edit(ALL, settings={"heap": "1"})
    with pytest.raises(UsageError, match="whole number"):
        Edit(ALL, settings={"socMaxHeapSize": "lots"})


async def test_an_edit_whose_answer_the_restart_cuts_off_is_seen_to_be_done(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, machines=1)
    site = simulator.sites["sim-0001"]
    site.switches.cut_connections = frozenset({"machines.edit"})
    site.switches.restart_time = 1.5
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        report = await change(fleet.select("all"), Edit(ALL, settings={"socMaxHeapSize": "128"}, wait=5.0))

    assert told(report.outcomes[0]) == [("A", "changed")]
    assert [entry.changed for entry in site.requests("edit")] == [True]


async def test_a_machine_joins_and_leaves_and_the_last_one_stays(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, machines=1)
    site = simulator.sites["sim-0001"]
    address = "https://gis-b.example.net:6443/arcgis/admin"
    join = Register("GIS-B.EXAMPLE.NET", address)
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        selection = fleet.select("all")
        outcomes = [
            (await change(selection, verb)).outcomes[0].outcome
            for verb in (
                join,
                join,
                Unregister(ChosenMachines(("gis-b",))),
                Unregister(ChosenMachines(("*",))),
            )
        ]

    assert outcomes == ["changed", "noop", "changed", "failed"]
    assert len(site.machines) == 1


async def test_only_a_machine_that_is_behind_is_synchronised(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, machines=2)
    list(simulator.sites["sim-0001"].machines.values())[1].behind = True
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        report = await change(fleet.select("all"), Synchronize(ALL))

    assert told(report.outcomes[0]) == [("A", "noop"), ("B", "changed")]
    assert not any(machine.behind for machine in simulator.sites["sim-0001"].machines.values())


async def test_a_machine_that_was_stopped_and_can_not_be_started_is_told_as_that(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, machines=2)
    site = simulator.sites["sim-0001"]
    site.switches.lacking = frozenset({"start"})
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        report = await change(fleet.select("all"), Restart(ALL, wait=2.0))

    (outcome,) = report.outcomes
    assert told(outcome) == [("A", "failed"), ("B", "not_run")]
    assert "machines.stop was done before, and stays so" in outcome.error.message  # type: ignore[union-attr]
    assert [machine.real for machine in site.machines.values()] == ["STOPPED", "STARTED"]
