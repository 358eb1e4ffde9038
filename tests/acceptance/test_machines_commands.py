"""`fleet machines` as it is used: what is listed, what is asked, what is refused, and with which exit status."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio.to_thread

from fleet.simulator import Simulator
from tests.acceptance.terminals import Terminal
from tests.processes import fleet

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]


async def test_status_says_by_its_exit_whether_a_machine_is_down(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2, machines=2, faults={"sim-0002": "machine-down"})
    inventory = str(write_inventory(simulator))

    result = await fleet("machines", "status", "-i", inventory, "-o", "csv")
    well = await fleet("machines", "status", "-i", inventory, "-o", "json", "-s", "sim-0001")
    listed = await fleet("machines", "list", "-i", inventory, "-o", "ndjson")

    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    down = [row["machineName"] for row in rows if row["realTimeState"] != "STARTED"]
    assert down == [list(simulator.sites["sim-0002"].machines)[-1]]
    assert [run.returncode for run in (result, well, listed)] == [1, 0, 0]


async def test_hardware_is_told_with_release_and_build(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, machines=2)
    inventory = str(write_inventory(simulator))

    result = await fleet("machines", "hardware", "-i", inventory, "-o", "csv", "--where", "systemMemoryMB>=16000")

    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["machineName"] for row in rows] == list(simulator.sites["sim-0001"].machines)
    assert {(row["systemMemoryMB"], row["release"]) for row in rows} == {("16384", "11.3")}


async def test_a_rolling_restart_asks_with_its_counts(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2, machines=2)
    inventory = str(write_inventory(simulator))

    def talk() -> tuple[int, list[str]]:
        arguments = ("machines", "restart", "--rolling", "-i", inventory, "-s", "all")
        with Terminal(*arguments, columns=200) as terminal:
            terminal.wait_for("Restart 4 machines on 2 sites?")
            terminal.type("y\r")
            return terminal.end(), terminal.lines

    status, lines = await anyio.to_thread.run_sync(talk)

    assert status == 0
    assert any("This interrupts what runs there." in line for line in lines)
    for site in simulator.sites.values():
        done = [e.operation for e in site.requests() if e.changed and e.operation in ("start", "stop")]
        assert done == ["stop", "start", "stop", "start"]


async def test_what_would_be_an_outage_is_refused(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, machines=1)
    inventory = str(write_inventory(simulator))

    for arguments in (["stop", "*"], ["restart", "--rolling"]):
        result = await fleet("machines", *arguments, "-i", inventory, "-s", "all", "--yes", "-o", "json")

        (outcome,) = json.loads(result.stdout)["outcomes"]
        assert (result.returncode, outcome["outcome"]) == (1, "failed")
        assert "--allow-outage" in outcome["error"]["message"]
    assert not any(entry.changed for entry in simulator.ledger if entry.operation != "generateToken")
    refused = await fleet("machines", "stop", "-i", inventory, "-s", "all", "--yes")
    assert refused.returncode == 2
    nothing = await fleet("machines", "stop", "nowhere*", "-i", inventory, "-s", "all", "--yes")
    assert "fits no machine of sim-0001; nothing was sent" in nothing.stderr
