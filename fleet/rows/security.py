"""The security settings of a site, and each beside what is wanted."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from fleet import admin as ops
from fleet.client.site import SiteClient
from fleet.errors import Forbidden, NotFound, ServerFailed, SiteError
from fleet.protocol.fields import as_bool
from fleet.rows.accounts import privileges
from fleet.rows.reading import each
from fleet.rows.reports import ServiceReports
from fleet.rows.security_rules import CHECKS, Facts, findings, open_to
from fleet.rows.services import definitions
from fleet.rows.table import Column, Row, Table, Wanted

__all__ = ["AUDIT_COLUMNS", "SECURITY", "audit_rows", "read_facts"]

EVERYONE = ("esriEveryone",)

AUDIT_COLUMNS = ("check", "severity", "saw", "wanted", "advice")


async def read_facts(client: SiteClient, *, services: bool = False) -> Facts:
    """Everything that the audit looks at, read at once; with *services* also each service's definition.

    A part that the site lacks or does not show is missing, with the reason. Raises the `SiteError` that keeps all of it
    from being read.
    """
    asks: dict[str, Callable[[], Awaitable[Mapping[str, Any]]]] = {
        "config": lambda: client.call(ops.security.config()),
        "tokens": lambda: client.call(ops.security.tokens()),
        "psa": lambda: client.call(ops.security.psa()),
        "properties": lambda: client.call(ops.system.properties()),
        "servicesdirectory": lambda: client.call(ops.system.services_directory()),
        "everyone": partial(_open_services, client),
        "system": partial(_system_folder, client),
    }
    if services:
        asks["unfiltered"] = partial(_unfiltered, client)
    results = dict(zip(asks, await each(list(asks.values())), strict=True))
    missing: dict[str, str] = {}
    parts: dict[str, Mapping[str, Any]] = {}
    for name, result in results.items():
        if isinstance(result, NotFound | Forbidden | ServerFailed):
            missing[name] = result.message
        elif isinstance(result, SiteError):
            raise result
        else:
            parts[name] = result
    if not parts:
        raise next(result for result in results.values() if isinstance(result, SiteError))
    return Facts(client.site.url, time.time(), parts, missing)


async def _open_services(client: SiteClient) -> Mapping[str, Any]:
    """Services outside of System that everybody may use."""
    entries = await ServiceReports(client.call, ["permissions"]).services()
    if any(entry.alone for entry in entries):
        raise NotFound("the site has no report of its services' permissions", may_have_arrived=False)
    names = [
        str(entry.service)
        for entry in entries
        if entry.service.folder != "System" and any(open_to(entry.told.get("permissions"), EVERYONE))
    ]
    return {"names": sorted(names)}


async def _system_folder(client: SiteClient) -> Mapping[str, Any]:
    """Who may use the System folder, or a service in it, beside administrators and publishers."""
    if "System" not in ((await client.call(ops.services.listing())).get("folders") or ()):
        return {"names": []}
    given = await privileges(client)
    folder = await client.call(ops.services.permissions(folder="System"))
    found = set(open_to(folder.get("permissions")))
    for entry in await ServiceReports(client.call, ["permissions"]).services({"System"}):
        found |= set(open_to(entry.told.get("permissions")))
    return {"names": sorted(found - given.keys())}


async def _unfiltered(client: SiteClient) -> Mapping[str, Any]:
    """Feature services whose filter of web content is off."""
    entries = await ServiceReports(client.call, ["status"]).services()
    found = []
    for service, definition in (await definitions(client, [entry.service for entry in entries])).items():
        for extension in definition.get("extensions") or ():
            if not isinstance(extension, Mapping) or extension.get("typeName") != "FeatureServer":
                continue
            told = extension.get("properties")
            told = told if isinstance(told, Mapping) else {}
            if as_bool(extension.get("enabled")) and as_bool(told.get("xssPreventionEnabled")) is False:
                found.append(str(service))
    return {"names": found}


async def audit_rows(client: SiteClient, *, services: bool = False) -> list[Row]:
    """A row per check (`AUDIT_COLUMNS`), the gravest first."""
    return [
        dict(zip(AUDIT_COLUMNS, (one.check, one.severity, one.saw, one.wanted, one.advice), strict=True))
        for one in findings(await read_facts(client, services=services))
    ]


async def _rows(client: SiteClient, wanted: Wanted) -> Sequence[Row]:
    return await audit_rows(client)


SECURITY = Table(
    "security",
    f"{len(CHECKS)} security settings of every site, each beside what is recommended",
    (
        Column("check", "text", "which setting: https-only, tls-versions, tokens-by-get, …"),
        Column("severity", "text", "critical, important, recommended, unknown, ok"),
        Column("saw", "json", "what it is"),
        Column("wanted", "text", "what is recommended"),
        Column("advice", "text", "what to do about it"),
    ),
    _rows,
)
