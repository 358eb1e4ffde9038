"""What is read of a site: every readable resource of the catalogue, each as a piece with a name of its own.

A piece that the site's release lacks is absent, one that could not be read is failed with its error; both are part of
what was collected, so that a thin look at a site never passes for a whole one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

import anyio

from fleet import admin as ops
from fleet.admin.accounts import Privilege
from fleet.admin.catalogue import catalogue, operation_for
from fleet.admin.operation import Operation
from fleet.client.site import SiteClient
from fleet.errors import BadAnswer, NotFound, ServerFailed, SiteError, TooLarge, UsageError
from fleet.outcome import error_object
from fleet.protocol.fields import ServiceId, path_name, root_folder
from fleet.protocol.redact import redacted
from fleet.rows import accounts
from fleet.rows.reading import NAME_CAP
from fleet.rows.reports import LIST_CAP, listed_services, service_of

__all__ = ["EXTRAS", "SECTIONS", "Collected", "collect"]

SECTIONS = ("services", "machines", "security", "system", "datastores", "logs", "site", "usage", "uploads")
"""The first part of every piece's name, and what `fleet diff` compares."""

EXTRAS = ("manifests", "iteminfo")
"""What is read of each service only when it is asked for: one request per service each."""

SINGLE: Mapping[str, str] = {
    "site/about": "root",
    "site/info": "info",
    "site/mode": "mode",
    "services/properties": "services.properties",
    "services/types": "services.types",
    "services/extensions": "services.types.extensions",
    "logs/settings": "logs.settings",
    "usage/settings": "usagereports.settings",
    "usage/reports": "usagereports",
    "datastores/config": "data.config",
    "security/config": "security.config",
    "security/tokens": "security.tokens",
    "security/psa": "security.psa",
    "system/properties": "system.properties",
    "system/directories": "system.directories",
    "system/configstore": "system.configstore",
    "system/webadaptors": "system.webadaptors",
    "system/webadaptors-config": "system.webadaptors.config",
    "system/licenses": "system.licenses",
    "system/servicesdirectory": "system.handlers.rest.servicesdirectory",
    "system/platformservices": "system.platformservices",
    "system/deployment": "system.deployment",
    "uploads/items": "uploads",
}
"""Pieces that are one resource: their name, and the operation of the catalogue that reads it."""

COUNTERS = frozenset({"totalRefCount", "ServerStartTime"})
"""Members that change without anybody changing anything: they are left out, so that definitions stay as they are."""

PRIVILEGED: tuple[Privilege, ...] = ("ADMINISTER", "PUBLISH")
_resource = partial(operation_for, foreign=True)
AT_ONCE = 16
"""Reads of one site that are under way or wait for their turn; how many travel is up to the client."""


@dataclass(slots=True)
class Collected:
    """What was read of one site: names of pieces -> what the sink made of them, what is absent, and what failed."""

    pieces: dict[str, Any] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    failed: dict[str, SiteError] = field(default_factory=dict)
    release: str | None = None

    def failures(self) -> dict[str, dict[str, Any]]:
        """The failed pieces with their errors as plain JSON values, by name."""
        return {
            name: {key: value for key, value in error_object(self.failed[name]).items() if key in ("kind", "message")}
            for name in sorted(self.failed)
        }


async def collect(
    client: SiteClient,
    sink: Callable[[Any], Any] = lambda value: value,
    *,
    extras: Iterable[str] = (),
    sections: Iterable[str] = SECTIONS,
    mask: Callable[[str], str] = lambda text: text,
) -> Collected:
    """Everything readable of the site of *client*; each piece goes through *sink* without secrets, and is kept as that.

    *extras* are of `EXTRAS`. Raises the `SiteError` that kept the site from being read at all.
    """
    wrong = set(extras) - set(EXTRAS)
    if wrong:
        raise UsageError(f"there is no extra {sorted(wrong)[0]!r}; there are {', '.join(EXTRAS)}")
    return await _Walk(client, sink, frozenset(extras), frozenset(sections), mask).run()


Ask = Callable[[], Awaitable[object]]


