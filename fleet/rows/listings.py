"""Services by the listings of their folders alone: one request per folder, and no states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from fleet import admin as ops
from fleet.client.site import SiteClient
from fleet.protocol.fields import ServiceId
from fleet.rows.reading import all_of, each, list_of
from fleet.rows.reports import folder_names, service_of
from fleet.rows.services import IDENTITY, identity
from fleet.rows.table import Column, Row, Table, Wanted

__all__ = ["LISTING"]


async def _listed(client: SiteClient, wanted: Wanted) -> Sequence[Row]:
    root = await client.call(ops.services.listing())
    folders = folder_names(root)
    if wanted.folders is not None:
        chosen = {name.casefold() for name in wanted.folders}
        folders = [name for name in folders if name.casefold() in chosen]

    async def one(folder: str) -> Sequence[Row]:
        return _rows(await client.call(ops.services.listing(folder)), folder, wanted)

    parts = all_of(await each([partial(one, folder) for folder in folders]))
    in_root = _rows(root, "", wanted) if wanted.folders is None or "" in wanted.folders else []
    return [*in_root, *(row for part in parts for row in part)]


def _rows(listing: Mapping[str, object], folder: str, wanted: Wanted) -> list[Row]:
    found: dict[ServiceId, Row] = {}
    for entry in list_of(listing, "services"):
        service = service_of(entry, folder)
        if wanted.picks(service):
            found[service] = {**identity(service), "description": entry.get("description")}
    return list(found.values())


LISTING = Table(
    "listing",
    "every service by name (one request per folder)",
    (*IDENTITY, Column("description", "text", "what its owner wrote, where the site tells it here")),
    _listed,
)
