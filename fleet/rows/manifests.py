"""What services read, as rows: each dataset of each database of each service's manifest, and manifests that are broken."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from fleet import admin as ops
from fleet.client.site import SiteClient
from fleet.errors import BadAnswer, NotFound, ServerFailed
from fleet.protocol.fields import ServiceId, as_bool
from fleet.rows.listings import LISTING
from fleet.rows.reading import all_of, each
from fleet.rows.services import IDENTITY, identity
from fleet.rows.table import Column, Row, Table, Wanted

__all__ = ["MANIFESTS", "connection", "without_passwords"]

_SECRET = re.compile(r"((?:ENCRYPTED_)?PASSWORD(?:_UTF8)?\s*=\s*)[^;]*", re.IGNORECASE)
_FILES = (".gdb", ".mdb", ".sde", ".sqlite", ".geodatabase", ".gpkg")


def without_passwords(text: str) -> str:
    """The connection in *text* with its passwords masked, the encrypted ones too."""
    return _SECRET.sub(r"\1***", text)


def connection(text: str) -> dict[str, str]:
    """The parts of a connection such as `SERVER=db1;INSTANCE=sde:sqlserver:db1;DATABASE=gis;USER=editor`, names lowered."""
    found: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if equals and name.strip():
            found.setdefault(name.strip().lower(), value.strip().strip('"'))
    return found


def _rows(service: ServiceId, manifest: Mapping[str, Any]) -> list[Row]:
    """A row per dataset, and one for a database without any; a manifest that is none has a row that says so."""
    rows: list[Row] = []
    databases = manifest.get("databases")
    if not isinstance(databases, list):
        return [_problem(service, "the manifest has no list of databases")]
    for database in databases:
        if not isinstance(database, Mapping):
            rows.append(_problem(service, "the manifest lists a database that is none"))
            continue
        told = str(database.get("onServerConnectionString") or database.get("onPremiseConnectionString") or "")
        parts = connection(told)
        name = parts.get("database", "")
        workspace = ""
        if name.lower().endswith(_FILES) or "/" in name or "\\" in name:
            workspace, name = name, re.split(r"[/\\]", name)[-1]
        elif not parts and database.get("onPremisePath"):
            workspace = str(database["onPremisePath"])
        row = {
            **MANIFESTS.row(identity(service)),
            "connection": without_passwords(told),
            "database": name or None,
            "server": parts.get("server") or None,
            "instance": parts.get("instance") or parts.get("db_connection_properties") or None,
            "user": parts.get("user") or None,
            "version": parts.get("version") or None,
            "workspace": workspace or None,
            "byReference": as_bool(database.get("byReference")),
            "problem": None if told else "the manifest names no connection",
        }
        datasets = database.get("datasets")
        names = [one.get("onServerName") for one in datasets or () if isinstance(one, Mapping)]
        rows += [{**row, "dataset": one} for one in names or [None]]
    return rows or [_problem(service, "the manifest names no database")]


def _problem(service: ServiceId, told: str) -> Row:
    return {**MANIFESTS.row(identity(service)), "problem": told}


async def _read(client: SiteClient, wanted: Wanted) -> Sequence[Row]:
    services = [ServiceId.parse(row["service"]) for row in await LISTING.read(client, wanted)]

    async def one(service: ServiceId) -> Sequence[Row]:
        try:
            return _rows(service, await client.call(ops.services.manifest(service)))
        except NotFound:
            return [_problem(service, "there is no manifest")]
        except (BadAnswer, ServerFailed) as error:
            if error.passing:
                raise
            return [_problem(service, f"the manifest can't be read: {error.message}")]

    parts = all_of(await each([partial(one, service) for service in services]))
    return [row for part in parts for row in part]


MANIFESTS = Table(
    "manifests",
    "what each service reads: datasets and the databases they lie in (one request per service)",
    (
        *IDENTITY,
        Column("dataset", "text", "dataset, as the server calls it"),
        Column("database", "text", "database, or the file that stands for one"),
        Column("server", "text", "server of the database"),
        Column("instance", "text", "instance, such as sde:sqlserver:db1"),
        Column("user", "text", "user of the connection"),
        Column("version", "text", "version of the geodatabase"),
        Column("workspace", "text", "folder or file that holds the data"),
        Column("byReference", "boolean", "whether the data stays where it is; false: it was copied to the server"),
        Column("connection", "text", "the connection as it stands there, without passwords"),
        Column("problem", "text", "why nothing is known: no manifest, or a broken one"),
    ),
    _read,
)
