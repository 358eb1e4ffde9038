"""The leases of a run: taken all or none, renewed, lost, given back; on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import anyio
import pytest

from fleet.errors import LeaseLost, LockHeld
from fleet.fanout.leases import Leases
from fleet.history.database import Database, state_database
from fleet.history.leases import LeaseRows, fences
from tests.postgres import needs_postgres
from tests.processes import wait_for

URLS = {f"s{number}": f"https://s{number}.example.net/arcgis" for number in range(4)}

BOTH = pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=needs_postgres)], indirect=True)


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    if request.param == "postgresql":
        monkeypatch.setenv("FLEET_DATABASE_URL", request.getfixturevalue("postgres_server")())
    return state_database()


def some(*names: str) -> dict[str, str]:
    return {name: URLS[name] for name in names}


@BOTH
async def test_all_sites_are_taken_or_none_and_the_second_is_told_by_whom(database: Database) -> None:
    async with Leases(database, "services.edit") as first:
        held = await first.take_urls(some("s0", "s1"))
        held["s0"].check()
        async with Leases(database, "rollout two") as second:
            with pytest.raises(LockHeld) as refused:
                await second.take_urls(some("s1", "s2"))
            told = str(refused.value)
            assert told.startswith("s1 is being changed: services.edit by ")
            assert f"(process {os.getpid()}) since 2" in told
            assert "unless it is renewed, that ends at 2" in told
            assert "s2" not in told
            taken = await second.take_urls(some("s2", "s3"))
            assert set(taken) == {"s2", "s3"}
    async with Leases(database, "rollout three") as third:
        again = await third.take_urls(URLS)
        assert again["s0"].fence > held["s0"].fence, "what was given back is there for others at once"


@BOTH
async def test_a_lease_is_renewed_for_as_long_as_it_is_held(database: Database) -> None:
    async with Leases(database, "one", lasts=1.2, every=0.2) as leases:
        held = await leases.take_urls(some("s0"))
        await anyio.sleep(2.5)
        held["s0"].check()
        async with Leases(database, "two", lasts=1.2) as other:
            with pytest.raises(LockHeld):
                await other.take_urls(some("s0"))


@BOTH
async def test_what_was_taken_over_is_lost_to_whoever_had_it(database: Database) -> None:
    async with Leases(database, "rollout one", lasts=30, every=0.1) as first, Leases(database, "rollout one") as second:
        mine = await first.take_urls(some("s0", "s1"))
        taken = await second.take_urls(some("s0"), over="rollout one")
        assert taken["s0"].fence > mine["s0"].fence

        def lost() -> bool:
            try:
                mine["s0"].check()
            except LeaseLost:
                return True
            return False

        await wait_for(lost)
        mine["s1"].check()
        taken["s0"].check()
        with pytest.raises(LockHeld):
            await second.take_urls(some("s1"), over="rollout another")
    # The first one gave back what it had, and not what is another's.


async def test_a_lease_that_can_t_be_renewed_ends_by_itself_and_may_come_back(tmp_path: Path) -> None:
    database = state_database()
    async with Leases(database, "one", lasts=1.0, every=0.1, again=0.1) as leases:
        held = await leases.take_urls(some("s0"))
        with closing(sqlite3.connect(tmp_path / "state" / "fleet.db", isolation_level=None)) as holder:
            holder.execute("begin immediate")
            await anyio.sleep(1.2)
            with pytest.raises(LeaseLost, match="could not be renewed for 1 seconds"):
                held["s0"].check()
            holder.execute("rollback")

        def is_good() -> bool:
            try:
                held["s0"].check()
            except LeaseLost:
                return False
            return True

        # Nobody has taken it meanwhile: it is the same lease, with the same fence.
        await wait_for(is_good)


@BOTH
async def test_leases_are_given_back_when_their_run_is_cancelled_or_fails(database: Database) -> None:
    with anyio.CancelScope() as scope:
        async with Leases(database, "one") as leases:
            await leases.take_urls(URLS)
            scope.cancel()
            await anyio.sleep(30)
    with pytest.raises(RuntimeError, match="of its own"):
        async with Leases(database, "two") as leases:
            await leases.take_urls(URLS)
            raise RuntimeError("of its own")
    with database.connect() as connection:
        assert fences(connection, URLS.values()) == {}
        assert LeaseRows(connection, "three").take({url: name for name, url in URLS.items()}) == dict.fromkeys(
            URLS.values(), 3
        )


@BOTH
async def test_some_are_given_back_early_and_are_sent_nothing_more(database: Database) -> None:
    async with Leases(database, "one") as leases, Leases(database, "two") as other:
        held = await leases.take_urls(some("s0", "s1"))
        await leases.release(["s0"])
        with pytest.raises(LeaseLost):
            held["s0"].check()
        held["s1"].check()
        assert set(await other.take_urls(some("s0"))) == {"s0"}


@BOTH
async def test_two_names_of_one_url_share_its_lease(database: Database) -> None:
    async with Leases(database, "one") as leases:
        held = await leases.take_urls({"a": URLS["s0"], "b": URLS["s0"]})
        assert held["a"] is held["b"]


@BOTH
async def test_many_holders_at_once_of_sites_in_any_order_never_share_one(database: Database) -> None:
    holders: dict[str, int] = {}
    rounds = 0

    async def work(place: int) -> None:
        nonlocal rounds
        names = [f"s{(place + step) % 4}" for step in range(3)]
        async with Leases(database, f"holder {place}", every=0.01) as leases:
            for _ in range(8):
                try:
                    await leases.take_urls(some(*names))
                except LockHeld:
                    await anyio.sleep(0.02)
                    continue
                for name in names:
                    assert holders.setdefault(name, place) == place
                await anyio.sleep(0.01)
                for name in names:
                    del holders[name]
                rounds += 1
                await leases.release(names)

    async with anyio.create_task_group() as group:
        for place in range(4):
            group.start_soon(work, place)
    assert rounds


HOLDER = """
import sys, anyio
from fleet.fanout.leases import Leases
from fleet.history.database import state_database

