"""Long tables on a real terminal go through a real pager, short ones and everything else do not."""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import anyio.to_thread
import pytest

from fleet.simulator import Simulator
from tests.acceptance.terminals import Terminal
from tests.processes import fleet

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]
needs_less = pytest.mark.skipif(shutil.which("less") is None, reason="no less")


def report(path: str, *more: str, environment: Mapping[str, str | None] | None = None, rows: int = 12) -> Terminal:
    given = {"PAGER": "less", "LESS": "FRSX", **(environment or {})}
    told = {name: value for name, value in given.items() if value is not None}
    return Terminal("services", "report", "-i", path, *more, columns=120, rows=rows, environment=told)


@needs_less
async def test_a_long_table_comes_page_by_page_and_leaving_it_keeps_the_status(
    simulate: Simulate, write_inventory: Write
) -> None:
    path = str(write_inventory(await simulate(sites=3, faults={"sim-0003": "refused"})))

    def look() -> None:
        with report(path) as terminal:
            terminal.wait_for(lambda lines: lines[-1:] == [":"])
            first = terminal.lines
            assert first[0].startswith("site"), "the heading is on the first page"
            assert len(first) == 12
            assert "1 × unreachable" not in terminal.text
            terminal.process.send("G")
            terminal.wait_for("2 of 3 sites answered")
            terminal.process.send("q")
            assert terminal.end() == 1, "a site failed, and a pager does not hide it"

    await anyio.to_thread.run_sync(look)


@needs_less
async def test_a_pager_that_is_left_at_once_is_quiet(simulate: Simulate, write_inventory: Write) -> None:
    path = str(write_inventory(await simulate(sites=8, services=60)))

    def look() -> None:
        with report(path) as terminal:
            terminal.wait_for(lambda lines: lines[-1:] == [":"])
            terminal.process.send("q")
            assert terminal.end() == 0
            assert "Broken" not in terminal.text
            assert "Traceback" not in terminal.text

    await anyio.to_thread.run_sync(look)


@needs_less
async def test_an_interrupt_is_the_pagers(simulate: Simulate, write_inventory: Write) -> None:
    path = str(write_inventory(await simulate(sites=3)))

    def look() -> None:
        with report(path) as terminal:
            terminal.wait_for(lambda lines: lines[-1:] == [":"])
            terminal.process.kill(signal.SIGINT)
            terminal.press("c")

            def at_the_end(lines: list[str]) -> bool:
                if any("3 of 3 sites answered" in line for line in lines):
                    return True
                # An interrupt takes what was typed just before and after it away.
                terminal.process.send("G")
                return False

            terminal.wait_for(at_the_end)
            terminal.process.send("q")
            assert terminal.end() == 0

    await anyio.to_thread.run_sync(look)


@needs_less
async def test_colours_go_through_less(simulate: Simulate, write_inventory: Write) -> None:
    path = str(write_inventory(await simulate(sites=3)))

    def look() -> None:
        with report(path, environment={"LESS": None, "NO_COLOR": ""}) as terminal:
            terminal.wait_for(lambda lines: lines[-1:] == [":"])
            assert "\x1b[32mSTARTED" in terminal.raw
            terminal.process.send("q")
            assert terminal.end() == 0
        with report(path, environment={"LESS": None, "NO_COLOR": "1"}) as terminal:
            terminal.wait_for(lambda lines: lines[-1:] == [":"])
            assert "\x1b[32m" not in terminal.raw
            terminal.process.send("q")
            assert terminal.end() == 0

    await anyio.to_thread.run_sync(look)


@pytest.mark.parametrize(
    ("arguments", "environment", "rows"),
    [
        (["--no-pager"], {}, 12),
        ([], {"PAGER": ""}, 12),
        ([], {"PAGER": "cat"}, 12),
        ([], {"PAGER": "no-such-pager --x"}, 12),
        ([], {"TERM": "dumb"}, 12),
        ([], {}, 200),
        (["-o", "csv"], {}, 12),
        (["-o", "json"], {}, 12),
        (["-o", "markdown"], {}, 12),
        (["-o", "ndjson"], {}, 12),
    ],
)
async def test_no_pager_where_none_is_wanted(
    simulate: Simulate, write_inventory: Write, arguments: list[str], environment: dict[str, str], rows: int
) -> None:
    path = str(write_inventory(await simulate(sites=3)))

    def look() -> str:
        pager = f"{sys.executable} -c print('paged')"
        with report(path, *arguments, environment={"PAGER": pager, **environment}, rows=rows) as terminal:
            assert terminal.end() == 0
            return terminal.text

    text = await anyio.to_thread.run_sync(look)
    assert "paged" not in text
    assert "3 of 3 sites answered" in text or "fleet.report/1" in text


async def test_the_users_own_pager_gets_the_whole_table(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    path = str(write_inventory(await simulate(sites=3)))
    kept = tmp_path / "kept"
    script = tmp_path / "pager.py"
    script.write_text("import pathlib, sys\npathlib.Path(sys.argv[1]).write_bytes(sys.stdin.buffer.read())\n")

    def look() -> None:
        environment = {"PAGER": f"{sys.executable} {script} {kept}", "NO_COLOR": "1"}
        with report(path, environment=environment) as terminal:
            assert terminal.end() == 0

    await anyio.to_thread.run_sync(look)
    whole = await fleet("services", "report", "-i", path, "-o", "table", env={"COLUMNS": "120"})
    services = [line.split()[:4] for line in kept.read_text().splitlines() if line.startswith("sim-")]
    assert services == [line.split()[:4] for line in whole.stdout.splitlines() if line.startswith("sim-")]
    assert len(services) > 12


async def test_what_is_no_terminal_is_never_paged(simulate: Simulate, write_inventory: Write) -> None:
    path = str(write_inventory(await simulate(sites=3)))
    result = await fleet(
        "services", "report", "-i", path, "-o", "table", env={"PAGER": "no-pager-may-run", "LINES": "5"}
    )
    assert result.returncode == 0
    assert "3 of 3 sites answered" in result.stdout
