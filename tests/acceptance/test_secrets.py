"""Where secrets come from, end to end: every source, every way in which it can fail, and what is said then."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from fleet.errors import ConfigFailed
from fleet.inventory.secrets import CredentialRef, SecretStore
from fleet.simulator import Simulator
from tests.processes import fleet, outcomes_of

Simulate = Callable[..., Awaitable[Simulator]]

RING = """
import json, os
from keyring.backend import KeyringBackend

class FileRing(KeyringBackend):
    priority = 1

    def get_password(self, service, username):
        with open(os.environ["RING_FILE"]) as file:
            return json.load(file).get(f"{service}/{username}")

    def set_password(self, service, username, password):
        raise NotImplementedError

class Locked(FileRing):
    def get_password(self, service, username):
        raise OSError("the bus has gone away, and hunter22 with it")
"""


def inventory(simulator: Simulator, path: Path, password: str, *, mode: int = 0o600) -> Path:
    """The simulator's inventory with *password* as TOML in place of its own, as a file at *path*."""
    text = simulator.inventory_toml()
    lines = [line for line in text.splitlines() if not line.startswith(("password", "allow_plaintext"))]
    place = lines.index("[defaults]") + 1
    path.write_text("\n".join([*lines[:place], f"password = {password}", *lines[place:]]) + "\n")
    path.chmod(mode)
    return path


def script(path: Path, body: str) -> str:
    """A program of the test's own as a TOML list of arguments."""
    path.write_text(body)
    return json.dumps([sys.executable, str(path)])


async def told(path: Path, *, env: dict[str, str] | None = None, select: str = "sim-0001") -> dict[str, Any]:
    """The outcome of one site, and that nothing else is said."""
    done = await fleet("call", "admin/info", "-i", str(path), "-s", select, "-o", "ndjson", env=env)
    assert "Traceback" not in done.stderr
    outcome = outcomes_of(done)[select]
    assert done.returncode == (0 if outcome["ok"] else 1), done.stderr
    return outcome


def sentence(outcome: dict[str, Any]) -> tuple[str, str | None]:
    assert (outcome["outcome"], outcome["error"]["kind"], outcome["attempts"]) == ("auth_failed", "config", 0)
    return outcome["error"]["message"], outcome["error"]["hint"]


# Variables and files


async def test_a_variable_is_taken_or_missed(simulate: Simulate, tmp_path: Path) -> None:
    simulator = await simulate(sites=1)
    path = inventory(simulator, tmp_path / "i.toml", '{ env = "GIS_PASSWORD" }')
    assert (await told(path, env={"GIS_PASSWORD": "simulated"}))["ok"]
    before = len(simulator.ledger)
    hint = "set GIS_PASSWORD before you start fleet"
    assert sentence(await told(path)) == ("the variable GIS_PASSWORD is not set", hint)
    assert sentence(await told(path, env={"GIS_PASSWORD": ""})) == ("the variable GIS_PASSWORD is empty", hint)
    assert len(simulator.ledger) == before, "nothing is sent to a site whose secret is missing"


async def test_rule_t3_a_file_is_private_or_lies_where_services_get_their_secrets(
    simulate: Simulate, tmp_path: Path
) -> None:
    simulator = await simulate(sites=1)
    path = inventory(simulator, tmp_path / "i.toml", '{ file = "secrets/gis" }')
    folder = tmp_path / "secrets"
    file = folder / "gis"
    missing = f"the secret file {file} can't be read: No such file or directory"
    assert sentence(await told(path)) == (missing, "check the path, and who may read it")
    folder.mkdir()
    file.write_text("simulated\r\n")
    for mode in (0o644, 0o640, 0o602):
        file.chmod(mode)
        assert sentence(await told(path)) == (
            f"the secret file {file} can be read or written by others",
            f"make it yours alone: chmod 600 {file}",
        )
        assert (await told(path, env={"CREDENTIALS_DIRECTORY": str(folder)}))["ok"]
    assert not (await told(path, env={"CREDENTIALS_DIRECTORY": str(folder / "other")}))["ok"]
    file.chmod(0o600)
    assert (await told(path))["ok"], "a path is relative to the file that names it, and ends in no line break"
    for content, message in (
        (b"", "gives nothing"),
        (b"\n", "gives nothing"),
        (b"\xff\xfe", "gives no UTF-8 text"),
        (b"x" * 70_000, "gives more than 64 KiB, which is no password"),
    ):
        file.write_bytes(content)
        assert sentence(await told(path)) == (f"the secret file {file} {message}", None)
    file.unlink()
    file.mkdir(mode=0o700)
    assert "can't be read: Is a directory" in sentence(await told(path))[0]


