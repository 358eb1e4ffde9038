"""SQL over simulated sites: bounded fetching never changes an answer, and what is missing can't be overlooked."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fleet import Fleet
from fleet.errors import UsageError
from fleet.simulator import Simulator
from fleet.sql import ask
from fleet.sql.cache import Cache
from fleet.sql.database import QueryFailed
from fleet.sql.schema import ALIASES

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]


def labelled(simulator: Simulator) -> str:
    text = simulator.inventory_toml()
    for place, name in enumerate(simulator.sites):
        tier = ("prod", "test")[place % 2]
        text = text.replace(f"[sites.{name}]\n", f'[sites.{name}]\nlabels = {{ tier = "{tier}" }}\n')
    return text


TERMS = (
    "{0}site = 'sim-0001'",
    "{0}site in ('sim-0002', 'sim-0003')",
    "{0}site like '%3'",
    "{0}label_tier = 'prod'",
    "{0}folderName = 'Planning'",
    "{0}folderName in ('', 'Public')",
    "{0}folderName = 'planning'",
    "{0}max > 1",
    "{0}configuredState <> {0}realTimeState",
    "{0}site is not null",
    "not {0}site = 'sim-0001'",
    "({0}site = 'sim-0001' or {0}folderName = 'Public')",
    "{0}service in (select service from services where site = 'sim-0002')",
)
SHAPES = (
    "select {a}.site, count(*) from services {a} where {one} group by 1",
    "select {a}.site, {a}.service from services {a} where {one} and {two}",
    "select {a}.site, {b}.url, {a}.service from services {a} left join sites {b} on {a}.site = {b}.site where {one}",
    "select {b}.site, count({a}.service) from sites {b} left join services {a} on {a}.site = {b}.site and {one} group by 1",
    "select {b}.site, count({a}.service) from sites {b} left join services {a} using (site) where {one} group by 1",
    "select {a}.service from services {a} where {one} union select {a}.service from services {a} where {two}",
    "with x as (select * from services {a} where {one}) select x.site, count(*) from x where x.max >= 0 group by 1",
    "select {a}.site, (select count(*) from services {b} where {b}.site = {a}.site and {twob}) from services {a} where {one}",
    "select count(*) from services {a} where {one} or {two}",
    "select {a}.service from services {a} full join services {b} on {a}.service = {b}.service where {one} and {twob}",
)


async def test_bounded_fetching_changes_no_answer(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=4, faults={"sim-0003": "service-down"})
    rng = random.Random(11)
    fewer = 0
    async with Fleet.from_inventory(write_inventory(labelled(simulator))) as fleet:
        everything = fleet.select("all")
        await ask(everything, "select fullVersion, service from sites, services")  # everybody is signed in
        for _ in range(120):
            one, two = rng.choice(TERMS), rng.choice(TERMS)
            text = rng.choice(SHAPES).format(
                a="a", b="b", one=one.format("a."), two=two.format("a."), twob=two.format("b.")
            )
            before = len(simulator.ledger)
            bounded = await ask(everything, text)
            between = len(simulator.ledger)
            whole = await ask(everything, text, pruned=False)
            assert sorted(map(repr, bounded.rows)) == sorted(map(repr, whole.rows)), text
            assert between - before <= len(simulator.ledger) - between, text
            fewer += between - before < len(simulator.ledger) - between
    assert fewer > 30


async def test_only_the_sites_that_are_meant_are_asked(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=3)
    async with Fleet.from_inventory(write_inventory(labelled(simulator))) as fleet:
        answer = await ask(fleet.select("all"), "select count(*) from services where label_tier = 'test'")

    assert {entry.site for entry in simulator.ledger} == {"sim-0002"}
    assert answer.rows == [(len(simulator.sites["sim-0002"].services),)]
    assert answer.report.coverage.selected == 1


async def test_a_site_that_fails_is_told_and_empties_nothing(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=3, faults={"sim-0002": "refused"})
    count = sum(len(simulator.sites[name].services) for name in ("sim-0001", "sim-0003"))
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        counted = await ask(fleet.select("all"), "select count(*) as n from services")
        errors = await ask(fleet.select("all"), "select e.* from _errors e left join services s on s.site = e.site")

    assert counted.rows == [(count,)]
    assert counted.report.coverage.missing == {"unreachable": 1}
    assert counted.report.exit_code() == 1
    assert errors.dicts() == [
        {
            "table_name": "services",
            "site": "sim-0002",
            "outcome": "unreachable",
            "kind": "connect",
            "message": "connection refused",
        }
    ]


async def test_settings_are_read_where_they_are_named(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, services=6)
    site = simulator.sites["sim-0001"]
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        await ask(fleet.select("all"), "select * from services")
        first = site.count()
        await ask(fleet.select("all"), "select * from services")
        plain = site.count() - first
        before = site.count()
        answer = await ask(
            fleet.select("all"),
            "select service, json_extract(properties, '$.maxRecordCount') from services where minInstancesPerNode >= 0",
        )

    assert site.count() - before == plain + 6
    assert dict(answer.rows) == dict.fromkeys(site.services, "1000")


async def test_every_table_answers(simulate: Simulate, write_inventory: Write) -> None:
    from fleet.sql import table_names

    simulator = await simulate(sites=1)
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        for name in table_names():
            answer = await ask(fleet.select("all"), f"select * from {name}")
            assert answer.report.ok, (name, answer.report.outcomes)
            assert answer.rows, name
            assert {row["site"] for row in answer.dicts()} == {"sim-0001"}
            assert all(row["_fetched_at"] for row in answer.dicts())


async def test_what_was_fetched_before_answers_without_a_request(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=2)
    text = "select site, service, _fetched_at from services order by 1, 2"
    cache = Cache(tmp_path / "cache" / "rows.db", 600.0)
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        first = await ask(fleet.select("all"), text, kept=cache)
        asked = len(simulator.ledger)
        second = await ask(fleet.select("all"), text, kept=cache)
        narrower = await ask(
            fleet.select("all"), "select count(*) from services where folderName = 'Planning'", kept=cache
        )
        assert len(simulator.ledger) == asked
        wider = await ask(fleet.select("all"), "select count(provider) from services", kept=cache)
        assert len(simulator.ledger) > asked
    cache.close()
    assert second.rows == first.rows
    planning = [s for site in simulator.sites.values() for s in site.services.values() if s.folder == "Planning"]
    assert narrower.rows == [(len(planning),)]
    assert wider.rows == [(len(first.rows),)]


async def test_a_mistake_is_told_before_anything_is_sent(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        for text in (
            "select nothing from services",
            "select * from services where",
            "select site from services join",
            "select * from _errors",
        ):
            with pytest.raises(UsageError):
                await ask(fleet.select("all"), text)
    assert simulator.ledger == []


async def test_numbers_that_sites_send_as_texts_are_compared_as_numbers(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    state = simulator.sites["sim-0001"].state
    for elapsed in ("10.25", "9.5", "0.5", ""):
        state.log_records.append({**state.record("SEVERE", (9000, "slow")), "elapsed": elapsed})
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        slow = await ask(fleet.select("all"), "select elapsed from logs where code = 9000 and elapsed > 5 order by 1")
        untold = await ask(fleet.select("all"), "select count(*) from logs where message = 'slow' and elapsed is null")

    assert slow.rows == [(9.5,), (10.25,)]
    assert untold.rows == [(1,)]


async def test_an_answer_has_its_limits(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    endless = "with recursive t(x) as (select 1 union all select x + 1 from t) select "
    async with Fleet.from_inventory(write_inventory(simulator), deadline=1.0) as fleet:
        with pytest.raises(QueryFailed, match="did not end within the deadline"):
            await ask(fleet.select("all"), f"{endless} count(*) from t")
        with pytest.raises(QueryFailed, match="more than 100 rows"):
            await ask(fleet.select("all"), f"{endless} x from t", most=100)
        with pytest.raises(QueryFailed, match="the query failed: malformed JSON"):
            await ask(fleet.select("all"), "select json_extract(service, '$') from services")


async def test_a_table_is_found_by_its_other_spellings(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        for alias, name in ALIASES.items():
            one = await ask(fleet.select("all"), f"select count(*) from {alias} where site = 'sim-0001'")
            other = await ask(fleet.select("all"), f"select count(*) from {name}")
            assert one.rows == other.rows != [(0,)]
