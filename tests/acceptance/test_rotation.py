"""A new password for the primary administrator: kept before it is told, and gone on with after a crash at any step."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio

from fleet.simulator import Simulator
from fleet.simulator.site import SimulatedSite
from tests.processes import fleet, outcomes_of, started, wait_for

Simulate = Callable[..., Awaitable[Simulator]]

OLD = "simulated"
NEXT = "the-next-password-1A"


def secrets_of(simulator: Simulator, folder: Path) -> Path:
    """An inventory in which every site has a secret file of its own."""
    text = simulator.inventory_toml()
    for name in simulator.sites:
        file = folder / f"{name}.secret"
        file.write_text(f"{OLD}\n", encoding="utf-8")
        file.chmod(0o600)
        text = text.replace(f"[sites.{name}]\n", f'[sites.{name}]\npassword = {{ file = "{file.name}" }}\n')
    inventory = folder / "inventory.toml"
    inventory.write_text(text, encoding="utf-8")
    return inventory


def password_of(site: SimulatedSite) -> str:
    return site.tokens.accounts["siteadmin"]


def kept_in(folder: Path, name: str = "sim-0001") -> tuple[str | None, str | None]:
    """What is in the secret file of a site and in the one beside it; None where there is none."""
    files = (folder / f"{name}.secret", folder / f"{name}.secret.next")
    for file in files:
        if file.exists():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
    now, following = (file.read_text().strip() if file.exists() else None for file in files)
    return now, following


def wait_beside(folder: Path, text: str) -> None:
    file = folder / "sim-0001.secret.next"
    file.write_text(f"{text}\n", encoding="utf-8")
    file.chmod(0o600)


async def rotate(inventory: Path, *more: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    command = ("security", "psa", "rotate", "-i", str(inventory), "-s", "all", "--yes", "-o", "ndjson", *more)
    return outcomes_of(await fleet(*command, env=env))


async def test_every_site_gets_a_password_of_its_own_and_nobody_sees_it(simulate: Simulate, tmp_path: Path) -> None:
    simulator = await simulate(sites=2)
    inventory = secrets_of(simulator, tmp_path)
    command = ["security", "psa", "rotate", "-i", str(inventory), "-s", "all"]

    dry = await fleet(*command, "--dry-run", "-o", "json")
    unchanged = {password_of(site) for site in simulator.sites.values()}
    done = await fleet(*command, "--yes", "-o", "ndjson", "--length", "40", "-vv")
    after = await fleet("call", "admin/info", "-i", str(inventory), "-o", "ndjson")

    assert {one["outcome"] for one in json.loads(dry.stdout)["outcomes"]} == {"changed"}
    assert unchanged == {OLD}
    assert {one["outcome"] for one in outcomes_of(done).values()} == {"changed"}
    passwords = {name: password_of(site) for name, site in simulator.sites.items()}
    assert len(set(passwords.values())) == 2
    audit = (tmp_path / "state" / "audit.jsonl").read_text()
    for name, password in passwords.items():
        assert len(password) == 40
        assert kept_in(tmp_path, name) == (password, None)
        for text in (dry.stdout, done.stdout, done.stderr, audit):
            assert password not in text
    assert {one["outcome"] for one in outcomes_of(after).values()} == {"ok"}


async def test_a_crash_before_the_site_was_told_goes_on_with_what_is_kept(simulate: Simulate, tmp_path: Path) -> None:
    simulator = await simulate(sites=1)
    inventory = secrets_of(simulator, tmp_path)
    wait_beside(tmp_path, NEXT)

    told = await rotate(inventory)

    assert told["sim-0001"]["outcome"] == "changed"
    assert password_of(simulator.sites["sim-0001"]) == NEXT
    assert kept_in(tmp_path) == (NEXT, None)


async def test_a_crash_after_the_site_was_told_only_moves_the_secret(simulate: Simulate, tmp_path: Path) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    inventory = secrets_of(simulator, tmp_path)
    wait_beside(tmp_path, NEXT)
    site.tokens.become("siteadmin", NEXT)

    told = await rotate(inventory)

    assert told["sim-0001"]["outcome"] == "changed"
    assert kept_in(tmp_path) == (NEXT, None)
    assert password_of(site) == NEXT
    assert site.count("update") == 0
    logins = [entry.code for entry in site.requests("generateToken")]
    assert len([code for code in logins if code]) == 1, "the old password is tried once"


async def test_a_half_written_secret_of_a_crash_is_never_used(simulate: Simulate, tmp_path: Path) -> None:
    simulator = await simulate(sites=1)
    inventory = secrets_of(simulator, tmp_path)
    part = tmp_path / "sim-0001.secret.next.part"
    part.write_text("half", encoding="utf-8")

    told = await rotate(inventory)

    assert told["sim-0001"]["outcome"] == "changed"
    assert password_of(simulator.sites["sim-0001"]) == kept_in(tmp_path)[0]
    assert len(password_of(simulator.sites["sim-0001"])) == 32
    assert not part.exists()


async def test_where_neither_password_lets_in_both_are_left(simulate: Simulate, tmp_path: Path) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    inventory = secrets_of(simulator, tmp_path)
    wait_beside(tmp_path, NEXT)
    site.tokens.become("siteadmin", "something-else")

    told = await rotate(inventory)

    assert told["sim-0001"]["outcome"] == "failed"
    assert "neither" in told["sim-0001"]["error"]["message"]
    assert kept_in(tmp_path) == (OLD, NEXT)
    assert site.count("generateToken") == 2
    assert site.count("update") == 0


async def test_a_lost_answer_is_settled_by_signing_in(simulate: Simulate, tmp_path: Path) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    site.switches.lost_answers = frozenset({"psa.update"})
    inventory = secrets_of(simulator, tmp_path)

    told = await rotate(inventory)

    assert told["sim-0001"]["outcome"] == "changed"
    assert kept_in(tmp_path) == (password_of(site), None)
    assert site.count("update") == 1


async def test_a_killed_run_is_gone_on_with_whatever_it_had_done(simulate: Simulate, tmp_path: Path) -> None:
    """Killed as soon as the next secret lies there, and as soon as the site has it."""
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    inventory = secrets_of(simulator, tmp_path)
    command = ("security", "psa", "rotate", "-i", str(inventory), "-s", "all", "--yes", "-o", "ndjson")
    beside = tmp_path / "sim-0001.secret.next"

    for moment in (beside.exists, lambda: password_of(site) != (tmp_path / "sim-0001.secret").read_text().strip()):
        site.switches.latency = 0.3
        with started(*command) as running:
            await wait_for(moment)
            running.kill()
            await anyio.to_thread.run_sync(running.wait)
        site.switches.latency = 0.0
        # What was on its way may still arrive.
        await anyio.sleep(0.5)
        before = kept_in(tmp_path)
        assert password_of(site) in before

        told = await rotate(inventory)

        assert told["sim-0001"]["outcome"] == "changed"
        assert kept_in(tmp_path) == (password_of(site), None)


async def test_a_run_that_is_killed_at_any_request_is_gone_on_with(simulate: Simulate, tmp_path: Path) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    inventory = secrets_of(simulator, tmp_path)
    command = ("security", "psa", "rotate", "-i", str(inventory), "-s", "all", "--yes", "-o", "ndjson")
    assert (await rotate(inventory))["sim-0001"]["outcome"] == "changed"
    whole = len(site.requests())

    for count in range(1, whole + 1, 2):
        before = len(site.requests())
        site.switches.latency = 0.05
        with started(*command) as running:
            await wait_for(lambda seen=before + count: len(site.requests()) >= seen or running.poll() is not None)
            running.kill()
            await anyio.to_thread.run_sync(running.wait)
        site.switches.latency = 0.0
        await anyio.sleep(0.15)
        assert password_of(site) in kept_in(tmp_path)

        assert (await rotate(inventory))["sim-0001"]["outcome"] == "changed"
        assert kept_in(tmp_path) == (password_of(site), None)


async def test_what_can_not_be_kept_is_refused_with_what_to_do(simulate: Simulate, tmp_path: Path) -> None:
    simulator = await simulate(sites=2)
    inventory = secrets_of(simulator, tmp_path)
    text = inventory.read_text()

    shared = tmp_path / "shared.toml"
    shared.write_text(text.replace("sim-0002.secret", "./sim-0001.secret"), encoding="utf-8")
    variable = tmp_path / "variable.toml"
    variable.write_text(text.replace('{ file = "sim-0001.secret" }', '{ env = "SITE_PASSWORD" }'), encoding="utf-8")
    simulator.sites["sim-0002"].state.users["siteadmin"] = {"username": "siteadmin"}
    simulator.sites["sim-0002"].state.role_members["administrators"].append("siteadmin")

    both = await rotate(shared)
    one = await rotate(variable, env={"SITE_PASSWORD": OLD})

    assert all("also that of" in told["error"]["message"] for told in both.values())
    assert "comes from a variable" in one["sim-0001"]["error"]["message"]
    assert "a user of the site's store" in one["sim-0002"]["error"]["message"]
    assert {password_of(site) for site in simulator.sites.values()} == {OLD}
    assert sorted(os.listdir(tmp_path)).count("sim-0001.secret.next") == 0


RING = """
import json
from pathlib import Path
from keyring.backend import KeyringBackend

