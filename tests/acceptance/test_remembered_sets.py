"""Stop all that runs, do the work, start exactly those again: remembered sets as they are used, and as they may break."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from fleet.simulator import Simulator
from tests.processes import ended, fleet, started, wait_for

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]


async def shown(name: str) -> dict[tuple[str, str], str]:
    """(site, service) -> state of the set *name*."""
    result = await fleet("services", "sets", "show", name, "-o", "json")
    assert result.returncode == 0, result.stderr
    return {(row["site"], row["service"]): row["state"] for row in json.loads(result.stdout)}


def running(simulator: Simulator) -> set[tuple[str, str]]:
    return {
        (site.name, key) for site in simulator.sites.values() for key, s in site.services.items() if s.real == "STARTED"
    }


async def test_exactly_those_that_ran_are_started_again(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2, services=5)
    inventory = str(write_inventory(simulator))
    one, two, *_ = simulator.sites["sim-0001"].services.values()
    one.configured = one.real = "STOPPED"
    two.real = "STOPPED"  # it should run, and does not
    before = running(simulator)
    common = ("-i", inventory, "-s", "all", "--yes", "-o", "json")

    stop = await fleet("services", "stop", "--remember", "work", *common)
    stopped = running(simulator)
    remembered = await shown("work")
    start = await fleet("services", "start", "--remembered", "work", *common)

    assert (stop.returncode, start.returncode) == (0, 0), stop.stderr + start.stderr
    assert stopped == set()
    assert remembered == dict.fromkeys(before, "stopped")
    assert running(simulator) == before
    assert (one.configured, two.configured) == ("STOPPED", "STARTED")
    assert set((await shown("work")).values()) == {"started"}


async def test_a_set_that_is_there_is_not_overwritten(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, services=3)
    inventory = str(write_inventory(simulator))
    first, second, _ = simulator.sites["sim-0001"].services
    common = ("-i", inventory, "-s", "all", "--yes", "-o", "json")

    await fleet("services", "stop", first, "--remember", "work", *common)
    again = await fleet("services", "stop", second, "--remember", "work", *common)
    untouched = running(simulator)
    added = await fleet("services", "stop", second, "--remember", "work", "--add", *common)
    listed = json.loads((await fleet("services", "sets", "list", "-o", "json")).stdout)
    gone = await fleet("services", "sets", "delete", "work")
    missing = await fleet("services", "start", "--remembered", "work", *common)

    assert again.returncode == 2
    assert "--add adds to it" in again.stderr
    assert ("sim-0001", second) in untouched
    assert added.returncode == 0, added.stderr
    assert [(one["name"], one["services"], one["left"]) for one in listed] == [("work", 2, 2)]
    assert gone.returncode == 0
    assert (missing.returncode, "there is no remembered set work" in missing.stderr) == (2, True)


async def test_what_was_not_stopped_is_not_in_the_set(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, services=4)
    inventory = str(write_inventory(simulator))
    hosted, *others = simulator.sites["sim-0001"].services.values()
    hosted.definition["provider"] = "SDS"

    stop = await fleet("services", "stop", "--remember", "work", "-i", inventory, "-s", "all", "--yes", "-o", "json")

    assert stop.returncode == 1
    assert await shown("work") == {("sim-0001", one.key): "stopped" for one in others}


async def test_what_was_about_to_be_stopped_when_the_program_died_is_started_again(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, services=4)
    site = simulator.sites["sim-0001"]
    site.switches.stop_time = 3
    inventory = str(write_inventory(simulator))
    before = running(simulator)
    arguments = ("-i", inventory, "-s", "all", "--yes", "-o", "json")

    with started("services", "stop", "--remember", "work", *arguments) as process:
        await wait_for(lambda: any(one.real == "STOPPING" for one in site.services.values()))
        process.kill()
        await ended(process)
    died = await shown("work")
    await wait_for(lambda: {one.real for one in site.services.values()} <= {"STOPPED", "STARTED"})
    start = await fleet("services", "start", "--remembered", "work", *arguments)

    assert died == dict.fromkeys(before, "stopping")
    assert start.returncode == 0, start.stderr
    assert running(simulator) == before


async def test_a_dry_run_remembers_nothing_and_bad_names_are_refused(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, services=2)
    common = ("-i", str(write_inventory(simulator)), "-s", "all", "--yes", "-o", "json")

    dry = await fleet("services", "stop", "--remember", "work", "--dry-run", *common)
    listed = await fleet("services", "sets", "list", "-o", "json")

    assert dry.returncode == 0
    assert json.loads(listed.stdout) == []
    for name in ("../x", "a/b", "", ".hidden", "x" * 65, "a b"):
        result = await fleet("services", "stop", "--remember", name, *common)
        assert (result.returncode, "is no name of a set" in result.stderr) == (2, True), name
    assert len(running(simulator)) == 2


async def test_nothing_is_stopped_that_can_not_be_remembered(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=1, services=2)
    state = tmp_path / "state"
    (state / "sets").mkdir(parents=True)
    (state / "sets" / "work.jsonl").symlink_to("/dev/full")
    common: tuple[Any, ...] = ("-i", str(write_inventory(simulator)), "-s", "all", "--yes", "-o", "json")

    result = await fleet(
        "services", "stop", "--remember", "work", "--add", *common, env={"FLEET_STATE_DIR": str(state)}
    )

    assert result.returncode == 1
    assert "nothing is stopped that can't be remembered" in result.stdout
    assert len(running(simulator)) == 2


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX's")
async def test_a_set_is_readable_by_its_owner_alone(simulate: Simulate, write_inventory: Write, tmp_path: Path) -> None:
    simulator = await simulate(sites=1, services=1)
    common = ("-i", str(write_inventory(simulator)), "-s", "all", "--yes", "-o", "json")

    await fleet("services", "stop", "--remember", "work", *common, env={"FLEET_STATE_DIR": str(tmp_path / "state")})

    file = tmp_path / "state" / "sets" / "work.jsonl"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
