"""The state database as SQLite: opened, migrated with a backup, checkpointed by one at a time, and its errors in words."""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import Any, Self

from fleet import places, platform
from fleet.errors import StoreFailed
from fleet.history.database import Row
from fleet.history.migrations import NEWEST, Dialect, statements

__all__ = ["Sqlite", "SqliteConnection", "explain"]

ROOM = 65_536
"""Bytes that SQLite needs on the disk for its files beside the database."""

LOG_CAP = 4 * 1024 * 1024
"""Bytes of the write-ahead log above which it is carried over into the database."""

PATIENCE = 5.0
"""Seconds that another writer is waited for."""

CHECKPOINT_PATIENCE = 1.0


class Sqlite:
    """The database in the file *path*; *clock* gives epoch seconds."""

    dialect: Dialect = "sqlite"

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self.where = str(path)
        self._clock = clock

    def connect(self, *, durable: bool = True) -> SqliteConnection:
        """A connection to it, made and migrated where that is needed; raises `StoreFailed`."""
        with explained(self.path):
            return SqliteConnection(self.path, durable, self._clock)

    def exists(self) -> bool:
        """Whether the file is there; raises `StoreFailed` where that can't be told."""
        with explained(self.path):
            return self.path.exists()


class SqliteConnection:
    """A connection to the SQLite database at *path*."""

    dialect: Dialect = "sqlite"

    def __init__(self, path: Path, durable: bool, clock: Callable[[], float]) -> None:
        self._path = path
        self._log = path.with_name(f"{path.name}-wal")
        self._clock = clock
        self._lock = RLock()
        platform.secure_folder(path.parent, places.KEPT)
        if not path.exists():
            os.close(platform.open_private(path, append=True))
        # A thread of its own uses it where waiting for the disk must not hold up everything else.
        self._connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            self._connection.execute("pragma journal_mode = wal")
            # By itself SQLite carries the log over whenever a commit finds it long, and up to 3.51.2 two who do so at
            # the wrong moment can lose what a third has written. See `_checkpoint`.
            self._connection.execute("pragma wal_autocheckpoint = 0")
            self._connection.execute(f"pragma synchronous = {'full' if durable else 'normal'}")
            self._connection.execute("pragma foreign_keys = on")
            self._migrate()
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it; a second time is nothing."""
        with self._lock:
            # The last one that is closed carries the log over, and keeps everybody else out while it does.
            self._connection.close()

    def now(self) -> float:
        """Epoch seconds by the clock of this machine, on which everybody is who uses this database."""
        return self._clock()

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        with self._lock, explained(self._path):
            return self._connection.execute(sql, parameters).fetchall()

    def change(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        with self._lock, explained(self._path):
            return self._connection.execute(sql, parameters).rowcount

    def execute_many(self, sql: str, parameters: Iterable[Sequence[Any]]) -> None:
        with self._lock, explained(self._path):
            self._connection.executemany(sql, parameters)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._lock:
            with explained(self._path):
                self._connection.execute("begin immediate")
            try:
                yield
                with explained(self._path):
                    self._connection.execute("commit")
            except BaseException:
                # A full disk has rolled it back already, and a second time would hide why.
                if self._connection.in_transaction:
                    with suppress(sqlite3.Error):
                        self._connection.execute("rollback")
                raise
            self._checkpoint()

    def _checkpoint(self) -> None:
        """Carry a long log over into the database, if nobody else is doing so.

        SQLite 3.7.0 to 3.51.2 can damage the database where one checkpoint is under way just after another one was
        done, and a third connection begins the log anew meanwhile. So there is one checkpoint at a time, by the lock of
        a file, and it is of the kind that keeps writers out, and leaves an empty log: there is nothing to do for one
        that comes just after it.
        """
        try:
            if self._log.stat().st_size <= LOG_CAP:
                return
            descriptor = platform.open_private(self._path.with_name(f"{self._path.name}.checkpoint"), append=True)
        except OSError:
            return
        try:
            if platform.try_lock(descriptor) and self._log.stat().st_size > LOG_CAP:
                self._connection.execute(f"pragma busy_timeout = {int(CHECKPOINT_PATIENCE * 1000)}")
                self._connection.execute("pragma wal_checkpoint(truncate)")
        except (OSError, sqlite3.Error):
            # What was committed is durable all the same; the next one tries again.
            return
        finally:
            os.close(descriptor)
            with suppress(sqlite3.Error):
                self._connection.execute(f"pragma busy_timeout = {int(PATIENCE * 1000)}")

    def _version(self) -> int:
        (version,) = self._connection.execute("pragma user_version").fetchone()
        if version > NEWEST:
            raise sqlite3.DatabaseError("it was made by a newer version of fleet")
        return int(version)

    def _migrate(self) -> None:
        version = self._version()
        if version == NEWEST:
            return
        if version:
            self._back_up()
        self._connection.execute("begin immediate")
        try:
            # Somebody else may have done it while this one waited for its turn.
            for step in range(self._version(), NEWEST):
                for statement in statements(step, "sqlite"):
                    self._connection.execute(statement)
                self._connection.execute(f"pragma user_version = {step + 1}")
            self._connection.execute("commit")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("rollback")
            raise

    def _back_up(self) -> None:
        """Keep the database as it is in `fleet.db.before-vN.bak` beside it, unless that is there already."""
        kept = self._path.with_name(f"{self._path.name}.before-v{NEWEST}.bak")
        if kept.exists():
            return
        draft = kept.with_name(f"{kept.name}.{secrets.token_hex(6)}")
        try:
            os.close(platform.open_private(draft))
            with closing(sqlite3.connect(draft, isolation_level=None)) as target:
                self._connection.backup(target)
                # One file by itself, that needs none beside it to be opened.
                target.execute("pragma journal_mode = delete")
            with draft.open("rb+") as file:
                os.fsync(file.fileno())
            draft.replace(kept)
            platform.sync_folder(kept.parent)
        finally:
            draft.unlink(missing_ok=True)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Whatever SQLite, or the disk, says inside comes out as `StoreFailed`."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise StoreFailed(explain(error, path)) from None


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
