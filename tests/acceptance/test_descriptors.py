"""Few file descriptors and many sites: slower, and no site fails for it."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest

from fleet.client.sockets import NoDescriptor, Sockets
from fleet.errors import ConnectFailed
from fleet.simulator import Simulator
from tests.processes import FLEET, clean, free_base, shell

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sockets are not limited by a count there")


async def test_a_thousand_sites_are_called_with_256_descriptors(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1000, paths=True, latency=0.02)
    done = await shell(
        f"ulimit -n 256; fleet call admin/info -i {write_inventory(simulator)} -o ndjson --width 5000 -s all"
    )
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    assert Counter(outcome["outcome"] for outcome in outcomes) == {"ok": 1000}
    assert len({outcome["site"] for outcome in outcomes}) == 1000
    assert max(outcome["attempts"] for outcome in outcomes) == 1
    assert done.returncode == 0
    assert clean(done.stderr).count("--width is reduced to 196: this process may have 256 descriptors only") == 1


async def test_the_soft_limit_is_raised_to_the_hard_one(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=150, paths=True, latency=0.2)
    done = await shell(
        f"ulimit -S -n 64; fleet call admin/info -i {write_inventory(simulator)} -o ndjson --width 150 -s all"
    )
    assert Counter(json.loads(line)["outcome"] for line in done.stdout.splitlines()) == {"ok": 150}
    assert "--width" not in clean(done.stderr)


async def test_a_sweep_of_several_connections_a_site_fits_too(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=40, tls=True)
    path = write_inventory(simulator)
    done = await shell(f"ulimit -n 72; fleet health -i {path} -o json --width 60")
    report = json.loads(done.stdout)
    assert Counter(outcome["outcome"] for outcome in report["outcomes"]) == {"ok": 40}
    statuses = {check["status"] for outcome in report["outcomes"] for check in outcome["value"]["checks"]}
    assert "unknown" not in statuses
    clean(done.stderr)


async def test_waiting_for_a_descriptor_is_not_part_of_a_request_s_time(
    simulate: Simulate, write_inventory: Write
) -> None:
    # Each of the two requests takes 0.3 s of its limit; those at the end of the queue wait longer than that.
    simulator = await simulate(sites=150, paths=True, latency=0.3)
    path = write_inventory(simulator)
    started = time.monotonic()
    done = await shell(f"ulimit -n 40; fleet call admin/info -i {path} -o ndjson --timeout 3s --width 500 -v")
    assert time.monotonic() - started > 3, "somebody has waited for longer than the limit"
    assert Counter(json.loads(line)["outcome"] for line in done.stdout.splitlines()) == {"ok": 150}


SOMEBODY_ELSE = """
import os, resource, sys, anyio
from fleet import Fleet, ops

resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))

async def main():
    async with Fleet.from_inventory(sys.argv[1]) as fleet:
        held = []
        try:
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            pass

        async def let_go():
            await anyio.sleep(1.0)
            for descriptor in held:
                os.close(descriptor)

        async with anyio.create_task_group() as group:
            group.start_soon(let_go)
            report = await fleet.select("all").run(ops.info.admin())
        print(*sorted(outcome.outcome for outcome in report.outcomes))

anyio.run(main)
"""


async def test_descriptors_that_somebody_else_holds_are_waited_for(
    simulator: Simulator, write_inventory: Write
) -> None:
    done = await anyio.run_process([sys.executable, "-c", SOMEBODY_ELSE, str(write_inventory(simulator))], check=False)
    assert (done.returncode, done.stdout.decode().split()) == (0, ["ok", "ok", "ok"]), done.stderr.decode()


async def test_a_wait_without_hope_ends_with_a_sentence() -> None:
    sockets = Sockets(allowed=1, patience=0.1)
    with pytest.raises(NoDescriptor):
        sockets.make((2, 1, 0))
    with pytest.raises(ConnectFailed, match="no file descriptor left") as caught:
        await sockets.room()
    assert "ulimit -n" in str(caught.value.hint)


async def test_who_waits_gets_room_in_turn() -> None:
    order: list[int] = []
    made: list[object] = []
    # Some numbers above what this process holds already: the sockets that are made here must be the ones that count.
    probe = Sockets(allowed=10**6).make((2, 1, 0))
    sockets = Sockets(allowed=probe.fileno() + 2)
    first, second = probe, sockets.make((2, 1, 0))

    async def one(number: int) -> None:
        await sockets.room()
        order.append(number)
        made.append(sockets.make((2, 1, 0)))

    with sockets:
        async with anyio.create_task_group() as group:
            for number in range(2):
                group.start_soon(one, number)
                await anyio.sleep(0.05)
            assert order == []
            assert sockets.crowded
            first.close()
            await anyio.sleep(0.2)
            assert order == [0]
            second.close()
    assert order == [0, 1]
    for socket in made:
        socket.close()  # type: ignore[attr-defined]


def test_the_simulator_raises_its_soft_limit_too(tmp_path: Path) -> None:
    command = (
        f"ulimit -S -n 64; exec {shlex.join(FLEET)} simulate --sites 200 --port {free_base(200)} --for 200ms "
        f"--inventory-out {tmp_path / 's.toml'}"
    )
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, f"ready: 200 sites, inventory {tmp_path / 's.toml'}\n")


def test_a_simulator_that_can_t_have_enough_says_what_would_help(tmp_path: Path) -> None:
    command = (
        f"ulimit -n 64; exec {shlex.join(FLEET)} simulate --sites 200 --port {free_base(200)} --for 200ms "
        f"--inventory-out {tmp_path / 's.toml'}"
    )
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "--paths" in clean(done.stderr)
    assert not (tmp_path / "s.toml").exists()