class _Walk:
    """The walk over one site: reads wait in one line, and may put further ones into it."""

    def __init__(
        self,
        client: SiteClient,
        sink: Callable[[Any], Any],
        extras: frozenset[str],
        sections: frozenset[str],
        mask: Callable[[str], str],
    ) -> None:
        self._client = client
        self._sink = sink
        self._extras = extras
        self._sections = sections
        # The same names and words come again and again within one site.
        self._mask = lru_cache(maxsize=4096)(mask)
        self._found = Collected()
        self._line: deque[Ask] = deque()
        self._open = 0
        self._news = anyio.Event()

    async def run(self) -> Collected:
        # One read without, and one with a login: where these fail there is no use in asking for the rest.
        rest = await self._client.call(ops.info.rest())
        about = await self._client.call(_resource("admin")[0])
        self._found.release = None if self._client.release is None else str(self._client.release)
        if "site" in self._sections:
            self._keep("site/rest", rest)
            self._keep("site/about", about)
            if isinstance(about, dict) and "clusters" in _list(about, "resources"):
                # Releases up to 10.x have them, and say so.
                self._line.append(partial(self._single, "site/clusters", "clusters"))
        for name, entry in SINGLE.items():
            if name.partition("/")[0] in self._sections and name != "site/about":
                self._line.append(partial(self._single, name, entry))
        for section, ask in {
            "services": self._folders,
            "machines": self._machines,
            "datastores": self._stores,
        }.items():
            if section in self._sections:
                self._line.append(ask)
        if "security" in self._sections:
            self._line += [
                partial(self._accounts, "security/users", accounts.users),
                partial(self._accounts, "security/roles", accounts.roles),
                *(partial(self._privileged, privilege) for privilege in PRIVILEGED),
            ]
        async with anyio.create_task_group() as group:
            for _ in range(AT_ONCE):
                group.start_soon(self._worker)
        return self._found

    async def _worker(self) -> None:
        while True:
            if self._line:
                ask = self._line.popleft()
                self._open += 1
                try:
                    await ask()
                finally:
                    self._open -= 1
                    self._tell()
            elif self._open:
                await self._news.wait()
            else:
                return

    def _tell(self) -> None:
        # Whoever waits holds the old event: nobody is left behind.
        news, self._news = self._news, anyio.Event()
        news.set()

    def _keep(self, name: str, value: Any) -> None:
        self._found.pieces[name] = self._sink(redacted(value, self._mask))

    async def _read(self, name: str, operation: Operation[Any], *, lacking: bool = True) -> dict[str, Any] | None:
        """The answer, an object, to *operation*, or None with the piece *name* on record as absent or failed."""
        entry = catalogue().by_name.get(operation.name)
        release = self._client.release
        if entry is not None and release is not None and entry.missing_in(release):
            self._found.absent[name] = f"came with release {entry.since}"
            return None
        try:
            answer = await self._client.call(operation)
            if isinstance(answer, dict):
                return answer
            raise BadAnswer("the answer is no object")
        except NotFound as error:
            if lacking:
                self._found.absent[name] = error.message
            else:
                self._found.failed[name] = error
        except SiteError as error:
            if operation.get_only and not error.may_have_arrived and isinstance(error, ServerFailed):
                # Where a site wants its token in a body, this one can't be read at all: not today, and not tomorrow.
                self._found.absent[name] = error.message
            else:
                self._found.failed[name] = error
        return None

    async def _single(self, name: str, entry: str) -> None:
        await self._whole(name, operation_for(catalogue().by_name[entry].full_path)[0])

    async def _whole(self, name: str, operation: Operation[Any]) -> None:
        """Keep the answer to *operation* as it is."""
        value = await self._read(name, operation)
        if value is not None:
            self._keep(name, value)

    # Services

    async def _folders(self) -> None:
        listing = await self._listing("")
        if listing is None:
            return
        for entry in _list(listing, "folders"):
            try:
                folder = path_name(root_folder(entry))
                if not folder:
                    raise BadAnswer("the list of folders holds something that is no name")
            except BadAnswer as error:
                self._found.failed["services/folders"] = error
                continue
            self._line.append(partial(self._listing, folder))
            permissions = ops.services.permissions(folder=folder)
            self._line.append(partial(self._whole, f"services/folder-permissions/{folder}", permissions))
        self._tell()

    async def _listing(self, folder: str) -> Mapping[str, Any] | None:
        """What *folder* says of itself; its services are put into the line."""
        name = f"services/folder/{folder or '-'}"
        listing = await self._read(name, ops.services.listing(folder), lacking=False)
        if listing is None:
            return None
        try:
            services = listed_services(listing, folder)
        except (BadAnswer, TooLarge) as error:
            self._found.failed[name] = error
            return None
        own = {key: value for key, value in listing.items() if key not in ("folders", "foldersDetail", "services")}
        self._keep(name, own)
        if services:
            self._line.append(partial(self._report, folder, services))
        for service in services:
            self._line.append(partial(self._whole, f"services/definition/{service}", ops.services.get(service)))
            if "manifests" in self._extras:
                self._line.append(partial(self._whole, f"services/manifest/{service}", ops.services.manifest(service)))
            if "iteminfo" in self._extras:
                self._line.append(partial(self._whole, f"services/iteminfo/{service}", ops.services.item_info(service)))
        self._tell()
        return listing

    async def _report(self, folder: str, services: Sequence[ServiceId]) -> None:
        """States and permissions of all services of *folder*, by one report; how busy they are is left out.

        For more than 2,000 it takes several, each of a list.
        """
        name = f"services/states/{folder or '-'}"
        lists = [services[start : start + LIST_CAP] for start in range(0, len(services), LIST_CAP)]
        states: dict[str, Any] = {}
        permissions: dict[str, Any] = {}
        for some in lists:
            wanted = some if len(lists) > 1 else None
            operation = ops.services.report(
                "" if wanted else folder, parameters=("status", "permissions"), services=wanted
            )
            answer = await self._read(name, operation)
            if answer is None:
                return
            reports = answer.get("reports")
            if not isinstance(reports, list):
                self._found.failed[name] = BadAnswer("the list of reports is missing in the answer")
                return
            for entry in reports:
                _note(entry, folder, states, permissions)
        self._keep(name, states)
        self._keep(f"services/permissions/{folder or '-'}", permissions)

    # Machines

    async def _machines(self) -> None:
        answer = await self._read("machines/list", ops.machines.listing(), lacking=False)
        if answer is None:
            return
        for machine in self._names(answer, "machines", "machines/list", "machineName"):
            for what, operation in (
                ("about", ops.machines.get(machine)),
                ("status", ops.machines.status(machine)),
                ("hardware", ops.machines.hardware(machine)),
            ):
                self._line.append(partial(self._plain, f"machines/{what}/{machine}", operation))
            self._line.append(partial(self._certificates, machine))
        self._tell()

    async def _certificates(self, machine: str) -> None:
        name = f"machines/certificates/{machine}"
        answer = await self._read(name, ops.machines.certificates(machine))
        if answer is None:
            return
        found: dict[str, Any] = {}
        for alias in self._names(answer, "certificates", name):
            value = await self._read(f"{name}/{alias}", ops.machines.certificate(machine, alias))
            if value is not None:
                found[alias] = value
        self._keep(name, found)

    def _names(self, answer: Mapping[str, Any], member: str, piece: str, key: str | None = None) -> list[str]:
        """The names in the list *member*; one that is no name makes *piece* a failed one."""
        entries = answer.get(member)
        found = []
        for entry in entries if isinstance(entries, list) else [None]:
            name = entry.get(key) if key is not None and isinstance(entry, dict) else entry
            try:
                if not isinstance(name, str) or not name:
                    raise BadAnswer(f"the list of {member} holds something that is no name")
                found.append(path_name(name))
            except BadAnswer as error:
                self._found.failed[piece] = error
        return list(dict.fromkeys(found))

    async def _plain(self, name: str, operation: Operation[Any]) -> None:
        value = await self._read(name, operation)
        if value is not None:
            self._keep(name, _steady(value))

    # Data stores

    async def _stores(self) -> None:
        roots = await self._read("datastores/items", _resource("admin/data/items")[0])
        if roots is None:
            return
        places = [place for place in _list(roots, "rootItems") if isinstance(place, str)]
        found: dict[str, Any] = {}
        for place in dict.fromkeys(places):
            answer = await self._read(
                f"datastores/items{place}", ops.data.find_items().with_parameters(parentPath=place)
            )
            for item in _list(answer or {}, "items"):
                if isinstance(item, dict) and isinstance(item.get("path"), str):
                    found[item["path"]] = _steady(item)
        self._keep("datastores/items", [found[path] for path in sorted(found)])

    # Users and roles

    async def _accounts(self, name: str, read: Callable[[SiteClient], Awaitable[list[dict[str, Any]]]]) -> None:
        try:
            self._keep(name, await read(self._client))
        except NotFound as error:
            self._found.absent[name] = error.message
        except SiteError as error:
            self._found.failed[name] = error

    async def _privileged(self, privilege: Privilege) -> None:
        """The roles that have *privilege*, each with its members."""
        name = f"security/privileges/{privilege}"
        answer = await self._read(name, ops.security.roles_by_privilege(privilege))
        if answer is None:
            return
        found: dict[str, Any] = {}
        for role in self._roles(answer):
            members = await self._read(f"{name}/{role}", ops.security.role_users(role, count=NAME_CAP))
            if members is not None:
                users = members.get("users")
                found[role] = sorted(users, key=str) if isinstance(users, list) else users
        self._keep(name, found)

    @staticmethod
    def _roles(answer: Mapping[str, Any]) -> Sequence[str]:
        named = [role.get("rolename") if isinstance(role, dict) else role for role in _list(answer, "roles")]
        return [role for role in named if isinstance(role, str) and role]


def _note(entry: Any, folder: str, states: dict[str, Any], permissions: dict[str, Any]) -> None:
    """Keep what one *entry* of a report says of its service."""
    try:
        service = service_of(entry, folder)
    except BadAnswer:
        return
    status = entry.get("status")
    status = status if isinstance(status, dict) else {}
    states[str(service)] = {key: status.get(key) for key in ("configuredState", "realTimeState")}
    told = entry.get("permissions")
    if isinstance(told, dict):
        told = told.get("permissions")
    if isinstance(told, list):
        permissions[str(service)] = told


def _list(answer: Mapping[str, Any], member: str) -> list[Any]:
    """The list *member*; an empty one where it is none."""
    value = answer.get(member)
    return value if isinstance(value, list) else []


def _steady(value: Any) -> Any:
    """*value* without the members that count."""
    if isinstance(value, dict):
        return {key: _steady(inner) for key, inner in value.items() if key not in COUNTERS}
    return [_steady(inner) for inner in value] if isinstance(value, list) else value
