"""Full disks, closed streams, and a state folder that can't be used: a sentence, the right status, and results kept."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import anyio
import pytest

from fleet.history.store import Store
from fleet.simulator import Simulator
from fleet.simulator.ledger import Ledger, LedgerLost
from tests.processes import FLEET, clean, ended, fleet, free_base, is_root, shell, started, wait_for

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="devices and pipes of POSIX")

COMMON = ("table", "json", "ndjson", "csv", "markdown")
WRITING = [
    *(("call", "admin/info", "-o", form) for form in COMMON),
    *(("health", "-o", form) for form in ("table", "ndjson", "junit", "nagios")),
    *(("inventory", "list", "-o", form) for form in ("table", "ndjson")),
    ("inventory", "show", "sim-0001"),
    ("inventory", "graph"),
    ("inventory", "schema"),
    ("inventory", "check"),
]


def last_run(inventory: Path) -> dict[str, str]:
    with Store.open_default() as store:
        return dict(store.last_outcomes([inventory]) or {})


def command_of(arguments: tuple[str, ...], path: Path) -> tuple[str, ...]:
    return arguments if arguments[:2] == ("inventory", "schema") else (*arguments, "-i", str(path))


@contextmanager
def broken_pipe() -> Iterator[int]:
    """A pipe that nobody reads any more."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        yield writer
    finally:
        os.close(writer)


@pytest.mark.parametrize("arguments", WRITING, ids=" ".join)
async def test_a_full_disk_behind_standard_output_is_said(
    simulator: Simulator, write_inventory: Write, arguments: tuple[str, ...]
) -> None:
    path = write_inventory(simulator)
    with open("/dev/full", "wb") as full:
        done = await fleet(*command_of(arguments, path), stdout=full)
    assert done.returncode == 1
    assert "standard output can't be written: no space left on device\n" in clean(done.stderr)
    if arguments[0] != "inventory":
        assert last_run(path) == dict.fromkeys(simulator.sites, "ok"), "what was done is known the next time"


@pytest.mark.parametrize("arguments", WRITING, ids=" ".join)
async def test_a_standard_output_that_nobody_reads_is_quiet(
    simulator: Simulator, write_inventory: Write, arguments: tuple[str, ...]
) -> None:
    with broken_pipe() as writer:
        done = await fleet(*command_of(arguments, write_inventory(simulator)), stdout=writer)
    assert (done.returncode, done.stderr) == (141, "")


async def test_the_first_line_is_enough_for_head(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=60, latency=0.05)
    path = write_inventory(simulator)
    done = await shell(
        f"fleet call admin/info -i {path} -o ndjson --width 2 -q | head -1; echo ${{PIPESTATUS[0]}}", timeout=30
    )
    line, status = done.stdout.splitlines()
    assert json.loads(line)["ok"] is True
    assert (status, done.stderr) == ("141", "")
    assert len({entry.site for entry in simulator.ledger}) < 60, "nothing further is asked when nobody reads it"
    assert sum(outcome == "ok" for outcome in last_run(path).values()) >= 1


async def test_changes_in_flight_finish_when_nobody_reads(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=8, latency=0.1)
    path = write_inventory(simulator)
    change = ["call", "admin/mode/update", "-p", "siteMode=READ_ONLY", "--change", "-s", "all", "--yes"]
    with broken_pipe() as writer:
        done = await fleet(*change, "-i", str(path), "-o", "ndjson", "--width", "2", stdout=writer)
    assert (done.returncode, done.stderr) == (141, "")
    outcomes = last_run(path)
    assert set(outcomes.values()) == {"changed", "not_run"}
    for name, site in simulator.sites.items():
        assert (outcomes[name] == "changed") == (site.state.mode == "READ_ONLY")


