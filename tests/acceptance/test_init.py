"""`fleet init` on a real terminal: questions, wrong answers, and what it leaves behind."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import anyio.to_thread
import pytest

from fleet.cli.addresses import base_url, name_for
from fleet.simulator import Simulator
from tests.acceptance.terminals import FLEET, Terminal

Simulate = Callable[..., Awaitable[Simulator]]
KEYRING = '''
import json, os, pathlib
from keyring.backend import KeyringBackend

class FileKeyring(KeyringBackend):
    """A key ring in a file, for tests."""
    priority = 1
    file = pathlib.Path(os.environ["KEYRING_FILE"])

    def _all(self):
        return json.loads(self.file.read_text()) if self.file.exists() else {}

    def get_password(self, service, username):
        return self._all().get(f"{service}/{username}")

    def set_password(self, service, username, password):
        self.file.write_text(json.dumps({**self._all(), f"{service}/{username}": password}))
'''


@pytest.fixture
def key_ring(tmp_path: Path) -> dict[str, str]:
    """Variables with which the program finds a key ring that keeps what it gets in `ring.json`."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "file_ring.py").write_text(KEYRING)
    return {
        "PYTHONPATH": str(folder),
        "PYTHON_KEYRING_BACKEND": "file_ring.FileKeyring",
        "KEYRING_FILE": str(tmp_path / "ring.json"),
    }


NO_RING = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}


async def talk(
    folder: Path, conversation: Callable[[Terminal], None], *arguments: str, environment: Mapping[str, str] = NO_RING
) -> tuple[int, str]:
    """The exit status of `fleet init` in *folder* and all that stood on its terminal."""

    def run() -> tuple[int, str]:
        with Terminal("init", *arguments, columns=200, environment=environment, cwd=str(folder)) as terminal:
            conversation(terminal)
            return terminal.end(), terminal.text

    return await anyio.to_thread.run_sync(run)


async def check(folder: Path, file: str = "inventory.toml") -> str:
    done = await anyio.run_process([*FLEET, "inventory", "check", "-i", str(folder / file)], check=False)
    return (done.stdout + done.stderr).decode()


def logins(simulator: Simulator) -> list[str]:
    return [entry.site for entry in simulator.ledger if entry.operation == "generateToken"]


def uncommented(text: str) -> str:
    """The inventory with all of its examples taken out of their comments."""
    return re.sub(r"(?m)^# (?=\[|[a-z]+ = )", "", text)


async def test_a_site_is_asked_for_tested_and_written(
    simulator: Simulator, tmp_path: Path, key_ring: dict[str, str]
) -> None:
    def answer(terminal: Terminal) -> None:
        terminal.wait_for("Base URL of the site")
        terminal.type(simulator.sites["sim-0001"].url)
        terminal.wait_for("answers: release 11.3")
        terminal.wait_for("Account of an administrator")
        terminal.type("siteadmin")
        terminal.wait_for("Password")
        terminal.type("simulated")

    status, text = await talk(tmp_path, answer, environment=key_ring)
    assert status == 0, text
    assert "signed in as siteadmin" in text
    assert "simulated" not in text, "what is typed as a password is not shown"
    assert "the password is in the key ring, under fleet and siteadmin" in text
    assert text.endswith("next: fleet health")
    assert json.loads((tmp_path / "ring.json").read_text()) == {"fleet/siteadmin": "simulated"}
    written = (tmp_path / "inventory.toml").read_text()
    assert "simulated" not in written
    assert tomllib.loads(written)["defaults"]["password"] == {"keyring": "fleet"}
    assert await check(tmp_path) == "1 site, 0 groups, no mistakes\n"
    assert logins(simulator) == ["sim-0001"]
    health = await anyio.run_process(
        [*FLEET, "health", "-o", "nagios"], cwd=tmp_path, env={**os.environ, **key_ring}, check=False
    )
    assert health.stdout.startswith(b"FLEET OK - 1 ok"), health.stdout
    (tmp_path / "all.toml").write_text(uncommented(written))
    assert await check(tmp_path, "all.toml") == "2 sites, 1 group, no mistakes\n"
    assert len(uncommented(written)) < len(written) - 10


