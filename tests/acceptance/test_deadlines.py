"""`--deadline` bounds a whole run: logins, retries, locks and pauses included, whatever the sites do."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fleet.simulator import Simulator
from tests.processes import clean, fleet, outcomes_of, wait_for

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

SLACK = 8.0
"""Seconds for starting, loading and ending on a machine that has other things to do."""


@pytest.mark.parametrize("command", [("call", "admin/info"), ("health",)], ids=" ".join)
@pytest.mark.parametrize("form", ["json", "ndjson"])
async def test_sites_that_are_silent_cost_the_deadline_and_no_more(
    simulate: Simulate, write_inventory: Write, command: tuple[str, ...], form: str
) -> None:
    simulator = await simulate(sites=60, paths=True, faults={"sim-00[0-2]*": "hang"})
    began = time.monotonic()
    done = await fleet(*command, "-i", str(write_inventory(simulator)), "-o", form, "--deadline", "2s", "--width", "40")
    assert time.monotonic() - began < 2.0 + SLACK
    outcomes = outcomes_of(done) if form == "ndjson" else {o["site"]: o for o in json.loads(done.stdout)["outcomes"]}
    assert outcomes.keys() == simulator.sites.keys()
    silent = {f"sim-{number:04d}" for number in range(1, 30)}
    asked_in_vain = {name for name, outcome in outcomes.items() if outcome["outcome"] == "timeout"}
    assert asked_in_vain == silent
    assert {outcomes[name]["error"]["kind"] for name in silent} == {"deadline"}
    assert {outcomes[name]["outcome"] for name in outcomes.keys() - silent} == {"ok"}
    assert done.returncode == 1
    clean(done.stderr)
    await wait_for(lambda: simulator.connections == 0, within=5)


async def test_what_was_not_begun_at_the_deadline_was_never_asked(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=40, paths=True, faults={"*": "hang"})
    done = await fleet(
        "call", "admin/info", "-i", str(write_inventory(simulator)), "-o", "ndjson", "--deadline", "1s", "--width", "10"
    )
    outcomes = outcomes_of(done).values()
    assert Counter(outcome["outcome"] for outcome in outcomes) == {"timeout": 10, "not_run": 30}
    assert {outcome["error"]["hint"] for outcome in outcomes} == {"raise --deadline, or select fewer sites"}


@pytest.mark.parametrize("fault", ["http-503", "reset", "slow", "upgrading"])
async def test_retries_and_pauses_end_with_it(simulate: Simulate, write_inventory: Write, fault: str) -> None:
    simulator = await simulate(sites=8, paths=True, faults={"*": fault})
    path = str(write_inventory(simulator))
    path_text = Path(path).read_text(encoding="utf-8").replace("[defaults]", "[defaults]\nretries = 10", 1)
    Path(path).write_text(path_text, encoding="utf-8")
    began = time.monotonic()
    done = await fleet("call", "admin/info", "-i", path, "-o", "ndjson", "--deadline", "2s")
    assert time.monotonic() - began < 2.0 + SLACK
    outcomes = outcomes_of(done)
    assert outcomes.keys() == simulator.sites.keys()
    assert not any(outcome["ok"] for outcome in outcomes.values())
    clean(done.stderr)


async def test_a_lock_is_waited_out_until_it_and_a_change_in_flight_is_unknown(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=2, paths=True)
    simulator.sites["sim-0001"].fault("locked-forever")
    slow = simulator.sites["sim-0002"]
    slow.switches.stop_time = 30.0
    key = next(iter(slow.services))
    change = ("call", f"admin/services/{key}/stop", "--change", "--yes", "-s", "all")
    began = time.monotonic()
    done = await fleet(*change, "-i", str(write_inventory(simulator)), "-o", "ndjson", "--deadline", "3s")
    assert time.monotonic() - began < 3.0 + SLACK
    outcomes = outcomes_of(done)
    assert outcomes["sim-0001"]["outcome"] in ("timeout", "failed")
    assert outcomes["sim-0002"]["outcome"] == "unknown"
    assert "services.stop was sent" in outcomes["sim-0002"]["error"]["message"]


RING = """
import time
from keyring.backend import KeyringBackend

class Locked(KeyringBackend):
    priority = 10

    def get_password(self, service, username):
        print("asked", flush=True)
        time.sleep(60)

    def set_password(self, service, username, password):
        raise NotImplementedError

    def delete_password(self, service, username):
        raise NotImplementedError
"""


async def test_a_key_ring_that_waits_to_be_unlocked_holds_up_nobody_s_end(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=3, paths=True)
    text = simulator.inventory_toml().replace('password = "simulated"', 'password = { keyring = "fleet" }')
    path = str(write_inventory(text.replace("allow_plaintext = true", "")))
    (tmp_path / "locked_ring.py").write_text(RING, encoding="utf-8")
    environment = {"PYTHONPATH": str(tmp_path), "PYTHON_KEYRING_BACKEND": "locked_ring.Locked"}
    began = time.monotonic()
    done = await fleet("call", "admin/info", "-i", path, "-o", "json", "--deadline", "3s", env=environment)
    assert time.monotonic() - began < 3.0 + SLACK
    asked, _, report = done.stdout.partition("\n")
    assert asked == "asked"
    assert {outcome["outcome"] for outcome in json.loads(report)["outcomes"]} == {"timeout"}
    assert done.returncode == 1
    clean(done.stderr)
