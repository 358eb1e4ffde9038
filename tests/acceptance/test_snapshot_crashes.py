"""Crashes and full disks while snapshots are written: what is listed reads whole, and what was there before is there."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fleet.errors import StoreFailed
from fleet.simulator import Simulator
from fleet.snapshots.store import Store
from tests.crashing import write_one
from tests.processes import clean, ended, fleet, is_root, shell, started, wait_for

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and mounts of POSIX")


def die(folder: Path, last: int, action: str) -> subprocess.CompletedProcess[str]:
    """Do *action* in a process that dies at the touch *last* of the disk."""
    command = [sys.executable, "-m", "tests.crashing", str(folder), str(last), action]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, cwd=Path(__file__).resolve().parents[2]
    )


def whole(folder: Path) -> list[str]:
    """The snapshots that are listed, each of them read to its last byte."""
    store = Store(folder)
    found = store.snapshots()
    for kept in found:
        assert len(store.sites(kept)) == 3
        store.verify(kept)
    return [kept.id for kept in found]


def test_a_save_that_is_killed_at_any_touch_of_the_disk_leaves_whole_snapshots(tmp_path: Path) -> None:
    base = tmp_path / "base"
    write_one(Store(base), 0)
    (first,) = whole(base)
    ended = die(base, 0, "1")
    touches = int(ended.stdout)
    assert touches >= 8
    (_, second) = whole(base)
    seen = set()
    for last in range(1, touches + 1):
        folder = tmp_path / f"at-{last}"
        write_one(Store(folder), 0)
        assert die(folder, last, "1").returncode == -9
        found = whole(folder)
        assert found in ([first], [first, second])
        seen.add(len(found))
        write_one(Store(folder), 2)
        after = whole(folder)
        assert after[: len(found)] == found
        assert len(after) == len(found) + 1, "the next one is not held up"
        left = [path.name for path in folder.rglob(".*")]
        assert left == [], "and nothing of the dead one is left"
    assert seen == {1, 2}


def test_pruning_that_is_killed_at_any_touch_of_the_disk_leaves_whole_snapshots(tmp_path: Path) -> None:
    base = tmp_path / "base"
    for number in range(3):
        write_one(Store(base), number)
    every = whole(base)
    copy = tmp_path / "copy"
    shutil.copytree(base, copy)
    touches = int(die(copy, 0, "prune").stdout)
    assert whole(copy) == every[-1:]
    size = sum(path.stat().st_size for path in copy.rglob("*.pack"))
    for last in range(1, touches + 1):
        folder = tmp_path / f"at-{last}"
        shutil.copytree(base, folder)
        assert die(folder, last, "prune").returncode == -9
        found = whole(folder)
        assert every[-1] in found
        assert set(found) <= set(every)
        Store(folder).prune(keep=1)
        assert whole(folder) == every[-1:]
        assert sum(path.stat().st_size for path in folder.rglob("*.pack")) == size, "nothing is lost for ever"


async def test_a_command_that_is_killed_while_it_saves_leaves_whole_snapshots(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=6, latency=0.002)
    path = write_inventory(simulator)
    done = await fleet("snapshot", "save", "-i", str(path), "-q")
    assert done.returncode == 0, done.stderr
    store = Store(tmp_path / "state" / "snapshots")
    before = [kept.id for kept in store.snapshots()]
    rng = random.Random(3)
    for number in range(8):
        for site in simulator.sites.values():
            site.state.add_service("", f"New{number}", "MapServer")
        asked = len(simulator.ledger)
        wanted = asked + rng.randint(1, 330)
        with started("snapshot", "save", "-i", str(path), "-q", "-o", "json") as running:
            await wait_for(
                lambda wanted=wanted, running=running: len(simulator.ledger) >= wanted or running.poll() is not None
            )
            await asyncio.sleep(rng.uniform(0, 0.05))
            running.kill()
        found = Store(store.folder)
        assert [kept.id for kept in found.snapshots()][: len(before)] == before
        for kept in found.snapshots():
            found.verify(kept)
        before = [kept.id for kept in found.snapshots()]
    done = await fleet("snapshot", "save", "-i", str(path), "-q", "-o", "json")
    assert done.returncode == 0, "the lock of the dead ones is free"
    assert len(Store(store.folder).snapshots()) == len(before) + 1


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk of its own at *folder*."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.skipif(not is_root(), reason="only root may mount a disk")
async def test_a_full_disk_ends_a_save_and_an_export_with_a_sentence_and_loses_nothing(
    simulator: Simulator, write_inventory: Write, tmp_path: Path
) -> None:
    path = write_inventory(simulator)
    with small_disk(tmp_path / "disk", "1500k") as disk:
        state = {"FLEET_STATE_DIR": str(disk)}
        first = await fleet("snapshot", "save", "-i", str(path), "-q", env=state)
        assert first.returncode == 0, first.stderr
        for site in simulator.sites.values():
            for number in range(60):
                service = site.state.add_service("", f"Big{number}", "MapServer")
                service.definition["description"] = os.urandom(12_000).hex()
        full = await fleet("snapshot", "save", "-i", str(path), "-q", env=state)
        assert full.returncode == 1
        assert clean(full.stderr) == (
            f"the store {disk}/snapshots can't be written: there is no space left for it; the snapshots that it held "
            "are whole\n"
        )
        store = Store(disk / "snapshots")
        (kept,) = store.snapshots()
        store.verify(kept)
        assert [path.name for path in (disk / "snapshots").rglob(".*")] == [], "nothing half-written is left"
        (disk / "filler").write_bytes(b"x" * (os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize - 20_000))
        export = await fleet("snapshot", "export", "latest", str(disk / "export"), env=state)
        assert export.returncode == 1
        assert "was broken off: no space left on device" in clean(export.stderr)
        for file in (disk / "export").rglob("*.json"):
            json.loads(file.read_bytes())
        (disk / "filler").unlink()
        again = await fleet("snapshot", "export", "latest", str(disk / "export"), env=state)
        assert again.returncode == 0, again.stderr


async def test_a_limit_of_the_size_of_files_is_like_a_full_disk(
    simulator: Simulator, write_inventory: Write, tmp_path: Path
) -> None:
    path = write_inventory(simulator)
    done = await shell(f"ulimit -f 8; trap '' XFSZ; fleet snapshot save -i {path} -q -o csv")
    assert done.returncode == 1
    assert "there is no space left for it" in clean(done.stderr)
    assert Store(tmp_path / "state" / "snapshots").snapshots() == []


async def test_two_commands_that_write_exclude_each_other(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=2, latency=0.3)
    path = write_inventory(simulator)
    with started("snapshot", "save", "-i", str(path), "-q", "-o", "json") as first:
        await wait_for(lambda: len(simulator.ledger) > 1)
        second = await fleet("snapshot", "save", "-i", str(path), "-q")
        assert second.returncode == 5
        assert "a snapshot being saved by " in clean(second.stderr)
        assert f"(process {first.pid}) since " in second.stderr
        pruned = await fleet("snapshot", "prune", "--keep", "1")
        assert pruned.returncode == 5
        listed = await fleet("snapshot", "list", "-o", "json")
        assert (listed.returncode, json.loads(listed.stdout)) == (0, [])


def test_a_store_that_is_not_writable_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreFailed, match="can't be written: "):
        write_one(Store(tmp_path / "file" / "snapshots"), 0)


def test_folders_and_files_are_for_the_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_one(Store(tmp_path / "snapshots"), 0)
    finally:
        os.umask(before)
    modes = {path.relative_to(tmp_path): path.stat().st_mode & 0o777 for path in (tmp_path / "snapshots").rglob("*")}
    assert len(modes) == 5
    assert all(mode == (0o700 if (tmp_path / path).is_dir() else 0o600) for path, mode in modes.items())
    assert (tmp_path / "snapshots").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_save_that_is_stopped_keeps_nothing_and_says_so(
    simulate: Simulate, write_inventory: Write, tmp_path: Path, number: int
) -> None:
    simulator = await simulate(sites=4, latency=0.05)
    path = write_inventory(simulator)
    with started("snapshot", "save", "-i", str(path), "-o", "json", "--width", "1") as running:
        await wait_for(lambda: len(simulator.ledger) > 20)
        running.send_signal(number)
        out, told = await ended(running)
    assert running.returncode == 130
    assert "no snapshot was made: the run was stopped" in clean(told)
    assert json.loads(out)["merged"] == {"snapshot": None}
    store = Store(tmp_path / "state" / "snapshots")
    assert store.snapshots() == []
    assert [path.name for path in store.folder.rglob("*") if path.is_file()] == ["lock"]
