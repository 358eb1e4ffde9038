"""A change is asked about, protected sites by name; what was meant and what came of it is on record."""

from __future__ import annotations

import json
import os
import resource
import stat
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio.to_thread
import pytest

from fleet.simulator import Simulator
from tests.acceptance.terminals import FLEET, Terminal

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]
CHANGE = ["call", "admin/mode/update", "-p", "siteMode=READ_ONLY", "--change", "-s", "all", "-o", "ndjson"]


def protecting(simulator: Simulator, *names: str) -> str:
    """The inventory of *simulator* with the sites *names* protected."""
    text = simulator.inventory_toml()
    for name in names:
        text = text.replace(f"[sites.{name}]\n", f"[sites.{name}]\nprotected = true\n")
    return text


def records() -> list[dict[str, object]]:
    path = Path(os.environ["FLEET_STATE_DIR"]) / "audit.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def outcomes(text: str) -> dict[str, str]:
    return {line["site"]: line["outcome"] for line in map(json.loads, text.splitlines())}


def changed(simulator: Simulator) -> list[str]:
    return sorted(entry.site for entry in simulator.ledger if entry.changed and entry.operation != "generateToken")


async def on_terminal(arguments: list[str], talk: Callable[[Terminal], None]) -> tuple[int, list[str]]:
    def run() -> tuple[int, list[str]]:
        with Terminal(*arguments, columns=400) as terminal:
            talk(terminal)
            return terminal.end(), terminal.lines

    return await anyio.to_thread.run_sync(run)


async def run(arguments: list[str], **options: object) -> subprocess.CompletedProcess[str]:
    def go() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*FLEET, *arguments], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, check=False,
            **options,
        )  # type: ignore[call-overload, no-any-return]  # fmt: skip

    return await anyio.to_thread.run_sync(go)


async def test_a_yes_changes_and_a_no_sends_nothing(simulator: Simulator, write_inventory: Write) -> None:
    arguments = [*CHANGE, "-i", str(write_inventory(simulator))]

    def refuse(terminal: Terminal) -> None:
        terminal.wait_for("Change 3 sites? [y/N]")
        assert terminal.lines[0] == "mode.update on 3 sites: sim-[0001-0003]"
        assert terminal.lines[1] == "  POST  admin/mode/update  siteMode=READ_ONLY"
        terminal.type("n")

    status, lines = await on_terminal(arguments, refuse)
    assert (status, lines[-1]) == (1, "nothing was sent")
    assert simulator.ledger == []
    assert records() == []

    def agree(terminal: Terminal) -> None:
        terminal.wait_for("Change 3 sites? [y/N]")
        terminal.type("y")

    status, lines = await on_terminal(arguments, agree)
    assert status == 0, lines
    assert outcomes("\n".join(line for line in lines if line.startswith("{"))) == dict.fromkeys(
        simulator.sites, "changed"
    )
    assert changed(simulator) == ["sim-0001", "sim-0002", "sim-0003"]


@pytest.mark.parametrize("key", ["c", "d"])
async def test_an_interrupted_question_sends_nothing(simulator: Simulator, write_inventory: Write, key: str) -> None:
    def leave(terminal: Terminal) -> None:
        terminal.wait_for("[y/N]")
        terminal.leave(key)

    status, lines = await on_terminal([*CHANGE, "-i", str(write_inventory(simulator))], leave)
    assert status == 130
    assert "nothing was sent" in lines
    assert not any("Traceback" in line for line in lines)
    assert simulator.ledger == []


@pytest.mark.parametrize("yes", [False, True])
async def test_a_protected_site_is_changed_only_when_its_name_is_typed(
    simulate: Simulate, write_inventory: Write, yes: bool
) -> None:
    simulator = await simulate(sites=4)
    path = str(write_inventory(protecting(simulator, "sim-0001", "sim-0002", "sim-0003")))

    def type_names(terminal: Terminal) -> None:
        terminal.wait_for("sim-0001 is protected. Type its name")
        terminal.type("sim-0001")
        terminal.wait_for("sim-0002 is protected")
        terminal.type("yes")
        terminal.wait_for("that is not its name; sim-0002 is left alone")
        terminal.wait_for("sim-0003 is protected")
        terminal.type("")
        if not yes:
            terminal.wait_for("Change 2 sites, and leave 2 protected alone? [y/N]")
            terminal.type("y")

    status, lines = await on_terminal([*CHANGE, "-i", path, *(["--yes"] if yes else [])], type_names)
    found = outcomes("\n".join(line for line in lines if line.startswith("{")))
    assert found == {"sim-0001": "changed", "sim-0002": "skipped", "sim-0003": "skipped", "sim-0004": "changed"}
    assert status == 1
    assert changed(simulator) == ["sim-0001", "sim-0004"]


