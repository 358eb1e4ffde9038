"""Verbs on permissions: roles that may or may not use services and folders, and those that are copied or taken away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from fleet import admin as ops
from fleet.admin.operation import Operation
from fleet.bulk.change import Change, impossible
from fleet.bulk.services import Chosen
from fleet.bulk.verb import Verb
from fleet.client.site import SiteClient
from fleet.errors import NotFound, UsageError
from fleet.protocol.fields import ServiceId, root_folder
from fleet.rows.listings import LISTING
from fleet.rows.permissions import grants_of, permissions_of
from fleet.rows.reading import all_of, each
from fleet.rows.table import EVERYTHING

__all__ = ["CleanRole", "CopyRole", "Grant", "GrantListed", "Listed"]


@dataclass(frozen=True)
class Places:
    """The services and folders that are meant, with what stands at each of them; the root folder is `/`."""

    services: Mapping[ServiceId, Mapping[str, bool]]
    folders: Mapping[str, Mapping[str, bool]]


async def _folders(client: SiteClient, names: Sequence[str]) -> dict[str, dict[str, bool] | NotFound]:
    async def one(name: str) -> dict[str, bool] | NotFound:
        try:
            return grants_of(await client.call(ops.services.permissions(folder=root_folder(name))))
        except NotFound:
            return NotFound(f"there is no folder {name}", may_have_arrived=False)

    return dict(zip(names, all_of(await each([partial(one, name) for name in names])), strict=True))


def _grant(item: str, role: str, allowed: bool, now: Mapping[str, bool], operation: Any) -> Change:
    """The change that lets, or does not let, *role* use what *operation* is for."""
    old, new = {"isAllowed": now.get(role)}, {"isAllowed": allowed}
    item = f"{item} for {role}"
    if now.get(role) is allowed or (not allowed and role not in now):
        return Change(item=item, state="noop", old=old, new=new)
    # One that did not stand there can't be taken away again by itself: it is forbidden then, which comes to the same.
    undo: Operation[Any] = operation(role, allowed=bool(now.get(role, not allowed)))
    return Change(item=item, old=old, new=new, operations=(operation(role, allowed=allowed),), undo=(undo,))


def _of_service(service: ServiceId, role: str, allowed: bool, now: Mapping[str, bool]) -> Change:
    return _grant(str(service), role, allowed, now, partial(ops.services.permission_add, service=service))


def _of_folder(folder: str, role: str, allowed: bool, now: Mapping[str, bool]) -> Change:
    name = root_folder(folder)
    item = f"{name}/" if name else "/"
    return _grant(item, role, allowed, now, partial(ops.services.permission_add, folder=name))


@dataclass(frozen=True)
class PermissionVerb(Verb):
    """A verb on what stands at the services that are *chosen* (None for none), and at *folders* (`/` is the root)."""

    chosen: Chosen | None = None
    folders: tuple[str, ...] = ()
    thing: str = field(default="permission", init=False)

    def judge(self, places: Places) -> Sequence[Change]:
        """What is to be done at *places*."""
        raise NotImplementedError

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        changes: list[Change] = []
        services: dict[ServiceId, dict[str, bool]] = {}
        if self.chosen is not None:
            rows, missing = await self.chosen.rows(client, ("configuredState",))
            changes += missing
            services = await permissions_of(client, [ServiceId.parse(row["service"]) for row in rows])
        folders = await _folders(client, self.folders)
        for name, told in folders.items():
            if isinstance(told, NotFound):
                changes.append(impossible(f"{root_folder(name)}/", told))
        known = {name: told for name, told in folders.items() if not isinstance(told, NotFound)}
        return [*changes, *self.judge(Places(services, known))]

    def parameters(self) -> Mapping[str, Any]:
        told: dict[str, Any] = {"folders": list(self.folders)} if self.folders else {}
        return told if self.chosen is None else {**told, "services": list(self.chosen.patterns.texts)}


@dataclass(frozen=True)
class Grant(PermissionVerb):
    """Let a role use services and folders, or with *allowed* False take that from it."""

    role: str = field(kw_only=True)
    allowed: bool = field(default=True, kw_only=True)

    name = "services.permissions"
    doing: str = field(default="change", init=False)

    def judge(self, places: Places) -> Sequence[Change]:
        found = [_of_folder(folder, self.role, self.allowed, now) for folder, now in places.folders.items()]
        return found + [_of_service(one, self.role, self.allowed, now) for one, now in places.services.items()]

    def parameters(self) -> Mapping[str, Any]:
        return {**super().parameters(), "role": self.role, "allowed": self.allowed}


@dataclass(frozen=True)
class CopyRole(PermissionVerb):
    """Let *to_role* use what *from_role* may use, as far as that stands at the services and folders themselves."""

    from_role: str = field(kw_only=True)
    to_role: str = field(kw_only=True)

    name = "services.permissions.copy"
    doing: str = field(default="copy", init=False)

    def judge(self, places: Places) -> Sequence[Change]:
        found = [
            _of_folder(folder, self.to_role, True, now)
            for folder, now in places.folders.items()
            if now.get(self.from_role)
        ]
        return found + [
            _of_service(one, self.to_role, True, now) for one, now in places.services.items() if now.get(self.from_role)
        ]

    def parameters(self) -> Mapping[str, Any]:
        return {**super().parameters(), "from": self.from_role, "to": self.to_role}


@dataclass(frozen=True)
class CleanRole(Verb):
    """Take every permission of a role away, at the root, in all folders, and at all services."""

    role: str
    name = "services.permissions.clean"
    doing: str = field(default="clean up", init=False)
    thing: str = field(default="role", init=False)

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        services = [ServiceId.parse(row["service"]) for row in await LISTING.read(client, EVERYTHING)]
        folders = await _folders(client, list(dict.fromkeys(["/", *(one.folder for one in services if one.folder)])))
        given = ops.services.permission_add
        undo: list[Operation[Any]] = [
            given(self.role, allowed=told[self.role], folder=root_folder(name))
            for name, told in folders.items()
            if not isinstance(told, NotFound) and self.role in told
        ]
        undo += [
            given(self.role, allowed=told[self.role], service=one)
            for one, told in (await permissions_of(client, services)).items()
            if self.role in told
        ]
        old, new = {"places": len(undo)}, {"places": 0}
        if old == new:
            return [Change(item=self.role, state="noop", old=old, new=new)]
        clean = (ops.services.permissions_clean(self.role),)
        return [Change(item=self.role, old=old, new=new, operations=clean, undo=tuple(undo))]

    def parameters(self) -> Mapping[str, Any]:
        return {"role": self.role}


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of a list: *place* is a service, or a folder with a slash at its end; *site* is empty for every site."""

    place: str
    role: str
    allowed: bool
    site: str = ""

    def __post_init__(self) -> None:
        if not self.role.strip():
            raise UsageError(f"{self.place}: the role is empty")
        if not self.place.endswith("/"):
            ServiceId.parse(self.place)


