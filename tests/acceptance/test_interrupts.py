"""Ctrl-C and SIGTERM at any moment: every site has one outcome, what is known is printed, and nothing is left behind."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from fleet.simulator import Simulator
from tests.acceptance.terminals import Terminal
from tests.processes import clean, ended, started, wait_for

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals to another process")

SITES = 200
FAULTS = {
    "sim-0003": "hang",
    "sim-00[1-4]7": "slow",
    "sim-00[1-4]9": "http-503",  # is tried again, with pauses in between
    "sim-00[1-4]5": "reset",
    "sim-0199": "hang",
}
MODE = ("admin/mode/update", "-p", "siteMode=READ_ONLY", "--change", "--yes")


def heeds(running: subprocess.Popen[str]) -> bool:
    """Whether the process has come so far that it catches SIGTERM; before that it is Python's start that would die."""
    status = Path(f"/proc/{running.pid}/status")
    if not status.exists():
        return True
    caught = next((line for line in status.read_text().splitlines() if line.startswith("SigCgt:")), "SigCgt: 0")
    return bool(int(caught.split()[1], 16) & 1 << (signal.SIGTERM - 1))


def outcomes_in(out: str, form: str) -> list[dict[str, Any]]:
    if form == "ndjson":
        return [json.loads(line) for line in out.splitlines()]
    report = json.loads(out)
    counts = Counter(outcome["outcome"] for outcome in report["outcomes"])
    coverage = report["coverage"]
    assert coverage["selected"] == len(report["outcomes"])
    assert all(counts[name] == count for name, count in coverage["missing"].items())
    return list(report["outcomes"])


def check(simulator: Simulator, outcomes: list[dict[str, Any]], *, changes: bool) -> None:
    """Every site has one outcome, and each outcome agrees with what the site has seen."""
    assert Counter(outcome["site"] for outcome in outcomes) == Counter(list(simulator.sites))
    asked = {entry.site for entry in simulator.ledger}
    changed = {entry.site for entry in simulator.ledger if entry.changed}
    for outcome in outcomes:
        name, came_to = outcome["site"], outcome["outcome"]
        if came_to == "not_run":
            assert name not in asked, f"{name} was asked, and is said not to have been"
        if came_to == "cancelled":
            assert name not in changed, f"{name} was changed, and nobody is told"
            assert outcome["error"]["kind"] == "cancelled"
        if came_to == "unknown":
            assert changes
            assert "mode.update was sent, and its fate is unknown" in outcome["error"]["message"]
        if came_to == "changed":
            assert name in changed
        if name in changed:
            assert came_to in ("changed", "unknown", "verify_failed")


async def interrupt_at_random(simulate: Simulate, write_inventory: Write, seed: int) -> None:
    """One run of 200 sites, stopped twice at moments that *seed* picks; what it is asked and how is picked as well."""
    pick = random.Random(seed)
    changes = pick.random() < 0.4
    form = pick.choice(["json", "ndjson"])
    faults = {} if changes else FAULTS
    simulator = await simulate(sites=SITES, paths=True, latency=pick.choice([0.0, 0.02, 0.1]), faults=faults)
    if changes:
        for name in ("sim-0003", "sim-0050", "sim-0199"):
            simulator.sites[name].fault(pick.choice(["hang", "locked-forever", "lost-answer"]))
    path = str(write_inventory(simulator))
    what = MODE if changes else (("admin/info",) if pick.random() < 0.7 else ("admin/services/report",))
    command = ["call", *what, "-s", "all", "-i", path, "-o", form, "--width", str(pick.choice([5, 40, 200]))]
    first, second = pick.sample([signal.SIGINT, signal.SIGTERM], 2)
    pause = pick.choice([0.0, 0.001, 0.05, pick.uniform(0.0, 0.7)])
    if pause > 0.2 and pick.random() < 0.5:
        # The system merges two of one kind that come too soon after each other.
        second = first
    early = pick.random() < 0.25
    with started(*command) as running:
        if early:
            await wait_for(lambda: heeds(running))
            await anyio.sleep(pick.uniform(0.0, 0.7))
        else:
            await wait_for(lambda: simulator.connections > 0 or running.poll() is not None)
            await anyio.sleep(pick.uniform(0.0, 0.8))
        running.send_signal(first)
        await anyio.sleep(pause)
        running.send_signal(second)
        out, told = await ended(running)
    clean(told)
    assert running.returncode == 130
    if out or not early:
        check(simulator, outcomes_in(out, form), changes=changes)
    else:
        assert simulator.ledger == [], "whoever sends something tells what came of it"
    await wait_for(lambda: simulator.connections == 0, within=10)


