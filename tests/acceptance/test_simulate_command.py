"""`fleet simulate` as a process: what it writes, what it says, and what it refuses before a site runs."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.processes import FLEET, free_base


def refusal(folder: Path, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [*FLEET, "simulate", "--for", "1ms", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@contextmanager
def running(folder: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*FLEET, "simulate", "--for", "60s", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, **environment},
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=20)


def wait_for(port: int) -> None:
    """Return once somebody listens on *port*."""
    for _ in range(400):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nobody listens on {port}")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--sites", "2000", "--port", "64500"], "would pass 65535, the last there is; the base may be 63535 at most"),
        (["--fault", "sim-0001=cert-expired"], "the fault cert-expired needs certificates: give --tls"),
        (["--fault", "sim-000*=cert-name"], "the fault cert-name needs certificates: give --tls"),
        (["--fault", "sim-0001=ill"], "there is no fault 'ill'; there are refused, hang"),
        (["--fault", "sim-0009=hang"], "no simulated site is called so"),
        (["--fault", "sim-0001"], "a fault is written SITE=KIND"),
        (["--release", "9.3"], "there is no release '9.3' here"),
        (["--username", ""], "the administrator needs a name"),
        (["--inventory-out", "nowhere/x.toml"], "the inventory nowhere/x.toml can't be written: there is no folder"),
        (["--ledger", "nowhere/ledger"], "the ledger nowhere/ledger can't be written: No such file or directory"),
        (["--inventory-out", "old.toml"], "old.toml is there already; give --force to overwrite it"),
        (["--inventory-out", "empty"], "empty is there already; give --force to overwrite it"),
        (["--ledger", "old.toml"], "the ledger old.toml is there already; give --force to begin it anew"),
        (["--for", "0s"], "no time at all"),
        (["--latency", "5"], "number with a unit"),
    ],
)
def test_what_is_refused_before_a_site_runs(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    (tmp_path / "old.toml").write_text("# mine\n")
    (tmp_path / "empty").touch()
    assert sentence in refusal(tmp_path, *arguments)
    assert (tmp_path / "old.toml").read_text() == "# mine\n"
    assert not (tmp_path / "simulated.toml").exists()


def test_a_port_that_is_taken_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    base = free_base(2)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", base + 2))
        taken.listen()
        told = refusal(tmp_path, "--port", str(base), "--sites", "2")
    assert told == f"port {base + 2} is taken; choose another base with --port\n"
    assert not (tmp_path / "simulated.toml").exists()


def test_paths_need_one_port_only(tmp_path: Path) -> None:
    base = free_base(0, range(63_600, 65_000))
    with running(tmp_path, "--sites", "2000", "--port", str(base), "--paths") as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "ready: 2000 sites, inventory simulated.toml\n"


def test_the_inventory_goes_to_standard_output_and_each_request_to_standard_error(tmp_path: Path) -> None:
    base = free_base(1)
    arguments = ["--sites", "1", "--port", str(base), "--inventory-out", "-", "-v", "--username", 'Åse "a" \\ 😀']
    with running(tmp_path, *arguments, FLEET_PASSWORD="pässword") as process:
        assert process.stderr is not None
        assert process.stdout is not None
        assert process.stderr.readline() == "ready: 1 sites, inventory -\n"
        text = ""
        while not text.endswith('/arcgis"\n'):
            text += process.stdout.readline()
        assert tomllib.loads(text)["defaults"] == {
            "username": 'Åse "a" \\ 😀',
            "password": {"env": "FLEET_PASSWORD"},
        }
        (tmp_path / "inventory.toml").write_text(text, encoding="utf-8")
        done = subprocess.run(
            [*FLEET, "call", "admin/info", "-q", "-o", "ndjson"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "FLEET_PASSWORD": "pässword"},
            check=False,
        )
        assert (done.returncode, json.loads(done.stdout)["outcome"]) == (0, "ok")
        seen = [process.stderr.readline().split(" ", 1)[1] for _ in range(2)]
        assert seen == [
            "sim-0001 POST /arcgis/admin/generateToken 200\n",
            "sim-0001 GET /arcgis/admin/info 200, token in the header\n",
        ]
    assert not (tmp_path / "-").exists()


def test_an_empty_password_counts_as_none(tmp_path: Path) -> None:
    base = free_base(1)
    with running(tmp_path, "--sites", "1", "--port", str(base), FLEET_PASSWORD="") as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("ready: ")
        defaults = tomllib.loads((tmp_path / "simulated.toml").read_text())["defaults"]
        assert defaults == {"username": "siteadmin", "password": "simulated", "allow_plaintext": True}
        assert stat.S_IMODE((tmp_path / "simulated.toml").stat().st_mode) == 0o600
        done = subprocess.run(
            [*FLEET, "call", "admin/info", "-i", "simulated.toml", "-q"], capture_output=True, cwd=tmp_path, check=False
        )
        assert done.returncode == 0


def test_a_ledger_is_begun_anew_with_force_and_quiet_says_nothing(tmp_path: Path) -> None:
    base = free_base(1)
    ledger = tmp_path / "ledger"
    ledger.write_text('{"seq": 7}\n')
    (tmp_path / "simulated.toml").write_text("# old\n")
    done = subprocess.run(
        [
            *FLEET,
            "simulate",
            "--sites",
            "1",
            "--port",
            str(base),
            "--ledger",
            "ledger",
            "--force",
            "-q",
            "--for",
            "1ms",
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert ledger.read_text() == ""
    assert "[sites.sim-0001]" in (tmp_path / "simulated.toml").read_text()


def test_requests_as_lines_of_json(tmp_path: Path) -> None:
    base = free_base(1)
    with running(
        tmp_path, "--sites", "1", "--port", str(base), "-qv", "--log-format", "json", "--ledger", "l"
    ) as process:
        wait_for(base + 1)
        with socket.create_connection(("127.0.0.1", base + 1), timeout=20) as client:
            client.sendall(b"GET /arcgis/rest/info?f=json HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.0 200")
        assert process.stderr is not None
        line = process.stderr.readline()
    assert json.loads(line) == json.loads((tmp_path / "l").read_text())
    assert json.loads(line)["seq"] == 1
