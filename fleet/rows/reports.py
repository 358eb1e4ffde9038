"""The services of a site by its reports: folder by folder, in lists where a folder is large, one by one on old sites."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from fleet import admin as ops
from fleet.admin.operation import Operation
from fleet.errors import BadAnswer, NotFound, ServerFailed, SiteError, TooLarge
from fleet.protocol.fields import ServiceId, path_name, root_folder
from fleet.rows.reading import all_of, each, list_of

__all__ = ["LIST_CAP", "Entry", "ServiceReports", "listed_services", "service_of"]

LIST_CAP = 2000
"""Services that one report is asked for by name at the most."""

MISSING_CAP = 100
"""Services that a report may leave out before it is no report."""

Ask: TypeAlias = Callable[[Operation[Any]], Awaitable[Any]]
"""How an operation is asked: `SiteClient.call`, or what stands before it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A service, and what its report says of it (`{"status", "instances", …}`, as far as that was asked for).

    *alone* says that it was asked one by one, where the site has no report: then there is `status` only.
    """

    service: ServiceId
    told: Mapping[str, Any]
    alone: bool = False


class ServiceReports:
    """Reads the services of one site with *parameters* of their report; every method asks anew."""

    def __init__(self, ask: Ask, parameters: Iterable[str] = ("status", "instances")) -> None:
        self._ask = ask
        self._parameters = tuple(parameters)

    async def services(self, folders: Collection[str] | None = None) -> list[Entry]:
        """Every service of every folder, or of *folders*; raises what stood in the way of any folder."""
        found = await self.folders(folders)
        for part in found.values():
            if isinstance(part, SiteError):
                raise part
        return [entry for part in found.values() if not isinstance(part, SiteError) for entry in part]

    async def folders(self, only: Collection[str] | None = None) -> Mapping[str, Sequence[Entry] | SiteError]:
        """The services of each folder (the root is the empty text), or what stood in the way of that folder.

        With *only* of these folders, as far as the site has them; letters may be large or small.
        """
        listing = await self._ask(ops.services.listing())
        in_root = listed_services(listing)
        wanted = ["", *folder_names(listing)]
        if only is not None:
            chosen = {name.casefold() for name in only}
            wanted = [name for name in wanted if name.casefold() in chosen]

        async def one(folder: str) -> Sequence[Entry]:
            return await self._root(in_root) if folder == "" else await self._folder(folder)

        found = await each([partial(one, folder) for folder in wanted])
        return dict(zip(wanted, found, strict=True))

    async def of(self, services: Sequence[ServiceId]) -> list[Entry]:
        """The entries of *services*, of any folders; one that is not there any more is left out."""
        return list(await self._by_list(services))

    async def _root(self, listed: Sequence[ServiceId]) -> Sequence[Entry]:
        """The services of the root folder, whose list is known: none of it may be missing in the report."""
        if len(listed) > LIST_CAP:
            return await self._by_list(listed)
        entries = await self._reported("")
        if entries is None:
            return await self._one_by_one(listed)
        return [*entries, *await self._left_out(entries, listed)]

    async def _folder(self, folder: str) -> Sequence[Entry]:
        """The services of one folder by its report; in lists of 2,000, or one by one, where that is not to be had."""
        try:
            entries = await self._reported(folder)
        except TooLarge:
            return await self._by_list(listed_services(await self._ask(ops.services.listing(folder)), folder))
        if entries is None:
            return await self._one_by_one(listed_services(await self._ask(ops.services.listing(folder)), folder))
        return entries

    async def _reported(self, folder: str) -> Sequence[Entry] | None:
        """The report of *folder*; None where the site has no such report, or fails at it."""
        try:
            return _entries(await self._ask(ops.services.report(folder, parameters=self._parameters)), folder)
        except NotFound:
            return None
        except ServerFailed as error:
            if error.passing:
                raise
            return None

    async def _by_list(self, services: Sequence[ServiceId]) -> Sequence[Entry]:
        async def some(start: int) -> Sequence[Entry]:
            named = services[start : start + LIST_CAP]
            return _entries(await self._ask(ops.services.report(parameters=self._parameters, services=named)))

        parts = all_of(await each([partial(some, start) for start in range(0, len(services), LIST_CAP)]))
        entries = [entry for part in parts for entry in part]
        return [*entries, *await self._left_out(entries, services)]

    async def _left_out(self, entries: Sequence[Entry], listed: Sequence[ServiceId]) -> Sequence[Entry]:
        """Those of *listed* that a report leaves out: a few may have gone meanwhile, so they are asked for."""
        known = {entry.service for entry in entries}
        missing = [service for service in listed if service not in known]
        if len(missing) > MISSING_CAP:
            raise BadAnswer(f"the report leaves out {len(missing)} of {len(listed)} services that are listed")
        return await self._one_by_one(missing, gone=True)

    async def _one_by_one(self, services: Sequence[ServiceId], *, gone: bool = False) -> Sequence[Entry]:
        """The states of *services*, each asked for; with *gone* one that is not there any more is left out."""

        async def one(service: ServiceId) -> Entry | None:
            try:
                return Entry(service, {"status": await self._ask(ops.services.status(service))}, alone=True)
            except NotFound:
                if gone:
                    return None
                raise

        found = all_of(await each([partial(one, service) for service in services]))
        return [entry for entry in found if entry is not None]


def folder_names(listing: Mapping[str, Any]) -> list[str]:
    """The folders that the root's listing names; raises `BadAnswer` for something that is no name."""
    names = []
    for name in list_of(listing, "folders"):
        if not isinstance(name, str):
            raise BadAnswer("the list of folders holds something that is no name")
        if folder := root_folder(name):
            names.append(path_name(folder))
    return list(dict.fromkeys(names))


def listed_services(listing: Mapping[str, Any], folder: str = "") -> list[ServiceId]:
    """The services that the *listing* of *folder* names."""
    return list(dict.fromkeys(service_of(entry, folder) for entry in list_of(listing, "services")))


def service_of(entry: Any, folder: str = "") -> ServiceId:
    """The service that *entry* of an answer about *folder* names; raises `BadAnswer` where it names none."""
    if isinstance(entry, dict) and not isinstance(entry.get("folderName"), str):
        entry = {**entry, "folderName": folder}
    service = ServiceId.of(entry) if isinstance(entry, dict) else None
    if service is None:
        raise BadAnswer("the answer lists something that is no service")
    return service


def _entries(answer: Mapping[str, Any], folder: str = "") -> list[Entry]:
    found = {}
    for told in list_of(answer, "reports"):
        service = service_of(told, folder)
        found[service] = Entry(service, told)
    return list(found.values())
