"""`fleet services` as it is used: what is listed, what is asked, what is done, and with which exit status."""

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


async def test_services_are_listed_with_their_states(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2, faults={"sim-0002": "service-down"})
    inventory = str(write_inventory(simulator))

    result = await fleet("services", "report", "-i", inventory, "-o", "csv", "--where", "realTimeState!=STARTED")

    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    down = [s.key for s in simulator.sites["sim-0002"].services.values() if s.real == "STOPPED"]
    assert sorted((row["site"], row["service"]) for row in rows) == sorted(("sim-0002", key) for key in down)
    assert result.returncode == 0


async def test_a_change_asks_with_its_counts_and_does_nothing_on_a_no(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=2)
    inventory = str(write_inventory(simulator))
    count = sum(len(site.services) for site in simulator.sites.values())

    def talk() -> tuple[int, list[str]]:
        with Terminal("services", "stop", "-i", inventory, "-s", "all", columns=200) as terminal:
            terminal.wait_for(f"Stop {count} services on 2 sites?")
            terminal.type("n\r")
            return terminal.end(), terminal.lines

    status, _ = await anyio.to_thread.run_sync(talk)

    assert status == 1
    assert {s.real for site in simulator.sites.values() for s in site.services.values()} == {"STARTED"}


async def test_an_interrupt_at_the_question_sends_nothing(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    inventory = str(write_inventory(simulator))

    def talk() -> int:
        with Terminal("services", "stop", "-i", inventory, "-s", "all", columns=200) as terminal:
            terminal.wait_for("on 1 site?")
            terminal.type("\x03")
            return terminal.end()

    assert await anyio.to_thread.run_sync(talk) == 130
    assert {s.real for s in simulator.sites["sim-0001"].services.values()} == {"STARTED"}


async def test_a_protected_site_is_left_alone_unless_it_is_named(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2)
    text = simulator.inventory_toml().replace("[sites.sim-0002]\n", "[sites.sim-0002]\nprotected = true\n")
    inventory = str(write_inventory(text))
    arguments = ["services", "stop", "-i", inventory, "-s", "all", "--yes", "-o", "ndjson"]

    first = await fleet(*arguments)
    second = await fleet(*arguments, "--confirm", "sim-0002")

    told = {line["site"]: line["outcome"] for line in map(json.loads, first.stdout.splitlines())}
    assert told == {"sim-0001": "changed", "sim-0002": "skipped"}
    assert first.returncode == 1
    told = {line["site"]: line["outcome"] for line in map(json.loads, second.stdout.splitlines())}
    assert told == {"sim-0001": "noop", "sim-0002": "changed"}
    assert second.returncode == 0


async def test_what_fits_nothing_anywhere_sends_nothing(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2)
    inventory = str(write_inventory(simulator))

    result = await fleet("services", "stop", "Nowhere/*", "-i", inventory, "-s", "all", "--yes")

    assert result.returncode == 2
    assert "Nowhere/* fits no service on any of 2 sites; nothing was sent" in result.stderr


async def test_what_can_not_be_is_told_before_anything_is_sent(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    inventory = str(write_inventory(simulator))

    for arguments, told in (
        (["report", "--where", "busi>1"], "did you mean busy"),
        (["report", "--columns", "site,busi"], "did you mean busy"),
        (["report", "--where", "max>"], "a value is missing"),
        (["stop", "--yes"], "a change needs -s"),
        (["stop", "-s", "all"], "there is no terminal to ask on"),
        (["stop", "-s", "all", "--yes", "--confirm", "sim-001"], "did you mean sim-0001"),
    ):
        result = await fleet("services", *arguments, "-i", inventory)

        assert (result.returncode, told in result.stderr) == (2, True), (arguments, result.stderr)
    assert simulator.ledger == []


async def test_a_dry_run_reads_only_and_says_what_would_be(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2)
    inventory = str(write_inventory(simulator))

    result = await fleet("services", "stop", "-i", inventory, "-s", "all", "--dry-run", "-o", "json")

    report = json.loads(result.stdout)
    assert report["dry_run"] is True
    assert {outcome["outcome"] for outcome in report["outcomes"]} == {"changed"}
    assert all(one["state"] == "change" for outcome in report["outcomes"] for one in outcome["value"]["changes"])
    assert not any(entry.changed for entry in simulator.ledger if entry.operation != "generateToken")
