"""What is asked of one site in a sweep: each thing once, however many checks want it, and only if one does."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import anyio

from fleet import admin as ops
from fleet.client.handshake import PeerCertificate
from fleet.client.site import SiteClient
from fleet.errors import BadAnswer, NotFound, ServerFailed, SiteError, TooLarge
from fleet.protocol.fields import ServiceId, root_folder

__all__ = ["Facts", "MachineState", "ServiceState"]

T = TypeVar("T")

LIST_CAP = 2000
"""Services that one report is asked for by name at the most."""

NAME_CAP = 50_000


@dataclass(frozen=True, slots=True)
class MachineState:
    """A machine's stored wish and measured state."""

    name: str
    configured: str
    real: str


@dataclass(frozen=True, slots=True)
class ServiceState:
    """A service's two states, and its instances where the report had them."""

    service: ServiceId
    configured: str
    real: str
    most: int | None = None
    busy: int | None = None
    free: int | None = None


class Facts:
    """The facts of one site. Every method asks the site at most once and shares the answer, or the error."""

    def __init__(self, client: SiteClient, *, since: float = 86_400.0, now: Callable[[], float] = time.time) -> None:
        self.client = client
        self.since = since
        self.now = now
        self._known: dict[str, tuple[anyio.Event, list[Any]]] = {}

    async def _once(self, name: str, ask: Callable[[], Awaitable[T]]) -> T:
        known = self._known.get(name)
        if known is None:
            done, box = self._known[name] = (anyio.Event(), [])
            try:
                box.append(await ask())
            except SiteError as error:
                box.append(error)
            finally:
                done.set()
        else:
            done, box = known
            await done.wait()
        if not box:
            raise BadAnswer("the look at the site was broken off")
        if isinstance(box[0], SiteError):
            raise box[0]
        value: T = box[0]
        return value

    async def rest_info(self) -> dict[str, Any]:
        """`rest/info`."""
        return await self._once("rest_info", lambda: self.client.call(ops.info.rest()))

    async def health(self) -> dict[str, Any]:
        """`rest/info/healthCheck`."""
        return await self._once("health", lambda: self.client.call(ops.info.healthcheck()))

    async def certificate(self) -> PeerCertificate | None:
        """The certificate that the site shows."""
        return await self._once("certificate", self.client.certificate)

    async def login(self) -> None:
        """Sign in."""
        await self._once("login", self.client.login)

    async def mode(self) -> dict[str, Any]:
        """`mode`."""
        return await self._once("mode", lambda: self.client.call(ops.site.mode()))

    async def licenses(self) -> dict[str, Any]:
        """`system/licenses`."""
        return await self._once("licenses", lambda: self.client.call(ops.site.licenses()))

    async def machine_names(self) -> Sequence[str]:
        """The names of the machines."""
        return await self._once("machine_names", self._machine_names)

    async def machines(self) -> Sequence[MachineState]:
        """Every machine with its states."""
        return await self._once("machines", self._machines)

    async def services(self) -> Sequence[ServiceState]:
        """Every service of every folder with its states."""
        return await self._once("services", self._services)

    async def certificates(self) -> Sequence[tuple[str, str, Mapping[str, Any]]]:
        """Machine, alias and resource of every certificate in the machines' key stores."""
        return await self._once("certificates", self._certificates)

    async def _machine_names(self) -> Sequence[str]:
        answer = await self.client.call(ops.machines.listing())
        entries = answer.get("machines")
        if not isinstance(entries, list):
            raise BadAnswer("the list of machines is missing in the answer")
        names = [entry.get("machineName") for entry in entries[:NAME_CAP] if isinstance(entry, dict)]
        return list(dict.fromkeys(name for name in names if isinstance(name, str) and name not in ("", ".", "..")))

    async def _machines(self) -> Sequence[MachineState]:
        names = await self.machine_names()

        async def one(name: str) -> MachineState:
            answer = await self.client.call(ops.machines.status(name))
            return MachineState(name, _state(answer, "configuredState"), _state(answer, "realTimeState"))

        return await _each([lambda name=name: one(name) for name in names])  # type: ignore[misc]

    async def _services(self) -> Sequence[ServiceState]:
        listing = await self.client.call(ops.services.listing())
        folders = listing.get("folders")
        names = [name for name in folders if isinstance(name, str)] if isinstance(folders, list) else []
        wanted = ["", *dict.fromkeys(filter(None, (root_folder(name) for name in names[:NAME_CAP])))]
        wanted = [name for name in wanted if "/" not in name and name not in (".", "..")]
        root = listing if isinstance(listing.get("services"), list) and len(listing["services"]) > LIST_CAP else None

        async def one(folder: str) -> Sequence[ServiceState]:
            return await self._folder(folder, root if folder == "" else None)

        found = await _each([lambda folder=folder: one(folder) for folder in wanted])  # type: ignore[misc]
        return [state for part in found for state in part]

    async def _folder(self, folder: str, large: dict[str, Any] | None) -> Sequence[ServiceState]:
        """The services of one folder by its report; in lists of 2,000, or one by one, where that is not to be had."""
        if large is None:
            try:
                return _reported(await self.client.call(ops.services.report(folder)))
            except TooLarge:
                large = await self.client.call(ops.services.listing(folder))
            except NotFound:
                return await self._one_by_one(await self.client.call(ops.services.listing(folder)))
            except ServerFailed as error:
                if error.passing:
                    raise
                return await self._one_by_one(await self.client.call(ops.services.listing(folder)))
        services = _listed(large)
        states: list[ServiceState] = []
        for start in range(0, len(services), LIST_CAP):
            chunk = services[start : start + LIST_CAP]
            states += _reported(await self.client.call(ops.services.report(services=chunk)))
        return states

    async def _one_by_one(self, listing: Mapping[str, Any]) -> Sequence[ServiceState]:
        async def one(service: ServiceId) -> ServiceState:
            answer = await self.client.call(ops.services.status(service))
            return ServiceState(service, _state(answer, "configuredState"), _state(answer, "realTimeState"))

        return await _each([lambda service=service: one(service) for service in _listed(listing)])  # type: ignore[misc]

    async def _certificates(self) -> Sequence[tuple[str, str, Mapping[str, Any]]]:
        found: list[tuple[str, str, Mapping[str, Any]]] = []
        for machine in await self.machine_names():
            answer = await self.client.call(ops.machines.certificates(machine))
            aliases = answer.get("certificates")
            for alias in aliases[:100] if isinstance(aliases, list) else []:
                if isinstance(alias, str) and alias not in ("", ".", ".."):
                    found.append((machine, alias, await self.client.call(ops.machines.certificate(machine, alias))))
        return found


