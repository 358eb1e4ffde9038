"""What a snapshot is told by: as a whole, site by site, and each piece as the bytes that it is kept as."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from fleet.outcome import timestamp

__all__ = ["Kept", "Pruned", "SiteRecord", "decoded", "encoded"]

_encode = msgspec.json.Encoder(order="sorted").encode


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRecord:
    """What a snapshot holds of one site: its pieces by name, those that its release lacks, those that could not be read.

    `outcome` is what the site came to, and `error` why where that is no success. `pieces` are names -> digests in hex.
    """

    outcome: str
    error: Mapping[str, Any] | None = None
    url: str | None = None
    release: str | None = None
    groups: tuple[str, ...] = ()
    labels: Mapping[str, str]
    pieces: Mapping[str, str]
    absent: Mapping[str, str]
    failed: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A snapshot as it is listed.

    `made` is epoch seconds, when it was begun; `elapsed` seconds. `written` are the bytes that it added to the store.
    `coverage` is `{"selected", "answered", "missing"}`, and `failed` counts the pieces that could not be read.
    """

    id: str
    name: str | None
    made: float
    elapsed: float
    selection: str
    coverage: Mapping[str, Any]
    pieces: int
    failed: int
    written: int
    root: str
    at: tuple[float, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The snapshot as plain JSON values."""
        return {
            "id": self.id,
            "name": self.name,
            "made": timestamp(self.made),
            "elapsed": round(self.elapsed, 3),
            "selection": self.selection,
            "coverage": dict(self.coverage),
            "pieces": self.pieces,
            "failed": self.failed,
            "written": self.written,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What pruning removed, or would: snapshots, and bytes of the disk."""

    removed: tuple[Kept, ...]
    kept: int
    freed: int


def encoded(value: Any) -> bytes:
    """*value* as JSON with sorted members: equal values are equal bytes."""
    try:
        return _encode(value)
    except (TypeError, ValueError, OverflowError):
        # Numbers and texts that only the standard library writes.
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def decoded(data: bytes) -> Any:
    """The JSON value in *data*."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return json.loads(data)