@pytest.mark.skipif(not os.access("/run", os.W_OK), reason="only root may make /run/secrets")
async def test_rule_t3_a_container_s_secrets_folder_may_have_any_mode(simulate: Simulate, tmp_path: Path) -> None:
    simulator = await simulate(sites=1)
    folder = Path("/run/secrets")
    made = not folder.exists()
    folder.mkdir(exist_ok=True)
    file = folder / f"fleet-{os.getpid()}"
    try:
        file.write_text("simulated")
        file.chmod(0o444)
        assert (await told(inventory(simulator, tmp_path / "i.toml", f'{{ file = "{file}" }}')))["ok"]
    finally:
        file.unlink()
        if made:
            folder.rmdir()


# Key rings


async def test_a_key_ring_is_asked_for_the_account(simulate: Simulate, tmp_path: Path) -> None:
    simulator = await simulate(sites=1)
    (tmp_path / "ring_of_test.py").write_text(RING)
    (tmp_path / "ring.json").write_text('{"fleet/siteadmin": "simulated", "gis/other": "simulated"}')
    environment = {
        "PYTHONPATH": str(tmp_path),
        "PYTHON_KEYRING_BACKEND": "ring_of_test.FileRing",
        "RING_FILE": str(tmp_path / "ring.json"),
    }
    path = inventory(simulator, tmp_path / "i.toml", '{ keyring = "fleet" }')
    outcome = await told(path, env=environment)
    assert outcome["ok"], outcome
    named = inventory(simulator, tmp_path / "j.toml", '{ keyring = "gis", user = "other" }')
    assert (await told(named, env=environment))["ok"]
    lacking = inventory(simulator, tmp_path / "k.toml", '{ keyring = "elsewhere" }')
    nothing = (
        "the key ring has no password for siteadmin under elsewhere",
        "store it: keyring set elsewhere siteadmin",
    )
    null = {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
    assert sentence(await told(lacking, env=environment)) == nothing
    assert sentence(await told(lacking, env=null)) == nothing
    hint = "use a variable or a file on machines without a key ring"
    for backend, kind in (
        ("keyring.backends.fail.Keyring", "NoKeyringError"),
        ("ring_of_test.Locked", "OSError"),
        ("nowhere.Ring", "ModuleNotFoundError"),
    ):
        outcome = await told(path, env={**environment, "PYTHON_KEYRING_BACKEND": backend})
        assert sentence(outcome) == (f"the key ring can't be opened ({kind})", hint)
        assert "hunter22" not in json.dumps(outcome)


# Commands: which inventories may run one


async def test_rule_i3_a_command_runs_only_from_an_inventory_that_was_chosen(
    simulate: Simulate, tmp_path: Path
) -> None:
    simulator = await simulate(sites=2)
    ran = tmp_path / "ran"
    here = tmp_path / "here"
    here.mkdir()
    command = script(tmp_path / "secret.py", f"open({str(ran)!r}, 'a').write('x'); print('simulated')")
    path = inventory(simulator, here / "inventory.toml", f"{{ command = {command} }}")
    call = ["call", "admin/info", "-o", "ndjson"]
    refused = await fleet(*call, cwd=str(here))
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert refused.stderr == (
        f"sim-0001: the secret command is not run: {path} was not named with -i or FLEET_INVENTORY; "
        "give --allow-commands if you trust it; nothing was sent\n"
    )
    assert not ran.exists()
    assert simulator.ledger == []
    config = tmp_path / "config"
    config.mkdir(exist_ok=True)
    inventory(simulator, config / "inventory.toml", f"{{ command = {command} }}")
    ways: list[tuple[list[str], dict[str, Any]]] = [
        (["--allow-commands"], {"cwd": str(here)}),
        (["-i", str(path)], {}),
        (["-i", str(here)], {}),
        ([], {"env": {"FLEET_INVENTORY": str(path)}}),
        ([], {"cwd": str(tmp_path), "env": {"FLEET_CONFIG_DIR": str(config)}}),
    ]
    for number, (more, options) in enumerate(ways, start=1):
        done = await fleet(*call, *more, **options)
        assert done.returncode == 0, done.stderr
        assert ran.read_text() == "x" * number, "once per run, however many sites name it"


async def test_rule_i3_a_command_runs_only_from_a_file_that_nobody_else_can_write(
    simulate: Simulate, tmp_path: Path
) -> None:
    simulator = await simulate(sites=1)
    ran = tmp_path / "ran"
    folder = tmp_path / "shared"
    folder.mkdir()
    command = script(tmp_path / "secret.py", f"open({str(ran)!r}, 'a').write('x'); print('simulated')")
    path = inventory(simulator, folder / "i.toml", f"{{ command = {command} }}")
    link = tmp_path / "link.toml"
    link.symlink_to(path)

    async def refused(named: Path) -> None:
        for more in ([], ["--allow-commands"]):
            done = await fleet("call", "admin/info", "-i", str(named), *more)
            assert done.returncode == 2
            assert done.stderr == (
                f"sim-0001: the secret command is not run: others can write {named}, or its folder; "
                "make both yours alone (chmod go-w); nothing was sent\n"
            )

    for place, mode, before in (
        (path, 0o620, 0o600),
        (path, 0o602, 0o600),
        (folder, 0o777, 0o755),
        (folder, 0o775, 0o755),
    ):
        place.chmod(mode)
        await refused(path)
        await refused(link)
        place.chmod(before)
    if os.getuid() == 0:
        os.chown(path, 65534, -1)
        await refused(path)
        os.chown(path, 0, -1)
    assert not ran.exists()
    assert simulator.ledger == []
    assert (await fleet("call", "admin/info", "-i", str(link))).returncode == 0


async def test_a_command_that_no_selected_site_needs_refuses_nothing(simulate: Simulate, tmp_path: Path) -> None:
    simulator = await simulate(sites=2)
    command = script(tmp_path / "secret.py", "print('simulated')")
    inventory(simulator, tmp_path / "inventory.toml", '{ env = "GIS" }')
    with (tmp_path / "inventory.toml").open("a") as file:
        file.write(f"password = {{ command = {command} }}\n")
    options: dict[str, Any] = {"cwd": str(tmp_path), "env": {"GIS": "simulated"}}
    assert (await fleet("call", "admin/info", "-s", "sim-0001", **options)).returncode == 0
    assert (await fleet("call", "admin/info", "-s", "sim-0002", **options)).returncode == 2
    check = await fleet("inventory", "check", "--secrets", **options)
    assert (check.returncode, "give --allow-commands" in check.stderr) == (2, True)


# Commands: how one runs


async def test_a_command_is_no_shell_and_its_path_is_the_inventory_s(simulate: Simulate, tmp_path: Path) -> None:
    literal = f"$HOME; touch {tmp_path / 'touched'} `id`"
    simulator = await simulate(sites=1, password=literal)
    program = tmp_path / "bin" / "secret"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nprintf '%s\\n' \"$1\"\n")
    program.chmod(0o700)
    path = inventory(simulator, tmp_path / "i.toml", f"{{ command = {json.dumps(['bin/secret', literal])} }}")
    assert (await told(path))["ok"]
    assert not (tmp_path / "touched").exists()


