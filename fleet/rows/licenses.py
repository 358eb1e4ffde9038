"""Licences of a site as rows: its edition and level, its extensions and features, and when each ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fleet import admin as ops
from fleet.client.site import SiteClient
from fleet.errors import BadAnswer
from fleet.protocol.fields import as_bool, as_epoch
from fleet.rows.certificates import days_left
from fleet.rows.table import Column, Row, Table, Wanted

__all__ = ["LICENSES"]

ONE = ("edition", "level", "datafeature")
MANY = {"extensions": "extension", "features": "feature"}


async def _licenses(client: SiteClient, wanted: Wanted) -> Sequence[Row]:
    answer = await client.call(ops.system.licenses())
    found: list[tuple[str, Any]] = [(kind, answer[kind]) for kind in ONE if answer.get(kind) is not None]
    for member, kind in MANY.items():
        value = answer.get(member)
        found += [(kind, entry) for entry in (value if isinstance(value, list) else [] if value is None else [value])]
    rows = []
    for kind, entry in found:
        if not isinstance(entry, Mapping):
            raise BadAnswer("the list of licences holds something that is no licence")
        if entry:
            rows.append(_row(kind, entry))
    if not rows:
        raise BadAnswer("the answer holds no licence")
    return rows


def _row(kind: str, entry: Mapping[str, Any]) -> Row:
    # The end means something only where there can be one.
    end = as_epoch(entry.get("expiration")) if as_bool(entry.get("canExpire")) is not False else None
    row: Row = {"kind": kind, "daysLeft": days_left(end), "expiration": end and round(end * 1000)}
    row |= {name: entry.get(name) for name in ("name", "displayName", "version", "canExpire", "coreCount", "isValid")}
    return LICENSES.row(row)


LICENSES = Table(
    "licenses",
    "every licence of a site: edition, level, extensions and features",
    (
        Column("kind", "text", "edition, level, datafeature, extension or feature"),
        Column("name", "text", "name, such as svradv"),
        Column("displayName", "text", "name for people, where there is one"),
        Column("version", "text", "release that it is for"),
        Column("canExpire", "boolean", "whether it ends at all"),
        Column("daysLeft", "real", "days until it ends; empty for one that does not"),
        Column("expiration", "time", "when it ends"),
        Column("coreCount", "integer", "processor cores that it allows"),
        Column("isValid", "boolean", "whether the site takes it as valid"),
    ),
    _licenses,
)
