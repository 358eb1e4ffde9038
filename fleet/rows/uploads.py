"""Files that were uploaded to a site, as rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fleet import admin as ops
from fleet.client.site import SiteClient
from fleet.errors import BadAnswer
from fleet.protocol.fields import as_epoch, path_name
from fleet.rows.reading import list_of
from fleet.rows.table import Column, Row, Table, Wanted

__all__ = ["UPLOADS"]


async def _read(client: SiteClient, wanted: Wanted) -> Sequence[Row]:
    rows = []
    for item in list_of(await client.call(ops.uploads.listing()), "items"):
        if not isinstance(item, Mapping) or not isinstance(item.get("itemID"), str) or not item["itemID"]:
            raise BadAnswer("the list of uploads holds something that is none")
        path_name(item["itemID"])
        seconds = as_epoch(item.get("date"))
        rows.append({**UPLOADS.row(item), "date": None if seconds is None else round(seconds * 1000)})
    return rows


UPLOADS = Table(
    "uploads",
    "files that were uploaded and not deleted",
    (
        Column("itemID", "text", "what the site calls it"),
        Column("itemName", "text", "name of the file"),
        Column("description", "text", "what was written with it"),
        Column("date", "time", "when it was uploaded"),
        Column("committed", "boolean", "whether it is whole"),
        Column("pathOnServer", "text", "where it lies there"),
    ),
    _read,
)