async def test_closed_streams_do_no_harm(simulator: Simulator, write_inventory: Write) -> None:
    path = write_inventory(simulator)
    call = f"fleet call admin/info -i {path} -o ndjson"
    without_errors = await shell(f"{call} 2>&-")
    assert (without_errors.returncode, without_errors.stdout.count("\n")) == (0, 3)
    with_full_errors = await shell(f"{call} -vv --trace 2>/dev/full")
    assert (with_full_errors.returncode, with_full_errors.stdout.count("\n")) == (0, 3)
    without_input = await shell(f"{call} <&-")
    assert (without_input.returncode, without_input.stdout.count("\n")) == (0, 3)
    assert "Traceback" not in without_input.stderr
    asks = await shell(f"fleet call admin/mode/update -p siteMode=EDITABLE --change -s all -i {path} <&-")
    assert asks.returncode == 2
    assert "no terminal to ask on" in clean(asks.stderr)
    # A descriptor that is closed must not be taken by a file or a connection: the database is whole.
    assert last_run(path) == dict.fromkeys(simulator.sites, "ok")
    without_output = await shell(f"{call} >&-; echo $?")
    assert (without_output.stdout, without_output.stderr) == ("141\n", "")
    without_any = await shell(f"{call} <&- >&- 2>&-; echo $?")
    assert without_any.stdout == "141\n"
    assert last_run(path).keys() == simulator.sites.keys()


async def test_a_pipe_that_does_not_block_gets_everything(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=40)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    command = [*FLEET, "call", "admin/services/report", "-i", str(write_inventory(simulator)), "-o", "json"]
    with subprocess.Popen(command, stdout=writer, stderr=subprocess.PIPE, text=True) as running:
        os.close(writer)
        await anyio.sleep(2.0)
        with open(reader, "rb") as stream:
            text = await anyio.to_thread.run_sync(stream.read)
        running.communicate(timeout=20)
    assert len(text) > 65_536
    assert len(json.loads(text)["outcomes"]) == 40
    assert running.returncode == 0


@contextmanager
def small_disk(folder: Path, size: str = "512k") -> Iterator[Path]:
    """A file system of *size* at *folder*."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def can_mount(folder: Path) -> bool:
    try:
        with small_disk(folder / "probe"):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system."""
    if not is_root() or not can_mount(tmp_path):
        pytest.skip("only root can mount a small disk")
    with small_disk(tmp_path / "disk") as folder:
        yield folder


def fill(folder: Path, but: int = 0) -> None:
    """Fill the disk of *folder*, *but* so many bytes."""
    with (folder / "filling").open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 512):
                pass
        except OSError:
            file.truncate(file.tell() - but)


async def test_a_full_disk_below_the_state_costs_the_record_and_no_result(
    simulator: Simulator, write_inventory: Write, disk: Path
) -> None:
    path = write_inventory(simulator)
    fill(disk)
    environment = {"FLEET_STATE_DIR": str(disk / "state")}
    done = await fleet("call", "admin/info", "-i", str(path), "-o", "ndjson", env=environment)
    assert (done.returncode, done.stdout.count("\n")) == (0, 3)
    assert clean(done.stderr).count("this run is not recorded, so @failed does not know it: ") == 1


async def test_a_disk_that_fills_up_keeps_the_record_there_was(
    simulator: Simulator, write_inventory: Write, disk: Path
) -> None:
    path = write_inventory(simulator)
    environment = {"FLEET_STATE_DIR": str(disk)}
    assert (await fleet("call", "admin/info", "-i", str(path), "-q", env=environment)).returncode == 0
    fill(disk)
    simulator.sites["sim-0001"].fault("refused")
    done = await fleet("call", "admin/info", "-i", str(path), "-o", "ndjson", env=environment)
    assert (done.returncode, done.stdout.count("\n")) == (1, 3)
    assert "this run is not recorded" in clean(done.stderr)
    assert "full" in done.stderr
    (disk / "filling").unlink()
    with Store(disk / "fleet.db") as store:
        assert store.last_outcomes([path]) == dict.fromkeys(simulator.sites, "ok")


