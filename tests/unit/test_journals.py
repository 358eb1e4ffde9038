"""Journals in the state database, SQLite and PostgreSQL alike: durable, locked, fenced, and seen to be whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from fleet.errors import LeaseLost, LockHeld, StoreFailed, UsageError
from fleet.history.database import Database, state_database
from fleet.history.leases import LeaseRows
from fleet.rollout.entry import Entry, Request
from fleet.rollout.journals import Journals
from fleet.rollout.plan import Plan, PlannedStep, SitePlan
from fleet.rollout.spec import Rollout, Step, Wave
from tests.postgres import needs_postgres
from tests.processes import wait_for

NOW = 1_790_000_000.25
URLS = {f"s{number}": f"https://s{number}.example.net/arcgis" for number in range(6)}

BOTH = pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=needs_postgres)], indirect=True)


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    if request.param == "postgresql":
        monkeypatch.setenv("FLEET_DATABASE_URL", request.getfixturevalue("postgres_server")())
    return state_database()


def plan_of_six() -> Plan:
    steps = (Step(name="stop", do="services.stop", given={"services": ["*"]}),)
    one = SitePlan(digest="sha256:0", steps=(PlannedStep(name="stop", item="Roads.MapServer"),))
    rollout = Rollout(name="all-down", select="all", steps=steps, waves=(Wave(size=2), Wave(size="rest")))
    return Plan(
        rollout=rollout,
        waves=(("s0", "s1"), ("s2", "s3", "s4", "s5")),
        sites=dict.fromkeys(URLS, one),
        made=NOW,
        tool="1",
        inventory="sha256:1",
    )


def some_entries(count: int, wave: int = 0) -> list[Entry]:
    return [
        Entry(
            kind="intent",
            at=NOW + number,
            wave=wave,
            site=f"s{number % 6}",
            step="stop",
            item=f"Folder/Sørvis {number}.MapServer",
            data={"operation": "stop", "parameters": {"service": "{" + "x" * (number * 97 % 4000) + "}"}},
        )
        for number in range(count)
    ]


@BOTH
async def test_what_is_appended_is_there_again_in_order(database: Database) -> None:
    journals = Journals(database)
    wanted = [Entry(kind="started", at=NOW, data={"by": "me"}), *some_entries(40)]
    with journals.create(plan_of_six(), now=NOW, urls=URLS) as journal:
        rollout = journal.rollout
        await journal.append(*wanted[:3])
        await journal.append(wanted[3])
        await journal.append()
        await journal.append(*wanted[4:])
        assert [one.number for one in await journal.entries()] == list(range(1, 42))
        assert await journal.plan() == plan_of_six()

    assert rollout.startswith("all-down-20260921T")
    with journals.open(rollout, urls=URLS) as again:
        last = Entry(kind="finished", at=NOW + 99, outcome="done")
        await again.append(last)
        found = await again.entries()
    assert [(one.kind, one.at, one.site, one.item, dict(one.data)) for one in found] == [
        (one.kind, one.at, one.site, one.item, dict(one.data)) for one in [*wanted, last]
    ]
    assert found == journals.entries(rollout)
    assert [one.kind for one in journals.entries(rollout, {"finished", "started"})] == ["started", "finished"]
    record = journals.look(rollout)
    assert (record.state, record.holder, record.waves, record.steps) == ("done", None, (2, 4), ("stop",))
    assert record.digest == plan_of_six().digest
    assert [one.id for one in journals.listed()] == [rollout]


@BOTH
async def test_appends_of_many_sites_at_once_are_all_kept(database: Database) -> None:
    journals = Journals(database)
    with journals.create(plan_of_six(), now=NOW, urls=URLS) as journal:
        entries = some_entries(200)
        async with anyio.create_task_group() as group:
            for entry in entries:
                group.start_soon(journal.append, entry)
        found = journals.entries(journal.rollout)
    assert sorted(one.item or "" for one in found) == sorted(one.item or "" for one in entries)
    assert [one.number for one in found] == list(range(1, 201))


@BOTH
async def test_whoever_cancels_an_append_loses_nothing(database: Database) -> None:
    journals = Journals(database)
    with journals.create(plan_of_six(), now=NOW, urls=URLS) as journal:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await journal.append(
                Entry(kind="result", at=NOW, wave=0, site="s0", step="stop", item="A", outcome="changed")
            )
        assert [one.outcome for one in await journal.entries()] == ["changed"]


@BOTH
async def test_one_process_holds_a_journal_and_others_are_told_who(database: Database) -> None:
    journals = Journals(database)
    with journals.create(plan_of_six(), now=NOW, urls=URLS) as journal:
        with pytest.raises(LockHeld) as held:
            journals.open(journal.rollout, urls=URLS)
        assert f"{journal.rollout} is being carried out: rollout {journal.rollout} by " in str(held.value)
        assert f"(process {os.getpid()}) since 2" in str(held.value)
        assert f"(process {os.getpid()})" in (journals.look(journal.rollout).holder or "")
        assert (await journal.entries()) == []
    journals.open(journal.rollout, urls=URLS).close()
    assert journals.look(journal.rollout).holder is None


@BOTH
async def test_an_entry_of_a_lease_that_was_lost_is_refused_and_those_beside_it_are_kept(database: Database) -> None:
    journals = Journals(database)
    with journals.create(plan_of_six(), now=NOW, urls=URLS) as journal, database.connect() as connection:
        mine = LeaseRows(connection, f"rollout {journal.rollout}")
        held = mine.take({URLS["s0"]: "s0", URLS["s1"]: "s1"})
        first = Entry(kind="site_begun", at=NOW, wave=0, site="s0", fence=held[URLS["s0"]])
        await journal.append(first)
        other = LeaseRows(connection, "services.stop")
        stolen = other.take({URLS["s0"]: "s0"}, over=f"rollout {journal.rollout}")
        assert stolen[URLS["s0"]] > held[URLS["s0"]]

        lost: list[LeaseLost] = []

        async def append(*entries: Entry) -> None:
            try:
                await journal.append(*entries)
            except LeaseLost as error:
                lost.append(error)

        beside = Entry(kind="site_begun", at=NOW, wave=0, site="s1", fence=held[URLS["s1"]])
        async with anyio.create_task_group() as group:
            group.start_soon(append, Entry(kind="memo", at=NOW, site="s0", step="stop", item="kept?"), first)
            group.start_soon(append, beside)
            group.start_soon(append, Entry(kind="site_begun", at=NOW, wave=1, site="elsewhere", fence=1))
        assert {error.site for error in lost} == {"s0", "elsewhere"}
        assert [(one.kind, one.site) for one in await journal.entries()] == [("site_begun", "s0"), ("site_begun", "s1")]

        mine.release()
        with pytest.raises(LeaseLost):
            await journal.append(beside)


@BOTH
@pytest.mark.parametrize(
    "spoil",
    [
        "update rollout_entry set outcome = 'changed' where id % 4294967296 = 3",
        "update rollout_entry set data = ? where id % 4294967296 = 3",
        "delete from rollout_entry where id % 4294967296 = 3",
        "update rollout_entry set site = 's5' where id % 4294967296 = 5",
    ],
)
async def test_a_damaged_entry_is_told(database: Database, spoil: str) -> None:
    journals = Journals(database)
    with journals.create(plan_of_six(), now=NOW, urls=URLS) as journal:
        await journal.append(*some_entries(5))
        assert len(await journal.entries()) == 5
        with database.connect() as connection:
            assert connection.change(spoil, (b"j{}",) if "?" in spoil else ()) == 1
        with pytest.raises(StoreFailed, match=f"the journal of {journal.rollout} is damaged: entry [35]"):
            await journal.entries()
        with pytest.raises(StoreFailed, match="is damaged"):
            journals.entries(journal.rollout)


@BOTH
async def test_what_others_ask_comes_once_and_again_only_to_whoever_goes_on_for_a_dead_one(database: Database) -> None:
    journals = Journals(database)

    async def asked(journal: Any, count: int) -> list[tuple[str, int | None]]:
        found: list[tuple[str, int | None]] = []
        with anyio.fail_after(20):
            async for request in journal.requests():
                found.append((request.kind, request.wave))
                if len(found) == count:
                    return found
        return found

    with journals.create(plan_of_six(), now=NOW, urls=URLS) as journal:
        rollout = journal.rollout
        journals.ask(rollout, Request(kind="approve", by="a", at=NOW, wave=1))
        journals.ask(rollout, Request(kind="pause", by="b", at=NOW))
        assert await asked(journal, 2) == [("approve", 1), ("pause", None)]
    journals.ask(rollout, Request(kind="abort", by="c", at=NOW))
    with journals.open(rollout, urls=URLS) as journal:
        assert await asked(journal, 2) == [("pause", None), ("abort", None)]
    with pytest.raises(UsageError, match="did you mean"):
        journals.ask(rollout[:-1] + "?", Request(kind="abort", by="c", at=NOW))


@BOTH
async def test_counts_come_without_plan_and_entries(database: Database) -> None:
    journals = Journals(database)
    entries: list[Entry] = []
    for number in range(6):
        wave = 0 if number < 2 else 1
        place = {"wave": wave, "site": f"s{number}"}
        entries.append(Entry(kind="site_begun", at=NOW, **place))  # type: ignore[arg-type]
        outcome = "failed" if number == 3 else "changed"
        entries.append(Entry(kind="result", at=NOW, step="stop", item="A", outcome=outcome, **place))  # type: ignore[arg-type]
        if number < 5:
            entries.append(Entry(kind="site_ended", at=NOW, outcome=outcome, **place))  # type: ignore[arg-type]
    with journals.create(plan_of_six(), now=NOW, urls=URLS) as journal:
        await journal.append(*some_entries(3), *entries)
        counts = journals.counts(journal.rollout)
    assert counts.begun == {("forward", 0): 2, ("forward", 1): 4}
    assert counts.sites == {("forward", 0): {"changed": 2}, ("forward", 1): {"changed": 2, "failed": 1}}
    assert counts.results == {("forward", 0): {"changed": 2}, ("forward", 1): {"changed": 3, "failed": 1}}
    assert counts.outcomes() == {"changed": 4, "failed": 1}


WRITER = """
import sys, anyio
sys.path.insert(0, {root!r})
from tests.unit.test_journals import URLS, some_entries
from fleet.rollout.journals import Journals

