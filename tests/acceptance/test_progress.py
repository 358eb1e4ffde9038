"""The live line on a real terminal: what it says, that it goes away, and that nothing else is mixed up with it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from fleet.cli.progress import Limits, line_of, time_left
from fleet.fanout.engine import Progress
from fleet.simulator import Simulator
from tests.acceptance.terminals import FLEET, Terminal

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]
SLOW = {"sim-0002": "hang", "sim-0005": "hang", "sim-0003": "refused"}


def live(lines: list[str]) -> str | None:
    """The live line among *lines*."""
    return next((line for line in lines if re.match(r"\d+/\d+", line)), None)


@pytest.mark.parametrize("columns", [40, 80, 200])
async def test_a_sweep_with_slow_sites_shows_one_line_and_takes_it_away(
    simulate: Simulate, write_inventory: Write, columns: int
) -> None:
    path = str(write_inventory(await simulate(sites=26, faults=SLOW, latency=0.1)))

    def run() -> None:
        with Terminal("health", "-i", path, "--timeout", "2s", "--width", "4", columns=columns) as terminal:
            seen = []
            terminal.wait_for(lambda lines: live(lines) is not None)
            while terminal.pump(0.02):
                line = live(terminal.lines)
                if line is not None:
                    assert [line] == terminal.lines, "it is the only line while the sweep runs"
                    seen.append(line)
            assert terminal.end() == 1
            assert live(terminal.lines) is None, terminal.text
            assert terminal.lines[0].startswith("ok  23 sites"), "the answer begins where the line was"
            assert all(len(line) < columns for line in seen)
            assert len(set(seen)) > 4, "it moves"
            told = " ".join(seen)
            assert len(re.findall(r"\d+/26", told)) > 4
            assert "running" in told
            assert "failed" in told
            assert re.search(r"\d+s left", told)
            if columns > 40:
                assert re.search(r"· slowest (sim-0002|sim-0005) 1 s", told)

    await anyio.to_thread.run_sync(run)


async def test_lines_of_answers_on_the_same_terminal_stay_whole(simulate: Simulate, write_inventory: Write) -> None:
    path = str(write_inventory(await simulate(sites=6, faults={"sim-000[135]": "slow"}, latency=0.3)))

    def run() -> None:
        arguments = ["-i", path, "-o", "ndjson", "--width", "2", "--timeout", "20s", "-v", "--query", "fullVersion"]
        with Terminal("call", "admin/info", *arguments, columns=400) as terminal:
            terminal.wait_for(lambda lines: live(lines) is not None)
            terminal.end()
            lines = terminal.lines
        answers = [line for line in lines if line.startswith("{")]
        assert sorted(json.loads(line)["site"] for line in answers) == [f"sim-000{n}" for n in range(1, 7)]
        others = [line for line in lines if not line.startswith("{")]
        assert all(line.startswith("timestamp=") for line in others[:-1])
        assert others[-1].startswith("6 of 6 sites answered")
        assert len([line for line in others if "operation='info'" in line]) == 6

    await anyio.to_thread.run_sync(run)


@pytest.mark.parametrize(("options", "environment"), [(["-q"], {}), ([], {"TERM": "dumb"})])
async def test_quiet_and_dumb_terminals_get_no_line(
    simulate: Simulate, write_inventory: Write, options: list[str], environment: dict[str, str]
) -> None:
    path = str(write_inventory(await simulate(sites=2, faults={"sim-0002": "hang"})))

    def run() -> None:
        with Terminal("health", "-i", path, "--timeout", "1500ms", *options, environment=environment) as terminal:
            assert terminal.end() == 1
            assert "2/2" not in terminal.raw
            assert "running" not in terminal.raw
            assert "\r" not in terminal.raw.replace("\r\n", "")
            assert "\x1b[" not in terminal.raw

    await anyio.to_thread.run_sync(run)


async def test_standard_error_that_is_no_terminal_gets_no_line(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    path = str(write_inventory(await simulate(sites=2, faults={"sim-0002": "hang"})))
    log = tmp_path / "stderr"

    def run() -> None:
        shell = ["sh", "-c", 'exec "$0" -m fleet "$@" 2>"$LOG"']
        arguments = ["health", "-i", path, "--timeout", "1500ms"]
        command = [*shell, FLEET[0]]
        with Terminal(*arguments, command=command, environment={"LOG": str(log)}) as terminal:
            assert terminal.end() == 1
            assert "1 ok, 1 unknown" in terminal.text
        assert log.read_text() == ""

    await anyio.to_thread.run_sync(run)


async def test_an_interrupt_is_said_above_the_line(simulate: Simulate, write_inventory: Write) -> None:
    path = str(write_inventory(await simulate(sites=4, faults={"sim-000[12]": "hang"})))

    def run() -> None:
        with Terminal("call", "admin/info", "-i", path, "--timeout", "30s", "--width", "2") as terminal:
            terminal.wait_for("slowest")
            terminal.process.kill(signal.SIGINT)
            terminal.wait_for(lambda lines: lines[0].startswith("stopping:") and live(lines[1:]) is not None)
            terminal.process.kill(signal.SIGINT)
            assert terminal.end() == 130
            assert live(terminal.lines) is None
            assert terminal.lines[0].startswith("stopping: nothing new is started")
            assert "2 × cancelled" in terminal.text

    await anyio.to_thread.run_sync(run)


def state(done: int, waiting: int, spent: float, **running: float) -> Progress:
    progress = Progress(done + waiting + len(running))
    progress.done, progress.spent, progress.running = done, spent, running
    return progress


def test_the_time_left_counts_what_waits_and_what_runs() -> None:
    assert time_left(state(0, 5, 0.0), 0.0, 10.0, Limits()) is None
    assert time_left(state(5, 0, 5.0), 0.0, 10.0, Limits()) is None
    # Ten finished in 2 s each; 20 wait for two workers that have 1 s of theirs left.
    assert time_left(state(10, 20, 20.0, a=9.0, b=9.0), 0.0, 10.0, Limits()) == pytest.approx((20 * 2 + 2) / 2)
    # Nothing waits; one runs for 8 s already: as long again, but no longer than one request may.
    assert time_left(state(10, 0, 10.0, a=2.0), 0.0, 10.0, Limits()) == 8.0
    assert time_left(state(10, 0, 10.0, a=2.0), 0.0, 10.0, Limits(site=11.0)) == 3.0
    assert time_left(state(10, 50, 10.0, a=2.0), 0.0, 10.0, Limits(deadline=14.0)) == 4.0


def test_the_line_gives_way_word_by_word() -> None:
    progress = state(17, 0, 17.0, **{"sim-0003": 1.0, "sim-0009": 2.0, "sim-0010": 3.0})
    progress.failed = 2
    whole = "17/20 done · 2 failed · 3 running · about 12s left · slowest sim-0003 12 s, sim-0009 11 s, sim-0010 10 s"
    assert line_of(progress, 0.0, 13.0, 200) == whole
    assert line_of(progress, 0.0, 13.0, 90).endswith("slowest sim-0003 12 s, sim-0009 11 s")
    assert line_of(progress, 0.0, 13.0, 75).endswith("slowest sim-0003 12 s")
    assert line_of(progress, 0.0, 13.0, 50) == "17/20 done · 2 failed · 3 running · about 12s left"
    assert line_of(progress, 0.0, 13.0, 45) == "17/20 done · 2 failed · 3 running · 12s left"
    assert line_of(progress, 0.0, 13.0, 41) == "17/20 done, 2 failed, 3 running, 12s left"
    assert line_of(progress, 0.0, 13.0, 39) == "17/20 done · 2 failed · 12s left"
    assert line_of(progress, 0.0, 13.0, 8) == "17/20 d…"


def test_steps_within_sites_are_counted_and_tell_the_time_that_is_left() -> None:
    progress = state(4, 6, 40.0, **{"sim-0003": 1.0, "sim-0009": 2.0})
    progress.expect(43, "service", 3.0)
    assert line_of(progress, 0.0, 13.0, 200).startswith("0/43 services on 4/12 sites · 2 running · about ")
    progress.steps = 10
    # Ten took 10 s, so 33 take 33 s, however long the sites themselves took until now.
    line = "10/43 services on 4/12 sites · 2 running · about 33s left · slowest sim-0003 12 s, sim-0009 11 s"
    assert line_of(progress, 0.0, 13.0, 200) == line
    progress.stage, progress.moved = "wave 2/5", 34_200_000
    whole = line_of(progress, 0.0, 13.0, 200)
    assert whole.startswith("wave 2/5 · 10/43 services on 4/12 sites · 2 running · 34 MB · about 33s left · slowest ")
    assert line_of(progress, 0.0, 13.0, 66) == "wave 2/5, 10/43 services on 4/12 sites, 2 running, 34 MB, 33s left"
    assert line_of(progress, 0.0, 13.0, 40) == "10/43 services on 4/12 sites · 33s left"
    assert line_of(progress, 0.0, 13.0, 25) == "10/43 done · 33s left"
    assert time_left(progress, 0.0, 13.0, Limits(deadline=20.0)) == 7.0
    progress.again(3, "wave 3/5")
    assert line_of(progress, 0.0, 13.0, 200).startswith("wave 3/5 · 0/3 done · 2 running")


async def test_a_change_of_many_services_tells_how_many_of_them_are_done(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=8, services=3, latency=0.1)
    path = str(write_inventory(simulator))
    count = sum(service.real == "STARTED" for site in simulator.sites.values() for service in site.services.values())

    def run() -> None:
        arguments = ["services", "restart", "-i", path, "-s", "all", "--yes", "--width", "2"]
        with Terminal(*arguments, columns=120) as terminal:
            seen = set()
            while terminal.pump(0.02):
                seen |= {line for line in terminal.lines if re.search(r"\d+/\d+ (done|services)", line)}
            assert terminal.end() == 0
        steps = {
            int(found[1]) for line in seen if (found := re.match(rf"(\d+)/{count} services on \d/8 sites · ", line))
        }
        assert len(steps) > 3, seen
        assert any(re.search(r"services on .* left", line) for line in seen), seen
        assert not any("/" in line and "services on" in line for line in terminal.lines), "it goes away at the end"

    await anyio.to_thread.run_sync(run)


async def test_a_snapshot_tells_the_bytes_that_it_keeps(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    path = str(write_inventory(await simulate(sites=6, latency=0.1)))

    def run() -> None:
        environment = {"FLEET_STATE_DIR": str(tmp_path / "state")}
        with Terminal("snapshot", "save", "-i", path, "--width", "2", environment=environment) as terminal:
            seen = set()
            while terminal.pump(0.02):
                seen |= {line for line in terminal.lines if line_is_live(line)}
            assert terminal.end() == 0
        assert any(re.search(r" · \d[\d.]* kB · ", line) for line in seen), seen

    def line_is_live(line: str) -> bool:
        return re.match(r"\d+/\d+ done", line) is not None

    await anyio.to_thread.run_sync(run)


async def test_a_line_is_out_the_moment_it_is_known(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=5, faults={"sim-0003": "hang"})
    arguments = ["call", "admin/info", "-i", str(write_inventory(simulator)), "-o", "ndjson"]
    with subprocess.Popen([*FLEET, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        assert running.stdout is not None
        try:
            with anyio.fail_after(15):
                lines = [await anyio.to_thread.run_sync(running.stdout.readline) for _ in range(4)]
            assert running.poll() is None, "the fifth site has not answered yet"
        finally:
            running.kill()
    found = [json.loads(line) for line in lines]
    assert {outcome["site"] for outcome in found} == {"sim-0001", "sim-0002", "sim-0004", "sim-0005"}
