"""The state database: SQLite in the state folder, or PostgreSQL where `FLEET_DATABASE_URL` says so; one way to use both."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, Self, TypeAlias

from fleet import places
from fleet.history.migrations import Dialect

__all__ = ["URL_VARIABLE", "Connection", "Database", "Row", "in_list", "state_database"]

URL_VARIABLE = "FLEET_DATABASE_URL"

Row: TypeAlias = tuple[Any, ...]


class Connection(Protocol):
    """One connection, used by one thread at a time; a context manager that closes it.

    SQL is written with `?` for each parameter. Every method raises `StoreFailed`, whose text says which database it is
    and why it can't be used, and never a password.
    """

    dialect: Dialect

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """The rows of *sql*, none where it gives none. Outside of `transaction` it is one by itself."""

    def change(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Do *sql*; how many rows that changed."""

    def execute_many(self, sql: str, parameters: Iterable[Sequence[Any]]) -> None:
        """Do *sql* with each of *parameters*."""

    def transaction(self) -> AbstractContextManager[None]:
        """All that is done inside, or nothing of it; durable at its end where the connection was asked to be so.

        With SQLite nobody else writes meanwhile.
        """

    def now(self) -> float:
        """Epoch seconds by the database's own clock."""

    def close(self) -> None:
        """Close it; a second time is nothing."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class Database(Protocol):
    """Where the state database is."""

    dialect: Dialect
    where: str
    """What it is called in a sentence: a path, or `HOST:PORT/NAME`."""

    def connect(self, *, durable: bool = True) -> Connection:
        """A connection to it, in the newest shape; what is not *durable* may be lost with the machine's power.

        Raises `StoreFailed`; and `UsageError` where PostgreSQL is asked for and can't be spoken to.
        """

    def exists(self) -> bool:
        """Whether there is one that can be read, as far as that is known without connecting."""


def state_database(environment: Mapping[str, str] = os.environ, *, folder: Path | None = None) -> Database:
    """The state database that *environment* names; *folder* is the state folder, the usual one where it is None.

    Raises `UsageError` for an address that is none of PostgreSQL.
    """
    url = environment.get(URL_VARIABLE, "")
    if url:
        from fleet.history.postgres import Postgres

        return Postgres(url)
    from fleet.history.sqlite import Sqlite

    return Sqlite((folder or places.state_folder(environment)) / "fleet.db")


def in_list(count: int) -> str:
    """`(?, ?, …)` for *count* parameters."""
    return f"({', '.join('?' * count)})"
