"""Verbs that take services away or give them another name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fleet import admin as ops
from fleet.bulk.change import Change, impossible
from fleet.bulk.services import ServiceVerb
from fleet.bulk.states import states_of
from fleet.bulk.verb import Verb
from fleet.client.site import SiteClient
from fleet.errors import NotFound, UsageError
from fleet.protocol.fields import ServiceId
from fleet.protocol.patterns import ServicePatterns
from fleet.rows.listings import LISTING
from fleet.rows.table import Row, Wanted

__all__ = ["Delete", "Rename", "of_the_server"]

UTILITIES = frozenset(
    "geometry geocodingtools offlinepackaging orthomappingtools printingtools rasterrendering rasterutilities search "
    "symbols".split()
)
"""Services of the folder Utilities that the server comes with; others in it may be anybody's."""


def of_the_server(service: ServiceId) -> bool:
    """Whether *service* belongs to the server itself, which publishes, prints and caches with it."""
    folder = service.folder.casefold()
    return folder == "system" or (folder == "utilities" and service.name.casefold() in UTILITIES)


@dataclass(frozen=True)
class Delete(ServiceVerb):
    """Delete services, with their definitions and files; nothing puts them back.

    Services of the server itself are left alone unless they are named without `*` and `?`.
    """

    name = "services.delete"
    doing: str = field(default="delete", init=False)
    disrupts: bool = field(default=True, init=False)

    def judge(self, service: ServiceId, row: Row) -> Change:
        old = " ".join(states_of(row).values())
        if of_the_server(service) and not self.chosen.patterns.names(service):
            why = "it belongs to the server itself: name it whole to delete it all the same"
            return Change(item=str(service), state="noop", old=old, new=old, why=why)
        return Change(item=str(service), old=old, new="deleted", operations=(ops.services.delete(service),))


@dataclass(frozen=True)
class Rename(Verb):
    """Give the service *service* the name *new_name*; it stays in its folder, and its addresses change.

    Where it is not there and the new name is, it is done already. Raises `UsageError` for a name that can't be one.
    """

    service: ServiceId
    new_name: str

    name = "services.rename"
    doing: str = field(default="rename", init=False)
    thing: str = field(default="service", init=False)
    disrupts: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        name = self.new_name
        if not name.replace("_", "").isalnum() or len(name) > 120:
            raise UsageError(f"{name!r} is no name of a service: letters, digits and _ alone, without folder and type")
        if name == self.service.name:
            raise UsageError(f"{self.service} is called so already")

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        service = self.service
        renamed = ServiceId(service.folder, self.new_name, service.type)
        rows = await LISTING.read(client, Wanted(folders=frozenset({service.folder})))
        there = [ServiceId.parse(row["service"]) for row in rows]
        old, new = {"serviceName": service.name}, {"serviceName": self.new_name}
        item = str(service)
        if service not in there:
            if renamed in there:
                return [Change(item=item, state="noop", old=new, new=new, why="it has that name already")]
            near = ServicePatterns((item,)).nearest(item, there)
            hint = f"did you mean {near}?" if near else None
            missing = NotFound(f"there is no service {item}", hint=hint, may_have_arrived=False)
            return [impossible(item, missing, old=old, new=new)]
        if renamed in there:
            return [impossible(item, f"there is a service {renamed} already", old=old, new=new)]
        return [
            Change(
                item=item,
                old=old,
                new=new,
                operations=(ops.services.rename(service, self.new_name),),
                undo=(ops.services.rename(renamed, service.name),),
            )
        ]

    def parameters(self) -> Mapping[str, Any]:
        return {"service": str(self.service), "newName": self.new_name}
