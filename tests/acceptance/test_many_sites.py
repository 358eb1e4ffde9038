"""Many sites from one process, and many sites in one run: what it takes, and that nothing of it grows or stays."""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from fleet import Fleet, ops
from fleet.client.site import SiteClient
from fleet.client.tokens import TokenSource
from fleet.outcome import Answered, Outcome
from fleet.simulator import Simulator
from tests.processes import FLEET, clean, fleet, free_base, outcomes_of

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals, and what processes cost")


@contextmanager
def simulating(*arguments: str, within: float = 60.0) -> Iterator[tuple[subprocess.Popen[str], float]]:
    """`fleet simulate` with *arguments*, and how many seconds it took until every site answered; ended by SIGTERM."""
    began = time.monotonic()
    command = [*FLEET, "simulate", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL) as running:
        try:
            assert running.stderr is not None
            assert running.stderr.readline().startswith("ready: ")
            took = time.monotonic() - began
            assert took < within
            yield running, took
            running.send_signal(signal.SIGTERM)
            assert running.wait(timeout=30) == 0
            assert running.stderr.read() == ""
        finally:
            if running.poll() is None:
                running.kill()


def memory_of(process: int) -> float:
    """The most memory that *process* has held so far, in MB."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


async def test_three_hundred_sites_from_one_process(tmp_path: Path) -> None:
    path, base = tmp_path / "s.toml", free_base(300)
    arguments = ("--sites", "300", "--port", str(base), "--for", "2m", "--inventory-out", str(path))
    with simulating(*arguments) as (running, _):
        done = await fleet("call", "admin/info", "-i", str(path), "-o", "ndjson")
        assert Counter(outcome["outcome"] for outcome in outcomes_of(done).values()) == {"ok": 300}
        assert memory_of(running.pid) < 200
    assert all(is_free(port) for port in range(base + 1, base + 301))


@pytest.mark.soak
async def test_a_thousand_sites_from_one_process(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    path, base = tmp_path / "s.toml", free_base(1000)
    arguments = ("--sites", "1000", "--port", str(base), "--for", "5m", "--inventory-out", str(path))
    with simulating(*arguments) as (running, took):
        for command in (("call", "admin/info"), ("health",)):
            done = await fleet(*command, "-i", str(path), "-o", "ndjson", timeout=120)
            assert Counter(outcome["outcome"] for outcome in outcomes_of(done).values()) == {"ok": 1000}
        record_property("1,000 simulated sites", f"{took:.1f} s to start, {memory_of(running.pid):.0f} MB")
        assert memory_of(running.pid) < 400
    assert all(is_free(port) for port in range(base + 1, base + 1001))


def cost(*arguments: str, limit: int | None = None) -> tuple[list[dict[str, Any]], float, str]:
    """The outcomes that `fleet` with *arguments* prints, the most memory it held in MB, and its standard error."""

    def lower() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as told:
        process = subprocess.Popen([*FLEET, *arguments], stdout=out, stderr=told, preexec_fn=lower)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        told.seek(0)
        # On Linux in KiB.
        return [json.loads(line) for line in out], usage.ru_maxrss / 1024, told.read()


@pytest.fixture(scope="module")
def ten_thousand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The inventory of 10,000 simulated sites, all on one port."""
    path = str(tmp_path_factory.mktemp("ten-thousand") / "s.toml")
    with simulating(
        "--sites", "10000", "--paths", "--port", str(free_base(1)), "--for", "10m", "--inventory-out", path
    ):
        yield path


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("limit", [1024, 256])
def test_ten_thousand_sites_are_called_with_few_descriptors(ten_thousand: str, limit: int) -> None:
    outcomes, _, told = cost("call", "admin/info", "-i", ten_thousand, "-o", "ndjson", "--width", "5000", limit=limit)
    assert Counter(outcome["outcome"] for outcome in outcomes) == {"ok": 10_000}
    assert len({outcome["site"] for outcome in outcomes}) == 10_000
    assert clean(told).count("--width is reduced to ") == 1


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_memory_does_not_grow_with_the_sites_that_are_done(ten_thousand: str) -> None:
    call = ("call", "admin/info", "-i", ten_thousand, "-o", "ndjson")
    some, low, _ = cost(*call, "-s", "sim-[00001-01000]")
    every, high, _ = cost(*call)
    assert (len(some), len(every)) == (1_000, 10_000)
    assert high - low < 12, f"{low:.0f} MB for {len(some)} sites, and {high:.0f} MB for {len(every)}"


async def test_finished_sites_leave_nothing_behind_while_a_run_streams(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=400, paths=True)
    alive: list[Counter[str]] = []

    def look(outcome: Outcome) -> None:
        nonlocal seen
        seen += 1
        if seen in (50, 350):
            gc.collect()
            kinds = (SiteClient, TokenSource, Answered)
            alive.append(Counter(type(one).__name__ for one in gc.get_objects() if isinstance(one, kinds)))

    seen = 0
    inventory = Fleet.from_inventory(write_inventory(simulator)).inventory
    async with Fleet(inventory, keep_clients=False, width=20) as fleet_of_sites:
        await fleet_of_sites.select("all").run(ops.info.admin(), on_outcome=look, keep=False)
    early, late = alive
    for kind in ("SiteClient", "TokenSource", "Answered"):
        assert late[kind] <= early[kind] + 10, (kind, alive)
        assert late[kind] <= 60


STREAM = """
import gc, sys, tracemalloc, anyio
from fleet import Fleet, ops

async def main():
    inventory = Fleet.from_inventory(sys.argv[1]).inventory
    async with Fleet(inventory, keep_clients=False, width=20) as fleet:
        seen, held = 0, []
        async with fleet.select("all").stream(ops.info.admin()) as outcomes:
            async for _ in outcomes:
                seen += 1
                if seen == 200:
                    tracemalloc.start()
                if seen in (*range(400, 440), *range(1100, 1140)):
                    gc.collect()
                    held.append(tracemalloc.get_traced_memory()[0])
        # What is under way at a moment comes and goes: the least of many moments is what stays.
        print(min(held[:40]), min(held[40:]))

anyio.run(main)
"""


async def test_a_stream_allocates_nothing_that_stays(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1200, paths=True)
    done = await anyio.run_process([sys.executable, "-c", STREAM, str(write_inventory(simulator))])
    early, late = (int(word) for word in done.stdout.split())
    assert (late - early) / 700 < 150, f"{(late - early) / 700:.0f} bytes stay for each site that is done"


def test_tracing_finds_what_would_stay() -> None:
    """The measure itself: an outcome that is kept costs more than the test above allows."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = [Answered(site=f"s{number}", value={"a": str(number)}) for number in range(700)]
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert len(kept) == 700
    assert grown / 700 > 150
