"""`fleet simulate` as a process: switches, seeds and releases of the sites that other processes talk to."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.processes import FLEET, free_base


@contextmanager
def simulated(folder: Path, *arguments: str) -> Iterator[Path]:
    """The inventory of sites that `fleet simulate` runs with *arguments*."""
    inventory = folder / "sites.toml"
    command = [*FLEET, "simulate", "--sites", "2", "--port", str(free_base(2)), "--inventory-out", str(inventory)]
    command += ["--force", "--ledger", str(folder / "ledger"), "--for", "60s", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        try:
            assert running.stderr.readline() == f"ready: 2 sites, inventory {inventory}\n"
            yield inventory
        finally:
            running.send_signal(signal.SIGTERM)
            assert running.wait(timeout=30) == 0


def call(inventory: Path, *arguments: str) -> tuple[int, Any]:
    """The exit status and the report of `fleet call` with *arguments*."""
    command = [*FLEET, "call", *arguments, "-i", str(inventory), "-o", "json", "-q"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, json.loads(done.stdout)


def test_switches_are_set_for_all_sites_or_for_some(tmp_path: Path) -> None:
    with simulated(tmp_path, "--switch", "layout=spaced", "--switch", "sim-0002:header-token=ignored") as inventory:
        status, report = call(inventory, "admin/info")
    assert status == 0, report
    asked = [json.loads(line) for line in (tmp_path / "ledger").read_text().splitlines()]
    seen = {(line["site"], line["token_in"]) for line in asked if line["operation"] == "info" and line["code"] is None}
    assert seen == {("sim-0001", "header"), ("sim-0002", "body")}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("header-token", "a switch is written NAME=VALUE"),
        ("header-tokens=ignored", "there is no switch 'header-tokens'"),
        ("header-token=lost", "header-token is one of accepted, ignored"),
        ("nobody:layout=spaced", "no simulated site is called so"),
    ],
)
def test_a_wrong_switch_is_said_before_anything_runs(tmp_path: Path, given: str, told: str) -> None:
    inventory = tmp_path / "sites.toml"
    command = [*FLEET, "simulate", "--switch", given, "--inventory-out", str(inventory), "--for", "5s"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert told in done.stderr
    assert not inventory.exists()


def test_the_same_seed_gives_the_same_sites_in_another_process(tmp_path: Path) -> None:
    told = []
    for seed in ("11", "11", "12"):
        with simulated(tmp_path, "--seed", seed, "--release", "10.9.1", "--switch", "traffic=0") as inventory:
            status, report = call(inventory, "admin/services/report", "-p", 'parameters=["description","instances"]')
        assert status == 0, report
        told.append([outcome["value"] for outcome in report["outcomes"]])
    assert told[0] == told[1]
    assert told[0] != told[2]