@pytest.mark.parametrize("seed", range(30))
async def test_two_signals_at_any_moment(simulate: Simulate, write_inventory: Write, seed: int) -> None:
    await interrupt_at_random(simulate, write_inventory, seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1000, 1400))
async def test_two_signals_at_many_moments(simulate: Simulate, write_inventory: Write, seed: int) -> None:
    await interrupt_at_random(simulate, write_inventory, seed)


@pytest.mark.parametrize("form", ["json", "ndjson"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_first_signal_lets_what_is_in_flight_finish(
    simulate: Simulate, write_inventory: Write, form: str, number: int
) -> None:
    simulator = await simulate(sites=SITES, paths=True, latency=0.4)
    path = str(write_inventory(simulator))
    with started("call", "admin/info", "-i", path, "-o", form, "--width", "40") as running:
        await wait_for(lambda: len(simulator.ledger) >= 50)
        running.send_signal(number)
        out, told = await ended(running)
    assert running.returncode == 130
    outcomes = outcomes_in(out, form)
    check(simulator, outcomes, changes=False)
    counts = Counter(outcome["outcome"] for outcome in outcomes)
    assert set(counts) == {"ok", "not_run"}
    assert 40 <= counts["ok"] <= 120
    assert clean(told).count("stopping: nothing new is started, what is in flight finishes; once more cancels it") == 1
    await wait_for(lambda: simulator.connections == 0, within=5)


@pytest.mark.parametrize("fault", ["hang", "http-503"], ids=["during the login", "during the pause of a retry"])
async def test_the_second_signal_cancels_reads_wherever_they_are(
    simulate: Simulate, write_inventory: Write, fault: str
) -> None:
    simulator = await simulate(sites=30, paths=True, faults={"*": fault})
    if fault == "http-503":
        for site in simulator.sites.values():
            site.switches.latency = 0.05
    path = str(write_inventory(simulator))
    with started("call", "admin/info", "-i", path, "-o", "ndjson", "--width", "20", "--timeout", "60s") as running:
        if fault == "hang":
            await wait_for(lambda: simulator.connections == 20)
        else:
            await wait_for(lambda: len(simulator.ledger) >= 20)
        running.send_signal(signal.SIGINT)
        await anyio.sleep(0.05)
        running.send_signal(signal.SIGINT)
        with anyio.fail_after(10):
            out, told = await ended(running)
    outcomes = outcomes_in(out, "ndjson")
    check(simulator, outcomes, changes=False)
    counts = Counter(outcome["outcome"] for outcome in outcomes)
    assert counts["cancelled"] > 0
    assert counts["not_run"] >= 5
    assert running.returncode == 130
    clean(told)
    await wait_for(lambda: simulator.connections == 0, within=5)


async def test_a_change_that_waits_for_a_lock_is_cancelled_and_one_that_was_sent_is_unknown(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=2, paths=True)
    simulator.sites["sim-0001"].fault("locked-forever")
    simulator.sites["sim-0002"].switches.latency = 4.0
    path = str(write_inventory(simulator))
    with started("call", *MODE, "-s", "all", "-i", path, "-o", "json", "--timeout", "60s") as running:
        locked = simulator.sites["sim-0001"]
        await wait_for(lambda: any(entry.operation == "update" for entry in simulator.ledger_book.of(locked.name)))
        # The second site has answered nothing yet; its change is on the way once the login and the look are done.
        simulator.sites["sim-0002"].switches.latency = 0.0
        await wait_for(lambda: len(simulator.ledger_book.of("sim-0002")) >= 2, within=20)
        simulator.sites["sim-0002"].switches.latency = 4.0
        # Its change is at the site well before that has done with it.
        await anyio.sleep(1.5)
        running.send_signal(signal.SIGTERM)
        await anyio.sleep(0.2)
        running.send_signal(signal.SIGTERM)
        out, told = await ended(running)
    outcomes = outcomes_in(out, "json")
    found = {outcome["site"]: outcome["outcome"] for outcome in outcomes}
    assert found["sim-0001"] == "cancelled"
    assert found["sim-0002"] in ("unknown", "changed")
    assert running.returncode == 130
    clean(told)


async def test_a_third_signal_a_little_later_ends_at_once(simulate: Simulate, write_inventory: Write) -> None:
    # A process that writes into a pipe which nobody reads can't be stopped more gently.
    simulator = await simulate(sites=60, paths=True)
    path = str(write_inventory(simulator))
    with started("call", "admin/services/report", "-i", path, "-o", "json") as running:
        await wait_for(lambda: len(simulator.ledger) >= 120)
        await anyio.sleep(1.5)
        assert running.poll() is None, "the pipe is full"
        for pause in (0.1, 2.3, 0.1):
            running.send_signal(signal.SIGINT)
            await anyio.sleep(pause)
        with anyio.fail_after(5):
            while running.poll() is None:
                await anyio.sleep(0.02)
        assert running.returncode == 130
        assert running.stderr is not None
        clean(running.stderr.read())


async def test_a_signal_while_the_answer_is_written_does_not_cut_it(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=60, paths=True)
    path = str(write_inventory(simulator))
    with started("call", "admin/services/report", "-i", path, "-o", "json") as running:
        await wait_for(lambda: len(simulator.ledger) >= 120)
        await anyio.sleep(1.5)
        assert running.poll() is None, "the pipe is full"
        running.send_signal(signal.SIGINT)
        await anyio.sleep(0.1)
        running.send_signal(signal.SIGTERM)
        await anyio.sleep(0.1)
        out, told = await ended(running)
    assert len(out) > 65_536
    assert {outcome["outcome"] for outcome in outcomes_in(out, "json")} == {"ok"}
    assert running.returncode == 130
    clean(told)


async def test_an_interrupt_at_a_question_ends_the_command(simulator: Simulator, write_inventory: Write) -> None:
    path = str(write_inventory(simulator))

    def run() -> None:
        arguments = ["call", "admin/mode/update", "-p", "siteMode=READ_ONLY", "--change", "-s", "all", "-i", path]
        with Terminal(*arguments) as terminal:
            terminal.wait_for(lambda lines: any("[y/N]" in line for line in lines))
            terminal.press("c")
            assert terminal.end() == 130
            assert "Traceback" not in terminal.text

    await anyio.to_thread.run_sync(run)
    assert simulator.ledger == []


async def test_an_interrupt_while_the_live_line_is_shown_leaves_the_answer_whole(
    simulate: Simulate, write_inventory: Write
) -> None:
    path = str(write_inventory(await simulate(sites=SITES, paths=True, faults={"sim-00[0-3]*": "hang"}, latency=0.1)))

    def run() -> None:
        with Terminal("call", "admin/info", "-i", path, "--width", "50", "--timeout", "60s", columns=120) as terminal:
            terminal.wait_for(lambda lines: any("/200 done" in line for line in lines))
            terminal.press("c")
            terminal.wait_for(lambda lines: any(line.startswith("stopping: nothing new") for line in lines))
            terminal.press("c")
            assert terminal.end() == 130
            assert not any("/200 done" in line for line in terminal.lines)
            assert "Traceback" not in terminal.text
            assert any("of 200 sites answered, missing: " in line for line in terminal.lines)

    await anyio.to_thread.run_sync(run)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_before_the_run_has_begun_ends_quietly(tmp_path: Path, number: int) -> None:
    # An inventory that is a pipe which nobody writes into: the command waits for it, at a place that is known.
    pipe = tmp_path / "inventory.toml"
    os.mkfifo(pipe)
    with started("call", "admin/info", "-i", str(pipe)) as running:
        await wait_for(lambda: heeds(running))
        await anyio.sleep(0.5)
        running.send_signal(number)
        out, told = await ended(running)
    assert (running.returncode, out) == (130, "")
    clean(told)


@pytest.mark.parametrize("form", ["json", "ndjson"])
async def test_a_change_that_is_stopped_while_it_is_planned_was_not_made(
    simulate: Simulate, write_inventory: Write, form: str
) -> None:
    simulator = await simulate(sites=3, faults={"sim-0003": "hang"})
    # One of which nothing has to be changed is as it should be, whatever becomes of the run.
    for service in simulator.sites["sim-0002"].services.values():
        service.configured = service.real = "STOPPED"
    arguments = ("services", "stop", "-s", "all", "--yes", "-i", str(write_inventory(simulator)), "-o", form)

    with started(*arguments) as running:
        await wait_for(lambda: any((e.site, e.operation) == ("sim-0001", "report") for e in simulator.ledger))
        await anyio.sleep(0.5)
        running.send_signal(signal.SIGINT)
        await anyio.sleep(0.2)
        running.send_signal(signal.SIGTERM)
        out, told = await ended(running)

    clean(told)
    assert running.returncode == 130
    outcomes = {outcome["site"]: outcome for outcome in outcomes_in(out, form)}
    assert {site: outcome["outcome"] for site, outcome in outcomes.items()} == {
        "sim-0001": "not_run",
        "sim-0002": "noop",
        "sim-0003": "cancelled",
    }
    assert {one["outcome"] for one in outcomes["sim-0001"]["value"]["changes"]} == {"not_run"}
    assert outcomes["sim-0001"]["error"]["message"] == "the run was stopped before anything was sent"
    assert not any(entry.changed for entry in simulator.ledger)


async def test_a_terminal_that_hangs_up_is_the_first_signal(simulate: Simulate, write_inventory: Write) -> None:
    """What is in flight is finished and on record, and nothing new is begun: no service is left stopped half-way."""
    simulator = await simulate(sites=2, latency=0.1)
    arguments = ("services", "restart", "--one-by-one", "-s", "all", "--yes", "-i", str(write_inventory(simulator)))

    def hang_up() -> None:
        with Terminal(*arguments) as terminal:
            while not any(entry.operation == "stop" for entry in simulator.ledger):
                terminal.pump()
            terminal.process.ptyproc.fileobj.close()
            terminal.process.closed = terminal.process.ptyproc.closed = True
            for _ in range(300):
                if not terminal.process.isalive():
                    break
                time.sleep(0.1)
            else:
                raise AssertionError("it does not end")

    await anyio.to_thread.run_sync(hang_up)

    log = Path(os.environ["FLEET_STATE_DIR"]) / "audit.jsonl"
    records = [json.loads(line) for line in log.read_text().splitlines()]
    assert [one["event"] for one in records].count("intent") == [one["event"] for one in records].count("result")
    assert {one["outcome"] for one in records if one["event"] == "result"} == {"changed"}
    services = [service for site in simulator.sites.values() for service in site.services.values()]
    assert {service.configured for service in services} == {"STARTED"}
    assert len(records) < 4 * len(services), "the rest was not begun"