async def test_a_wrong_password_is_sent_once_each_time_it_is_typed(simulator: Simulator, tmp_path: Path) -> None:
    def answer(terminal: Terminal) -> None:
        terminal.wait_for("Password")
        terminal.type("wrong once")
        terminal.wait_for("the account was refused")
        terminal.wait_for("Account [siteadmin]")
        assert len(logins(simulator)) == 1
        terminal.type("")
        terminal.wait_for(lambda lines: sum("Password" in line for line in lines) == 2)
        assert len(logins(simulator)) == 1, "nothing is sent before it is typed again"
        terminal.type("wrong twice")
        terminal.wait_for("sites lock an account after a few wrong passwords")
        terminal.type("siteadmin")
        terminal.wait_for(lambda lines: sum("Password" in line for line in lines) == 3)
        terminal.type("simulated")

    url = simulator.sites["sim-0002"].url
    status, text = await talk(tmp_path, answer, "--url", url, "--username", "siteadmin")
    assert status == 0, text
    assert logins(simulator) == ["sim-0002"] * 3
    assert "wrong once" not in text
    assert "there is no key ring here that works (NoKeyringError)" in text
    assert "read -rsp 'Password: ' FLEET_PASSWORD && export FLEET_PASSWORD" in text
    assert tomllib.loads((tmp_path / "inventory.toml").read_text())["defaults"]["password"] == {"env": "FLEET_PASSWORD"}


async def test_a_refused_password_of_the_variable_is_sent_once_and_then_asked_for(
    simulator: Simulator, tmp_path: Path
) -> None:
    def answer(terminal: Terminal) -> None:
        terminal.wait_for("signing in as siteadmin with the password in FLEET_PASSWORD")
        terminal.wait_for("Account [siteadmin]")
        assert len(logins(simulator)) == 1
        terminal.type("")
        terminal.wait_for("Password:")
        terminal.type("simulated")

    environment = {**NO_RING, "FLEET_PASSWORD": "outdated"}
    url = simulator.sites["sim-0001"].url
    status, text = await talk(tmp_path, answer, "--url", url, "--username", "siteadmin", environment=environment)
    assert status == 0, text
    assert "the password stays in" not in text, "it was another one that worked"
    assert logins(simulator) == ["sim-0001"] * 2


async def test_another_s_password_in_the_key_ring_stays(
    simulator: Simulator, tmp_path: Path, key_ring: dict[str, str]
) -> None:
    ring = tmp_path / "ring.json"
    ring.write_text(json.dumps({"fleet/siteadmin": "of another inventory"}))
    url = simulator.sites["sim-0001"].url

    def answer(terminal: Terminal) -> None:
        terminal.wait_for("Password")
        terminal.type("simulated")

    arguments = ["--url", url, "--username", "siteadmin", "--name", "here"]
    status, text = await talk(tmp_path, answer, *arguments, environment=key_ring)
    assert status == 0, text
    assert json.loads(ring.read_text()) == {
        "fleet/siteadmin": "of another inventory", "fleet-here/siteadmin": "simulated",
    }  # fmt: skip
    assert tomllib.loads((tmp_path / "inventory.toml").read_text())["defaults"]["password"] == {"keyring": "fleet-here"}


async def test_without_the_extra_it_says_what_to_install(simulator: Simulator, tmp_path: Path) -> None:
    (tmp_path / "keyring.py").write_text("raise ImportError('not installed')\n")

    def answer(terminal: Terminal) -> None:
        terminal.wait_for("Password")
        terminal.type("simulated")

    url = simulator.sites["sim-0001"].url
    environment = {"PYTHONPATH": str(tmp_path)}
    status, text = await talk(tmp_path, answer, "--url", url, "--username", "siteadmin", environment=environment)
    assert status == 0, text
    assert "the key ring needs arcgis-fleet[keyring]" in text
    assert "FLEET_PASSWORD" in text


async def test_an_address_is_asked_for_again_until_a_site_answers(simulate: Simulate, tmp_path: Path) -> None:
    simulator = await simulate(sites=3, faults={"sim-0001": "refused", "sim-0002": "html"})
    good = simulator.sites["sim-0003"].url

    def answer(terminal: Terminal) -> None:
        terminal.wait_for("Base URL of the site")
        terminal.type("http://gis.example.com/arcgis")
        terminal.wait_for("http:// would send the password in clear: give the site's https:// address")
        terminal.type("ftp://gis.example.com/arcgis")
        terminal.wait_for("an address begins with https:// (or http://) and a host")
        terminal.type(simulator.sites["sim-0001"].url)
        terminal.wait_for("connection refused")
        terminal.wait_for("Base URL, or Enter to try this one again")
        terminal.type(simulator.sites["sim-0002"].url)
        terminal.wait_for("not JSON")
        terminal.type(good.replace("http://", "http://somebody:hunter22@") + "/rest/services?f=json#top")
        terminal.wait_for("the account in the address is left out")
        terminal.wait_for("what follows ? or # is left out")
        terminal.wait_for("/rest/services is left out: the base URL ends before it")
        terminal.wait_for("Account of an administrator")
        terminal.type("siteadmin")
        terminal.wait_for("Password")
        terminal.type("simulated")

    status, text = await talk(tmp_path, answer)
    assert status == 0, text
    written = (tmp_path / "inventory.toml").read_text()
    assert tomllib.loads(written)["sites"]["site-1"]["url"] == good
    assert "hunter22" not in written
    assert await check(tmp_path) == "1 site, 0 groups, no mistakes\n"
    assert logins(simulator) == ["sim-0003"]
    assert not any("hunter22" in repr(entry) for entry in simulator.ledger)