async def test_init_on_a_full_disk_leaves_nothing_half_written(simulator: Simulator, disk: Path) -> None:
    fill(disk)
    target = disk / "inventory.toml"
    url = simulator.sites["sim-0001"].url
    environment = {"FLEET_PASSWORD": "simulated"}
    done = await fleet("init", "--url", url, "--username", "siteadmin", "--file", str(target), env=environment)
    assert done.returncode == 1
    assert f"{target} can't be written, and nothing of it is there: No space left on device" in clean(done.stderr)
    assert [file.name for file in disk.iterdir()] == ["filling"]


async def test_a_simulator_on_a_full_disk_writes_no_half_inventory(disk: Path) -> None:
    fill(disk)
    target = disk / "s.toml"
    done = await fleet(
        "simulate", "--sites", "2", "--port", str(free_base(2)), "--for", "20s", "--inventory-out", str(target)
    )
    assert done.returncode == 2
    assert clean(done.stderr) == f"the inventory {target} can't be written: No space left on device\n"
    assert [file.name for file in disk.iterdir()] == ["filling"]


def test_a_ledger_holds_whole_lines_only_when_its_disk_fills_up(disk: Path) -> None:
    fill(disk, but=8192)
    book = Ledger(disk / "ledger")
    lost: list[OSError] = []
    book.on_loss = lost.append
    request = {"site": "sim-0001", "method": "GET", "path": "/arcgis/admin", "operation": "admin", "token_in": "none"}
    with pytest.raises(LedgerLost):
        while True:
            book.note(**request, params={"f": "json"}, status=200, code=None, changed=False)
    with pytest.raises(LedgerLost):
        book.note(**request, params={}, status=200, code=None, changed=False)
    book.close()
    lines = (disk / "ledger").read_bytes().splitlines(keepends=True)
    assert len(lines) == len(book.entries) > 10
    assert all(line.endswith(b"\n") and json.loads(line)["site"] == "sim-0001" for line in lines)
    assert [error.errno for error in lost] == [errno.ENOSPC]


async def test_a_ledger_on_a_full_device_ends_the_sites_with_a_sentence(tmp_path: Path) -> None:
    inventory = tmp_path / "s.toml"
    arguments = ["--sites", "2", "--port", str(free_base(2)), "--for", "20s", "--inventory-out", str(inventory)]
    with started("simulate", *arguments, "--ledger", "/dev/full") as running:
        await wait_for(inventory.exists)
        called = await fleet("call", "admin/info", "-i", str(inventory), "-o", "ndjson", "--timeout", "3s")
        _, told = await ended(running)
    assert running.returncode == 1
    assert "the ledger /dev/full can't be written any more" in clean(told)
    assert {json.loads(line)["outcome"] for line in called.stdout.splitlines()} == {"unreachable"}


async def test_a_device_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    port = str(free_base(1))
    done = await fleet("simulate", "--sites", "1", "--port", port, "--inventory-out", "/dev/full", "--force")
    assert done.returncode == 2
    assert "the inventory /dev/full can't be written: No space left on device" in clean(done.stderr)
    assert Path("/dev/full").is_char_device()
    shown = await fleet(
        "simulate", "--sites", "1", "--port", port, "--for", "10ms", "--inventory-out", "/dev/stdout", "--force"
    )
    assert (shown.returncode, "[sites.sim-0001]" in shown.stdout) == (0, True)


def corrupt(state: Path) -> None:
    state.mkdir()
    (state / "fleet.db").write_bytes(b"this is not a database, whatever its name says" * 100)


def newer(state: Path) -> None:
    with Store(state / "fleet.db"):
        pass
    with closing(sqlite3.connect(state / "fleet.db")) as connection:
        connection.execute("pragma user_version = 999")


def a_folder_in_the_place_of_the_database(state: Path) -> None:
    (state / "fleet.db").mkdir(parents=True)


