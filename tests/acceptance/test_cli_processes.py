"""The command line as processes: exit statuses, streams, signals, pipes, and what is left behind."""

from __future__ import annotations

import json
import os
import re
import resource
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import click
import pytest

from fleet.cli.main import COMMANDS, cli
from fleet.simulator import Simulator
from tests.processes import free_base

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]
FLEET = [sys.executable, "-m", "fleet"]


async def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    def go() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*FLEET, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
            check=False,
            **options,
        )  # type: ignore[call-overload, no-any-return]

    return await anyio.to_thread.run_sync(go)


HEAVY = "aiohttp anyio asyncio duckdb jinja2 jmespath msgspec rich sqlglot structlog"
"""Packages that nothing which only says how it is used, or completes a word of it, may wait for."""


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], *([name, "--help"] for name in sorted(COMMANDS))])
def test_help_and_version_load_nothing_heavy(arguments: list[str]) -> None:
    code = (
        f"import sys; from fleet.cli.main import run; run({arguments}); "
        f"print(*[m for m in {HEAVY!r}.split() if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == ""
    assert done.stdout


MANY = "".join(f'[sites.s{n}]\nurl = "https://s{n}.example.com/arcgis"\n' for n in range(2000))
"""An inventory of which a list does not fit into the buffer of a pipe."""


def test_an_unbuffered_standard_output_still_writes_everything(write_inventory: Write) -> None:
    # A write to a full pipe that a signal interrupts has written a part only, and says so to whoever looks.
    code = (
        "import signal, sys; signal.signal(signal.SIGALRM, lambda *_: None); "
        "signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05); from fleet.cli.main import run; "
        "status = run(['inventory', 'list', '-o', 'json', '-i', sys.argv[1]]); "
        "signal.setitimer(signal.ITIMER_REAL, 0); sys.exit(status)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(write_inventory(MANY))],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as running:
        assert running.stdout is not None
        time.sleep(2)
        printed = running.stdout.read()
    assert running.returncode == 0
    assert len(json.loads(printed)) == 2000


def test_help_and_version_come_at_once() -> None:
    for argument in ("--help", "--version"):
        spent = []
        for _ in range(7):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([*FLEET, argument], capture_output=True, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        # Processor time: others use the machine beside this test.
        assert min(spent) < 0.12, spent


def every_command(group: click.Group, words: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{words} {name}", command
        if isinstance(command, click.Group):
            yield from every_command(command, f"{words} {name}")


def test_every_command_has_an_example_in_its_help() -> None:
    found = dict(every_command(cli, "fleet"))
    assert {"fleet call", "fleet inventory show", "fleet audit list"} <= found.keys()
    for words, command in found.items():
        examples = [line for line in (command.help or "").splitlines() if re.search(rf"(^|\s){words}( |$)", line)]
        assert examples, words


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (["helth"], "did you mean health?"),
        (["inventory", "lst"], "Did you mean 'list'?"),
        (["health", "--strickt"], "'--strict'"),
        (["call", "admin/info", "--merge", "grouping"], "'group'"),
    ],
)
def test_what_is_misspelt_is_met_with_the_nearest_name(wrong: list[str], right: str) -> None:
    done = subprocess.run([*FLEET, *wrong], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert right in done.stderr
    assert "Traceback" not in done.stderr


async def test_formats_and_exit_statuses(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=4, faults={"sim-0002": "refused", "sim-0003": "service-down"})
    path = str(write_inventory(simulator))
    report = json.loads((await run("call", "admin/info", "-i", path)).stdout)
    assert report["schema"] == "fleet.report/1"
    assert report["coverage"] == {"selected": 4, "answered": 3, "missing": {"unreachable": 1}}
    assert [outcome["site"] for outcome in report["outcomes"]] == ["sim-0001", "sim-0002", "sim-0003", "sim-0004"]
    assert report["merged"]["groups"][0]["count"] == 3
    lines = await run("call", "admin/info", "-i", path, "-o", "ndjson")
    assert lines.returncode == 1
    outcomes = [json.loads(line) for line in lines.stdout.splitlines()]
    assert sorted(outcome["site"] for outcome in outcomes) == ["sim-0001", "sim-0002", "sim-0003", "sim-0004"]
    assert "3 of 4 sites answered" in lines.stderr
    assert (await run("call", "admin/info", "-i", path, "-s", "not sim-0002")).returncode == 0
    assert (await run("call", "admin/info", "-i", path, "--require-coverage", "90%")).returncode == 4
    nagios = await run("health", "-i", path, "-o", "nagios")
    assert nagios.returncode == 2
    assert nagios.stdout.startswith("FLEET CRITICAL - 2 ok, 1 critical, 1 unknown (sim-[0002-0003]) | ok=2;;;0;4 ")
    assert "<testsuites" in (await run("health", "-i", path, "-o", "junit")).stdout
    csv = (
        await run(
            "call", "admin/machines", "-i", path, "-o", "csv", "--merge", "union", "--columns", "site,machineName"
        )
    ).stdout
    assert csv.splitlines()[0] == "site,machineName"
    assert (await run("inventory", "list", "-i", path, "-s", "@failed", "-o", "ndjson")).stdout.count("\n") == 1
    query = await run("call", "admin/info", "-i", path, "-s", "sim-0001", "--query", "fullVersion", "-o", "ndjson")
    assert json.loads(query.stdout)["value"] == "11.3.0"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["call", "admin/info", "-s", "sim-9999"], "there is no site and no group 'sim-9999'"),
        (["call", "admin/info", "-s", "(sim"], "can't be read"),
        (["call", "admin/services/X.MapServer/stop"], "give --change"),
        (["call", "admin/services/X.MapServer/stop", "--method", "GET"], "is sent as POST"),
        (["call", "admin/services/X.MapServer/stop", "--change"], "needs -s"),
        (["call", "admin/services/X.MapServer/stop", "--change", "-s", "all"], "--yes"),
        (["call", "admin/unheard/of", "--method", "POST"], "give --change"),
        (["call", "admin/info", "-p", "oops"], "KEY=VALUE"),
        (["call", "admin/info", "-p", "token=x"], "signs in by itself"),
        (["call", "admin/info", "--query", "a[["], "no JMESPath expression"),
        (["call", "admin/info", "--timeout", "30"], "number with a unit"),
        (["call", "admin/../x"], "no . and no .."),
        (["health", "--check", "nothing"], "no health check"),
        (["inventory", "show", "sim-001"], "did you mean"),
    ],
)
async def test_what_is_wrong_is_said_in_a_sentence_and_nothing_is_sent(
    simulator: Simulator, write_inventory: Write, arguments: list[str], sentence: str
) -> None:
    done = await run(*arguments, "-i", str(write_inventory(simulator)))
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert simulator.ledger == []


