"""Who may use services, folders and the root, as rows: what stands at each of them, and what is inherited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from fleet import admin as ops
from fleet.client.site import SiteClient
from fleet.errors import BadAnswer, NotFound
from fleet.protocol.fields import ServiceId, as_bool
from fleet.rows.listings import LISTING
from fleet.rows.reading import all_of, each, list_of
from fleet.rows.services import IDENTITY
from fleet.rows.table import Column, Row, Table, Wanted

__all__ = ["EVERYONE", "PERMISSIONS", "grants_of", "permissions_of"]

EVERYONE = "esriEveryone"
"""The role of everybody, also of those who have not signed in."""

Grants = dict[str, bool]
"""Role -> whether it may."""


def grants_of(answer: Mapping[str, Any]) -> Grants:
    """The roles that *answer* (`{"permissions": […]}`) names, each with whether it may; raises `BadAnswer`."""
    found: Grants = {}
    for entry in list_of(answer, "permissions"):
        told = entry.get("permission") if isinstance(entry, Mapping) else None
        principal = entry.get("principal") if isinstance(entry, Mapping) else None
        allowed = as_bool(told.get("isAllowed")) if isinstance(told, Mapping) else None
        if not isinstance(principal, str) or allowed is None:
            raise BadAnswer("the answer lists something that is no permission")
        found[principal] = allowed
    return found


async def permissions_of(client: SiteClient, services: Sequence[ServiceId]) -> dict[ServiceId, Grants]:
    """What stands at each of *services* itself, one request each; one that is not there any more is left out."""

    async def one(service: ServiceId) -> Grants | None:
        try:
            return grants_of(await client.call(ops.services.permissions(service)))
        except NotFound:
            return None

    found = all_of(await each([partial(one, service) for service in services]))
    return {service: grants for service, grants in zip(services, found, strict=True) if grants is not None}


async def _read(client: SiteClient, wanted: Wanted) -> Sequence[Row]:
    services = [ServiceId.parse(row["service"]) for row in await LISTING.read(client, wanted)]
    folders = list(dict.fromkeys(["", *(service.folder for service in services)]))

    async def of_folder(folder: str) -> Grants:
        return grants_of(await client.call(ops.services.permissions(folder=folder)))

    by_folder = dict(zip(folders, all_of(await each([partial(of_folder, one) for one in folders])), strict=True))
    rows: list[Row] = []
    for service, own in (await permissions_of(client, services)).items():
        # What is not said at the service holds from its folder, and what is not said there from the root.
        places = [("service", own)]
        places += [("folder", by_folder[service.folder])] if service.folder else []
        places.append(("root", by_folder[""]))
        seen: set[str] = set()
        for place, grants in places:
            for principal, allowed in grants.items():
                if principal not in seen:
                    seen.add(principal)
                    rows.append(_row(service, principal, allowed, place))
    return rows


def _row(service: ServiceId, principal: str, allowed: bool, place: str) -> Row:
    return {
        "service": str(service),
        "folderName": service.folder,
        "serviceName": service.name,
        "type": service.type,
        "principal": principal,
        "isAllowed": allowed,
        "from": place,
    }


PERMISSIONS = Table(
    "permissions",
    "who may use each service (one request per service and folder)",
    (
        *IDENTITY,
        Column("principal", "text", f"role; {EVERYONE} is everybody"),
        Column("isAllowed", "boolean", "whether it may use the service"),
        Column("from", "text", "where that stands: at the service, its folder, or the root"),
    ),
    _read,
)
