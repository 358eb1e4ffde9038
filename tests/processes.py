"""The command line as a process beside the test's own event loop: run to its end, or looked at while it runs."""

from __future__ import annotations

import json
import os
import random
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import anyio
import anyio.to_thread

__all__ = ["FLEET", "clean", "ended", "fleet", "free_base", "is_root", "outcomes_of", "shell", "started", "wait_for"]

FLEET = [sys.executable, "-m", "fleet"]

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 12
PORTS = range(20_000 + 1000 * _WORKER, 21_000 + 1000 * _WORKER, 10)
"""Where free ports are looked for: below those that the system gives out by itself, and apart for each test worker."""


async def fleet(
    *arguments: str,
    env: dict[str, str] | None = None,
    timeout: float = 60.0,
    cwd: str | None = None,
    stdout: Any = subprocess.PIPE,
) -> subprocess.CompletedProcess[str]:
    """Run `fleet` with *arguments* and the variables *env* on top of the test's own, without a terminal."""
    return await _run([*FLEET, *arguments], env, timeout, cwd, stdout)


async def shell(command: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run *command* in bash, where `fleet` is this `fleet`: for what only a shell does to streams and limits."""
    script = f'fleet() {{ {shlex.join(FLEET)} "$@"; }}\n{command}'
    return await _run(["bash", "-c", script], None, timeout, None, subprocess.PIPE)


async def _run(
    command: list[str], env: dict[str, str] | None, timeout: float, cwd: str | None, stdout: Any
) -> subprocess.CompletedProcess[str]:
    def go() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            stdout=stdout,
            stderr=subprocess.PIPE,
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


@contextmanager
def started(*arguments: str, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """`fleet` with *arguments*, running; killed at the end if it still does."""
    running = subprocess.Popen(
        [*FLEET, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
    )
    try:
        yield running
    finally:
        if running.poll() is None:
            running.kill()
        running.communicate()


async def ended(running: subprocess.Popen[str], within: float = 30.0) -> tuple[str, str]:
    """What *running* wrote to both streams until its end, which must come within so many seconds."""
    return await anyio.to_thread.run_sync(lambda: running.communicate(timeout=within))


async def wait_for(what: Callable[[], Any], within: float = 20.0) -> None:
    """Wait until *what* is so."""
    with anyio.fail_after(within):
        while not what():
            await anyio.sleep(0.01)


def free_base(count: int, places: range = PORTS) -> int:
    """A port of *places* that is free, as are the *count* behind it."""
    for base in random.sample(places, min(200, len(places))):
        with ExitStack() as stack:
            try:
                for port in range(base, base + count + 1):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return base
    raise AssertionError("no ports are free")


def clean(text: str) -> str:
    """*text* of a standard error, in which no traceback may be."""
    assert "Traceback" not in text, text
    assert "Exception ignored" not in text, text
    assert "Error: " not in text, text
    return text


def is_root() -> bool:
    """Whether the tests may do what only root may, such as mounting a disk."""
    return hasattr(os, "getuid") and os.getuid() == 0
