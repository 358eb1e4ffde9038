"""Rows that were fetched before, in the cache folder: what `--max-age` answers from."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import msgspec

from fleet import places, platform
from fleet.inventory.model import Site
from fleet.rows.table import Row, Wanted

__all__ = ["Cache"]

NAME = "rows.db"
LONGEST = 7 * 86_400.0
"""Seconds after which rows are forgotten."""

SKEW = 1.0
"""Seconds by which rows may be from the future; what is newer was read before the clock was set back, and has no age."""

EACH = 4
"""Readings of one table of one site that are kept."""

SCHEMA = """
create table if not exists reading (
    url text not null, account text not null, name text not null, wanted text not null,
    at real not null, rows blob not null, primary key (url, account, name, wanted)
) strict, without rowid;
"""


class Cache:
    """Rows by site, account and table; what can't be read or written is simply fetched again.

    *max_age* is seconds. Rows that were read for more columns, folders or times than are wanted now will do.
    """

    def __init__(self, path: Path, max_age: float) -> None:
        self._max_age = max_age
        self._connection: sqlite3.Connection | None = None
        with contextlib.suppress(OSError, sqlite3.Error):
            platform.secure_folder(path.parent, places.KEPT)
            if not path.exists():
                os.close(platform.open_private(path, append=True))
            connection = sqlite3.connect(path, timeout=2.0, isolation_level=None, check_same_thread=False)
            self._connection = connection
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = off")
            connection.executescript(SCHEMA)
            connection.execute("delete from reading where at < ?", (time.time() - LONGEST,))

    @classmethod
    def open_default(cls, max_age: float) -> Self:
        """The cache at its usual place."""
        return cls(places.cache_folder() / NAME, max_age)

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()

    def recall(self, site: Site, name: str, wanted: Wanted) -> tuple[Sequence[Row], float] | None:
        """The rows of the table *name* of *site* and when they were read; None where none will do."""
        if self._connection is None:
            return None
        now = time.time()
        try:
            found = self._connection.execute(
                "select wanted, at, rows from reading where url = ? and account = ? and name = ? and at between ? and ? "
                "order by at desc",
                (site.url, _account(site), name, now - self._max_age, now + SKEW),
            ).fetchall()
            for told, at, rows in found:
                if _covers(msgspec.json.decode(told), wanted):
                    decoded: list[Row] = msgspec.json.decode(zlib.decompress(rows))
                    return decoded, at
        except (sqlite3.Error, msgspec.DecodeError, zlib.error, TypeError, KeyError):
            return None
        return None

    def keep(self, site: Site, name: str, wanted: Wanted, rows: Sequence[Row], at: float) -> None:
        """Keep rows that were read at *at*."""
        if self._connection is None:
            return
        with contextlib.suppress(sqlite3.Error, msgspec.MsgspecError, TypeError, ValueError):
            key = (site.url, _account(site), name)
            self._connection.execute(
                "insert or replace into reading values (?, ?, ?, ?, ?, ?)",
                (*key, _told(wanted), at, zlib.compress(msgspec.json.encode(list(rows)), 1)),
            )
            self._connection.execute(
                "delete from reading where url = ? and account = ? and name = ? and at not in (select at from reading "
                "where url = ? and account = ? and name = ? order by at desc limit ?)",
                (*key, *key, EACH),
            )


def _account(site: Site) -> str:
    return f"{site.auth.kind}/{site.username or site.auth.client_id or ''}"


def _told(wanted: Wanted) -> str:
    told: dict[str, Any] = {
        "columns": None if wanted.columns is None else sorted(wanted.columns),
        "folders": None if wanted.folders is None else sorted(wanted.folders),
        "level": wanted.level,
        "newest": wanted.newest,
        "oldest": wanted.oldest,
        "limit": wanted.limit,
    }
    return msgspec.json.encode(told).decode()


def _covers(told: dict[str, Any], wanted: Wanted) -> bool:
    """Whether rows read for *told* have all that is *wanted*. Columns None are those that cost nothing."""
    if told["limit"] is not None or (wanted.columns is not None and told["columns"] is None):
        return False
    if wanted.columns is not None and not wanted.columns <= set(told["columns"]):
        return False
    if told["folders"] is not None and (wanted.folders is None or not wanted.folders <= set(told["folders"])):
        return False
    if told["level"] is not None and told["level"] != wanted.level:
        return False
    newest, oldest = told["newest"], told["oldest"]
    if newest is not None and (wanted.newest is None or wanted.newest > newest):
        return False
    return oldest is None or (wanted.oldest is not None and wanted.oldest >= oldest)
