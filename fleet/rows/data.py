"""The data items of a site: databases, folders, cloud and other stores, without the secrets of their connections."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from fleet import admin as ops
from fleet.client.site import SiteClient
from fleet.errors import NotFound
from fleet.protocol.connections import Connection, is_connection
from fleet.protocol.fields import path_name
from fleet.protocol.secret_names import MASK, is_secret_name
from fleet.rows.reading import all_of, each, list_of
from fleet.rows.table import Column, Row, Table, Wanted

__all__ = ["DATASTORES", "connection_of", "data_items", "is_masked", "item_row", "shown_info"]


async def data_items(client: SiteClient) -> list[dict[str, Any]]:
    """Every data item as the site tells it, in the order of its paths; raises `BadAnswer` where there is no list."""
    found = [dict(item) for item in list_of(await client.call(ops.data.find_items()), "items") if _has_path(item)]
    return sorted(found, key=lambda item: str(item["path"]).casefold())


def _has_path(item: Any) -> bool:
    if not isinstance(item, Mapping) or not isinstance(item.get("path"), str):
        return False
    for part in item["path"].strip("/").split("/"):
        path_name(part)
    return True


def connection_of(item: Mapping[str, Any]) -> Connection | None:
    """The connection string of *item*, a database; None for a folder, or a store that is described in another way."""
    info = item.get("info")
    text = info.get("connectionString") if isinstance(info, Mapping) else None
    return Connection.parse(text) if is_connection(text) and isinstance(text, str) else None


def is_masked(item: Mapping[str, Any]) -> bool:
    """Whether something of *item* was replaced by stars where it was read: it must not be sent back like that."""
    connection = connection_of(item)
    return MASK in json.dumps(item, default=str) or (connection is not None and connection.hides)


def shown_info(value: Any) -> Any:
    """*value*, a part of an item, with everything as `***` that is secret by its name, also in texts that hold JSON."""
    if isinstance(value, Mapping):
        return {
            str(key): MASK if is_secret_name(str(key)) and inner not in (None, "") else shown_info(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [shown_info(one) for one in value]
    if isinstance(value, str):
        if is_connection(value):
            return Connection.parse(value).shown()
        if value.lstrip().startswith("{"):
            try:
                return shown_info(json.loads(value))
            except ValueError:
                return MASK
    return value


def item_row(item: Mapping[str, Any]) -> Row:
    """The row of *item*, without its reference count where the site did not tell it along."""
    info = item.get("info")
    info = info if isinstance(info, Mapping) else {}
    connection = connection_of(item)
    row = DATASTORES.row(item)
    row |= {
        "managed": info.get("isManaged"),
        "connectionType": info.get("dataStoreConnectionType"),
        "folder": info.get("path"),
        "totalRefCount": None,
        "connection": shown_info(info.get("connectionString")),
        "machines": _machines(info),
        "info": shown_info(info),
    }
    if connection is not None:
        shown = connection.shown()
        row |= {name: shown.get(name) for name in ("server", "instance", "database", "user")}
    return row


def _machines(info: Mapping[str, Any]) -> str | None:
    machines = info.get("machines")
    if not isinstance(machines, list):
        return None
    return ",".join(str(one.get("name")) for one in machines if isinstance(one, Mapping))


async def _read(client: SiteClient, wanted: Wanted) -> Sequence[Row]:
    items = await data_items(client)
    rows = [item_row(item) for item in items]
    if not wanted.wants("totalRefCount"):
        return [{name: row[name] for name in CHEAP} for row in rows]

    async def count(path: str) -> Any:
        try:
            return (await client.call(ops.data.compute_ref_count(path))).get("totalRefCount")
        except NotFound:
            return None

    counts = all_of(await each([partial(count, str(item["path"])) for item in items]))
    return [{**row, "totalRefCount": counted} for row, counted in zip(rows, counts, strict=True)]


DATASTORES = Table(
    "datastores",
    "every data item that is registered with a site, without passwords",
    (
        Column("path", "text", "its path, such as /enterpriseDatabases/gis"),
        Column("type", "text", "egdb, folder, nosql, cloudStore, rasterStore, …"),
        Column("provider", "text", "what holds it; empty where nothing is told"),
        Column("managed", "boolean", "whether it is the site's own"),
        Column("connectionType", "text", "shared, serverOnly or replicated"),
        Column("server", "text", "the server in a database's connection"),
        Column("instance", "text", "the instance in it"),
        Column("database", "text", "the database in it"),
        Column("user", "text", "the account in it"),
        Column("folder", "text", "the path of a folder"),
        Column("machines", "text", "machines of a data store, separated by commas"),
        Column("totalRefCount", "integer", "how many services use it (one request per item)", costly=True),
        Column("id", "text", "the site's own name for it"),
        Column("clientPath", "text", "the path that publishers see, where it is another one"),
        Column("connection", "json", "the connection, passwords as ***"),
        Column("info", "json", "everything that is told, passwords as ***"),
    ),
    _read,
)
CHEAP = tuple(column.name for column in DATASTORES.columns if not column.costly)