FILE = Path(__file__).with_suffix(".json")


class Ring(KeyringBackend):
    priority = 1

    def get_password(self, service, username):
        return json.loads(FILE.read_text()).get(f"{service}/{username}")

    def set_password(self, service, username, password):
        FILE.write_text(json.dumps({**json.loads(FILE.read_text()), f"{service}/{username}": password}))

    def delete_password(self, service, username):
        kept = json.loads(FILE.read_text())
        del kept[f"{service}/{username}"]
        FILE.write_text(json.dumps(kept))
"""


async def test_a_password_in_a_key_ring_is_changed_there(simulate: Simulate, tmp_path: Path) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    text = simulator.inventory_toml().replace('password = "simulated"', 'password = { keyring = "gis-one" }')
    inventory = tmp_path / "inventory.toml"
    inventory.write_text(text, encoding="utf-8")
    (tmp_path / "filering.py").write_text(RING, encoding="utf-8")
    ring = tmp_path / "filering.json"
    ring.write_text(json.dumps({"gis-one/siteadmin": OLD}), encoding="utf-8")
    env = {"PYTHONPATH": str(tmp_path), "PYTHON_KEYRING_BACKEND": "filering.Ring"}

    first = await rotate(inventory, env=env)
    after_first = password_of(site)
    ring.write_text(json.dumps({"gis-one/siteadmin": after_first, "gis-one.next/siteadmin": NEXT}), encoding="utf-8")
    second = await rotate(inventory, env=env)

    assert first["sim-0001"]["outcome"] == "changed"
    assert after_first != OLD
    assert second["sim-0001"]["outcome"] == "changed"
    assert password_of(site) == NEXT
    assert json.loads(ring.read_text()) == {"gis-one/siteadmin": NEXT}
