"""The command line as a process beside the test's own event loop."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import anyio.to_thread

__all__ = ["FLEET", "fleet", "outcomes_of"]

FLEET = [sys.executable, "-m", "fleet"]


async def fleet(
    *arguments: str, env: dict[str, str] | None = None, timeout: float = 60.0, cwd: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `fleet` with *arguments* and the variables *env* on top of the test's own, without a terminal."""

    def go() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*FLEET, *arguments],
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            check=False,
            env={**os.environ, **(env or {})},
            cwd=cwd,
        )

    return await anyio.to_thread.run_sync(go)


def outcomes_of(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    """The outcomes in the ndjson that *done* printed, by site."""
    return {line["site"]: line for line in map(json.loads, done.stdout.splitlines())}
