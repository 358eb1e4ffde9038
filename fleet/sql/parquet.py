"""Rows as a Parquet file, made by DuckDB where it is installed (the extra `sql`)."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

__all__ = ["as_parquet"]


def as_parquet(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> bytes:
    """*rows* as the bytes of a Parquet file; whole numbers, numbers and texts keep their types."""
    import duckdb

    names = list(rows[0]) if rows else list(columns)
    kinds = [_kind([row[name] for row in rows]) for name in names]
    with tempfile.TemporaryDirectory(prefix="fleet-") as folder, duckdb.connect(":memory:") as connection:
        source, target = Path(folder) / "rows.json", Path(folder) / "rows.parquet"
        # Numbered columns: names of the query's own choosing never become part of a statement.
        with source.open("wb") as file:
            for row in rows:
                file.write(msgspec.json.encode({f"c{place}": row[name] for place, name in enumerate(names)}) + b"\n")
        told = ", ".join(f"c{place} {kind}" for place, kind in enumerate(kinds))
        connection.execute(f"create table answer ({told})")
        if rows:
            given = "{" + ", ".join(f"c{place}: '{kind}'" for place, kind in enumerate(kinds)) + "}"
            connection.execute(
                f"insert into answer select * from read_json(?, format='newline_delimited', columns={given})",  # noqa: S608
                [str(source)],
            )
        aliases = ", ".join(f'c{place} as "{name.replace(chr(34), chr(34) * 2)}"' for place, name in enumerate(names))
        connection.execute(f"copy (select {aliases} from answer) to '{target}' (format parquet)")  # noqa: S608
        return target.read_bytes()


def _kind(values: Sequence[Any]) -> str:
    told = {type(value) for value in values if value is not None}
    if told == {int}:
        return "bigint"
    return "double" if told and told <= {int, float} else "varchar"