@pytest.mark.parametrize("key", ["c", "d"])
@pytest.mark.parametrize("question", ["Overwrite it?", "Base URL of the site", "Account of an", "Password"])
async def test_leaving_at_any_question_leaves_everything_as_it_was(
    simulator: Simulator, tmp_path: Path, question: str, key: str
) -> None:
    old = "# mine\n" if question == "Overwrite it?" else None
    target = tmp_path / "inventory.toml"
    if old is not None:
        target.write_text(old)

    def answer(terminal: Terminal) -> None:
        for asked, said in (
            ("Base URL of the site", simulator.sites["sim-0001"].url),
            ("Account of an", "siteadmin"),
        ):
            if question == "Overwrite it?" or asked == question:
                break
            terminal.wait_for(asked)
            terminal.type(said)
        terminal.wait_for(question)
        terminal.leave(key)

    status, text = await talk(tmp_path, answer)
    assert status == 130, text
    assert "Traceback" not in text
    assert logins(simulator) == []
    assert (target.read_text() if target.exists() else None) == old
    assert [path.name for path in tmp_path.iterdir() if "inventory" in path.name] == (
        [] if old is None else ["inventory.toml"]
    )


async def test_an_inventory_that_is_there_is_overwritten_only_after_a_yes(simulator: Simulator, tmp_path: Path) -> None:
    target = tmp_path / "inventory.toml"
    target.write_text("# mine\n")
    arguments = ["--url", simulator.sites["sim-0001"].url, "--username", "siteadmin"]

    def refuse(terminal: Terminal) -> None:
        terminal.wait_for("inventory.toml is there already. Overwrite it? [y/N]")
        terminal.type("")

    status, text = await talk(tmp_path, refuse, *arguments)
    assert (status, target.read_text()) == (1, "# mine\n")
    assert "nothing was written; give --file for another name" in text
    assert simulator.ledger == []

    def agree(terminal: Terminal) -> None:
        terminal.wait_for("Overwrite it?")
        terminal.type("y")
        terminal.wait_for("Password")
        terminal.type("simulated")

    status, text = await talk(tmp_path, agree, *arguments)
    assert status == 0, text
    assert await check(tmp_path) == "1 site, 0 groups, no mistakes\n"


async def test_a_portal_gets_the_password_only_after_a_yes(simulate: Simulate, tmp_path: Path) -> None:
    simulator = await simulate(sites=1, federated=True)
    portal = simulator.portal
    assert portal is not None
    url = simulator.sites["sim-0001"].url

    def refuse(terminal: Terminal) -> None:
        terminal.wait_for(f"federated with the portal {portal.url}")
        terminal.type("n")
        terminal.wait_for("Password")
        terminal.type("simulated")

    arguments = ["--url", url, "--username", "siteadmin"]
    status, text = await talk(tmp_path, refuse, *arguments)
    assert status == 0, text
    assert portal.count() == 0, "the portal that only the site names gets nothing"
    assert "auth" not in tomllib.loads((tmp_path / "inventory.toml").read_text())["defaults"]

    def agree(terminal: Terminal) -> None:
        terminal.wait_for("may the password be sent to it?")
        terminal.type("y")
        terminal.wait_for("Password")
        terminal.type("simulated")

    status, text = await talk(tmp_path, agree, *arguments, "--force")
    assert status == 0, text
    written = tomllib.loads((tmp_path / "inventory.toml").read_text())
    assert written["defaults"]["auth"] == {"kind": "portal", "portal": portal.url}
    assert await check(tmp_path) == "1 site, 0 groups, no mistakes\n"


