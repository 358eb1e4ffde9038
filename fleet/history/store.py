"""Runs and their outcomes in SQLite: enough to select the sites that failed last."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fleet import places, platform

__all__ = ["KEPT_RUNS", "SiteRecord", "Store", "explain"]

KEPT_RUNS = 200
"""Runs of one inventory that are kept."""

ROOM = 65_536
"""Bytes that SQLite needs on the disk for its files beside the database."""

MIGRATIONS = (
    """
    create table run (
        id integer primary key,
        inventory text not null,
        command text not null,
        started real not null,
        elapsed real not null
    ) strict;
    create index run_by_inventory on run (inventory, id);
    create table outcome (
        run integer not null references run (id) on delete cascade,
        site text not null,
        outcome text not null,
        primary key (run, site)
    ) strict, without rowid;
    """,
    """
    create table site_record (
        id integer primary key,
        kind text not null,
        site text not null,
        url text not null,
        at real not null,
        value text not null
    ) strict;
    create index site_record_by_url on site_record (kind, url, at);
    """,
)
"""Each step from one version of the database to the next; `pragma user_version` counts those that were taken."""


@dataclass(frozen=True, slots=True)
class SiteRecord:
    """What was kept of one site at one time (epoch seconds)."""

    site: str
    url: str
    at: float
    value: Any


class Store:
    """The database of the state folder; a context manager that closes it."""

    def __init__(self, path: Path) -> None:
        platform.secure_folder(path.parent, places.KEPT)
        if not path.exists():
            os.close(platform.open_private(path, append=True))
        self._connection = sqlite3.connect(path, timeout=5.0, isolation_level=None)
        try:
            self._connection.execute("pragma journal_mode = wal")
            self._connection.execute("pragma synchronous = normal")
            self._connection.execute("pragma foreign_keys = on")
            self._migrate()
        except BaseException:
            self._connection.close()
            raise

    @classmethod
    def open_default(cls) -> Self:
        """The store at its usual place."""
        return cls(places.state_folder() / "fleet.db")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def _migrate(self) -> None:
        (version,) = self._connection.execute("pragma user_version").fetchone()
        if version > len(MIGRATIONS):
            raise sqlite3.DatabaseError("it was made by a newer version of fleet")
        for step in range(version, len(MIGRATIONS)):
            self._connection.executescript(f"begin;{MIGRATIONS[step]}pragma user_version = {step + 1};commit;")

    def record_run(
        self,
        inventory: Sequence[Path],
        *,
        command: str,
        started: float,
        elapsed: float,
        outcomes: Iterable[tuple[str, str]],
    ) -> int:
        """Keep one run on *inventory* in one transaction; its number. *outcomes* are pairs of site and outcome."""
        key = identity(inventory)
        self._connection.execute("begin immediate")
        try:
            cursor = self._connection.execute(
                "insert into run (inventory, command, started, elapsed) values (?, ?, ?, ?)",
                (key, command, started, elapsed),
            )
            number = cursor.lastrowid or 0
            self._connection.executemany(
                "insert into outcome (run, site, outcome) values (?, ?, ?)",
                ((number, site, outcome) for site, outcome in outcomes),
            )
            self._connection.execute(
                "delete from run where inventory = ? and id not in "
                "(select id from run where inventory = ? order by id desc limit ?)",
                (key, key, KEPT_RUNS),
            )
            self._connection.execute("commit")
        except BaseException:
            # A full disk has rolled it back already, and a second time would hide why.
            if self._connection.in_transaction:
                self._connection.execute("rollback")
            raise
        return number

    def keep(self, kind: str, site: str, url: str, value: Any, *, at: float) -> None:
        """Keep *value* (JSON) as what is known of the site at *url*, by its *kind*: an export, a state before an upgrade."""
        self._connection.execute(
            "insert into site_record (kind, site, url, at, value) values (?, ?, ?, ?, ?)",
            (kind, site, url, at, json.dumps(value)),
        )

    def kept(self, kind: str, urls: Collection[str]) -> list[SiteRecord]:
        """Every record of *kind* of the sites at *urls*, the newest first."""
        found = self._connection.execute(
            "select site, url, at, value from site_record where kind = ? order by at desc, id desc", (kind,)
        )
        wanted = frozenset(urls)
        return [SiteRecord(site, url, at, json.loads(value)) for site, url, at, value in found if url in wanted]

    def forget(self, kind: str, url: str, *, before: float) -> int:
        """Forget the records of *kind* of the site at *url* from before *before* (epoch seconds); how many."""
        return self._connection.execute(
            "delete from site_record where kind = ? and url = ? and at < ?", (kind, url, before)
        ).rowcount

    def last_outcomes(self, inventory: Sequence[Path]) -> Mapping[str, str] | None:
        """Site -> outcome of the last run on *inventory*; None where there was none."""
        found = self._connection.execute(
            "select id from run where inventory = ? order by id desc limit 1", (identity(inventory),)
        ).fetchone()
        if found is None:
            return None
        return dict(self._connection.execute("select site, outcome from outcome where run = ?", found))


def identity(inventory: Sequence[Path]) -> str:
    """What tells one inventory from another: the files that it consists of."""
    return json.dumps(sorted(str(path.resolve()) for path in inventory))


def explain(error: OSError | sqlite3.Error, path: Path) -> str:
    """Why the state database at *path* can't be read or written, in words."""
    if isinstance(error, OSError):
        return f"{path}: {error.strerror or error}"
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_FULL:
            reason = "its disk is full"
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            reason = "another program holds it"
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            reason = "it is damaged"
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM | sqlite3.SQLITE_IOERR:
            # Some of what a full disk causes comes as another error: the memory that is shared in a file, for one.
            full = path.parent.is_dir() and shutil.disk_usage(path.parent).free < ROOM
            can_not = "opened" if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_CANTOPEN else "written"
            reason = "its disk is full" if full else f"it can't be {can_not}"
        case _:
            reason = str(error)
    return f"{path}: {reason}"
