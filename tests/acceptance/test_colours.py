"""Colour and width follow the terminal and what the user says of them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import anyio.to_thread
import pytest
from wcwidth import wcswidth

from fleet.simulator import Simulator
from tests.acceptance.terminals import FLEET, Terminal

Write = Callable[[Simulator | str], Path]


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [
        ({"NO_COLOR": ""}, True),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": "", "TERM": "dumb"}, False),
        ({"NO_COLOR": "", "TERM": "dumb", "FORCE_COLOR": "1"}, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ({"NO_COLOR": "", "FORCE_COLOR": "0"}, True),
    ],
)
async def test_a_terminal_gets_colour_unless_it_is_not_wanted(
    simulator: Simulator, write_inventory: Write, environment: dict[str, str], coloured: bool
) -> None:
    path = str(write_inventory(simulator))

    def run() -> None:
        for arguments in (["health"], ["inventory", "list"]):
            with Terminal(*arguments, "-i", path, environment=environment) as terminal:
                assert terminal.end() == 0
                assert ("\x1b[" in terminal.raw) is coloured, (arguments, terminal.raw)

    await anyio.to_thread.run_sync(run)


@pytest.mark.parametrize(("force", "coloured"), [("", False), ("1", True)])
async def test_a_pipe_gets_colour_only_when_it_is_forced(
    simulator: Simulator, write_inventory: Write, monkeypatch: pytest.MonkeyPatch, force: str, coloured: bool
) -> None:
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("FORCE_COLOR", force)
    path = str(write_inventory(simulator))
    done = await anyio.to_thread.run_sync(
        lambda: subprocess.run([*FLEET, "health", "-i", path, "-o", "table"], capture_output=True, check=True)
    )
    assert (b"\x1b[32mok\x1b[0m" in done.stdout) is coloured


@pytest.mark.parametrize("columns", [40, 80, 200])
async def test_what_is_shown_fits_the_terminal(simulator: Simulator, write_inventory: Write, columns: int) -> None:
    site = simulator.sites["sim-0002"]
    service = site.state.add_service("", "日本語の地図と長い名前のサービス", "MapServer")
    service.real = "STOPPED"
    path = str(write_inventory(simulator))
    arguments = [
        ["health"],
        ["inventory", "list"],
        ["call", "admin/machines", "--merge", "union"],
        ["call", "admin/services", "--merge", "matrix"],
        ["call", "admin/services", "--merge", "group"],
        ["call", "admin/services/report", "--merge", "stats"],
    ]

    def run() -> None:
        for given in arguments:
            with Terminal(*given, "-i", path, columns=columns, environment={"TERM": "dumb"}) as terminal:
                terminal.end()
                lines = terminal.raw.rstrip("\r\n").split("\r\n")
            too_wide = [line for line in lines if wcswidth(line) > columns]
            # A command, or one long word, that is there to be copied is folded by the terminal alone.
            folded = [line for line in too_wide if len(line.split()) > 1 and "→ fleet " not in line]
            assert folded == []
            assert len(lines) > 1

    await anyio.to_thread.run_sync(run)
