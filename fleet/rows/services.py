"""Services, and the extensions of services, as rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from fleet import admin as ops
from fleet.client.site import SiteClient
from fleet.errors import NotFound
from fleet.protocol.fields import ServiceId, as_epoch
from fleet.protocol.message import NOTHING
from fleet.protocol.redact import redacted
from fleet.rows.reading import all_of, each, list_of
from fleet.rows.reports import Entry, ServiceReports
from fleet.rows.table import Column, Row, Table, Wanted

__all__ = ["EXTENSIONS", "IDENTITY", "SERVICES", "STATISTICS", "definitions", "identity"]

STATES = ("configuredState", "realTimeState")
COUNTS = ("max", "busy", "free", "initializing", "notCreated", "transactions", "totalBusyTime")
SETTINGS: tuple[tuple[str, Any, str], ...] = (
    ("provider", "text", "runtime: ArcObjects11 is dedicated, DMaps shared, SDS hosted"),
    ("capabilities", "text", "what clients may do, separated by commas"),
    ("minInstancesPerNode", "integer", "least instances per machine"),
    ("maxInstancesPerNode", "integer", "most instances per machine"),
    ("instancesPerContainer", "integer", "instances in one process"),
    ("maxWaitTime", "integer", "seconds that a request waits for an instance"),
    ("maxStartupTime", "integer", "seconds that an instance may take to start"),
    ("maxIdleTime", "integer", "seconds after which an idle instance ends"),
    ("maxUsageTime", "integer", "seconds that one request may use an instance"),
    ("recycleInterval", "integer", "hours between two recyclings"),
    ("recycleStartTime", "text", "time of the first recycling of a day"),
    ("isolationLevel", "text", "HIGH or LOW"),
    ("private", "boolean", "whether it is private"),
    ("properties", "json", "its properties, all of them texts"),
    ("datasets", "json", "datasets, where the site tells them"),
)

IDENTITY = (
    Column("service", "text", "Folder/Name.Type"),
    Column("folderName", "text", "folder, empty for the root"),
    Column("serviceName", "text", "name without folder and type"),
    Column("type", "text", "MapServer, FeatureServer, GPServer, …"),
)


def identity(service: ServiceId) -> Row:
    """The columns that name *service*."""
    return {"service": str(service), "folderName": service.folder, "serviceName": service.name, "type": service.type}


async def _entries(client: SiteClient, parameters: Sequence[str], wanted: Wanted) -> Sequence[Entry]:
    """The wanted services with *parameters* of their report."""
    entries = await ServiceReports(client.call, parameters).services(wanted.folders)
    return entries if wanted.services is None else [entry for entry in entries if wanted.picks(entry.service)]


async def _services(client: SiteClient, wanted: Wanted) -> Sequence[Row]:
    parameters = ["status", "instances", "description"]
    if wanted.columns is not None:
        known = {"description": ("description",), "instances": (*COUNTS, "isStatisticsAvailable"), "status": STATES}
        parameters = [name for name, columns in known.items() if wanted.wants(*columns)] or ["status"]
    if wanted.wants("permissions"):
        parameters.append("permissions")
    entries = await _entries(client, parameters, wanted)
    settings = [name for name, _, _ in SETTINGS]
    found: Mapping[ServiceId, Mapping[str, Any]] = {}
    if wanted.wants(*settings, "extensions"):
        found = await definitions(client, [entry.service for entry in entries])
    rows = []
    for entry in entries:
        if wanted.wants(*settings, "extensions") and entry.service not in found:
            continue  # it has gone meanwhile
        rows.append(_row(entry, found.get(entry.service)))
    return rows


def _row(entry: Entry, definition: Mapping[str, Any] | None) -> Row:
    told, service = entry.told, entry.service
    status = told.get("status")
    instances = told.get("instances")
    state = status.get if isinstance(status, Mapping) else NOTHING.get
    count = instances.get if isinstance(instances, Mapping) else NOTHING.get
    # Where there are no statistics the numbers are there all the same, and mean nothing.
    counted = count("isStatisticsAvailable") is not False
    row: Row = {
        "service": str(service),
        "folderName": service.folder,
        "serviceName": service.name,
        "type": service.type,
        "configuredState": state("configuredState"),
        "realTimeState": state("realTimeState"),
        **{name: count(name) if counted else None for name in COUNTS},
        "isStatisticsAvailable": count("isStatisticsAvailable"),
        "description": told.get("description"),
    }
    if definition is None:
        return row if "permissions" not in told else {**row, "permissions": told["permissions"]}
    row["permissions"] = told.get("permissions")
    row |= {name: redacted(definition.get(name)) for name, _, _ in SETTINGS}
    row["extensions"] = ",".join(
        str(extension.get("typeName"))
        for extension in definition.get("extensions") or ()
        if isinstance(extension, Mapping) and str(extension.get("enabled")).lower() == "true"
    )
    return SERVICES.row(row)


async def definitions(client: SiteClient, services: Sequence[ServiceId]) -> Mapping[ServiceId, Mapping[str, Any]]:
    """The whole definition of each of *services*, one request each; one that is not there any more is left out."""

    async def one(service: ServiceId) -> Mapping[str, Any] | None:
        try:
            return await client.call(ops.services.get(service))
        except NotFound:
            return None

    found = all_of(await each([partial(one, service) for service in services]))
    return {service: told for service, told in zip(services, found, strict=True) if told is not None}


SERVICES = Table(
    "services",
    "every service with its states and instances; settings are read where they are asked for",
    (
        *IDENTITY,
        Column("configuredState", "text", "the wish: STARTED or STOPPED"),
        Column("realTimeState", "text", "the measurement: STARTED, STOPPED, STARTING, …"),
        Column("max", "integer", "most instances on all machines together"),
        Column("busy", "integer", "instances that work"),
        Column("free", "integer", "instances that wait for work"),
        Column("initializing", "integer", "instances that start"),
        Column("notCreated", "integer", "instances that could still be made"),
        Column("transactions", "integer", "requests since the service started"),
        Column("totalBusyTime", "integer", "milliseconds of work since then"),
        Column("isStatisticsAvailable", "boolean", "whether the site counts; without, the numbers are empty"),
        Column("description", "text", "what its owner wrote"),
        *(Column(name, kind, meaning, costly=True) for name, kind, meaning in SETTINGS),
        Column("extensions", "text", "extensions that are on, separated by commas", costly=True),
        Column("permissions", "json", "who may use it", costly=True),
    ),
    _services,
)


async def _extensions(client: SiteClient, wanted: Wanted) -> Sequence[Row]:
    entries = await _entries(client, ["status"], wanted)
    rows = []
    for service, definition in (await definitions(client, [entry.service for entry in entries])).items():
        for extension in definition.get("extensions") or ():
            if isinstance(extension, Mapping):
                rows.append({**redacted(EXTENSIONS.row(extension)), **identity(service)})
    return rows


EXTENSIONS = Table(
    "extensions",
    "every extension of every service (one request per service)",
    (
        *IDENTITY,
        Column("typeName", "text", "FeatureServer, WMSServer, KmlServer, …"),
        Column("enabled", "boolean", "whether it is on; sites send it as text"),
        Column("capabilities", "text", "what clients may do by it"),
        Column("maxUploadFileSize", "integer", "largest upload in MB, 0 for any"),
        Column("allowedUploadFileTypes", "text", "file types that may be uploaded"),
        Column("properties", "json", "its properties, all of them texts"),
    ),
    _extensions,
)


async def _statistics(client: SiteClient, wanted: Wanted) -> Sequence[Row]:
    entries = await _entries(client, ["status"], wanted)

    async def one(service: ServiceId) -> Sequence[Row]:
        try:
            answer = await client.call(ops.services.statistics(service))
        except NotFound:
            return []
        rows = []
        for told in list_of(answer, "perMachine"):
            if isinstance(told, Mapping):
                started = as_epoch(told.get("startTime"))
                time = {"startTime": None if started is None else round(started * 1000)}
                rows.append({**STATISTICS.row(told), **identity(service), **time})
        return rows

    parts = all_of(await each([partial(one, entry.service) for entry in entries]))
    return [row for part in parts for row in part]


STATISTICS = Table(
    "statistics",
    "instances and requests of every service on every machine (one request per service)",
    (
        *IDENTITY,
        Column("machineName", "text", "machine"),
        Column("startTime", "time", "since when it is counted"),
        Column("max", "integer", "most instances"),
        Column("busy", "integer", "instances that work"),
        Column("free", "integer", "instances that wait for work"),
        Column("initializing", "integer", "instances that start"),
        Column("notCreated", "integer", "instances that could still be made"),
        Column("transactions", "integer", "requests since the start"),
        Column("totalBusyTime", "integer", "milliseconds of work since the start"),
        Column("isStatisticsAvailable", "boolean", "false: it is not deployed there, and the numbers mean nothing"),
    ),
    _statistics,
)
