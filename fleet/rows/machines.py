"""Machines of a site as rows: their states, what they are set to, and what they are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from fleet import admin as ops
from fleet.client.site import SiteClient
from fleet.errors import BadAnswer, NotFound
from fleet.protocol.fields import path_name
from fleet.protocol.release import Release
from fleet.rows.reading import all_of, each, list_of
from fleet.rows.table import Column, Row, Table, Wanted

__all__ = ["HARDWARE", "MACHINES", "SETTINGS", "listed_machines", "machines_of"]

SETTINGS: tuple[tuple[str, Any, str], ...] = (
    ("platform", "text", "operating system and processor, as the software was built for"),
    ("ServerStartTime", "time", "since when it runs"),
    ("webServerSSLEnabled", "boolean", "whether its web server talks TLS"),
    ("webServerCertificateAlias", "text", "the certificate that its web server shows"),
    ("webServerMaxHeapSize", "integer", "memory of the web server in MB, -1 for what it takes by itself"),
    ("appServerMaxHeapSize", "integer", "memory of the application server in MB; without effect from 10.6 on"),
    ("socMaxHeapSize", "integer", "memory of one instance's process in MB"),
    ("ports", "json", "ports inside the site"),
    ("underMaintenance", "boolean", "whether somebody works on it; new releases only"),
)
HARDWARE: tuple[tuple[str, Any, str], ...] = (
    ("cpu", "text", "processor"),
    ("os", "text", "operating system"),
    ("systemMemoryMB", "integer", "memory in MB"),
    ("numPhysicalProcessors", "integer", "processors"),
    ("numLogicalProcessors", "integer", "processors as the operating system counts them"),
)

_SET = tuple(name for name, _, _ in SETTINGS)
_MADE_OF = tuple(name for name, _, _ in HARDWARE)


async def machines_of(client: SiteClient) -> list[Mapping[str, Any]]:
    """What the site lists of its machines, each with a name; raises `BadAnswer` where it lists none."""
    return listed_machines(await client.call(ops.machines.listing()))


def listed_machines(listing: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The entries of the *listing* of machines, each with a name; raises `BadAnswer` where there are none."""
    found = {}
    for entry in list_of(listing, "machines"):
        name = entry.get("machineName") if isinstance(entry, Mapping) else None
        if not isinstance(name, str) or not name:
            raise BadAnswer("the list of machines holds something without a name")
        found[path_name(name)] = entry
    if not found:
        raise BadAnswer("the site lists no machine")
    return list(found.values())


async def _machines(client: SiteClient, wanted: Wanted) -> Sequence[Row]:
    listed = await machines_of(client)
    site: Row = {}
    if wanted.wants("release", "build"):
        told = await client.call(ops.info.admin())
        site = {"release": str(Release.of(told) or told.get("fullVersion") or ""), "build": told.get("currentbuild")}

    async def one(entry: Mapping[str, Any]) -> Row:
        name = entry["machineName"]
        row: Row = {**{key: entry.get(key) for key in ("machineName", "adminURL", "synchronize")}, **site}
        row |= await _states(client, name)
        if wanted.wants(*_SET):
            row |= _only(_SET, await client.call(ops.machines.get(name)))
        if wanted.wants(*_MADE_OF):
            try:
                row |= _only(_MADE_OF, await client.call(ops.machines.hardware(name)))
            except NotFound:
                # Releases before 10.6.1 don't tell it.
                row |= _only(_MADE_OF, {})
        return row

    rows = all_of(await each([partial(one, entry) for entry in listed]))
    if wanted.columns is None:
        return rows
    return [{name: row.get(name) for name in MACHINES.names if name in wanted.columns} for row in rows]


async def _states(client: SiteClient, name: str) -> Row:
    told = await client.call(ops.machines.status(name))
    return {member: told.get(member) for member in ("configuredState", "realTimeState")}


def _only(names: Sequence[str], told: Mapping[str, Any]) -> Row:
    return {name: told.get(name) for name in names}


MACHINES = Table(
    "machines",
    "every machine with its states; settings and hardware are read where they are asked for",
    (
        Column("machineName", "text", "name, mostly in capitals and with its domain"),
        Column("configuredState", "text", "the wish: STARTED or STOPPED"),
        Column("realTimeState", "text", "the measurement: STARTED, STOPPED, …"),
        Column("adminURL", "text", "where it is administered by itself"),
        Column("synchronize", "boolean", "whether it has to take over what the site decided meanwhile"),
        Column("release", "text", "release of its site", costly=True),
        Column("build", "text", "build of its site", costly=True),
        *(Column(name, kind, meaning, costly=True) for name, kind, meaning in (*SETTINGS, *HARDWARE)),
    ),
    _machines,
)