def shared_with_everybody(state: Path) -> None:
    with Store(state / "fleet.db"):
        pass
    (state / "of somebody").write_text("")
    state.chmod(0o1777)


def somebody_else_s(state: Path) -> None:
    if not is_root():
        pytest.skip("only root can give a folder away")
    with Store(state / "fleet.db"):
        pass
    os.chown(state, 65534, 65534)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (corrupt, "fleet.db: it is damaged"),
        (newer, "fleet.db: it was made by a newer version of fleet"),
        (a_folder_in_the_place_of_the_database, "fleet.db: it can't be opened"),
        (somebody_else_s, "belongs to another user"),
        (shared_with_everybody, "is a folder that others may write to; name one of your own"),
    ],
)
async def test_a_state_that_can_t_be_used_costs_one_remark(
    simulator: Simulator, write_inventory: Write, tmp_path: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    spoil(tmp_path / "state")
    path = str(write_inventory(simulator))
    done = await fleet("call", "admin/info", "-i", path, "-o", "ndjson")
    assert (done.returncode, done.stdout.count("\n")) == (0, 3)
    remarks = [line for line in clean(done.stderr).splitlines() if "not recorded" in line]
    assert len(remarks) == 1
    assert reason in remarks[0]
    asked = await fleet("call", "admin/info", "-i", path, "-s", "@failed")
    assert (asked.returncode, asked.stdout) == (2, "")
    assert "the record of the last run can't be read: " in clean(asked.stderr)
    assert reason in asked.stderr


async def test_a_folder_of_other_things_keeps_its_mode_and_so_does_the_target_of_a_link(
    simulator: Simulator, write_inventory: Write, tmp_path: Path
) -> None:
    path = str(write_inventory(simulator))
    (tmp_path / "link").symlink_to("linked")
    for folder, place, mode in (("empty", "empty", 0o700), ("busy", "busy", 0o755), ("linked", "link", 0o755)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder).chmod(0o755)
        if folder == "busy":
            (tmp_path / folder / "of somebody").write_text("")
        state = str(tmp_path / place)
        done = await fleet("call", "admin/info", "-i", path, "-o", "ndjson", env={"FLEET_STATE_DIR": state})
        assert (done.returncode, "not recorded" in done.stderr) == (0, False)
        assert stat.S_IMODE((tmp_path / folder).stat().st_mode) == mode
        assert stat.S_IMODE((tmp_path / folder / "fleet.db").stat().st_mode) == 0o600


async def test_a_state_folder_that_is_read_only_costs_one_remark(
    simulator: Simulator, write_inventory: Write, tmp_path: Path
) -> None:
    path = str(write_inventory(simulator))
    (tmp_path / "file").write_text("")
    # Below /proc nobody can make a folder, root neither.
    for place in ("/proc/nowhere/state", str(tmp_path / "file"), str(tmp_path / "file" / "state")):
        done = await fleet("call", "admin/info", "-i", path, "-o", "ndjson", env={"FLEET_STATE_DIR": place})
        assert (done.returncode, done.stdout.count("\n")) == (0, 3)
        assert clean(done.stderr).count("not recorded") == 1


async def test_a_database_that_somebody_holds_delays_no_result(
    simulator: Simulator, write_inventory: Write, tmp_path: Path
) -> None:
    path = str(write_inventory(simulator))
    assert (await fleet("call", "admin/info", "-i", path, "-q")).returncode == 0
    with closing(sqlite3.connect(tmp_path / "state" / "fleet.db", isolation_level=None)) as holder:
        holder.execute("begin exclusive")
        with started("call", "admin/info", "-i", path, "-o", "json") as running:
            assert running.stdout is not None
            report = json.loads(await anyio.to_thread.run_sync(running.stdout.read, abandon_on_cancel=True))
            _, told = await ended(running)
        holder.execute("rollback")
    assert report["coverage"]["answered"] == 3
    assert running.returncode == 0
    assert clean(told).count("another program holds it") == 1
