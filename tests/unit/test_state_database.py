"""The state database: migrated with a backup, bounded on the disk, and what goes wrong with it said in a sentence."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fleet.errors import StoreFailed, UsageError
from fleet.history import sqlite as sqlite_room
from fleet.history.database import Connection, Database, state_database
from fleet.history.migrations import MIGRATIONS, NEWEST, statements
from fleet.history.postgres import Postgres
from fleet.history.sqlite import Sqlite
from fleet.history.store import KEPT_RUNS, Store
from fleet.rollout.entry import Entry
from fleet.rollout.journals import Journals
from tests.postgres import needs_postgres
from tests.processes import fleet, is_root
from tests.unit.test_journals import NOW, URLS, plan_of_six, some_entries

BOTH = pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=needs_postgres)], indirect=True)


@pytest.fixture
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Database:
    if request.param == "postgresql":
        monkeypatch.setenv("FLEET_DATABASE_URL", request.getfixturevalue("postgres_server")())
    return state_database()


def old_database(path: Path, version: int) -> None:
    """A database as a fleet of that *version* left it, with a run in it."""
    path.parent.mkdir(mode=0o700, parents=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma journal_mode = wal")
        for step in range(version):
            for statement in statements(step, "sqlite"):
                connection.execute(statement)
        connection.execute(f"pragma user_version = {version}")
        connection.execute(
            "insert into run (inventory, command, started, elapsed) values (?, 'call', 1.0, 1.0)",
            ('["/inventory.toml"]',),
        )
        connection.execute("insert into outcome values (1, 'sim-0001', 'failed')")
        connection.commit()


def tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}


@pytest.mark.parametrize("version", range(1, NEWEST))
def test_an_older_database_is_kept_beside_before_it_is_migrated(tmp_path: Path, version: int) -> None:
    path = tmp_path / "state" / "fleet.db"
    old_database(path, version)
    before = tables(path)
    with Store(path) as store:
        assert store.last_outcomes([Path("/inventory.toml")]) == {"sim-0001": "failed"}
        Journals(Sqlite(path)).create(plan_of_six(), now=NOW, urls=URLS).close()
    kept = path.with_name(f"fleet.db.before-v{NEWEST}.bak")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert tables(kept) == before
    with closing(sqlite3.connect(kept)) as connection:
        assert connection.execute("pragma user_version").fetchone() == (version,)
        assert connection.execute("select * from outcome").fetchall() == [(1, "sim-0001", "failed")]

    told = kept.stat().st_mtime_ns
    with Store(path):
        pass
    assert kept.stat().st_mtime_ns == told, "it is made once"
    assert [one.name for one in path.parent.iterdir() if ".bak" in one.name] == [kept.name]


def test_a_new_database_needs_no_backup(tmp_path: Path) -> None:
    with Store(tmp_path / "state" / "fleet.db"):
        pass
    assert not [one for one in (tmp_path / "state").iterdir() if ".bak" in one.name]


def test_many_processes_migrate_one_database_at_once(tmp_path: Path) -> None:
    path = tmp_path / "state" / "fleet.db"
    old_database(path, 1)
    script = "import sys; from pathlib import Path; from fleet.history.store import Store; Store(Path(sys.argv[1]))"
    running = [subprocess.Popen([sys.executable, "-c", script, str(path)]) for _ in range(4)]
    assert [one.wait(60) for one in running] == [0] * 4
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("pragma user_version").fetchone() == (NEWEST,)


@BOTH
def test_runs_and_records_are_kept_alike(database: Database, tmp_path: Path) -> None:
    inventory = [tmp_path / "inventory.toml"]
    with Store(database) as store:
        assert store.last_outcomes(inventory) is None
        for number in range(KEPT_RUNS + 3):
            outcomes = [("a", "ok"), ("b", "failed" if number % 2 else "ok")]
            store.record_run(inventory, command="call", started=float(number), elapsed=0.1, outcomes=outcomes)
        assert store.last_outcomes(inventory) == {"a": "ok", "b": "ok"}
        store.keep("export", "a", "https://a", {"where": "Ærø"}, at=1.5)
        store.keep("export", "a", "https://a", {"where": "/two"}, at=2.5)
        store.keep("export", "b", "https://b", {}, at=2.5)
    with Store(database) as store:
        kept = store.kept("export", ["https://a"])
        assert [(one.at, one.value["where"]) for one in kept] == [(2.5, "/two"), (1.5, "Ærø")]
        assert store.forget("export", "https://a", before=2.0) == 1
        assert len(store.kept("export", ["https://a", "https://b"])) == 2
    with database.connect() as connection:
        assert connection.execute("select count(*) from run") == [(KEPT_RUNS,)]
        assert connection.execute("select count(*) from outcome") == [(2 * KEPT_RUNS,)]


@BOTH
def test_a_transaction_is_whole_or_nothing(database: Database) -> None:
    sql = "insert into site_record (kind, site, url, at, value) values (?, ?, ?, ?, ?)"
    with database.connect() as connection:
        with pytest.raises(ZeroDivisionError), connection.transaction():
            connection.execute(sql, ("k", "s", "u", 1.0, "{}"))
            raise ZeroDivisionError
        with pytest.raises(StoreFailed), connection.transaction():
            connection.execute(sql, ("k", "s", "u", 1.0, "{}"))
            connection.execute(sql, ("k", None, "u", 1.0, "{}"))
        with connection.transaction():
            connection.execute(sql, ("k", "100 % ?", "u", 1.0, "{}"))
        assert connection.execute("select site from site_record where site like '100 %'") == [("100 % ?",)]
        assert connection.change("delete from site_record") == 1
        assert abs(connection.now() - time.time()) < 60


def newest(connection: Connection) -> None:
    if connection.dialect == "sqlite":
        connection.execute("pragma user_version = 999")
    else:
        connection.execute("update fleet_schema set version = 999")


@BOTH
async def test_a_database_of_a_newer_fleet_is_refused(database: Database, tmp_path: Path) -> None:
    with database.connect() as connection:
        newest(connection)
    with pytest.raises(StoreFailed, match=r": it was made by a newer version of fleet$"):
        Journals(database).listed()
    with pytest.raises(StoreFailed, match="newer"):
        Store(database)


def size_of(path: Path) -> int:
    return sum(one.stat().st_size for one in path.parent.iterdir() if one.name.startswith(path.name))


async def test_the_log_beside_the_database_stays_bounded_while_others_have_it_open(tmp_path: Path) -> None:
    journals = Journals()
    path = tmp_path / "state" / "fleet.db"
    noise = os.urandom(150_000).hex()
    longest = 0
    with journals.create(plan_of_six(), now=NOW, urls=URLS) as journal, state_database().connect() as other:
        assert other.execute("select count(*) from rollout") == [(1,)]
        for number in range(150):
            entry = Entry(kind="intent", at=NOW, site="s0", step="stop", item=str(number), data={"text": noise})
            await journal.append(entry)
            longest = max(longest, path.with_name("fleet.db-wal").stat().st_size)
        assert path.stat().st_size > 4 * sqlite_room.LOG_CAP, "far more was written than a log may hold"
        assert longest < 2 * sqlite_room.LOG_CAP
        assert len(await journal.entries()) == 150
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]


def fill(disk: Path) -> None:
    with (disk / "filling").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            return


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own with two megabytes."""
    if not is_root():
        pytest.skip("only root can mount a disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


async def test_a_disk_that_fills_up_stops_the_journal_with_all_that_it_acknowledged(disk: Path) -> None:
    database = Sqlite(disk / "state" / "fleet.db")
    journals = Journals(database)
    kept = 0
    with journals.create(plan_of_six(), now=NOW, urls=URLS) as journal:
        fill(disk)
        with pytest.raises(StoreFailed) as failed:
            for entry in some_entries(4000):
                await journal.append(entry)
                kept += 1
        told = f"the journal of {journal.rollout} can't be written: {disk}/state/fleet.db: its disk is full"
        assert str(failed.value) == told
        (disk / "filling").unlink()
        assert len(await journal.entries()) == kept
        await journal.append(Entry(kind="paused", at=NOW, outcome="hand"))
        assert len(journals.entries(journal.rollout)) == kept + 1


async def test_no_database_is_migrated_where_its_backup_does_not_fit(disk: Path) -> None:
    path = disk / "state" / "fleet.db"
    old_database(path, 2)
    fill(disk)
    with pytest.raises(StoreFailed, match="its disk is full"):
        Sqlite(path).connect()
    assert [one.name for one in path.parent.iterdir() if ".bak" in one.name] == []
    # To read it, too, needs a little room on the disk.
    (disk / "filling").unlink()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("pragma user_version").fetchone() == (2,)
    Sqlite(path).connect().close()
    assert path.with_name(f"fleet.db.before-v{NEWEST}.bak").exists()


async def test_a_damaged_database_is_told(tmp_path: Path) -> None:
    journals = Journals()
    with journals.create(plan_of_six(), now=NOW, urls=URLS) as journal:
        await journal.append(*some_entries(200))
    path = tmp_path / "state" / "fleet.db"
    data = bytearray(path.read_bytes())
    # The first page says what is where; from there on nothing is as it was.
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(StoreFailed, match=f"{path}: it is damaged"):
        journals.entries(journal.rollout)


def test_every_step_is_there_for_both_kinds() -> None:
    for version in range(len(MIGRATIONS)):
        assert len(statements(version, "sqlite")) == len(statements(version, "postgresql")) > 0
        assert not [one for one in statements(version, "postgresql") if "{" in one or "strict" in one]


# PostgreSQL


@pytest.mark.parametrize(
    "url",
    [
        "mysql://fleet:hunter22@db.example.net/fleet",
        "postgresql://fleet:hunter22/more@db.example.net/fleet",
        "postgresql://fleet:hunter22@db.example.net:port/fleet",
        "postgresql://fleet:hunter22@[db/fleet",
        "postgresql://fleet:hunter22%zz@db.example.net/fleet",
        "hunter22",
    ],
)
def test_an_address_that_is_none_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        state_database({"FLEET_DATABASE_URL": url}).connect()
    assert "FLEET_DATABASE_URL" in str(refused.value)
    assert "hunter" not in str(refused.value)


async def test_a_server_that_is_not_there_is_named_without_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_DATABASE_URL", "postgresql://fleet:hunter22@127.0.0.1:9/state")
    with pytest.raises(StoreFailed) as failed:
        Store.open_default()
    assert str(failed.value).startswith("127.0.0.1:9/state: ")
    assert "refused" in str(failed.value)
    assert "hunter22" not in str(failed.value)


@needs_postgres
def test_a_password_that_is_wrong_is_not_told(postgres_server: object) -> None:
    assert callable(postgres_server)
    url = postgres_server().replace("pass%2Fword", "hunter22")
    with pytest.raises(StoreFailed, match="password authentication failed") as failed:
        Postgres(url).connect()
    assert "hunter22" not in str(failed.value)


@needs_postgres
async def test_the_password_may_come_from_elsewhere(postgres_server: object, monkeypatch: pytest.MonkeyPatch) -> None:
    assert callable(postgres_server)
    url = postgres_server().replace(":pass%2Fword%3Aof%40tests", "")
    monkeypatch.setenv("PGPASSWORD", "pass/word:of@tests")
    with Postgres(url).connect() as connection:
        assert connection.execute("select 1") == [(1,)]


@needs_postgres
async def test_a_journal_whose_session_died_appends_nothing_more(postgres_server: object) -> None:
    assert callable(postgres_server)
    database = Postgres(postgres_server())
    journals = Journals(database)
    with journals.create(plan_of_six(), now=NOW, urls=URLS) as journal:
        await journal.append(*some_entries(3))
        with database.connect() as other:
            killed = (
                "select count(pg_terminate_backend(pid)) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )
            assert other.execute(killed) == [(1,)]
        with pytest.raises(StoreFailed, match=f"the journal of {journal.rollout} can't be written: 127.0.0.1:"):
            await journal.append(*some_entries(1))
        # Its lock went with its session, and somebody else goes on.
        with journals.open(journal.rollout, urls=URLS) as second:
            await second.append(Entry(kind="resumed", at=NOW))
            with pytest.raises(StoreFailed):
                await journal.append(*some_entries(1))
            assert len(await second.entries()) == 4


@needs_postgres
async def test_selections_of_the_last_run_come_from_postgresql(
    postgres_server: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(postgres_server)
    monkeypatch.setenv("FLEET_DATABASE_URL", postgres_server())
    inventory = tmp_path / "inventory.toml"
    inventory.write_text('[sites.gone]\nurl = "http://127.0.0.1:9/arcgis"\nusername = "siteadmin"\n')
    arguments = ["call", "rest/info", "-i", str(inventory), "-o", "ndjson"]
    first = await fleet(*arguments)
    assert (first.returncode, first.stderr.count("not recorded")) == (1, 0), first.stderr
    again = await fleet(*arguments, "-s", "@failed")
    assert (again.returncode, again.stdout.count('"site":"gone"')) == (1, 1), again.stderr
    assert not (tmp_path / "state" / "fleet.db").exists()
