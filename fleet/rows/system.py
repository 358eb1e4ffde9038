"""The system of a site as rows: server directories, web adaptors, properties, the configuration store, jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from fleet import admin as ops
from fleet.client.site import SiteClient
from fleet.errors import BadAnswer
from fleet.protocol.fields import as_bool, path_name
from fleet.protocol.redact import redacted
from fleet.rows.reading import all_of, each, list_of
from fleet.rows.table import Column, Row, Table, Wanted

__all__ = ["DIRECTORIES", "PROPERTIES", "WEB_ADAPTORS", "config_store", "jobs", "services_directory", "shown"]

NEEDED = ("CACHE", "JOBS", "OUTPUT", "SYSTEM")
"""Kinds of directories that no site works without."""


def shown(name: str, value: Any) -> Any:
    """*value* of what is called *name*, as it may be shown: no secret, whatever it lies in."""
    return redacted({name: value})[name]


def _entries(answer: Mapping[str, Any], member: str, what: str) -> list[Mapping[str, Any]]:
    found = list_of(answer, member)
    if not all(isinstance(entry, Mapping) for entry in found):
        raise BadAnswer(f"the list of {what} holds something else")
    return found


async def _directories(client: SiteClient, wanted: Wanted) -> Sequence[Row]:
    entries = _entries(await client.call(ops.system.directories()), "directories", "directories")
    rows = [DIRECTORIES.row({**entry, "state": "registered"}) for entry in entries]
    kinds = {str(entry.get("directoryType") or "").upper() for entry in entries}
    missing = [kind for kind in NEEDED if kind not in kinds]
    return [*rows, *(DIRECTORIES.row({"directoryType": kind, "state": "missing"}) for kind in missing)]


DIRECTORIES = Table(
    "directories",
    "every server directory; free space is not offered by the API",
    (
        Column("name", "text", "name, such as arcgiscache; empty where a site has none of a kind that it needs"),
        Column("directoryType", "text", "CACHE, JOBS, OUTPUT, SYSTEM, UPLOADS, INPUT, KML, INDEX"),
        Column("state", "text", "registered, or missing for a kind that every site needs and this one does not list"),
        Column("physicalPath", "text", "path on the machines"),
        Column("cleanupMode", "text", "NONE or TIME_ELAPSED_SINCE_LAST_MODIFIED"),
        Column("maxFileAge", "integer", "minutes after which files are removed"),
        Column("description", "text", "what its owner wrote"),
        Column("useLocalDir", "boolean", "whether each machine has one of its own"),
        Column("localDirectoryPath", "text", "path of that"),
        Column("virtualPath", "text", "path in addresses"),
    ),
    _directories,
)


async def _web_adaptors(client: SiteClient, wanted: Wanted) -> Sequence[Row]:
    entries = _entries(await client.call(ops.system.web_adaptors()), "webAdaptors", "web adaptors")
    addresses = Counter(_address(entry) for entry in entries)
    return [WEB_ADAPTORS.row({**entry, "twins": addresses[_address(entry)] - 1}) for entry in entries]


def _address(entry: Mapping[str, Any]) -> str:
    return str(entry.get("webAdaptorURL") or "").rstrip("/").lower()


WEB_ADAPTORS = Table(
    "web_adaptors",
    "every web adaptor that is registered",
    (
        Column("webAdaptorURL", "text", "where clients reach the site through it"),
        Column("machineName", "text", "machine that it is on"),
        Column("machineIP", "text", "address of that machine"),
        Column("id", "text", "what the site calls it"),
        Column("isAdminEnabled", "boolean", "whether the administrator API is let through"),
        Column("twins", "integer", "other registrations with the same address: all but one are left over"),
        Column("description", "text", "what its owner wrote"),
        Column("httpPort", "integer", "port for http"),
        Column("httpsPort", "integer", "port for https"),
        Column("refreshServerListInterval", "integer", "minutes between two looks at the list of machines"),
        Column("reconnectServerOnFailureInterval", "integer", "minutes before a failed machine is tried again"),
    ),
    _web_adaptors,
)


async def _properties(client: SiteClient, wanted: Wanted) -> Sequence[Row]:
    return [
        {"property": name, "value": shown(name, value)}
        for name, value in sorted((await client.call(ops.system.properties())).items())
    ]


PROPERTIES = Table(
    "properties",
    "every system property that is set; secrets are shown as ***",
    (
        Column("property", "text", "name, such as WebContextURL"),
        Column("value", "json", "value, as the site sent it"),
    ),
    _properties,
)


async def config_store(client: SiteClient) -> list[Row]:
    """The configuration store: where it lies, of which type, and what the site says of its state."""
    told = await client.call(ops.system.config_store())
    return [
        {name: shown(name, told.get(name)) for name in ("type", "connectionString", "localRepositoryPath", "status")}
    ]


async def services_directory(client: SiteClient) -> list[Row]:
    """Whether the pages for people are on, and from where scripts may ask."""
    told = await client.call(ops.system.services_directory())
    state = as_bool(told.get("servicesDirEnabled", told.get("enabled")))
    on = None if state is None else "on" if state else "off"
    return [
        {"servicesDirectory": on, **{name: told.get(name) for name in ("allowedOrigins", "callbackFunctionsEnabled")}}
    ]


async def jobs(client: SiteClient) -> list[Row]:
    """Operations that work on by themselves; what a site tells of one is not confirmed by any published source."""
    listed = list_of(await client.call(ops.system.jobs()), "jobs")
    names = [path_name(entry.get("id") if isinstance(entry, Mapping) else entry) for entry in listed]
    asks = [partial(client.call, ops.system.job(name)) for name in names]
    found = all_of(await each(asks))
    rows = zip(names, found, strict=True)
    return [{"id": name, **{key: told.get(key) for key in ("operation", "status", "messages")}} for name, told in rows]
