"""The embedded database that a query runs on: tables in memory, nothing but reading, and an end that is kept."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from fleet.durations import parse_duration
from fleet.errors import FleetError, UsageError
from fleet.protocol.fields import as_bool, as_int
from fleet.rows.table import Column, Row

__all__ = ["Database", "QueryFailed"]

MEMORY = 4 * 1024 * 1024 * 1024
"""Bytes that the database may take."""

CELL = 256 * 1024 * 1024
"""Bytes that one value may have."""

ANSWER = 1024 * 1024 * 1024
"""Characters and bytes that an answer may have in its texts."""

EVERY = 100_000
"""Steps of the engine between two looks whether it should end."""

AT_ONCE = 100
"""Rows that are taken between two looks at the size of the answer."""

_TYPES = {"text": "text", "integer": "integer", "real": "real", "boolean": "integer", "time": "integer", "json": "text"}
_READING = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}


class QueryFailed(FleetError):
    """The query was begun and can't be answered: a function refused a value, say, or memory or time ran out."""


class Database:
    """Tables in memory. `now` is what `ago('2h')` counts from, epoch seconds."""

    def __init__(self, now: float | None = None) -> None:
        self.now = time.time() if now is None else now
        self._connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self._connection.execute(f"pragma hard_heap_limit = {MEMORY}")
        self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, CELL)
        self._connection.create_function("ago", 1, self._ago, deterministic=True)
        self._stopped = False
        self._columns: dict[str, Sequence[Column]] = {}

    def close(self) -> None:
        """Free all that it holds."""
        self._connection.close()

    def stop(self) -> None:
        """End the query that runs; may be called from another thread."""
        self._stopped = True

    def _ago(self, text: Any) -> int:
        return round((self.now - parse_duration(str(text))) * 1000)

    def create(self, name: str, columns: Sequence[Column]) -> None:
        """Make the table *name*."""
        told = ", ".join(f'"{column.name}" {_TYPES[column.type]}' for column in columns)
        self._connection.execute(f'create table "{name}" ({told})')
        self._columns[name] = columns

    def also_call(self, name: str, alias: str) -> None:
        """Let the table *name* be found as *alias*, too."""
        self._connection.execute(f'create view "{alias}" as select * from "{name}"')  # noqa: S608

    def insert(self, name: str, rows: Iterable[Row], more: Mapping[str, Any] = {}) -> int:
        """Add *rows*, each with *more* beside; how many they were. Cells become what the column's type says."""
        columns = self._columns[name]
        makers = [(column.name, _MAKERS[column.type]) for column in columns]
        fixed = {column.name: more[column.name] for column in columns if column.name in more}
        cells = [tuple(fixed[key] if key in fixed else make(row.get(key)) for key, make in makers) for row in rows]
        marks = ", ".join("?" * len(columns))
        self._connection.executemany(f'insert into "{name}" values ({marks})', cells)  # noqa: S608
        return len(cells)

    def check(self, text: str) -> None:
        """Raise `UsageError` for a query that can't run on the tables as they are."""
        self._connection.set_authorizer(_only_reading)
        try:
            self._connection.execute(f"explain {text}")
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
            raise UsageError(f"the query can't be answered: {error}") from None
        finally:
            self._connection.set_authorizer(None)

    def fitting(self, table: str, column: str, conditions: Sequence[str]) -> list[Any]:
        """The values of *column* in the rows of *table* that fit all *conditions*."""
        where = " and ".join(f"({condition})" for condition in conditions) or "1"
        self._connection.set_authorizer(_only_reading)
        try:
            return [
                value
                for (value,) in self._connection.execute(f'select "{column}" from "{table}" where {where}')  # noqa: S608
            ]
        finally:
            self._connection.set_authorizer(None)

    def value(self, expression: str) -> Any:
        """What a constant *expression* comes to; raises `sqlite3.Error`."""
        self._connection.set_authorizer(_only_reading)
        try:
            return self._connection.execute(f"select {expression}").fetchone()[0]
        finally:
            self._connection.set_authorizer(None)

    def run(self, text: str, most: int, limit: float | None = None) -> tuple[list[str], list[tuple[Any, ...]]]:
        """The names of the columns and the rows, at most *most*, in *limit* seconds; raises `QueryFailed`."""
        end = None if limit is None else time.monotonic() + limit

        def over() -> bool:
            return self._stopped or (end is not None and time.monotonic() > end)

        self._connection.set_authorizer(_only_reading)
        self._connection.set_progress_handler(over, EVERY)
        try:
            cursor = self._connection.execute(text)
            rows: list[tuple[Any, ...]] = []
            size = 0
            while part := cursor.fetchmany(AT_ONCE):
                rows += part
                # Every tenth row will do: this is against an answer that fills the memory by mistake.
                size += 10 * sum(len(cell) for row in part[::10] for cell in row if isinstance(cell, str | bytes))
                if len(rows) > most:
                    raise QueryFailed(f"the answer has more than {most} rows; add a condition, or raise --max-rows")
                if size > ANSWER:
                    raise QueryFailed(f"the answer is larger than {ANSWER // 1024**3} GiB; add a condition")
                if over():
                    raise sqlite3.OperationalError
            return [name for name, *_ in cursor.description or ()], rows
        except sqlite3.Error as error:
            if over():
                why = "was stopped before its end" if self._stopped else "did not end within the deadline"
                raise QueryFailed(f"the query {why}") from None
            raise QueryFailed(f"the query failed: {error}") from None
        except MemoryError:
            raise QueryFailed(f"the query needs more memory than {MEMORY // 1024**3} GiB") from None
        finally:
            self._connection.set_progress_handler(None, 0)
            self._connection.set_authorizer(None)


def _only_reading(action: int, first: str | None, second: str | None, *rest: Any) -> int:
    if action == sqlite3.SQLITE_FUNCTION and second in ("load_extension", "fts3_tokenizer"):
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_READ and first is not None and first.lower().startswith(("sqlite_", "pragma_")):
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY


def _integer(value: Any) -> Any:
    if value == "":
        return None
    if value is None or type(value) is int:
        return value if value is None or -(2**63) <= value < 2**63 else str(value)
    whole = as_int(value)
    return _text(value) if whole is None else whole


def _real(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    try:
        return None if value is None or value == "" else float(value)
    except (TypeError, ValueError):
        return _text(value)


def _boolean(value: Any) -> Any:
    truth = as_bool(value)
    return _text(value) if truth is None else int(truth)


def _text(value: Any) -> Any:
    if value is None or type(value) is str:
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return _json(value)
    return str(value)


def _json(value: Any) -> Any:
    return None if value is None else msgspec.json.encode(value, order="sorted").decode()


_MAKERS: dict[str, Callable[[Any], Any]] = {
    "text": _text,
    "integer": _integer,
    "real": _real,
    "boolean": _boolean,
    "time": _integer,
    "json": _json,
}


def rows_as_dicts(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Rows with their columns' names; a name that comes again gets a number: `site`, `site_2`."""
    unique: list[str] = []
    for name in names:
        number = 2
        told = name
        while told in unique:
            told, number = f"{name}_{number}", number + 1
        unique.append(told)
    for row in rows:
        yield dict(zip(unique, row, strict=True))
