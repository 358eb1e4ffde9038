"""SQL over a snapshot answers what the live sites answered when it was made, and asks nobody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fleet import Fleet
from fleet.errors import UsageError
from fleet.simulator import Simulator
from fleet.snapshots import save
from fleet.snapshots.store import Store
from fleet.sql import ask, table_names
from fleet.sql.past import NOT_KEPT, Past

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

COUNTED = {
    "max",
    "busy",
    "free",
    "initializing",
    "notCreated",
    "transactions",
    "totalBusyTime",
    "isStatisticsAvailable",
}
"""What a snapshot leaves out of services: it changes by itself."""


async def test_every_table_is_as_it_was(simulate: Simulate, write_inventory: Write, tmp_path: Path) -> None:
    simulator = await simulate(sites=2)
    store = Store(tmp_path / "snapshots")
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        await save(fleet.select("all"), store=store)
        past = Past(store, store.find("latest"))
        old = Fleet(past.inventory)
        for name in table_names():
            if name in NOT_KEPT:
                continue
            text = f"select * from {name}"
            live = await ask(fleet.select("all"), text)
            asked = len(simulator.ledger)
            before = await ask(old.select("all"), text, past=past)
            assert len(simulator.ledger) == asked, name
            assert before.report.ok, (name, before.report.outcomes)
            left_out = {"_fetched_at", *(COUNTED if name == "services" else ()), *LEFT_OUT.get(name, ())}
            told = [
                sorted(repr({key: cell for key, cell in row.items() if key not in left_out}) for row in answer.dicts())
                for answer in (live, before)
            ]
            assert told[0] == told[1], name


LEFT_OUT: dict[str, set[str]] = {"sites": {"username", "auth", "protected", "groups"}, "datastores": {"totalRefCount"}}
"""Columns of which a snapshot has nothing, or nothing that stays."""


async def test_what_was_different_then_is_told(simulate: Simulate, write_inventory: Write, tmp_path: Path) -> None:
    simulator = await simulate(sites=2, faults={"sim-0002": "refused"})
    store = Store(tmp_path / "snapshots")
    text = "select service, configuredState, minInstancesPerNode from services order by 1"
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        await save(fleet.select("all"), store=store)
        for service in simulator.sites["sim-0001"].services.values():
            service.configured = "STOPPED"
        past = Past(store, store.find("latest"))
        before = await ask(Fleet(past.inventory).select("all"), text, past=past)
        errors = await ask(
            Fleet(past.inventory).select("all"), "select e.site, e.outcome from _errors e, sites limit 1", past=past
        )

    assert {state for _, state, _ in before.rows} == {"STARTED"}
    assert len(before.rows) == len(simulator.sites["sim-0001"].services)
    assert before.report.coverage.missing == {"unreachable": 1}
    assert errors.rows == [("sim-0002", "unreachable")]


async def test_what_a_snapshot_has_not_is_told_before_it_is_read(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=1)
    store = Store(tmp_path / "snapshots")
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        await save(fleet.select("all"), store=store)
        past = Past(store, store.find("latest"))
        with pytest.raises(UsageError, match="a snapshot has no logs: ask the sites"):
            await ask(Fleet(past.inventory).select("all"), "select * from logs", past=past)
