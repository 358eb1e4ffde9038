"""A log record as a row of a table: its site and the time as text in front of what the site said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleet.outcome import timestamp
from fleet.protocol.fields import as_int

__all__ = ["COLUMNS", "as_row", "time_text"]

COLUMNS = (
    "site",
    "at",
    "type",
    "code",
    "machine",
    "source",
    "message",
    "time",
    "user",
    "process",
    "thread",
    "methodName",
    "elapsed",
    "requestID",
)
"""The members of a row, as csv has them in this order."""

LATEST = 253_402_300_799_999
"""The last millisecond that a date can be written for."""


def time_text(value: Any) -> str:
    """Epoch milliseconds as UTC text with milliseconds; empty for anything that is no such time."""
    time = as_int(value)
    return timestamp(time / 1000) if time is not None and 0 <= time <= LATEST else ""


def as_row(site: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """*record* with `site` and `at`, its time as UTC text, in front; members of those names are told as `value.site`."""
    row: dict[str, Any] = {"site": site, "at": time_text(record.get("time"))}
    if "site" in record or "at" in record:
        return row | {f"value.{key}" if key in row else key: value for key, value in record.items()}
    row.update(record)
    return row
