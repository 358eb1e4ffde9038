"""The rolling restart of a site's machines: one after another, each only while the rest carries the load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from fleet import admin as ops
from fleet.bulk.change import Change
from fleet.bulk.machines import MachineVerb, runs, without_outage
from fleet.bulk.readiness import unhealthy
from fleet.bulk.states import states_of
from fleet.bulk.verb import Done, Sender, make
from fleet.client.site import Answer, SiteClient
from fleet.client.waiting import until_well
from fleet.errors import Cancelled, NotFound, ServerFailed, SiteError, VerifyFailed
from fleet.protocol.fields import ServiceId, as_bool, as_int
from fleet.rows.machines import MACHINES
from fleet.rows.reports import ServiceReports
from fleet.rows.services import STATISTICS, definitions
from fleet.rows.table import EVERYTHING, Row

__all__ = ["Restart", "left_alone"]

NAMED = 3
"""Services that a sentence names before it counts the rest."""


@dataclass(frozen=True)
class Restart(MachineVerb):
    """Stop and start machines one after another; those that should stand are left alone.

    Before each stop the other machines must run, and carry every service that has instances on this one. After each
    start the machine, the services and the health of the site must be as before within *wait* seconds; the round of a
    site ends at the first machine that does not come back. With *allow_outage* nothing is asked of the other machines.
    """

    name = "machines.restart"
    lasting = False
    doing: str = field(default="restart", init=False)
    disrupts: bool = field(default=True, init=False)
    allow_outage: bool = False
    wait: float = 600.0

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        rows, every, missing = await self.chosen.rows(client)
        # A machine that should run and does not carries nothing: it comes first, and can carry the others' load then.
        rows.sort(key=runs)
        return [*missing, *(self.judge(row, every) for row in rows)]

    def judge(self, row: Row, every: Sequence[Row]) -> Change:
        name, old = row["machineName"], states_of(row)
        if old["configuredState"] == "STOPPED":
            return Change(item=name, state="noop", old=old, new=old, why="it is stopped, and stays so")
        new = {"configuredState": "STARTED", "restarted": True}
        both = (ops.machines.stop(name), ops.machines.start(name))
        change = Change(item=name, old=old, new=new, operations=both)
        others = [other for other in every if other["machineName"] != name]
        return without_outage(change, others, allowed=self.allow_outage)

    def parameters(self) -> Mapping[str, Any]:
        return {**super().parameters(), "allow_outage": self.allow_outage, "wait": self.wait}

    async def carry_out(self, client: SiteClient, changes: Sequence[Change], sender: Sender, done: Done) -> None:
        for change in changes:
            sender.begin()
            try:
                if not self.allow_outage:
                    await self._carried(client, change.item, sender)
                before = await _running_services(client)
            except SiteError as error:
                done(change, error)
                raise Cancelled(f"the round ended at {change.item}") from error
            back = partial(self._back, client, change.item, before)
            if not await make(client, change, sender, done, self.name, after=back):
                raise Cancelled(f"the round ended at {change.item}, which did not come back")

    async def _carried(self, client: SiteClient, machine: str, sender: Sender) -> None:
        """Wait until the others carry what *machine* does; raises `ServerFailed` where they don't in time."""

        async def look() -> str:
            # While nothing is stopped yet, somebody who ends the run need not wait for it.
            sender.begin()
            return await uncarried(client, machine)

        missing = await until_well(look, self.wait)
        if missing:
            raise ServerFailed(
                f"it was not stopped, for the rest does not carry the load: {missing}",
                hint="mend that first; --allow-outage asks nothing of the other machines",
                may_have_arrived=False,
            )

    async def _back(
        self, client: SiteClient, machine: str, before: frozenset[ServiceId], answer: Answer[Any]
    ) -> Answer[Any]:
        """Wait until *machine* runs, what ran runs again, and the site is healthy; raises `VerifyFailed`."""
        missing = await until_well(partial(not_back, client, machine, before), self.wait)
        if missing:
            raise VerifyFailed(
                f"it was restarted, and after {self.wait:g} s {missing}",
                hint=f"look at its log: fleet logs query -s {client.site.name}",
            )
        return Answer(value=None, outcome="noop")


async def uncarried(client: SiteClient, machine: str) -> str:
    """What keeps the other machines from carrying the load of *machine*; the empty text where nothing does."""
    others = [row for row in await MACHINES.read(client, EVERYTHING) if row["machineName"] != machine]
    away = [row for row in others if states_of(row)["configuredState"] != "STOPPED" and not runs(row)]
    if away:
        return f"{away[0]['machineName']} is {away[0]['realTimeState']}"
    if not others or not any(map(runs, others)):
        return "no other machine runs"
    carrying = {row["machineName"] for row in others if runs(row)}
    try:
        statistics = await STATISTICS.read(client, EVERYTHING)
    except NotFound:
        # Without numbers for each machine, that the others run is all there is to know.
        return ""
    alone = left_alone(statistics, machine, carrying)
    if alone:
        # An instance that was made on demand is made on demand elsewhere too.
        least = await definitions(client, [service for service, _ in alone])
        lost = [
            service
            for service, deployed in alone
            if not deployed or (as_int(least.get(service, {}).get("minInstancesPerNode")) or 0) > 0
        ]
        if lost:
            return f"{_named(lost)} would be left without an instance"
    return ""


def left_alone(statistics: Sequence[Row], machine: str, carrying: set[str]) -> list[tuple[ServiceId, bool]]:
    """Services with instances on *machine* and on none of *carrying*, and whether those could have any."""
    per_service: dict[str, list[Row]] = {}
    for row in statistics:
        per_service.setdefault(row["service"], []).append(row)
    found = []
    for service, rows in per_service.items():
        here = sum(_instances(row) for row in rows if row["machineName"] == machine)
        there = [row for row in rows if row["machineName"] in carrying]
        if here and not sum(map(_instances, there)):
            deployed = any(_counted(row) and (as_int(row["max"]) or 0) > 0 for row in there)
            found.append((ServiceId.parse(service), deployed))
    return found


def _counted(row: Row) -> bool:
    """Whether the numbers of *row* mean something."""
    return as_bool(row.get("isStatisticsAvailable")) is not False


def _instances(row: Row) -> int:
    return (as_int(row.get("busy")) or 0) + (as_int(row.get("free")) or 0) if _counted(row) else 0


def _named(services: Sequence[ServiceId]) -> str:
    shown = ", ".join(map(str, services[:NAMED]))
    return shown + (f" and {len(services) - NAMED} more" if len(services) > NAMED else "")


async def _running_services(client: SiteClient) -> frozenset[ServiceId]:
    entries = await ServiceReports(client.call, ["status"]).services()
    return frozenset(entry.service for entry in entries if _real(entry.told) == "STARTED")


def _real(told: Mapping[str, Any]) -> str:
    status = told.get("status")
    return str(status.get("realTimeState") or "").upper() if isinstance(status, Mapping) else ""


async def not_back(client: SiteClient, machine: str, before: frozenset[ServiceId]) -> str:
    """What is not as it was before *machine* was restarted; the empty text where all is. *before* ran before."""
    state = states_of(await client.call(ops.machines.status(machine)))
    if state != {"configuredState": "STARTED"}:
        return f"it is {state.get('realTimeState') or state['configuredState']}"
    missing = sorted(before - await _running_services(client))
    if missing:
        return f"{_named(missing)} {'is' if len(missing) == 1 else 'are'} not back"
    return await unhealthy(client)