async def test_without_a_terminal_a_change_needs_yes_and_each_protected_site_its_name(
    simulator: Simulator, write_inventory: Write
) -> None:
    arguments = [*CHANGE, "-i", str(write_inventory(protecting(simulator, "sim-0002", "sim-0003")))]
    refused = await run(arguments)
    assert (refused.returncode, simulator.ledger) == (2, [])
    assert "no terminal to ask on: give --yes" in refused.stderr
    mistyped = await run([*arguments, "--yes", "--confirm", "sim-002"])
    assert (mistyped.returncode, simulator.ledger) == (2, [])
    assert "no selected site is called so; did you mean sim-0002?" in mistyped.stderr
    done = await run([*arguments, "--yes", "--confirm", "sim-0002"])
    assert outcomes(done.stdout) == {"sim-0001": "changed", "sim-0002": "changed", "sim-0003": "skipped"}
    assert done.returncode == 1


async def test_every_change_has_its_intent_and_its_result_on_record(
    simulate: Simulate, write_inventory: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator = await simulate(sites=4, faults={"sim-0003": "read-only", "sim-0004": "refused"})
    monkeypatch.setenv("SSH_CONNECTION", "203.0.113.7 50000 192.0.2.1 22")
    path = str(write_inventory(simulator))
    done = await run([*CHANGE, "-i", path, "--yes"])
    assert outcomes(done.stdout) == {
        "sim-0001": "changed", "sim-0002": "changed", "sim-0003": "noop", "sim-0004": "unreachable",
    }  # fmt: skip
    log = Path(os.environ["FLEET_STATE_DIR"]) / "audit.jsonl"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert stat.S_IMODE(log.parent.stat().st_mode) == 0o700
    found = records()
    assert [(r["event"], r["site"]) for r in found if r["site"] == "sim-0001"] == [
        ("intent", "sim-0001"), ("result", "sim-0001"),
    ]  # fmt: skip
    assert {record["site"] for record in found} == {"sim-0001", "sim-0002"}, (
        "what is so already, or was not sent, is no change"
    )
    result = next(r for r in found if r["site"] == "sim-0001" and r["event"] == "result")
    assert result["user"]
    assert result["host"]
    assert result["remote"] == "203.0.113.7"
    assert (result["command"], result["selection"]) == ("call", "all")
    assert (result["operation"], result["path"]) == ("mode.update", "admin/mode/update")
    assert result["parameters"] == {"siteMode": "READ_ONLY"}
    assert result["before"]["siteMode"] == "EDITABLE"  # type: ignore[index]
    assert result["after"]["siteMode"] == "READ_ONLY"  # type: ignore[index]
    assert result["outcome"] == "changed"
    listed = await run(["audit", "list", "-o", "csv", "--since", "1h"])
    assert listed.stdout.splitlines()[0].split(",")[3:] == [
        "site", "operation", "path", "parameters", "outcome",
    ]  # fmt: skip
    assert listed.stdout.count("siteMode=READ_ONLY,changed") == 2
    chosen = json.loads((await run(["audit", "list", "-i", path, "-s", "sim-0002", "-o", "json"])).stdout)
    assert [record["site"] for record in chosen] == ["sim-0002"]
    assert (await run(["audit", "list", "--last", "1", "-o", "ndjson"])).stdout.count("\n") == 1
    narrow = await run(["audit", "list", "--columns", "site,operation", "-o", "table"])
    header, *rows = [line.split() for line in narrow.stdout.splitlines()]
    assert header == ["site", "operation"]
    assert sorted(rows) == [["sim-0001", "mode.update"], ["sim-0002", "mode.update"]]


async def test_a_failed_change_is_on_record(simulator: Simulator, write_inventory: Write) -> None:
    change = ["call", "admin/services/Nowhere.MapServer/stop", "--change", "--yes", "-s", "sim-0001", "-o", "ndjson"]
    done = await run([*change, "-i", str(write_inventory(simulator))])
    assert done.returncode == 1
    intent, result = records()
    assert (intent["event"], intent["before"]) == ("intent", None)
    assert (result["event"], result["outcome"]) == ("result", "failed")
    assert result["error"] == {
        key: value for key, value in json.loads(done.stdout)["error"].items() if key in ("kind", "message", "code")
    }


async def test_no_secret_is_on_record(simulator: Simulator, write_inventory: Write) -> None:
    path = str(write_inventory(simulator))
    key = next(iter(simulator.sites["sim-0001"].services))
    parameters = ["-p", "service=@service.json", "-p", "password=hunter22", "-p", "note=the simulated one"]
    secret = {"serviceName": "x", "jsonProperties": {"apiSecret": "s3cr3t", "text": "PASSWORD=hunter23;DB=gis"}}
    (Path(path).parent / "service.json").write_text(json.dumps(secret))
    done = await run(
        ["call", f"admin/services/{key}/edit", *parameters, "--change", "--yes", "-s", "sim-0001", "-i", path,
         "-o", "ndjson", "--force"],
        cwd=Path(path).parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    found = records()
    assert [record["event"] for record in found] == ["intent", "result"]
    text = json.dumps(found)
    for hidden in ("hunter22", "hunter23", "s3cr3t", "simulated"):
        assert hidden not in text
    assert found[0]["parameters"]["password"] == "***"  # type: ignore[index]


async def test_rule_j1_nothing_is_changed_where_the_record_can_t_be_kept(
    simulator: Simulator, write_inventory: Write
) -> None:
    path = str(write_inventory(simulator))
    in_the_way = Path(os.environ["FLEET_STATE_DIR"])
    in_the_way.write_text("no folder")
    refused = await run([*CHANGE, "-i", path, "--yes"])
    assert refused.returncode == 2
    assert "nothing is changed without a record" in refused.stderr
    assert simulator.ledger == []
    in_the_way.unlink()

    def nothing_fits() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    refused = await run([*CHANGE, "-i", path, "--yes"], preexec_fn=nothing_fits)
    assert refused.returncode == 2
    assert "nothing is changed without a lease" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert changed(simulator) == []

    # The leases fit, and of the first line of the log only the beginning does.
    log = in_the_way / "audit.jsonl"
    log.write_bytes(b" " * (8 << 20) + b"\n")

    def full_disk() -> None:
        most = log.stat().st_size + 100
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    full = await run([*CHANGE, "-i", path, "--yes"], preexec_fn=full_disk)
    assert full.returncode == 1
    assert outcomes(full.stdout) == dict.fromkeys(simulator.sites, "skipped")
    assert "File too large" in full.stdout
    assert "Traceback" not in full.stderr
    assert changed(simulator) == []
    again = await run([*CHANGE, "-i", path, "--yes"])
    assert again.returncode == 0, "a torn line does no harm to the lines after it"
    listed = json.loads((await run(["audit", "list", "-o", "json"])).stdout)
    assert [record["outcome"] for record in listed] == ["changed"] * 3


async def test_a_change_without_a_result_is_unknown_in_the_list(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    site.switches.stop_time = 5.0
    key = next(iter(site.services))
    arguments = ["call", f"admin/services/{key}/stop", "--change", "--yes", "-s", "all", "-o", "ndjson"]
    with subprocess.Popen(
        [*FLEET, *arguments, "-i", str(write_inventory(simulator))],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as running:
        with anyio.fail_after(20):
            while site.services[key].real != "STOPPING":
                await anyio.sleep(0.02)
        running.kill()
    assert [record["event"] for record in records()] == ["intent"]
    listed = json.loads((await run(["audit", "list", "-o", "json"])).stdout)
    assert [(record["site"], record["outcome"]) for record in listed] == [("sim-0001", "unknown")]