async def main():
    async with Leases(state_database(), "one that dies", lasts=float(sys.argv[1])) as leases:
        await leases.take_urls({sys.argv[2]: sys.argv[3]})
        sys.stdout.write("has it\\n")
        sys.stdout.flush()
        await anyio.sleep(60)

anyio.run(main)
"""


@contextmanager
def holding(name: str, lasts: float) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the lease of *name*."""
    command = [sys.executable, "-c", HOLDER, str(lasts), name, URLS[name]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            assert running.stdout.readline() == "has it\n"
            yield running
        finally:
            running.kill()


async def test_what_a_killed_process_of_this_machine_held_is_free_at_once(tmp_path: Path) -> None:
    with holding("s0", 60.0) as running:
        async with Leases(state_database(), "two") as leases:
            with pytest.raises(LockHeld, match=f"process {running.pid}"):
                await leases.take_urls(some("s0", "s1"))
            running.kill()
            running.wait()
            taken = await leases.take_urls(some("s0", "s1"))
            assert taken["s0"].fence == 2
    assert list((tmp_path / "state" / "leases").iterdir()) == []


@BOTH
async def test_one_that_stands_still_keeps_its_lease_until_that_has_run_out(database: Database) -> None:
    with holding("s0", 2.0) as running:
        running.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        async with Leases(database, "two") as leases:
            while True:
                try:
                    taken = await leases.take_urls(some("s0"))
                except LockHeld:
                    assert time.monotonic() < began + 20
                    await anyio.sleep(0.1)
                else:
                    break
        # It was renewed never: its time ran from before it said that it has it.
        assert time.monotonic() - began > 1.0
        assert taken["s0"].fence == 2
