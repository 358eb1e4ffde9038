"""What is asked of one site in a sweep: each thing once, however many checks want it, and only if one does."""

from __future__ import annotations

import copy
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeVar

import anyio

from fleet import admin as ops
from fleet.admin.operation import Operation
from fleet.client.handshake import PeerCertificate
from fleet.client.site import SiteClient
from fleet.errors import BadAnswer, SiteError
from fleet.health.certificates import readable
from fleet.protocol.fields import ServiceId, as_int
from fleet.rows.certificates import listed_aliases
from fleet.rows.machines import listed_machines
from fleet.rows.reading import all_of, each
from fleet.rows.reports import Entry, ServiceReports

__all__ = ["Facts", "MachineState", "ServiceState"]

T = TypeVar("T")

WISHES = {
    "STARTED": "STARTED",
    "STARTING": "STARTED",
    "STOPPED": "STOPPED",
    "STOPPING": "STOPPED",
    "STOPPPED": "STOPPED",
}
"""What the words of `configuredState` come to; the last one is how Esri's own help writes it in one place."""


@dataclass(frozen=True, slots=True)
class MachineState:
    """A machine's stored wish (STARTED or STOPPED) and measured state; None where the site does not say it.

    `error` is why nothing is known of this machine.
    """

    name: str
    configured: str | None
    real: str | None
    error: SiteError | None = None


@dataclass(frozen=True, slots=True)
class ServiceState:
    """A service's wish and state, as of a machine, and its instances on all machines together.

    `counted` says whether `most`, `busy` and `free` are known: `yes`, `no` where the site has no statistics, or
    `unread` where what it says can't be.
    """

    service: ServiceId
    configured: str | None
    real: str | None
    most: int = 0
    busy: int = 0
    free: int = 0
    counted: Literal["yes", "no", "unread"] = "no"


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
            raise copy.copy(box[0])  # each waiter writes into its own
        value: T = box[0]
        return value

    async def call(self, operation: Operation[T]) -> T:
        """The answer to *operation*, which is asked every time; one that needs a token waits for the one login."""
        if operation.token:
            await self.login()
        return await self.client.call(operation)

    async def rest_info(self) -> dict[str, Any]:
        """`rest/info`."""
        return await self._once("rest_info", lambda: self.client.call(ops.info.rest()))

    async def health(self) -> dict[str, Any]:
        """`rest/info/healthCheck`."""
        return await self._once("health", lambda: self.client.call(ops.info.healthcheck()))

    async def certificate(self) -> PeerCertificate | None:
        """The certificate that the site shows, and with the `crypto` extra those that it sends along."""
        return await self._once("certificate", lambda: self.client.certificate(sent=readable()))

    async def login(self) -> None:
        """Sign in."""
        await self._once("login", self._login)

    async def mode(self) -> dict[str, Any]:
        """`mode`."""
        return await self._once("mode", lambda: self.call(ops.site.mode()))

    async def licenses(self) -> dict[str, Any]:
        """`system/licenses`."""
        return await self._once("licenses", lambda: self.call(ops.system.licenses()))

    async def machine_names(self) -> Sequence[str]:
        """The names of the machines."""
        return await self._once("machine_names", self._machine_names)

    async def machines(self) -> Sequence[MachineState]:
        """Every machine with its states, or with the error that stands in their way."""
        return await self._once("machines", self._machines)

    async def services(self) -> Sequence[ServiceState]:
        """Every service of every folder with its states; raises what stood in the way of any folder."""
        found = await self.folders()
        for part in found.values():
            if isinstance(part, SiteError):
                raise part
        return [state for part in found.values() if not isinstance(part, SiteError) for state in part]

    async def folders(self) -> Mapping[str, Sequence[ServiceState] | SiteError]:
        """The services of each folder (the root is the empty text), or what stood in the way of that folder."""
        return await self._once("folders", self._folders)

    async def certificates(self) -> Sequence[tuple[str, str, Mapping[str, Any]]]:
        """Machine, alias and resource of every certificate in the machines' key stores."""
        return await self._once("certificates", self._certificates)

    async def _login(self) -> None:
        if self.client.site.auth.kind in ("portal", "oauth"):
            # The portal's token, and what the site says of its portal, don't wait for each other. An error of either
            # comes up again below, in the order in which the client judges them.
            await each([self.rest_info, self.client.login_ahead])
        await self.client.login()

    async def _machine_names(self) -> Sequence[str]:
        listing = await self.call(ops.machines.listing())
        return [entry["machineName"] for entry in listed_machines(listing)]

    async def _machines(self) -> Sequence[MachineState]:
        names = await self.machine_names()

        async def one(name: str) -> MachineState:
            try:
                answer = await self.call(ops.machines.status(name))
            except SiteError as error:
                return MachineState(name, None, None, error)
            return MachineState(name, _wish(answer), _state(answer, "realTimeState"))

        return all_of(await each([partial(one, name) for name in names]))

    async def _folders(self) -> Mapping[str, Sequence[ServiceState] | SiteError]:
        found = await ServiceReports(self.call).folders()
        return {
            folder: part if isinstance(part, SiteError) else [_state_of(entry) for entry in part]
            for folder, part in found.items()
        }

    async def _certificates(self) -> Sequence[tuple[str, str, Mapping[str, Any]]]:
        async def of(machine: str) -> list[tuple[str, str, Mapping[str, Any]]]:
            answer = await self.call(ops.machines.certificates(machine))
            aliases = listed_aliases(answer)
            found = await each([partial(self.call, ops.machines.certificate(machine, alias)) for alias in aliases])
            return [(machine, alias, told) for alias, told in zip(aliases, all_of(found), strict=True)]

        machines = await self.machine_names()
        parts = all_of(await each([partial(of, machine) for machine in machines]))
        return [entry for part in parts for entry in part]


def _state(answer: Mapping[str, Any], member: str) -> str | None:
    value = answer.get(member)
    return value.upper() if isinstance(value, str) and value else None


def _wish(answer: Mapping[str, Any]) -> str | None:
    """`configuredState`, which is one of two things whatever the word; None for any other."""
    word = _state(answer, "configuredState")
    return None if word is None else WISHES.get(word)


def _state_of(entry: Entry) -> ServiceState:
    status = entry.told.get("status")
    status = status if isinstance(status, dict) else {}
    wish, real = _wish(status), _state(status, "realTimeState")
    if entry.alone:
        return ServiceState(entry.service, wish, real)
    return ServiceState(entry.service, wish, real, *_instances_of(entry.told.get("instances")))


def _instances_of(instances: Any) -> tuple[int, int, int, Literal["yes", "no", "unread"]]:
    """Maximum, busy and free instances, and whether they could be read."""
    if not isinstance(instances, dict):
        return 0, 0, 0, "unread"
    if instances.get("isStatisticsAvailable") is False:
        # The numbers are there all the same, and mean nothing.
        return 0, 0, 0, "no"
    counts = [as_int(instances.get(member)) for member in ("max", "busy", "free")]
    known = [count for count in counts if count is not None and count >= 0]
    return (known[0], known[1], known[2], "yes") if len(known) == 3 else (0, 0, 0, "unread")
