"""The demonstration: it finds free ports, says what it does, and leaves nothing running."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEMO = [sys.executable, str(ROOT / "tools" / "demo.py")]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals to another process")


@pytest.fixture
def taken() -> socket.socket:
    """One of the ports that the demonstration would like to have."""
    blocker = socket.socket()
    # If somebody else holds it, it is taken as well.
    with suppress(OSError):
        blocker.bind(("127.0.0.1", 16_090))
    return blocker


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_with_a_taken_port_it_moves_says_so_and_leaves_nothing(taken: socket.socket, tmp_path: Path) -> None:
    inventory = (ROOT / "inventory.toml").read_bytes()
    began = time.monotonic()
    with taken:
        done = subprocess.run(DEMO, capture_output=True, text=True, cwd=tmp_path, timeout=110, check=False)
    took = time.monotonic() - began
    assert done.returncode == 0, done.stdout + done.stderr
    moved = re.search(r"a port from 16081 to 16105 is taken: the sites are at (\d+) and on", done.stdout)
    assert moved is not None
    first = int(moved[1])
    assert first != 16_081
    assert "ready: 25 sites" in done.stdout
    assert "the sweep found the 8 sites that are ill" in done.stdout
    assert took < 60
    assert not any(is_listening(port) for port in range(first, first + 25))
    assert list(tmp_path.iterdir()) == []
    assert (ROOT / "inventory.toml").read_bytes() == inventory


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_ends_it_ends_its_sites(number: int, tmp_path: Path) -> None:
    with subprocess.Popen(
        DEMO, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=tmp_path, start_new_session=True
    ) as running:
        try:
            assert running.stdout is not None
            ready = next(line for line in running.stdout if line.startswith("ready: "))
            port = simulated_port(Path(ready.split("inventory ")[1].strip()))
            assert is_listening(port)
            running.send_signal(number)
            assert running.wait(timeout=30) != 0
        finally:
            if running.poll() is None:
                running.kill()
    assert not is_listening(port)


def simulated_port(inventory: Path) -> int:
    return int(re.findall(r"127\.0\.0\.1:(\d+)", inventory.read_text(encoding="utf-8"))[0])
