"""The logs of many sites as one stream: their order, their bounds, and what becomes of sites that fail."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from fleet import Fleet, UsageError
from fleet import sync as blocking
from fleet.fanout.stop import Stop
from fleet.logs import LogQuery, MergedLogs, merged_logs
from fleet.rows.logs import LOGS
from fleet.rows.table import Wanted
from fleet.simulator import SimulatedSite, Simulator
from tests.liar import lying

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

NOW = 1_800_000_000.0
LATEST = round(NOW * 1000)


def fill(site: SimulatedSite, ages: list[int], **members: Any) -> None:
    """Let the log of *site* have one record for each of *ages*, milliseconds before now, and no other."""
    site.state.log_records[:] = [
        site.state.record("WARNING", (1000 + place % 7, f"record {place}"), at=NOW - age / 1000) | members
        for place, age in enumerate(ages)
    ]


def expected(simulator: Simulator, *names: str) -> list[tuple[str, int]]:
    """What the logs of the sites come to as one: by time, then in the order of the inventory."""
    flat = [
        (-record["time"], place, name)
        for place, (name, site) in enumerate(simulator.sites.items())
        for record in site.state.log_records
        if not names or name in names
    ]
    return [(name, -time) for time, _, name in sorted(flat)]


@asynccontextmanager
async def logs_of(inventory: Path, query: LogQuery | None = None, **options: Any) -> AsyncIterator[MergedLogs]:
    """The logs of all sites of *inventory*; `timeout` is the fleet's, the other options are those of the merge."""
    fleet = Fleet.from_inventory(inventory, timeout=options.pop("timeout", None))
    async with fleet, merged_logs(fleet.select(), query, **options) as records:
        yield records


async def collected(records: MergedLogs) -> list[tuple[str, int]]:
    return [(site, record["time"]) async for site, record in records]


async def test_the_logs_of_all_sites_are_one_in_the_order_of_time(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=7, clock=lambda: NOW)
    chosen = random.Random(3)
    for site in simulator.sites.values():
        # Few different times, so that pages end among equal ones and sites have the same.
        fill(site, [chosen.randrange(60) * 10 for _ in range(chosen.randrange(300))])
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        for held in (200, 1000, 180_000):
            async with merged_logs(fleet.select(), held=held) as records:
                found = await collected(records)
            assert found == expected(simulator)
            assert records.report is not None
            assert records.report.ok
            assert records.given == len(found)
            assert records.most_held <= held
            values = {outcome.site: outcome.value for outcome in records.report.outcomes}  # type: ignore[union-attr]
            assert {name: value["records"] for name, value in values.items()} == {
                name: len(site.state.log_records) for name, site in simulator.sites.items()
            }
            assert all(value["complete"] for value in values.values())


async def test_every_record_of_a_burst_is_there_once_in_bounded_room(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=4, clock=lambda: NOW)
    for place, site in enumerate(simulator.sites.values()):
        fill(site, [500] * (700 + place) + list(range(0, 400, 7)) + list(range(600, 900, 7)))
    async with logs_of(write_inventory(simulator), held=240) as records:
        found = [(site, record["message"]) async for site, record in records]
    assert len(found) == len(set(found)) == sum(len(site.state.log_records) for site in simulator.sites.values())
    assert records.most_held <= 240
    assert records.report is not None
    assert records.report.warnings == []


async def test_the_first_record_comes_before_old_pages_are_read(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2, clock=lambda: NOW)
    for site in simulator.sites.values():
        fill(site, list(range(0, 50_000, 10)))
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        async with merged_logs(fleet.select(), held=600) as records:
            first = [await anext(records) for _ in range(10)]
            await anyio.sleep(0.3)
            asked = [site.count("query") for site in simulator.sites.values()]
        assert [site for site, _ in first] == ["sim-0001", "sim-0002"] * 5
        assert all(count <= 2 for count in asked), "pages are asked for when there is room, and no sooner"
        assert records.report is not None
        assert [outcome.value["complete"] for outcome in records.report.outcomes] == [False, False]  # type: ignore[union-attr]
        assert records.report.ok


