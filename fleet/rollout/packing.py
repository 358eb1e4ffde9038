"""How plans and entries of journals are kept: as JSON, the long ones compressed, each entry chained to the one before."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any, cast

from fleet.errors import StoreFailed
from fleet.history.database import Row
from fleet.rollout.entry import NOTHING, Entry

__all__ = ["FIRST", "SPAN", "chained", "entry_of", "packed", "row_of", "unpacked"]

SPAN = 1 << 32
"""The id of an entry is the key of its rollout times this, and its number."""

LONG = 1024
"""Bytes from which JSON is compressed."""

FIRST = b""
"""What the first entry of a journal is chained to."""

PLAIN, SHORTER = b"j", b"z"


def packed(value: Any) -> bytes:
    """*value* (JSON) as bytes."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True).encode("ascii")
    # The fastest level: a definition in an intent holds the same words again and again, and is kept in a tenth.
    return SHORTER + zlib.compress(text, 1) if len(text) >= LONG else PLAIN + text


def unpacked(data: bytes) -> Any:
    """The value that `packed` made *data* of; raises `ValueError` for anything else."""
    data = bytes(data)
    match data[:1]:
        case b"j":
            return json.loads(data[1:])
        case b"z":
            try:
                return json.loads(zlib.decompress(data[1:]))
            except zlib.error as error:
                raise ValueError(str(error)) from None
    raise ValueError("it is nothing that was packed")


def chained(rollout: str, number: int, fields: tuple[Any, ...], data: bytes | None, before: bytes) -> bytes:
    """The digest of an entry together with that of the one *before* it."""
    digest = hashlib.sha256(before)
    digest.update(json.dumps([rollout, number, *fields], separators=(",", ":"), ensure_ascii=True).encode("ascii"))
    digest.update(data or b"")
    return digest.digest()[:16]


def _fields(entry: Entry) -> tuple[Any, ...]:
    return (
        entry.kind,
        entry.phase,
        entry.wave,
        entry.site,
        entry.step,
        entry.item,
        entry.fence,
        entry.outcome,
        float(entry.at),
    )


def row_of(entry: Entry, rollout: str, key: int, number: int, before: bytes) -> Row:
    """The row of *entry*, which is the one *number* of the journal of *rollout*, with the digest of all up to it."""
    data = packed(dict(entry.data)) if entry.data else None
    fields = _fields(entry)
    return (key * SPAN + number, *fields, chained(rollout, number, fields, data, before), data)


def entry_of(row: Row, rollout: str, before: bytes | None, number: int | None) -> Entry:
    """The entry of *row*; raises `StoreFailed` where it is not what was written after what has the digest *before*.

    Without *before* and *number* the chain is not looked at: of some entries alone it can't be told.
    """
    found = row[0] % SPAN
    fields, chain, kept = row[1:10], bytes(row[10]), None if row[11] is None else bytes(row[11])
    # Numbers that a database gives back as whole ones were times all the same.
    fields = (*fields[:8], float(fields[8]))
    if number is not None and found != number:
        raise StoreFailed(f"the journal of {rollout} is damaged: entry {number} is missing")
    if before is not None and chained(rollout, found, fields, kept, before) != chain:
        raise StoreFailed(f"the journal of {rollout} is damaged: entry {found} is not as it was written")
    try:
        data = NOTHING if kept is None else unpacked(kept)
    except ValueError:
        raise StoreFailed(f"the journal of {rollout} is damaged: entry {found} can't be read") from None
    kind, phase, wave, site, step, item, fence, outcome, at = fields
    return Entry(
        kind=kind,
        at=at,
        phase=phase,
        wave=wave,
        site=site,
        step=step,
        item=item,
        fence=fence,
        outcome=outcome,
        data=cast("Mapping[str, Any]", data),
        number=found,
    )
