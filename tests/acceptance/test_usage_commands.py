"""`fleet usage` as it is used; and that no temporary report is left behind, whatever happens."""

from __future__ import annotations

import csv
import io
import json
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from fleet.rows.usage import PREFIX
from fleet.simulator import Simulator
from fleet.simulator.site import SimulatedSite
from tests.processes import fleet, outcomes_of, started

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]


def reports_of(site: SimulatedSite) -> dict[str, Any]:
    kept: dict[str, Any] = site.state.kept.get("usagereports", {})
    return kept


def left_behind(simulator: Simulator) -> list[str]:
    return [name for site in simulator.sites.values() for name in reports_of(site)]


async def test_totals_over_the_fleet_are_those_of_the_sites(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2)
    inventory = str(write_inventory(simulator))

    async def rows(*arguments: str) -> list[dict[str, str]]:
        result = await fleet("usage", "report", "--since", "2d", "-i", inventory, "-o", "csv", *arguments)
        assert result.returncode == 0, result.stderr
        return list(csv.DictReader(io.StringIO(result.stdout)))

    by_site = await rows("--by", "site")
    by_day = await rows("--by", "day")
    by_service = await rows("--by", "site,service")
    fine = await rows("--by", "site,service,day")

    count = sum(int(row["RequestCount"]) for row in fine)
    assert count > 0
    assert {row["site"] for row in by_site} == set(simulator.sites)
    assert sum(int(row["RequestCount"]) for row in by_site) == count
    assert sum(int(row["RequestCount"]) for row in by_day) == count
    assert len(by_day) == 3
    assert len(by_service) == sum(len(site.services) for site in simulator.sites.values())
    assert {row["day"] for row in fine} <= {row["day"] for row in by_day}
    assert left_behind(simulator) == []


async def test_idle_services_are_those_without_a_request(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2, services=60)
    common = ["--since", "1h", "-i", str(write_inventory(simulator))]

    counted = await fleet("usage", "report", "--by", "site,service", *common, "-o", "csv")
    idle = await fleet("usage", "idle", *common, "-o", "csv")
    names = await fleet("usage", "idle", *common, "-o", "names")

    counts = {
        (row["site"], row["service"]): int(row["RequestCount"]) for row in csv.DictReader(io.StringIO(counted.stdout))
    }
    assert len(counts) == 120
    rows = [(row["site"], row["service"]) for row in csv.DictReader(io.StringIO(idle.stdout))]
    assert sorted(rows) == sorted(key for key, count in counts.items() if count == 0)
    busy = {service for (_, service), count in counts.items() if count}
    assert names.stdout.splitlines() == sorted({service for _, service in counts} - busy)
    assert left_behind(simulator) == []


async def test_slow_services_stand_first(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    inventory = str(write_inventory(simulator))

    result = await fleet("usage", "slow", "--since", "1d", "--over", "1s", "-i", inventory, "-o", "csv")

    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    longest = [float(row["longest"]) for row in rows]
    assert rows
    assert longest == sorted(longest, reverse=True)
    assert all(float(row["average"]) > 0 and one > 1 for row, one in zip(rows, longest, strict=True))


async def test_a_site_that_can_not_be_asked_says_why_and_is_not_changed(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=3, faults={"sim-0002": "read-only"})
    simulator.sites["sim-0003"].state.log_settings["statisticsConfig"]["enabled"] = False
    inventory = str(write_inventory(simulator))

    result = await fleet("usage", "report", "-i", inventory, "-o", "ndjson")

    told = outcomes_of(result)
    assert told["sim-0001"]["outcome"] == "ok"
    assert "read-only mode" in told["sim-0002"]["error"]["message"]
    assert "does not count" in told["sim-0003"]["error"]["message"]
    assert result.returncode == 1
    assert [e.operation for e in simulator.sites["sim-0002"].requests() if e.changed and e.operation == "add"] == []


async def test_a_report_is_given_up_although_its_numbers_can_not_be_read(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    simulator.sites["sim-0001"].switches.lacking = frozenset({"data"})
    inventory = str(write_inventory(simulator))

    result = await fleet("usage", "report", "-i", inventory, "-o", "ndjson")

    assert outcomes_of(result)["sim-0001"]["outcome"] == "failed"
    assert simulator.sites["sim-0001"].count("add") == 1
    assert left_behind(simulator) == []


async def test_an_interrupt_leaves_no_report_behind(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    site.switches.latency = 0.5
    inventory = str(write_inventory(simulator))

    with started("usage", "report", "-i", inventory, "-o", "ndjson") as running:
        with anyio.fail_after(30):
            while not reports_of(site):
                await anyio.sleep(0.02)
        running.send_signal(signal.SIGINT)
        await anyio.sleep(0.1)
        running.send_signal(signal.SIGINT)
        status = await anyio.to_thread.run_sync(running.wait)

    assert status == 130
    assert left_behind(simulator) == []


async def test_what_a_killed_run_has_left_behind_is_given_up_by_the_next(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    old, young = f"{PREFIX}{1_700_000_000_000}_{'a' * 16}", f"{PREFIX}{round(time.time() * 1000)}_{'b' * 16}"
    others = f"{PREFIX}of somebody else"
    site.state.kept["usagereports"] = {name: {"reportname": name, "queries": []} for name in (old, young, others)}
    inventory = str(write_inventory(simulator))

    result = await fleet("usage", "report", "-i", inventory)

    assert result.returncode == 0
    assert sorted(reports_of(site)) == sorted([young, others])


async def test_what_can_not_be_is_told_before_anything_is_sent(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    inventory = str(write_inventory(simulator))

    for arguments, told in (
        (["report", "--by", "servi"], "did you mean service"),
        (["report", "--metric", "RequestCounts"], "did you mean RequestCount"),
        (["report", "--since", "7"], "is no duration"),
        (["idle", "--sort", "servi"], "did you mean service"),
    ):
        result = await fleet("usage", *arguments, "-i", inventory)

        assert (result.returncode, told in result.stderr) == (2, True), (arguments, result.stderr)
    assert simulator.ledger == []


async def test_a_protected_site_gets_no_report_unless_it_is_named(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2)
    text = simulator.inventory_toml().replace("[sites.sim-0002]\n", "[sites.sim-0002]\nprotected = true\n")
    inventory = str(write_inventory(text))

    alone = await fleet("usage", "idle", "-i", inventory, "-o", "json")
    added = {entry.site for entry in simulator.ledger if entry.changed and entry.operation == "add"}
    named = await fleet("usage", "idle", "-i", inventory, "-o", "json", "--confirm", "sim-0002")

    assert added == {"sim-0001"}
    outcomes = {one["site"]: one["outcome"] for one in json.loads(alone.stdout)["outcomes"]}
    assert outcomes == {"sim-0001": "ok", "sim-0002": "skipped"}
    assert (alone.returncode, named.returncode) == (1, 0)
    assert {entry.site for entry in simulator.ledger if entry.changed and entry.operation == "add"} == {
        "sim-0001",
        "sim-0002",
    }
