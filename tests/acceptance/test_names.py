"""Names of hosts: a name server that does not answer holds up nobody's end, and addresses are looked up as they should."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import anyio
import pytest

from fleet.client.names import Names
from fleet.errors import ConnectFailed
from tests.processes import FLEET, clean, is_root

SILENT = "127.0.0.9"


@contextmanager
def silent_name_server() -> Iterator[None]:
    """A port that takes questions and answers none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        # Several tests may stand in at the same time.
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((SILENT, 53))
        except OSError:
            pytest.skip("only root can stand in for a name server")
        yield


def asked_of_it(folder: Path, *arguments: str) -> list[str]:
    """`fleet` with a file system of its own, in which the system asks the silent server."""
    configuration = folder / "resolv.conf"
    configuration.write_text(f"nameserver {SILENT}\noptions timeout:20 attempts:2\n", encoding="utf-8")
    script = f'mount --bind "{configuration}" /etc/resolv.conf && exec "$@"'
    return ["unshare", "--mount", "bash", "-c", script, "bash", *FLEET, *arguments]


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    path = tmp_path / "inventory.toml"
    sites = "\n".join(f'[sites.s{n}]\nurl = "https://s{n}.nowhere.test/arcgis"' for n in range(40))
    defaults = '[defaults]\nusername = "siteadmin"\npassword = "simulated"\nallow_plaintext = true\n'
    path.write_text(defaults + sites, encoding="utf-8")
    return path


def can_unshare() -> bool:
    probe = ["unshare", "--mount", "bash", "-c", "mount --bind /etc/resolv.conf /etc/resolv.conf"]
    try:
        return subprocess.run(probe, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux" or not is_root(), reason="only root can change who is asked for names")
@pytest.mark.parametrize(
    ("command", "option", "outcome"),
    [
        (("call", "admin/info"), ("--deadline", "1s"), "timeout"),
        (("call", "admin/info"), ("--timeout", "1s"), "timeout"),
        (("health",), ("--deadline", "1s"), "timeout"),
    ],
    ids=["call until a deadline", "call with a limit", "health until a deadline"],
)
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_silent_name_server_does_not_outlast_the_time_limits(
    inventory: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    option: tuple[str, ...],
    outcome: str,
    loop: str,
) -> None:
    if not can_unshare():
        pytest.skip("no file system of its own can be had here")
    monkeypatch.setenv("FLEET_LOOP", loop)
    with silent_name_server():
        began = time.monotonic()
        done = subprocess.run(
            asked_of_it(tmp_path, *command, "-i", str(inventory), "-o", "ndjson", *option),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        took = time.monotonic() - began
    outcomes = [json.loads(line)["outcome"] for line in done.stdout.splitlines()]
    assert outcomes == [outcome] * 40
    assert done.returncode == 1
    assert took < 12, "the look-ups themselves take forty seconds"
    clean(done.stderr)


async def test_a_name_is_looked_up_and_an_address_is_not() -> None:
    names = Names()
    assert "127.0.0.1" in {found["host"] for found in await names.resolve("localhost", 80)}
    assert await names.addresses("192.0.2.7", 443) == ["192.0.2.7"]
    assert await names.addresses("::1", 443) == ["::1"]
    assert "127.0.0.1" in await names.addresses("localhost", 443)


async def test_an_unknown_name_and_one_that_is_none_are_errors() -> None:
    with pytest.raises(OSError, match=r".+"):
        await Names().resolve("no-such-host.invalid", 80)
    with pytest.raises(ValueError, match="label"):
        await Names().resolve("x" * 70 + ".example.com", 80)


async def test_a_name_of_nowhere_is_refused() -> None:
    with pytest.raises(ConnectFailed, match="is no site's"):
        await Names().resolve("0.0.0.0", 80)


async def test_look_ups_wait_for_a_slot_and_give_it_back() -> None:
    before = {thread.name for thread in _lookers()}
    names = Names(at_once=1)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(names.resolve, "localhost", 80)
    assert {thread.name for thread in _lookers()} <= before | {"look up localhost"}


def _lookers() -> list[Thread]:
    import threading

    return [thread for thread in threading.enumerate() if thread.name.startswith("look up")]