async def _each(asks: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """All of *asks* at once, in order; the first error in their order is raised once all have ended."""
    results: list[Any] = [None] * len(asks)

    async def one(place: int) -> None:
        try:
            results[place] = await asks[place]()
        except SiteError as error:
            results[place] = error

    async with anyio.create_task_group() as group:
        for place in range(len(asks)):
            group.start_soon(one, place)
    for result in results:
        if isinstance(result, SiteError):
            raise result
    return results


def _state(answer: Mapping[str, Any], member: str) -> str:
    value = answer.get(member)
    return value.upper() if isinstance(value, str) else "UNKNOWN"


def _listed(listing: Mapping[str, Any]) -> list[ServiceId]:
    entries = listing.get("services")
    found = [ServiceId.of(entry) for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return list(dict.fromkeys(service for service in found if service is not None))[:NAME_CAP]


def _reported(answer: Mapping[str, Any]) -> list[ServiceState]:
    entries = answer.get("reports")
    if not isinstance(entries, list):
        raise BadAnswer("the report of services is missing in the answer")
    states = []
    for entry in entries[:NAME_CAP]:
        service = ServiceId.of(entry) if isinstance(entry, dict) else None
        if service is None:
            continue
        status = entry.get("status")
        status = status if isinstance(status, dict) else {}
        instances = entry.get("instances")
        instances = instances if isinstance(instances, dict) else {}
        counted = instances.get("isStatisticsAvailable") is not False
        states.append(
            ServiceState(
                service,
                _state(status, "configuredState"),
                _state(status, "realTimeState"),
                _count(instances.get("max")) if counted else None,
                _count(instances.get("busy")) if counted else None,
                _count(instances.get("free")) if counted else None,
            )
        )
    return states


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