async def test_a_limit_ends_the_reading_and_no_more_is_asked_for(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=3, clock=lambda: NOW)
    for site in simulator.sites.values():
        fill(site, list(range(0, 50_000, 10)))
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        async with merged_logs(fleet.select(), limit=25) as records:
            found = await collected(records)
        assert found == expected(simulator)[:25]
        assert all(site.count("query") == 1 for site in simulator.sites.values())
        assert {entry.params["pageSize"] for entry in simulator.ledger if entry.operation == "query"} == {"25"}
        with pytest.raises(UsageError, match="at least 1"):
            async with merged_logs(fleet.select(), limit=0):
                pass


async def test_a_silent_site_leaves_the_merge_at_its_time_limit(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=3, clock=lambda: NOW, faults={"sim-0002": "hang"})
    async with Fleet.from_inventory(write_inventory(simulator), timeout="700ms") as fleet:
        began = anyio.current_time()
        async with merged_logs(fleet.select()) as records:
            found = await collected(records)
        assert 0.6 < anyio.current_time() - began < 5
    assert found == expected(simulator, "sim-0001", "sim-0003")
    assert records.report is not None
    assert [outcome.outcome for outcome in records.report.outcomes] == ["ok", "timeout", "ok"]
    assert records.report.exit_code() == 1


@pytest.mark.parametrize(("fault", "kind"), [("hang", "timeout"), ("html", "protocol"), ("reset", "connect")])
async def test_a_site_that_dies_in_the_middle_keeps_what_it_brought(
    simulate: Simulate, write_inventory: Write, fault: str, kind: str
) -> None:
    simulator = await simulate(sites=3, clock=lambda: NOW)
    for place, site in enumerate(simulator.sites.values()):
        fill(site, list(range(place, 4000, 3)))
    dying = simulator.sites["sim-0002"]
    async with logs_of(write_inventory(simulator), timeout="700ms", held=450) as records:
        found = []
        async for site, record in records:
            found.append((site, record["time"]))
            if len(found) == 200:
                dying.fault(fault)
    assert records.report is not None
    error = records.report.outcomes[1].error  # type: ignore[union-attr]
    assert error.kind == kind
    told = records.report.outcomes[1].value  # type: ignore[union-attr]
    assert 0 < told["records"] < len(dying.state.log_records)
    assert told["complete"] is False
    of_it = [time for site, time in found if site == "sim-0002"]
    assert of_it == [time for _, time in expected(simulator, "sim-0002")][: told["records"]]
    assert told["until"] == of_it[-1], "down to there it is complete"
    assert [one for one in found if one[0] != "sim-0002"] == expected(simulator, "sim-0001", "sim-0003")
    until = [one for one in found if one[1] > told["until"]]
    assert until == [one for one in expected(simulator) if one[1] > told["until"]]


async def test_garbage_and_stuck_pages_end_one_site_and_not_the_others(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=2, clock=lambda: NOW, switches={"sim-0002:log-pages": "stuck-page"})
    for site in simulator.sites.values():
        fill(site, list(range(1000)))
    answer = {"hasMore": False, "logMessages": "none of them"}
    async with lying() as liar:
        liar.answers["admin/logs/query"] = answer
        text = simulator.inventory_toml() + f'\n[sites.liar]\nurl = "{liar.url}"\n'
        async with logs_of(write_inventory(text), held=600) as records:
            found = await collected(records)
    assert [one for one in found if one[0] == "sim-0001"] == expected(simulator, "sim-0001")
    assert records.report is not None
    outcomes = {outcome.site: outcome for outcome in records.report.outcomes}
    assert outcomes["sim-0001"].ok
    assert "paging does not move" in outcomes["sim-0002"].error.message  # type: ignore[union-attr]
    assert "holds no log records" in outcomes["liar"].error.message  # type: ignore[union-attr]


