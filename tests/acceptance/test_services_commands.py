"""`fleet services` as it is used: what is listed, what is asked, what is done, and with which exit status."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio.to_thread

from fleet.history.names import recall
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
    assert "Nowhere/* fits no service of any of 2 sites; nothing was sent" in result.stderr


async def test_where_nothing_may_fit_nothing_is_to_be_done(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2)
    common = ("-i", str(write_inventory(simulator)), "-s", "all", "--yes", "--ignore-not-found", "-o", "ndjson")
    down = "configuredState=STARTED and realTimeState!=STARTED"

    services = await fleet("services", "start", "--where", down, *common)
    machines = await fleet("machines", "start", "--where", down, *common)

    assert [run.returncode for run in (services, machines)] == [0, 0], services.stderr
    assert {line["outcome"] for line in map(json.loads, services.stdout.splitlines())} == {"noop"}
    assert not any(entry.changed for entry in simulator.ledger if entry.operation != "generateToken")


async def test_what_can_not_be_is_told_before_anything_is_sent(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    inventory = str(write_inventory(simulator))

    for arguments, told in (
        (["report", "--where", "busi>1"], "did you mean busy"),
        (["report", "--columns", "site,busi"], "did you mean busy"),
        (["report", "--where", "max>"], "a value is missing"),
        (["stop", "--yes"], "a change needs -s"),
        (["stop", "-s", "all", "--yes", "--columns", "site,outcom"], "did you mean outcome"),
        (["stop", "-s", "all", "--dry-run", "--sort", "-itm"], "did you mean item"),
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


async def test_names_are_listed_without_a_report(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2)
    inventory = str(write_inventory(simulator))

    result = await fleet("services", "list", "*.MapServer", "-i", inventory, "-o", "csv")

    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    named = {(s.name, key) for s in simulator.sites.values() for key in s.services if key.endswith(".MapServer")}
    assert {(row["site"], row["service"]) for row in rows} == named
    assert {entry.operation for entry in simulator.ledger} <= {"generateToken", "services", "folder"}


async def test_states_that_differ_come_first(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2, faults={"sim-0002": "service-down"})
    inventory = str(write_inventory(simulator))
    down = {key for key, one in simulator.sites["sim-0002"].services.items() if one.real == "STOPPED"}

    result = await fleet("services", "status", "-i", inventory, "-o", "csv")

    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert {row["service"] for row in rows[: len(down)]} == down
    assert {row["site"] for row in rows[: len(down)]} == {"sim-0002"}


async def test_a_wait_ends_when_it_is_so_or_with_a_sentence(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    inventory = str(write_inventory(simulator))
    first, *_ = simulator.sites["sim-0001"].services.values()
    first.real = "STARTING"
    arguments = ["services", "status", "-i", inventory, "--until", "started", "-o", "csv"]

    late = await fleet(*arguments, "--for", "1s")
    async with anyio.create_task_group() as group:

        async def waiting() -> None:
            result = await fleet(*arguments, "--for", "1m")
            assert result.returncode == 0, result.stderr
            assert {row["realTimeState"] for row in csv.DictReader(io.StringIO(result.stdout))} == {"STARTED"}

        group.start_soon(waiting)
        await anyio.sleep(1.5)
        first.real = "STARTED"

    assert late.returncode == 1
    assert f"1 of {len(simulator.sites['sim-0001'].services)} services are not STARTED after 1 s" in late.stderr
    assert first.key in late.stderr


async def test_statistics_are_told_for_each_machine(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, machines=2)
    inventory = str(write_inventory(simulator))
    key = next(iter(simulator.sites["sim-0001"].services))

    result = await fleet("services", "statistics", key, "-i", inventory, "-o", "csv")

    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["machineName"] for row in rows] == list(simulator.sites["sim-0001"].machines)
    assert {row["service"] for row in rows} == {key}
    assert sum(entry.operation == "statistics" for entry in simulator.ledger) == 1


async def test_names_come_from_a_file_and_an_empty_one_means_nothing(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=1)
    inventory = str(write_inventory(simulator))
    first, second, *_ = simulator.sites["sim-0001"].services
    file = tmp_path / "names.txt"
    file.write_text(f"# idle\n{first}\n\n{second}\n")
    (tmp_path / "empty.txt").write_text("# none\n")

    some = await fleet("services", "stop", f"@file:{file}", "-i", inventory, "-s", "all", "--yes")
    none = await fleet("services", "stop", f"@file:{tmp_path / 'empty.txt'}", "-i", inventory, "-s", "all", "--yes")

    assert some.returncode == 0, some.stderr
    stopped = {key for key, one in simulator.sites["sim-0001"].services.items() if one.real == "STOPPED"}
    assert stopped == {first, second}
    assert none.returncode == 2
    assert "there is no name in" in none.stderr


async def test_a_pattern_that_fits_nothing_is_told(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2)
    inventory = str(write_inventory(simulator))

    result = await fleet("services", "report", "Nowhere/*", "*.MapServer", "-i", inventory, "-o", "csv")

    assert result.returncode == 1
    assert "Nowhere/* fits no service of any of 2 sites" in result.stderr
    assert "MapServer" in result.stdout


async def test_names_that_were_listed_are_known_to_the_shell(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2)
    inventory = str(write_inventory(simulator))

    await fleet("services", "list", "-i", inventory, "--where", "type=GPServer")
    await fleet("services", "report", "*.MapServer", "-i", inventory, "-s", "sim-0001")
    line = "fleet services stop "
    words = {"COMP_WORDS": line, "COMP_CWORD": "3", "_FLEET_COMPLETE": "bash_complete", "COMP_LINE": line}
    completed = await fleet(env={**words, "COMP_POINT": str(len(line))})

    for site in simulator.sites.values():
        assert recall([site.name]) == sorted(site.services)
    assert all(key in completed.stdout for key in simulator.sites["sim-0001"].services)


async def test_permissions_are_a_column_that_is_read_where_it_is_asked_for(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    inventory = str(write_inventory(simulator))

    result = await fleet("services", "report", "-i", inventory, "--columns", "service,permissions", "-o", "csv")

    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    told = {row["service"]: json.loads(row["permissions"]) for row in rows}
    assert told == {key: one.permissions for key, one in simulator.sites["sim-0001"].services.items()}


async def test_what_a_release_lacks_is_a_sentence(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, release="10.5.1")
    state = simulator.sites["sim-0001"].state
    state.folder_names["Tools"] = ""
    state.add_service("Tools", "Export", "GPServer")
    mapped = state.add_service("Tools", "Roads", "MapServer")
    inventory = str(write_inventory(simulator))

    jobs = await fleet("services", "jobs", "list", "Tools/*", "-i", inventory, "-o", "json")
    moved = await fleet(
        *("services", "provider", "shared", mapped.key, "-i", inventory, "-s", "all", "--yes", "-o", "json")
    )

    assert (jobs.returncode, "sites do from release 10.6.1 on" in jobs.stdout) == (1, True), jobs.stdout
    assert moved.returncode == 1
    assert "only map services of the current runtime can be moved" in moved.stdout