async def test_no_variable_stands_in_for_an_option(simulator: Simulator, write_inventory: Write) -> None:
    options = {"FLEET_CALL_CHANGE": "1", "FLEET_CALL_YES": "1", "FLEET_CALL_SELECT": "all", "FLEET_CALL_OUTPUT": "csv"}
    change = ["call", "admin/mode/update", "-p", "siteMode=READ_ONLY", "-i", str(write_inventory(simulator))]
    done = await run(*change, env={**os.environ, **options})
    assert done.returncode == 2
    assert "give --change if you mean it" in done.stderr
    assert simulator.ledger == []


async def test_a_broken_inventory_shows_every_mistake_and_no_secret(write_inventory: Write) -> None:
    path = write_inventory('[sites.a]\nurll = "x"\npassword = "hunter22"\n[sites.b]\nurl = "http://b.example.com"\n')
    done = await run("health", "-i", str(path))
    assert done.returncode == 2
    assert done.stderr.count(f"{path}:") == 4
    assert "hunter22" not in done.stderr
    assert (await run("health", "-i", "/nowhere/inventory.toml")).returncode == 2


async def test_a_missing_secret_costs_that_site_only(simulator: Simulator, write_inventory: Write) -> None:
    text = simulator.inventory_toml() + 'password = { env = "NOT_SET_ANYWHERE" }\n'
    done = await run("call", "admin/info", "-i", str(write_inventory(text)), "-o", "ndjson")
    outcomes = {line["site"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert [outcomes[f"sim-000{n}"]["outcome"] for n in (1, 2, 3)] == ["ok", "ok", "auth_failed"]
    assert "NOT_SET_ANYWHERE is not set" in outcomes["sim-0003"]["error"]["message"]
    assert [outcomes[f"sim-000{n}"]["attempts"] for n in (1, 2, 3)] == [1, 1, 0]
    assert simulator.sites["sim-0003"].count("info") == 0


async def test_changes_ask_protect_and_can_be_previewed(simulator: Simulator, write_inventory: Write) -> None:
    path = str(write_inventory(simulator.inventory_toml() + "protected = true\n"))
    change = ["call", "admin/mode/update", "-p", "siteMode=READ_ONLY", "--change", "-s", "all", "-i", path]
    dry = json.loads((await run(*change, "--dry-run")).stdout)
    assert dry["dry_run"] is True
    assert {outcome["outcome"] for outcome in dry["outcomes"]} == {"changed"}
    assert not any(entry.changed for entry in simulator.ledger)
    done = await run(*change, "--yes", "-o", "ndjson")
    outcomes = {line["site"]: line["outcome"] for line in map(json.loads, done.stdout.splitlines())}
    assert outcomes == {"sim-0001": "changed", "sim-0002": "changed", "sim-0003": "skipped"}
    assert done.returncode == 1
    named = await run(*change, "--yes", "--confirm", "sim-0003", "-o", "ndjson")
    assert named.returncode == 0
    assert all(site.state.mode == "READ_ONLY" for site in simulator.sites.values())


async def test_no_option_can_be_given_by_a_variable(simulator: Simulator, write_inventory: Write) -> None:
    """A variable that is left in a shell must not disarm what guards a change."""
    path = str(write_inventory(simulator))
    left = {"CHANGE": "1", "YES": "1", "SELECT": "all", "METHOD": "POST", "OUTPUT": "csv", "CONFIRM": "sim-0001"}
    environment = {**os.environ, **{f"FLEET_CALL_{name}": value for name, value in left.items()}}
    environment |= {f"FLEET_{name}": value for name, value in left.items()}
    change = ["call", "admin/mode/update", "-p", "siteMode=READ_ONLY", "-i", path]
    for given, missing in (([], "--change"), (["--change"], "-s"), (["--change", "-s", "all"], "--yes")):
        done = await run(*change, *given, env=environment)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"{missing} " in done.stderr or f"{missing}," in done.stderr
    assert simulator.ledger == []
    read = await run("call", "admin/info", "-i", path, "-s", "sim-0001", env=environment)
    assert [outcome["site"] for outcome in json.loads(read.stdout)["outcomes"]] == ["sim-0001"]


async def test_the_trace_and_the_log_hold_no_secret(simulator: Simulator, write_inventory: Write) -> None:
    done = await run(
        "call", "admin/info", "-i", str(write_inventory(simulator)), "--trace", "-vv", "--log-format", "json"
    )
    assert "POST http://127.0.0.1" in done.stderr
    assert "operation.answered" in done.stderr
    tokens = [token for site in simulator.sites.values() for token in site.tokens._tokens]
    assert len(tokens) == 3
    for secret in ("simulated", *tokens):
        assert f"={secret}" not in done.stderr
        assert f'"{secret}"' not in done.stderr
        assert f"Bearer {secret}" not in done.stderr
    assert not any(token in done.stdout + done.stderr for token in tokens)


async def test_a_closed_pipe_is_quiet(write_inventory: Write) -> None:
    command = shlex.join([*FLEET, "inventory", "list", "-i", str(write_inventory(MANY)), "-o", "json"])
    done = await anyio.run_process(["bash", "-c", f"{command} | true; exit ${{PIPESTATUS[0]}}"], check=False)
    assert done.returncode == 141
    assert done.stderr == b""


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    running = subprocess.Popen([*FLEET, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield running
    finally:
        if running.poll() is None:
            running.kill()
        running.communicate()


async def wait_for(what: Callable[[], bool]) -> None:
    with anyio.fail_after(20):
        while not what():
            await anyio.sleep(0.02)


async def test_the_first_interrupt_stops_launching_and_the_second_cancels(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=6, faults={"sim-000[12]": "hang"})
    path = str(write_inventory(simulator))
    with process("call", "admin/info", "-i", path, "-o", "ndjson", "--width", "3", "--timeout", "30s") as running:
        await wait_for(lambda: len({entry.site for entry in simulator.ledger if entry.status}) == 4)
        running.send_signal(signal.SIGINT)
        await anyio.sleep(0.5)
        assert running.poll() is None, "what is in flight finishes"
        running.send_signal(signal.SIGINT)
        out, err = await anyio.to_thread.run_sync(running.communicate)
    outcomes = {line["site"]: line["outcome"] for line in map(json.loads, out.splitlines())}
    assert running.returncode == 130
    assert outcomes["sim-0001"] == outcomes["sim-0002"] == "cancelled"
    assert len(outcomes) == 6
    assert "stopping" in err
    assert "Traceback" not in err


async def test_a_change_in_flight_is_named_when_everything_is_cancelled(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    site.switches.stop_time = 5.0
    key = next(iter(site.services))
    change = f"admin/services/{key}/stop"
    with process(
        "call", change, "--change", "--yes", "-s", "all", "-i", str(write_inventory(simulator)), "-o", "ndjson"
    ) as running:
        await wait_for(lambda: site.services[key].real == "STOPPING")
        running.send_signal(signal.SIGTERM)
        await anyio.sleep(0.3)
        running.send_signal(signal.SIGTERM)
        out, _ = await anyio.to_thread.run_sync(running.communicate)
    outcome = json.loads(out)
    assert (running.returncode, outcome["outcome"]) == (130, "unknown")
    assert "services.stop was sent" in outcome["error"]["message"]


async def test_the_deadline_ends_a_run_and_says_which_sites_were_not_asked(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=4, faults={"sim-000[12]": "hang"})
    done = await run(
        "call",
        "admin/info",
        "-i",
        str(write_inventory(simulator)),
        "--deadline",
        "1s",
        "--width",
        "2",
        "-s",
        "sim-000[1-4]",
    )
    found = {outcome["site"]: outcome["outcome"] for outcome in json.loads(done.stdout)["outcomes"]}
    assert found == {"sim-0001": "timeout", "sim-0002": "timeout", "sim-0003": "not_run", "sim-0004": "not_run"}


def test_the_simulator_ends_on_a_signal_and_leaves_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "FLEET_PASSWORD": "another secret"}
    out, port = tmp_path / "s.toml", str(free_base(4))
    with subprocess.Popen(
        [
            *FLEET,
            "simulate",
            "--sites",
            "3",
            "--port",
            port,
            "--inventory-out",
            str(out),
            "--ledger",
            str(tmp_path / "l"),
        ],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as running:
        assert running.stderr is not None
        assert running.stderr.readline() == f"ready: 3 sites, inventory {out}\n"
        assert 'password = { env = "FLEET_PASSWORD" }' in out.read_text()
        called = subprocess.run(
            [*FLEET, "call", "admin/info", "-i", str(out), "-q"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert called.returncode == 0, called.stderr
        again = subprocess.run(
            [*FLEET, "simulate", "--port", port, "--inventory-out", str(tmp_path / "t.toml")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (again.returncode, "taken" in again.stderr) == (2, True)
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=10) == 0
    assert "another secret" not in (tmp_path / "l").read_text()
    assert "generateToken" in (tmp_path / "l").read_text()
    kept = subprocess.run(
        [*FLEET, "simulate", "--inventory-out", str(out)], capture_output=True, text=True, check=False
    )
    assert (kept.returncode, "--force" in kept.stderr) == (2, True)
    started = time.monotonic()
    timed = subprocess.run(
        [
            *FLEET,
            "simulate",
            "--sites",
            "1",
            "--port",
            port,
            "--for",
            "300ms",
            "--inventory-out",
            str(out),
            "--force",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert timed.returncode == 0
    assert time.monotonic() - started < 30


async def test_init_tests_the_account_and_writes_no_password(simulator: Simulator, tmp_path: Path) -> None:
    target = tmp_path / "new.toml"
    arguments = ["init", "--url", simulator.sites["sim-0001"].url, "--username", "siteadmin", "--file", str(target)]
    wrong = await run(*arguments, env={**os.environ, "FLEET_PASSWORD": "wrong"})
    assert (wrong.returncode, target.exists()) == (1, False)
    assert "account was refused" in wrong.stderr
    right = await run(*arguments, env={**os.environ, "FLEET_PASSWORD": "simulated"})
    assert right.returncode == 0, right.stderr
    text = target.read_text()
    assert 'password = { env = "FLEET_PASSWORD" }' in text
    assert "simulated" not in text
    assert text.startswith("#:schema ./inventory.schema.json\n")
    assert (await run("inventory", "check", "-i", str(target))).stdout == "1 site, 0 groups, no mistakes\n"
    assert (await run(*arguments, env={**os.environ, "FLEET_PASSWORD": "simulated"})).returncode == 2
