"""The tutorial does what it says: its commands are run, and what they print is compared."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio.to_thread
import pytest

from fleet.simulator import Simulator

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorials" / "first-sweep.md"


def pattern_of(shown: str) -> re.Pattern[str]:
    """What the page shows, with `...` standing for anything."""
    return re.compile(re.escape(shown.strip()).replace(re.escape("..."), "(?s:.*)"))


async def test_the_tutorial(
    simulate: Callable[..., Awaitable[Simulator]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator = await simulate(sites=5, faults={"sim-0003": "service-down"})
    (tmp_path / "simulated.toml").write_text(simulator.inventory_toml())
    monkeypatch.setenv("COLUMNS", "100")
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 5
    for block in blocks:
        command, _, shown = block.partition("\n")
        arguments = shlex.split(command.removeprefix("$ fleet "))

        def run(arguments: list[str] = arguments) -> str:
            done = subprocess.run(
                [sys.executable, "-m", "fleet", *arguments],
                cwd=tmp_path,
                capture_output=True,
                encoding="utf-8",
                env={**os.environ, "PYTHONIOENCODING": "utf-8"},
                check=False,
            )
            return done.stdout.strip()

        printed = await anyio.to_thread.run_sync(run)
        assert pattern_of(shown).fullmatch(printed), f"{command}\n{printed}"
