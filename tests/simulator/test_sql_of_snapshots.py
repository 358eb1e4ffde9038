"""SQL over a snapshot: the same rows as from the sites when it was taken, nothing sent, and what is not held is said."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fleet.simulator import Simulator
from tests.processes import clean, fleet

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]


@pytest.mark.parametrize(
    "query",
    [
        "select site, service, configuredState, realTimeState, description from services order by 1, 2",
        "select site, service, minInstancesPerNode, properties, permissions from services order by 1, 2",
        "select site, service, typeName, enabled from extensions order by 1, 2, 3",
        "select site, fullVersion, siteMode, loggedInUserPrivilege from sites order by 1",
        "select count(*) from services where folderName = 'Planning'",
    ],
)
async def test_a_snapshot_answers_as_the_sites_did(simulator: Simulator, write_inventory: Write, query: str) -> None:
    path = str(write_inventory(simulator))
    live = await fleet("sql", query, "-i", path, "-o", "json")
    assert live.returncode == 0, live.stderr
    saved = await fleet("snapshot", "save", "-i", path, "--name", "then", "-q", "-o", "csv")
    assert saved.returncode == 0, saved.stderr
    for site in simulator.sites.values():
        site.state.services.clear()
        site.fault("http-503")
    asked = len(simulator.ledger)
    kept = await fleet("sql", query, "-i", path, "-o", "json", "--snapshot", "then")
    assert kept.returncode == 0, kept.stderr
    assert json.loads(kept.stdout)["merged"] == json.loads(live.stdout)["merged"]
    assert len(simulator.ledger) == asked, "nothing is sent"


async def test_what_a_snapshot_does_not_hold_fails_and_is_never_empty(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=3)
    path = str(write_inventory(simulator))
    saved = await fleet("snapshot", "save", "-i", path, "-s", "not sim-0003", "-q", "-o", "csv")
    assert saved.returncode == 0, saved.stderr
    query = ("sql", "select site from sites where fullVersion is not null", "-i", path, "--snapshot", "latest")
    done = await fleet(*query, "-o", "csv")
    assert done.stdout.split() == ["site", "sim-0001", "sim-0002"]
    assert (done.returncode, "1 skipped" in clean(done.stderr)) == (1, True)
    counters = await fleet("sql", "select * from statistics", "-i", path, "--snapshot", "latest", "-o", "csv")
    assert counters.returncode == 1
    assert "a snapshot does not hold services.statistics" in clean(counters.stderr)
    age = await fleet(*query, "--max-age", "5m")
    assert (age.returncode, "exclude each other" in age.stderr) == (2, True)
    nothing = await fleet("sql", "select 1 from sites", "-i", path, "--snapshot", "nothing")
    assert (nothing.returncode, "there is no snapshot 'nothing'" in clean(nothing.stderr)) == (2, True)
