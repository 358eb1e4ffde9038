"""`fleet site` as it is used: information, mode, exports, and what stands before and after an upgrade."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio.to_thread

from fleet.simulator import SimulatedSite, Simulator
from tests.acceptance.terminals import Terminal
from tests.processes import fleet

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]


def rows_of(text: str) -> dict[str, dict[str, dict[str, Any]]]:
    """Site -> check -> row, of a report of preflight or postflight."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for entry in json.loads(text)["merged"]["rows"]:
        found.setdefault(entry["site"], {})[entry["row"]["check"]] = entry["row"]
    return found


def upgrade(site: SimulatedSite) -> None:
    """What an upgrade leaves behind."""
    site.state.release = "11.3"


async def test_sites_that_agree_are_folded(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=3, machines=1)
    simulator.sites["sim-0002"].fault("read-only")
    inventory = str(write_inventory(simulator))

    people = await fleet("site", "info", "-i", inventory, "-o", "table")
    listed = await fleet("site", "info", "-i", inventory, "-o", "csv", "--where", "siteMode=READ_ONLY")

    lines = [line.split() for line in people.stdout.splitlines() if "11.3" in line]
    assert [(line[-1], line[-2]) for line in lines] == [("2", "sim-[0001,0003]"), ("1", "sim-0002")]
    assert [row["site"] for row in csv.DictReader(io.StringIO(listed.stdout))] == ["sim-0002"]


async def test_the_mode_is_shown_and_switched(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2, machines=1)
    inventory = str(write_inventory(simulator))

    shown = await fleet("site", "mode", "-i", inventory, "-o", "csv")
    done = await fleet("site", "mode", "read_only", "-i", inventory, "-s", "all", "--yes", "-o", "json")
    again = await fleet("site", "mode", "READ_ONLY", "-i", inventory, "-s", "all", "--yes", "-o", "json")

    assert {row["siteMode"] for row in csv.DictReader(io.StringIO(shown.stdout))} == {"EDITABLE"}
    assert {one["outcome"] for one in json.loads(done.stdout)["outcomes"]} == {"changed"}
    assert {one["outcome"] for one in json.loads(again.stdout)["outcomes"]} == {"noop"}
    assert {site.state.mode for site in simulator.sites.values()} == {"READ_ONLY"}


async def test_an_export_is_proved_by_its_place_and_kept_on_record(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2, machines=1)
    inventory = str(write_inventory(simulator))

    before = await fleet("site", "exports", "list", "-i", inventory, "--older-than", "7d", "-o", "csv")
    dry = await fleet("site", "export", "/backup", "-i", inventory, "-s", "all", "--dry-run")
    done = await fleet("site", "export", "/backup", "-i", inventory, "-s", "sim-0001", "--yes", "-o", "json")
    refused = await fleet("site", "export", "backup", "-i", inventory, "-s", "sim-0002", "--yes")
    after = await fleet("site", "exports", "list", "-i", inventory, "--older-than", "7d", "-o", "csv")
    every = await fleet("site", "exports", "list", "-i", inventory, "-o", "json")
    forgotten = await fleet("site", "exports", "forget", "--older-than", "1ms", "-i", inventory, "-s", "all")

    assert [run.returncode for run in (before, dry, done, refused, after, every, forgotten)] == [1, 0, 0, 1, 1, 0, 0]
    (change,) = json.loads(done.stdout)["outcomes"][0]["value"]["changes"]
    assert change["location"] == "/backup/sim-0001.agssite"
    assert set(simulator.sites["sim-0001"].state.kept["exports"]) == {"/backup/sim-0001.agssite"}
    assert [row["site"] for row in csv.DictReader(io.StringIO(before.stdout))] == ["sim-0001", "sim-0002"]
    assert [row["site"] for row in csv.DictReader(io.StringIO(after.stdout))] == ["sim-0002"]
    assert [row["location"] for row in json.loads(every.stdout)] == ["/backup/sim-0001.agssite", None]
    assert "1 forgotten; their files stay on the servers" in forgotten.stderr


async def test_a_site_is_ready_or_says_what_it_lacks(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2, machines=2, faults={"sim-0002": "service-down"})
    inventory = str(write_inventory(simulator))
    del simulator.sites["sim-0002"].state.directories["arcgisjobs"]
    await fleet("site", "export", "/backup", "-i", inventory, "-s", "sim-0001", "--yes")

    result = await fleet("site", "preflight", "-i", inventory, "-o", "json")
    good = await fleet("site", "preflight", "-i", inventory, "-o", "json", "-s", "sim-0001")

    told = rows_of(result.stdout)
    assert {row["status"] for row in told["sim-0001"].values()} <= {"ok", "skipped"}, told["sim-0001"]
    bad = {check for check, row in told["sim-0002"].items() if row["status"] == "critical"}
    assert bad == {"services", "directories", "export"}
    assert "not offered by the API" in told["sim-0001"]["directories"]["saw"]
    assert [result.returncode, good.returncode] == [1, 0]


