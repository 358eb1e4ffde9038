"""What a sweep asks of a site: how many requests, and how many of them one after another."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from pathlib import Path

import pytest

from fleet.fanout.fleet import Fleet
from fleet.health import HealthOptions, sweep
from fleet.report import Report
from fleet.simulator import Simulator
from fleet.simulator.ledger import Entry

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

LATENCY = 0.4


def round_trips(entries: Iterable[Entry], latency: float) -> int:
    """How many requests of *entries* must have waited for the answer to an earlier one.

    Every answer takes *latency* seconds, so two of which one waited for the other stand so far apart in the ledger.
    """
    trips, last = 0, float("-inf")
    for moment in sorted(datetime.fromisoformat(entry.at).timestamp() for entry in entries):
        if moment >= last + 0.8 * latency:
            trips, last = trips + 1, moment
    return trips


async def swept(inventory: Path, options: HealthOptions | None = None) -> Report:
    async with Fleet.from_inventory(inventory) as fleet:
        return await sweep(fleet.select(), options)


@pytest.mark.parametrize("federated", [False, True])
@pytest.mark.parametrize(("machines", "folders"), [(1, 0), (1, 3), (5, 0), (12, 3), (40, 2)])
async def test_a_sweep_takes_three_round_trips_however_many_machines_and_folders_there_are(
    simulate: Simulate, write_inventory: Write, machines: int, folders: int, federated: bool
) -> None:
    simulator = await simulate(
        sites=1, machines=machines, services=10, folders=folders, federated=federated, latency=LATENCY
    )
    report = await swept(write_inventory(simulator))
    assert report.outcomes[0].ok
    asked = simulator.ledger
    # Where there are folders, the site's own folder System is one of them.
    further = (machines - 1) + (folders + 1 if folders else 0)
    assert len(asked) <= 9 + further, "nine with the login, and one for each further machine or folder"
    assert round_trips([entry for entry in asked if entry.site == "sim-0001"], LATENCY) == 3


async def test_each_of_many_sites_is_asked_in_three_round_trips(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=4, machines=3, services=10, folders=2, latency=LATENCY)
    assert (await swept(write_inventory(simulator))).coverage.answered == 4
    for site in simulator.sites:
        assert round_trips([entry for entry in simulator.ledger if entry.site == site], LATENCY) == 3


async def test_where_the_inventory_says_reads_a_sweep_keeps_to_it(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, machines=4, services=10, folders=2, latency=LATENCY)
    report = await swept(write_inventory(simulator.inventory_toml() + "reads = 2\n"))
    assert report.outcomes[0].ok
    assert len(simulator.ledger) == 15
    # Two at once: what takes no token and the login first, then four, then eight questions.
    assert round_trips(simulator.ledger, LATENCY) == 1 + 2 + 4


async def test_a_federated_site_is_asked_once_what_it_is_and_the_portal_signs_in_once_for_all(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=3, machines=2, services=10, folders=1, federated=True)
    report = await swept(write_inventory(simulator))
    assert [outcome.ok for outcome in report.outcomes] == [True, True, True]
    for site in simulator.sites.values():
        assert len([entry for entry in site.requests() if entry.path.endswith("/rest/info")]) == 1
        assert site.count("generateToken") == 0
        assert site.count() <= 8 + 1 + 2, "nine with the portal's login, which all of them share"
    assert simulator.portal is not None
    assert len(simulator.ledger_book.of(simulator.portal.name, "generateToken")) == 1


async def test_a_site_of_another_portal_is_shown_no_token_although_the_login_did_not_wait(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, federated=True)
    simulator.sites["sim-0001"].portal_url = "http://127.0.0.1:9/portal"
    report = await swept(write_inventory(simulator))
    assert report.outcomes[0].outcome == "auth_failed"
    assert "is federated with http://127.0.0.1:9/portal" in report.outcomes[0].error.message  # type: ignore[union-attr]
    shown = {entry.token_in for entry in simulator.ledger if entry.site == "sim-0001"}
    assert shown == {"none"}


async def test_what_no_check_asks_for_is_not_asked(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, machines=2, services=10, folders=1)
    await swept(write_inventory(simulator), HealthOptions(only=("healthcheck",)))
    assert [entry.operation for entry in simulator.ledger] == ["healthCheck"]
    await swept(write_inventory(simulator), HealthOptions(only=("services", "instances")))
    asked = [entry.operation for entry in simulator.ledger[1:]]
    assert asked == ["generateToken", "services", "report", "report", "report"]