@dataclass(frozen=True)
class GrantListed(Verb):
    """Give and take the permissions of a list, and leave those that it does not name as they are."""

    lines: tuple[Listed, ...]

    name = "services.permissions"
    doing: str = field(default="change", init=False)
    thing: str = field(default="permission", init=False)

    def __post_init__(self) -> None:
        seen: dict[tuple[str, str, str], bool] = {}
        for line in self.lines:
            if seen.setdefault((line.site, line.place, line.role), line.allowed) is not line.allowed:
                raise UsageError(f"the list lets {line.role} use {line.place}, and does not")

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        mine = list(dict.fromkeys(replace(one, site="") for one in self.lines if one.site in ("", client.site.name)))
        names = list(dict.fromkeys(line.place for line in mine if line.place.endswith("/")))
        services = list(dict.fromkeys(ServiceId.parse(one.place) for one in mine if not one.place.endswith("/")))
        folders = await _folders(client, names)
        known = await permissions_of(client, services)
        changes = []
        for line in mine:
            if line.place.endswith("/"):
                told = folders[line.place]
                if isinstance(told, NotFound):
                    changes.append(impossible(f"{line.place} for {line.role}", told))
                else:
                    changes.append(_of_folder(line.place, line.role, line.allowed, told))
                continue
            service = ServiceId.parse(line.place)
            if service in known:
                changes.append(_of_service(service, line.role, line.allowed, known[service]))
            else:
                missing = NotFound(f"there is no service {service}", may_have_arrived=False)
                changes.append(impossible(f"{service} for {line.role}", missing))
        return changes

    def parameters(self) -> Mapping[str, Any]:
        return {"lines": len(self.lines)}