async def test_rule_i3_a_command_sees_no_secret_of_others_and_has_no_terminal(
    simulate: Simulate, tmp_path: Path
) -> None:
    simulator = await simulate(sites=2)
    seen = tmp_path / "seen.json"
    command = script(
        tmp_path / "secret.py",
        "import json, os, sys\n"
        f"json.dump([dict(os.environ), sys.stdin.read()], open({str(seen)!r}, 'w'))\n"
        "print('what is on standard error stays there', file=sys.stderr)\nprint('simulated')\n",
    )
    path = inventory(simulator, tmp_path / "i.toml", f"{{ command = {command} }}")
    with path.open("a") as file:
        file.write('password = { env = "OTHER_SECRET" }\nproxy = { url = "http://127.0.0.1:9", username = "a", ')
        file.write('password = { env = "PROXY_SECRET" } }\n')
    environment = {"OTHER_SECRET": "hunter22", "PROXY_SECRET": "hunter23", "FLEET_PASSWORD": "hunter24", "KEPT": "yes"}
    for arguments in (["call", "admin/info", "-s", "sim-0001"], ["inventory", "check", "--secrets"]):
        seen.unlink(missing_ok=True)
        done = await fleet(*arguments, "-i", str(path), env=environment)
        assert done.returncode == 0, done.stderr
        assert "stays there" not in done.stdout + done.stderr
        child, stdin = json.loads(seen.read_text())
        assert (child["KEPT"], child["PATH"], stdin) == ("yes", os.environ["PATH"], "")
        assert not any(name.startswith("FLEET_") for name in child)
        assert not {"OTHER_SECRET", "PROXY_SECRET"} & child.keys()
        assert "hunter" not in json.dumps(child)