async def test_an_untrusted_certificate_is_met_with_the_file_of_its_authority(
    simulate: Simulate, tmp_path: Path
) -> None:
    simulator = await simulate(sites=1, tls=True)
    assert simulator.ca_file is not None

    def answer(terminal: Terminal) -> None:
        terminal.wait_for("File with the certificate of its authority")
        terminal.type("/nowhere.pem")
        terminal.wait_for("there is no file /nowhere.pem")
        terminal.type(str(simulator.ca_file))
        terminal.wait_for("Password")
        terminal.type("simulated")

    url = simulator.sites["sim-0001"].url
    status, text = await talk(tmp_path, answer, "--url", url, "--username", "siteadmin")
    assert status == 0, text
    written = tomllib.loads((tmp_path / "inventory.toml").read_text())
    assert [site["tls"] for site in written["sites"].values()] == [{"ca": str(simulator.ca_file)}]
    assert logins(simulator) == ["sim-0001"]


async def bare(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return await anyio.run_process(
        [*FLEET, "init", *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        check=False,
        stdin=subprocess.DEVNULL,
    )


async def test_without_a_terminal_everything_must_be_given(simulator: Simulator, tmp_path: Path) -> None:
    nothing = await bare(tmp_path)
    assert nothing.returncode == 2
    assert nothing.stderr.decode() == (
        "there is no terminal to ask on: give --url, --username and the password in the variable FLEET_PASSWORD\n"
    )
    clear = await bare(tmp_path, "--url", "http://gis.example.com/arcgis", "--username", "a", FLEET_PASSWORD="x")
    assert clear.returncode == 2
    assert b"http:// would send the password in clear" in clear.stderr
    nowhere = await bare(tmp_path, "--file", "no/where.toml", "--url", "x", "--username", "a", FLEET_PASSWORD="x")
    assert nowhere.returncode == 2
    assert b"there is no folder" in nowhere.stderr
    url = simulator.sites["sim-0001"].url
    wrong = await bare(tmp_path, "--url", url, "--username", "siteadmin", FLEET_PASSWORD="wrong")
    assert (wrong.returncode, logins(simulator)) == (1, ["sim-0001"])
    assert b"the account was refused" in wrong.stderr
    assert not (tmp_path / "inventory.toml").exists()
    right = await bare(tmp_path, "--url", url, "--username", "siteadmin", FLEET_PASSWORD="simulated")
    assert right.returncode == 0, right.stderr
    again = await bare(tmp_path, "--url", url, "--username", "siteadmin", FLEET_PASSWORD="simulated")
    assert again.returncode == 2
    assert b"inventory.toml is there already; give --force to overwrite it" in again.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="limits of processes are POSIX's")
async def test_a_full_disk_leaves_the_old_file(simulator: Simulator, tmp_path: Path) -> None:
    import resource

    target = tmp_path / "inventory.toml"
    target.write_text("# mine\n")

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*FLEET, "init", "--force", "--url", simulator.sites["sim-0001"].url, "--username", "siteadmin"],
            cwd=tmp_path, env={**os.environ, "FLEET_PASSWORD": "simulated"}, capture_output=True, text=True, check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)),
        )  # fmt: skip

    done = await anyio.to_thread.run_sync(run)
    assert (done.returncode, target.read_text()) == (1, "# mine\n")
    assert "inventory.toml can't be written, and nothing of it is there: File too large" in done.stderr
    assert [path.name for path in tmp_path.glob("*inventory*")] == ["inventory.toml"]
    assert list(tmp_path.glob(".inventory*")) == []


@pytest.mark.parametrize(
    ("given", "base", "sentences"),
    [
        ("https://gis.example.com/arcgis", "https://gis.example.com/arcgis", 0),
        ("  https://gis.example.com/arcgis/ ", "https://gis.example.com/arcgis", 0),
        ("gis.example.com", "https://gis.example.com/arcgis", 2),
        ("gis.example.com:6443/arcgis/manager/", "https://gis.example.com:6443/arcgis", 2),
        (
            "https://u:p@gis.example.com/arcgis/rest/services/Roads/MapServer?f=json",
            "https://gis.example.com/arcgis",
            3,
        ),
        ("https://gis.example.com/gis/server/admin", "https://gis.example.com/gis/server", 1),
        ("https://gis.example.com/rest/services", "https://gis.example.com", 1),
        ("<https://gis.example.com/arcgis>", "https://gis.example.com/arcgis", 0),
    ],
)
def test_addresses_as_they_are_pasted(given: str, base: str, sentences: int) -> None:
    found, told = base_url(given)
    assert (found, len(told)) == (base, sentences)
    assert not any(":p@" in sentence or "u:p" in sentence for sentence in told)


def test_a_site_is_called_after_its_host() -> None:
    assert name_for("https://gis-oslo.example.com/arcgis") == "gis-oslo"
    assert [name_for(url) for url in ("https://192.0.2.7/a", "http://localhost:6080/a", "https://[2001:db8::1]/a")] == [
        "site-1"
    ] * 3
    assert name_for("https://all.example.com/arcgis") == "site-1"