async def one(journal, number, entry):
    await journal.append(entry)
    sys.stdout.write(f"{{number}}\\n")
    sys.stdout.flush()

async def main():
    with Journals().open(sys.argv[1], urls=URLS) as journal:
        while True:
            entries = some_entries(400)
            for start in range(0, 400, 4):
                async with anyio.create_task_group() as group:
                    for number in range(start, start + 4):
                        group.start_soon(one, journal, number, entries[number])

anyio.run(main)
"""


@BOTH
@pytest.mark.parametrize("lines", [1, 7, 150])
async def test_a_killed_process_leaves_all_that_was_acknowledged_and_its_lock(database: Database, lines: int) -> None:
    journals = Journals(database)
    with journals.create(plan_of_six(), now=NOW, urls=URLS) as journal:
        rollout = journal.rollout
    root = str(Path(__file__).resolve().parents[2])
    command = [sys.executable, "-c", WRITER.format(root=root), rollout]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        told = [int(running.stdout.readline()) for _ in range(lines)]
        with pytest.raises(LockHeld, match=f"process {running.pid}"):
            journals.open(rollout, urls=URLS)
        running.send_signal(signal.SIGKILL)
        told += [int(line) for line in running.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    found: list[Entry] = []

    def opened() -> bool:
        try:
            journals.open(rollout, urls=URLS).close()
        except LockHeld:
            # The server sees that the process is gone a moment later.
            return False
        return True

    await wait_for(opened)
    found = list(journals.entries(rollout))
    items = [one.item for one in found]
    wanted = some_entries(400)
    for number in set(told):
        assert items.count(wanted[number].item) >= told.count(number)
    assert len(found) - len(told) <= 4, "no more than what was under way was not acknowledged"