async def test_what_a_command_can_do_wrong(simulate: Simulate, tmp_path: Path) -> None:
    simulator = await simulate(sites=1)
    program = tmp_path / "secret.py"
    plain = tmp_path / "plain"
    plain.write_text("no program")
    by_hand = "run it by hand to see why"
    python = sys.executable
    cases: list[tuple[str, str, str | None]] = [
        ("import sys; print('hunter22'); sys.exit(3)", f"the secret command {python} ended with status 3", by_hand),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
            f"the secret command {python} was ended by signal 9",
            by_hand,
        ),
        ("", f"the secret command {python} gives nothing", None),
        ("import sys; sys.stdout.buffer.write(b'\\xff')", f"the secret command {python} gives no UTF-8 text", None),
        (
            "import sys\nwhile True: sys.stdout.write('x' * 65536)",
            f"the secret command {python} gives more than 64 KiB, which is no password",
            None,
        ),
    ]
    for body, message, hint in cases:
        path = inventory(simulator, tmp_path / "i.toml", f"{{ command = {script(program, body)} }}")
        outcome = await told(path)
        assert sentence(outcome) == (message, hint)
        assert "hunter22" not in json.dumps(outcome)
    for arguments, reason in (
        (["no-such-program-anywhere"], "No such file or directory"),
        ([str(plain)], "Permission denied"),
    ):
        path = inventory(simulator, tmp_path / "i.toml", f"{{ command = {json.dumps(arguments)} }}")
        message = f"the secret command {arguments[0]} can't be started: {reason}"
        assert sentence(await told(path)) == (message, "check its path")
    assert simulator.ledger == []


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False


def all_end(pids: Path) -> bool:
    """Whether the processes in the file *pids* end: one that is killed is there for a moment longer."""
    end = time.monotonic() + 10
    while any(alive(int(pid)) for pid in pids.read_text().split()):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


HANGING = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open({pids!r}, "w").write(f"{{os.getpid()}} {{child.pid}}")
time.sleep(60)
"""


def test_a_command_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    arguments = tuple(json.loads(script(tmp_path / "hang.py", HANGING.format(pids=str(pids)))))
    store = SecretStore(command_limit=5.0)
    started = time.monotonic()
    with pytest.raises(ConfigFailed) as caught:
        store.resolve(CredentialRef(kind="command", arguments=arguments))
    assert time.monotonic() - started < 30
    assert caught.value.message == f"the secret command {sys.executable} took more than 5 s"
    assert caught.value.hint == "run it by hand: it may be waiting for an answer"
    assert all_end(pids)


def test_a_command_whose_child_keeps_the_pipe_is_not_waited_for(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    body = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(30)'], start_new_session=True)\n"
        f"open({str(pid)!r}, 'w').write(str(child.pid))\n"
        "print('simulated')\n"
    )
    arguments = tuple(json.loads(script(tmp_path / "agent.py", body)))
    started = time.monotonic()
    try:
        secret = SecretStore().resolve(CredentialRef(kind="command", arguments=arguments))
        assert secret.reveal() == "simulated"
        assert time.monotonic() - started < 20, "the child would hold the pipe for longer"
        assert alive(int(pid.read_text()))
    finally:
        os.kill(int(pid.read_text()), signal.SIGKILL)


def test_one_that_looks_long_holds_up_nobody_else(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    arguments = tuple(json.loads(script(tmp_path / "hang.py", HANGING.format(pids=str(pids)))))
    store = SecretStore({"GIS": "simulated", "PATH": os.environ["PATH"]})
    errors: list[ConfigFailed] = []

    def look() -> None:
        try:
            store.resolve(CredentialRef(kind="command", arguments=arguments))
        except ConfigFailed as error:
            errors.append(error)

    waiting = threading.Thread(target=look)
    waiting.start()
    while not pids.exists() or len(pids.read_text().split()) < 2:
        time.sleep(0.02)
    assert store.resolve(CredentialRef(kind="env", where="GIS")).reveal() == "simulated"
    assert [secret.reveal() for secret in store.live_since(0)[0]] == ["simulated"]
    store.stop()
    waiting.join(10)
    assert [error.message for error in errors] == [f"the secret command {sys.executable} was ended with the run"]
    assert all_end(pids)


async def test_a_run_ends_at_its_deadline_although_a_command_hangs(simulate: Simulate, tmp_path: Path) -> None:
    simulator = await simulate(sites=2)
    pids = tmp_path / "pids"
    path = inventory(simulator, tmp_path / "i.toml", '{ env = "GIS" }')
    with path.open("a") as file:
        file.write(f"password = {{ command = {script(tmp_path / 'hang.py', HANGING.format(pids=str(pids)))} }}\n")
    started = time.monotonic()
    done = await fleet(
        "call", "admin/info", "-i", str(path), "-o", "ndjson", "--deadline", "3s", env={"GIS": "simulated"}
    )
    assert time.monotonic() - started < 15
    assert {name: o["outcome"] for name, o in outcomes_of(done).items()} == {"sim-0001": "ok", "sim-0002": "timeout"}
    assert await anyio.to_thread.run_sync(all_end, pids)