async def test_records_of_clocks_that_go_wrong_are_kept_and_told(simulate: Simulate, write_inventory: Write) -> None:
    ahead = {"type": "WARNING", "message": "from tomorrow", "time": LATEST + 86_400_000, "code": 1}
    odd = [
        ahead,
        {"message": "no time"},
        {"message": "text", "time": str(LATEST)},
        {"message": "later", "time": LATEST + 5},
    ]
    async with lying() as liar:
        liar.answers["admin/logs/query"] = {"hasMore": False, "startTime": LATEST, "logMessages": odd}
        async with logs_of(write_inventory(liar.inventory)) as records:
            found = [record["message"] async for _, record in records]
    assert sorted(found) == ["from tomorrow", "later", "no time", "text"]
    assert found[0] == "from tomorrow"
    assert records.report is not None
    assert {warning.kind for warning in records.report.warnings} == {"log_order", "log_time"}


async def test_the_query_and_a_condition_choose_records(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=3, clock=lambda: NOW)
    for site in simulator.sites.values():
        fill(site, list(range(0, 7000, 10)))
    query = LogQuery(codes=(1001,), oldest=LATEST - 3000, newest=LATEST - 1000, contains="RECORD 1")
    async with logs_of(write_inventory(simulator), query, where=lambda row: row["site"] != "sim-0002") as records:
        found = [(site, record) async for site, record in records]
    assert {site for site, _ in found} == {"sim-0001", "sim-0003"}
    wanted = [
        record
        for record in simulator.sites["sim-0001"].state.log_records
        if record["code"] == 1001 and "record 1" in record["message"] and 1000 <= LATEST - record["time"] <= 3000
    ]
    assert sorted(record["time"] for site, record in found if site == "sim-0001") == sorted(
        record["time"] for record in wanted
    )
    assert wanted


async def test_a_deadline_and_a_stop_end_the_stream(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=3, clock=lambda: NOW, faults={"sim-0002": "hang"})
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        async with merged_logs(fleet.select(), deadline="400ms") as records:
            assert await collected(records) == expected(simulator, "sim-0001", "sim-0003")
        assert records.report is not None
        assert [outcome.outcome for outcome in records.report.outcomes] == ["ok", "timeout", "ok"]
        stop = Stop()
        async with merged_logs(fleet.select(), stop=stop) as records, anyio.create_task_group() as group:

            async def soon() -> None:
                await anyio.sleep(0.3)
                stop.launch_no_more()

            group.start_soon(soon)
            assert await collected(records) == []
        assert records.report is not None
        assert records.report.interrupted
        assert [outcome.outcome for outcome in records.report.outcomes] == ["ok", "cancelled", "ok"]


async def test_an_error_of_the_reader_comes_through_as_it_is(simulator: Simulator, write_inventory: Write) -> None:
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        with pytest.raises(ZeroDivisionError):
            async with merged_logs(fleet.select()) as records:
                async for _ in records:
                    raise ZeroDivisionError
        with pytest.raises(KeyError, match="none of ours"):
            async with merged_logs(fleet.select(), where=lambda row: bool(row["none of ours"])) as records:
                assert await collected(records) == []


async def test_records_without_async(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2, clock=lambda: NOW)
    for site in simulator.sites.values():
        fill(site, list(range(0, 30_000, 10)))
    path = write_inventory(simulator)

    def read() -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
        with blocking.Fleet.from_inventory(path) as fleet:
            every = [(site, record["time"]) for site, record in blocking.merged_logs(fleet.select())]
            some = []
            for site, record in blocking.merged_logs(fleet.select("sim-0001"), LogQuery(codes=(1001,))):
                some.append((site, record["code"]))
                if len(some) == 3:
                    break
        return every, some

    every, some = await anyio.to_thread.run_sync(read)
    assert every == expected(simulator)
    assert some == [("sim-0001", 1001)] * 3


async def test_rows_of_one_site_are_bounded_by_what_is_wanted(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, clock=lambda: NOW)
    fill(simulator.sites["sim-0001"], list(range(0, 3000)))
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        client = fleet.client("sim-0001")
        rows = await LOGS.read(client, Wanted(newest=LATEST - 100, oldest=LATEST - 1900))
        assert [row["time"] for row in rows] == [LATEST - age for age in range(100, 1901)]
        assert set(rows[0]) == set(LOGS.names)
        assert len(await LOGS.read(client, Wanted(limit=7))) == 7
        assert await LOGS.read(client, Wanted(level="SEVERE")) == []
