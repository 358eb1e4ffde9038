"""Verbs that bring services to the settings that they have elsewhere: in a file, or on another site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fleet import admin as ops
from fleet.admin.operation import Operation
from fleet.bulk.change import Change, impossible
from fleet.bulk.edits import replaced
from fleet.bulk.portable import carried, carried_over
from fleet.bulk.services import Chosen
from fleet.bulk.verb import Verb
from fleet.client.site import SiteClient
from fleet.protocol.fields import ServiceId
from fleet.protocol.patterns import ServicePatterns
from fleet.rows.listings import LISTING
from fleet.rows.reports import folder_names
from fleet.rows.services import definitions
from fleet.rows.table import EVERYTHING

__all__ = ["CopySettings", "ImportServices", "Source"]


async def _there(client: SiteClient) -> list[ServiceId]:
    return [ServiceId.parse(row["service"]) for row in await LISTING.read(client, EVERYTHING)]


@dataclass(frozen=True)
class ImportServices(Verb):
    """Bring services to the *definitions* of a file: those that are there by an edit, others are created.

    *only* are the settings that are carried over to those that are there, all but a site's own where it is empty. With
    *existing_only* nothing is created. A service that is created needs its data where the definition says it is.
    """

    definitions: Mapping[ServiceId, Mapping[str, Any]] = field(repr=False)
    only: tuple[str, ...] = ()
    existing_only: bool = False

    name = "services.import"
    doing: str = field(default="import", init=False)
    thing: str = field(default="service", init=False)
    disrupts: bool = field(default=True, init=False)

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        root = await client.call(ops.services.listing())
        folders = {name.casefold() for name in folder_names(root)}
        there = set(await _there(client))
        now = await definitions(client, [service for service in self.definitions if service in there])
        wanted = carried(self.only)
        changes = []
        for service, given in self.definitions.items():
            if service in now:
                changes.append(replaced(service, now[service], carried_over(now[service], given, wanted)))
            elif not self.existing_only:
                changes.append(_created(service, given, folders))
                folders.add(service.folder.casefold())
        return changes

    def parameters(self) -> Mapping[str, Any]:
        told: dict[str, Any] = {"services": len(self.definitions)}
        told |= {"only": list(self.only)} if self.only else {}
        return {**told, "existingOnly": True} if self.existing_only else told


def _created(service: ServiceId, given: Mapping[str, Any], folders: set[str]) -> Change:
    if "provider" not in given:
        return impossible(str(service), "the file has no whole definition of it, so it can't be created")
    definition = {**given, "serviceName": service.name, "type": service.type}
    operations: tuple[Operation[Any], ...] = (ops.services.create(definition, service.folder),)
    if service.folder and service.folder.casefold() not in folders:
        operations = (ops.services.folder_create(service.folder), *operations)
    undo = (ops.services.delete(service),)
    return Change(item=str(service), old=None, new="created", operations=operations, undo=undo)


@dataclass(slots=True)
class Source:
    """The definitions of the site *site*, once they have been read."""

    site: str
    patterns: ServicePatterns
    definitions: Mapping[ServiceId, Mapping[str, Any]] = field(default_factory=dict)

    async def read(self, client: SiteClient) -> None:
        """Read them; raises the `SiteError` that stood in the way."""
        services = [service for service in await _there(client) if self.patterns.match(service)]
        self.definitions = await definitions(client, services)


@dataclass(frozen=True)
class CopySettings(Verb):
    """Bring services to the settings that they have on another site, and leave alone what is a site's own.

    Services that are not on both are left out, unless they are named: those are a mistake. The *source* itself is left
    alone too.
    """

    source: Source
    chosen: Chosen
    only: tuple[str, ...] = ()

    name = "services.copy-settings"
    doing: str = field(default="edit", init=False)
    thing: str = field(default="service", init=False)
    disrupts: bool = field(default=True, init=False)

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        if client.site.name == self.source.site:
            return []
        rows, missing = await self.chosen.rows(client, ("configuredState",))
        services = [ServiceId.parse(row["service"]) for row in rows]
        now = await definitions(client, [service for service in services if service in self.source.definitions])
        wanted = carried(self.only)
        changes = list(missing)
        for service in services:
            if service in now:
                theirs = self.source.definitions[service]
                changes.append(replaced(service, now[service], carried_over(now[service], theirs, wanted)))
            elif self.chosen.patterns.names(service):
                changes.append(impossible(str(service), f"{self.source.site} has no such service"))
        return changes

    def parameters(self) -> Mapping[str, Any]:
        told: dict[str, Any] = {"from": self.source.site, "services": list(self.chosen.patterns.texts)}
        return {**told, "only": list(self.only)} if self.only else told