async def test_after_an_upgrade_what_differs_is_told(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=2, machines=1, release="11.1")
    inventory = str(write_inventory(simulator))
    file = tmp_path / "before.json"
    nothing = await fleet("site", "postflight", "-i", inventory, "-o", "json")
    await fleet("site", "preflight", "-i", inventory, "--out", str(file))
    saved = await fleet("snapshot", "save", "--name", "before", "-i", inventory)
    same = await fleet("site", "postflight", "-i", inventory, "-o", "json")
    for site in simulator.sites.values():
        upgrade(site)
    first, second = simulator.sites["sim-0001"], simulator.sites["sim-0002"]
    gone, down, edited, *_ = list(second.services)
    del second.services[gone]
    second.services[down].real = "STOPPED"
    second.services[edited].definition["maxInstancesPerNode"] = 9
    second.state.properties["WebContextURL"] = "https://new.example/arcgis"

    for before in ([], ["--before", str(file)], ["--before", "before"]):
        result = await fleet("site", "postflight", "-i", inventory, "-o", "json", *before)
        told = rows_of(result.stdout)
        assert {row["status"] for row in told["sim-0001"].values()} == {"ok"}, told["sim-0001"]
        assert "11.3" in told["sim-0001"]["release"]["saw"]
        statuses = {check: row["status"] for check, row in told["sim-0002"].items()}
        assert statuses == {
            "release": "ok",
            "services": "critical",
            "states": "critical",
            "definitions": "warning",
            "properties": "warning",
        }
        saw = {check: row["saw"] for check, row in told["sim-0002"].items()}
        assert saw["services"] == f"gone: {gone}"
        assert saw["states"] == f"{down} STARTED → STOPPED"
        assert saw["definitions"] == f"{edited} (maxInstancesPerNode)"
        assert saw["properties"] == "WebContextURL"
        assert result.returncode == 1
    assert nothing.returncode == 1
    assert "no record from before" in nothing.stdout
    assert saved.returncode == 0
    assert rows_of(same.stdout)["sim-0001"]["release"]["status"] == "critical", "it has not moved"
    well = await fleet("site", "postflight", "-i", inventory, "-s", "sim-0001")
    wrong = await fleet("site", "postflight", "-i", inventory, "--before", inventory)
    assert [well.returncode, wrong.returncode] == [0, 2]
    assert first.services


async def test_a_site_is_waited_for_until_it_is_really_up(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2, machines=1)
    inventory = str(write_inventory(simulator))
    restarting, upgrading = simulator.sites.values()
    restarting.switches.restart_time = 2.0
    restarting.restart()
    upgrading.fault("upgrading")

    async def end() -> None:
        await asyncio.sleep(3.0)
        upgrading.clear_faults()

    ending = asyncio.ensure_future(end())
    result = await fleet("site", "wait", "--for", "30s", "--until", "upgraded", "-i", inventory, "-o", "json")
    await ending

    rows = {entry["site"]: entry["row"] for entry in json.loads(result.stdout)["merged"]["rows"]}
    assert result.returncode == 0, result.stdout
    assert {site: row["state"] for site, row in rows.items()} == {"sim-0001": "upgraded", "sim-0002": "upgraded"}
    assert rows["sim-0002"]["waited"] > 1


async def test_a_site_that_does_not_come_up_in_time_fails_with_what_it_lacks(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=3, machines=2, faults={"sim-0002": "machine-down", "sim-0003": "refused"})
    inventory = str(write_inventory(simulator))

    result = await fleet("site", "wait", "--for", "1s", "-i", inventory, "-o", "json")

    outcomes = {one["site"]: one for one in json.loads(result.stdout)["outcomes"]}
    assert outcomes["sim-0001"]["outcome"] == "ok"
    assert outcomes["sim-0002"]["error"]["kind"] == "unhealthy"
    assert list(simulator.sites["sim-0002"].machines)[-1] in outcomes["sim-0002"]["error"]["message"]
    assert "not up after 1 s" in outcomes["sim-0003"]["error"]["message"]
    assert result.returncode == 1


async def test_a_wait_ends_at_the_first_interrupt(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, machines=2, faults={"sim-0001": "machine-down"})
    inventory = str(write_inventory(simulator))

    def talk() -> int:
        with Terminal("site", "wait", "--for", "10m", "-i", inventory, columns=200) as terminal:
            terminal.wait_for("0/1 done")
            terminal.type("\x03")
            return terminal.end()

    assert await anyio.to_thread.run_sync(talk) == 130
