"""New records as they are written, each once, also of sites that go away and come back; and counts of many records."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet import Fleet, UsageError
from fleet.errors import SiteError
from fleet.logs import FollowedLogs, LogQuery, follow_logs, top_of_logs
from fleet.logs.following import OVERLAP, Tail
from fleet.logs.settings import error_reports, log_settings
from fleet.logs.top import TopCounts
from fleet.simulator import SimulatedSite, Simulator
from tests.liar import lying

CRASHED = 8254
"""The code of the simulated records that an error report comes with."""

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]


def write(site: SimulatedSite, text: str, *, late: float = 0.0) -> None:
    site.state.log_records.append(site.state.record("WARNING", (1, text), at=site.state.clock() - late))


async def messages(records: FollowedLogs, count: int) -> list[str]:
    """The next *count* messages."""
    with anyio.fail_after(10):
        return [(await anext(records))[1]["message"] for _ in range(count)]


async def test_new_records_are_shown_once_as_they_come(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=3)
    first, second, third = simulator.sites.values()
    write(first, "long ago", late=5.0)
    fleet = Fleet.from_inventory(write_inventory(simulator))
    async with fleet, follow_logs(fleet.select(), interval=0.1) as records:
        await anyio.sleep(0.5)
        write(second, "a", late=0.02)
        write(first, "b", late=0.01)
        write(third, "c")
        assert await messages(records, 3) == ["a", "b", "c"]
        write(first, "same")
        first.state.log_records.append(dict(first.state.log_records[-1]))
        assert await messages(records, 2) == ["same", "same"]
        write(second, "came late", late=OVERLAP / 2000)
        assert await messages(records, 1) == ["came late"]
        await anyio.sleep(0.3)
        records.close()
        assert [record async for record in records] == []
    assert records.report is not None
    assert records.report.ok
    assert {outcome.site: outcome.value["records"] for outcome in records.report.outcomes} == {  # type: ignore[union-attr]
        "sim-0001": 3,
        "sim-0002": 2,
        "sim-0003": 1,
    }


async def test_a_site_that_goes_away_is_told_once_and_its_records_come_when_it_is_back(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=2)
    here, gone = simulator.sites.values()
    told: list[tuple[str, str | None]] = []

    def changed(site: str, error: SiteError | None) -> None:
        told.append((site, None if error is None else error.kind))

    fleet = Fleet.from_inventory(write_inventory(simulator), timeout="2s")
    async with fleet, follow_logs(fleet.select(), interval=0.1, on_change=changed) as records:
        await anyio.sleep(0.4)
        gone.fault("http-503")
        await anyio.sleep(0.4)
        write(here, "meanwhile")
        write(gone, "unseen")
        assert await messages(records, 1) == ["meanwhile"]
        with anyio.fail_after(10):
            while not told:
                await anyio.sleep(0.05)
        gone.clear_faults()
        with anyio.fail_after(60):
            assert (await anext(records))[1]["message"] == "unseen"
    assert [site for site, _ in told] == ["sim-0002", "sim-0002"]
    assert told[0][1] is not None
    assert told[1][1] is None


async def test_a_silent_site_holds_nobody_up_and_has_failed_at_the_end(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=2, faults={"sim-0002": "hang"})
    fleet = Fleet.from_inventory(write_inventory(simulator), timeout="1s")
    async with fleet, follow_logs(fleet.select(), interval=0.2) as records:
        await anyio.sleep(0.4)
        write(simulator.sites["sim-0001"], "soon")
        with anyio.fail_after(0.9):
            assert (await anext(records))[1]["message"] == "soon"
        await anyio.sleep(1.0)
    assert records.report is not None
    assert [outcome.outcome for outcome in records.report.outcomes] == ["ok", "timeout"]


async def test_it_begins_in_the_past_where_that_is_asked_for(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    site.state.log_records.clear()
    for age in (100.0, 20.0, 10.0):
        write(site, f"{age:g} s ago", late=age)
    oldest = round((site.state.clock() - 50) * 1000)
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        async with follow_logs(fleet.select(), LogQuery(oldest=oldest), interval=0.1) as records:
            assert await messages(records, 2) == ["20 s ago", "10 s ago"]
            await anyio.sleep(0.3)
            write(site, "now")
            assert await messages(records, 1) == ["now"]
        with pytest.raises(UsageError, match="no time at all"):
            async with follow_logs(fleet.select(), interval=0):
                pass


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=30), st.integers(1, 4))
def test_whatever_is_written_between_two_polls_is_told_once(events: list[tuple[int, bool]], every: int) -> None:
    tail = Tail(LogQuery())
    tail.begin(1_000_000)
    log: list[dict[str, Any]] = []
    found: list[tuple[int, int]] = []
    now = 1_000_000

    def poll() -> None:
        oldest = tail.question().oldest
        assert oldest is not None
        rows = sorted(((one["time"], one) for one in log if one["time"] >= oldest), key=lambda row: -row[0])
        found.extend((time, one["code"]) for time, one in tail.news(rows, now))

    for place, (step, ahead) in enumerate(events):
        now += step * 1000
        # Clocks of machines differ, in either direction; two may write the very same.
        log.append({"time": now + (3_600_000 if ahead else -step * 500), "code": place // 2, "message": "m"})
        if place % every == 0:
            poll()
    poll()
    assert Counter(found) == Counter((one["time"], one["code"]) for one in log)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5), st.integers(1, 3)), max_size=40), st.randoms())
def test_counts_do_not_depend_on_the_order_of_the_records(
    told: list[tuple[str, int, int]], chosen: random.Random
) -> None:
    def counted(rows: list[tuple[str, int, int]]) -> list[dict[str, Any]]:
        counts = TopCounts(["code", "site"])
        for site, time, code in rows:
            counts.add(site, time, {"code": code, "message": f"{code} at {time} on {site}"})
        assert counts.total == len(rows)
        return counts.rows()

    shuffled = list(told)
    chosen.shuffle(shuffled)
    rows = counted(told)
    assert rows == counted(shuffled)
    assert {(row["code"], row["site"]): row["count"] for row in rows} == {
        (str(code), site): count for (site, code), count in Counter((site, code) for site, _, code in told).items()
    }
    assert [row["count"] for row in rows] == sorted((row["count"] for row in rows), reverse=True)


def test_groups_beyond_the_bound_are_counted_together() -> None:
    counts = TopCounts(["user"], most=2)
    for place in range(10):
        counts.add("a", place, {"user": str(place % 5), "message": "m"})
    assert counts.total == 10
    assert [(row["user"], row["count"]) for row in counts.rows()] == [("1", 2), ("0", 2), ("(others)", 6)]
    with pytest.raises(UsageError, match="counted by code, service, machine, site, level, user, and not by colour"):
        TopCounts(["colour"])


async def test_top_counts_what_the_sites_have(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=3, faults={"sim-0003": "hang"}, switches={"sim-0002:log-pages": "many"})
    query = LogQuery(level="WARNING")
    async with Fleet.from_inventory(write_inventory(simulator), timeout="2s") as fleet:
        report = await top_of_logs(
            fleet.select(), query, by=["code", "level"], where=lambda row: row["code"] != 9511, limit=2
        )
    records = [record for name in ("sim-0001", "sim-0002") for record in simulator.sites[name].state.log_records]
    kept = Counter((str(record["code"]), record["type"]) for record in records if record["code"] != 9511)
    merged = report.merged
    assert merged["total"] == kept.total()
    assert merged["noise"] == sum(record["code"] == 9511 for record in records)
    assert merged["groups"] == len(kept)
    assert [row["count"] for row in merged["rows"]] == [count for _, count in kept.most_common(2)]
    row = merged["rows"][0]
    same = [one for one in records if (str(one["code"]), one["type"]) == (row["code"], row["level"])]
    assert row["count"] == len(same)
    assert row["last"] >= row["first"]
    assert [outcome.outcome for outcome in report.outcomes] == ["ok", "ok", "timeout"]


async def test_settings_and_error_reports_of_each_site(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2, machines=2)
    simulator.sites["sim-0002"].state.log_settings["logLevel"] = "DEBUG"
    async with lying() as liar:
        liar.answers["admin/logs/countErrorReports"] = {"machineName": "M1", "reportCount": "7"}
        text = simulator.inventory_toml() + f'\n[sites.liar]\nurl = "{liar.url}"\n'
        async with Fleet.from_inventory(write_inventory(text)) as fleet:
            told = await fleet.select("sim-*").run(log_settings, merge="group", query="logLevel")
            counts = await fleet.select().run(error_reports, merge="union")
            liar.answers["admin/logs/countErrorReports"] = {"machineName": "M1"}
            refused = await fleet.select("liar").run(error_reports)
    assert {group["value"] for group in told.merged["groups"]} == {"INFO", "DEBUG"}
    crashed = Counter(
        record["machine"]
        for site in simulator.sites.values()
        for record in site.state.log_records
        if record["code"] == CRASHED
    )
    found = {(entry["site"], entry["row"]["machine"]): entry["row"]["reports"] for entry in counts.merged["rows"]}
    assert found == {
        **{
            (name, machine): crashed[machine]
            for name, site in simulator.sites.items()
            for machine in site.state.machines
        },
        ("liar", "M1"): 7,
        ("liar", "M2"): 7,
    }
    assert crashed.total() > 0
    assert refused.outcomes[0].outcome == "protocol"
