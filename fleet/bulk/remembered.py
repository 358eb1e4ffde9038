"""Stopping what runs so that exactly that can be started again later, and starting it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import anyio.to_thread

from fleet.bulk.change import Change, impossible
from fleet.bulk.services import Chosen, Start, Stop, Switch
from fleet.bulk.states import states_of
from fleet.bulk.together import states_by_service
from fleet.bulk.verb import Done, Sender
from fleet.client.site import Answer, SiteClient
from fleet.errors import AuditFailed, NotFound, SiteError
from fleet.history.sets import ServiceSet, SetFile
from fleet.outcome import outcome_of
from fleet.protocol.fields import ServiceId
from fleet.rows.table import Row

__all__ = ["StartRemembered", "StopAndRemember"]


@dataclass(frozen=True)
class StopAndRemember(Stop):
    """Stop services that run, and remember which: *memory* holds them durably before the stop is sent.

    What should run and does not is left alone: it did not run, and so would not be started again either.
    """

    memory: SetFile | None = field(default=None, kw_only=True)
    set_name: str = field(default="", kw_only=True)

    resumes = True

    def judge(self, service: ServiceId, row: Row) -> Change:
        if str(row.get("realTimeState") or "").upper() == "STOPPED":
            old = states_of(row)
            why = "" if old == {"configuredState": "STOPPED"} else "it does not run, and is left alone"
            return Change(item=str(service), state="noop", old=old, new=old, why=why)
        return super().judge(service, row)

    async def carry_out(self, client: SiteClient, changes: Sequence[Change], sender: Sender, done: Done) -> None:
        if self.memory is None or not changes:
            await super().carry_out(client, changes, sender, done)
            return
        site, items = client.site.name, [change.item for change in changes]
        try:
            await anyio.to_thread.run_sync(self.memory.write, site, "stopping", items)
        except OSError as error:
            raise AuditFailed(
                f"nothing is stopped that can't be remembered, and the set {self.memory.name} can't be written: "
                f"{error.strerror or error}"
            ) from None
        events = dict.fromkeys(items, "failed")  # what is never sent was not stopped

        def told(change: Change, result: Answer[Any] | BaseException) -> None:
            events[change.item] = _event(result)
            done(change, result)

        try:
            await super().carry_out(client, changes, sender, told)
            await self._look_again(client, events)
        finally:
            # Not awaited: whoever cancels must not lose what is known. Without these lines all of them stay in the set.
            with suppress(OSError):
                for event in ("stopped", "unknown", "failed"):
                    self.memory.write(site, event, [item for item, known in events.items() if known == event])

    async def _look_again(self, client: SiteClient, events: dict[str, str]) -> None:
        """A site may say no and stop a service all the same: of those that failed the state is asked for."""
        failed = [ServiceId.parse(item) for item, event in events.items() if event == "failed"]
        if not failed:
            return
        try:
            states = await states_by_service(client, failed)
        except SiteError:
            events |= {str(service): "unknown" for service in failed}
            return
        for service in failed:
            if states.get(service, ("", ""))[1] == "STOPPED":
                events[str(service)] = "stopped"

    def parameters(self) -> Mapping[str, Any]:
        return {**super().parameters(), "remember": self.set_name}


def _event(result: Answer[Any] | BaseException) -> str:
    if isinstance(result, Answer):
        return "stopped"
    if isinstance(result, SiteError):
        return "failed" if outcome_of(result) not in ("unknown", "verify_failed") else "unknown"
    return "failed" if isinstance(result, AuditFailed) else "unknown"


@dataclass(frozen=True)
class StartRemembered(Switch):
    """Start the services of *remembered*, on each site those that were stopped there; others are left alone."""

    remembered: ServiceSet = field(kw_only=True)
    memory: SetFile | None = field(default=None, kw_only=True)

    name = "services.start"
    doing: str = field(default="start", init=False)
    resumes = True

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        meant = [ServiceId.parse(item) for item in self.remembered.of(client.site.name)]
        meant = [service for service in meant if self.chosen.patterns.match(service)]
        if not meant:
            return []
        states = await states_by_service(client, meant)
        judge = Start(Chosen(self.chosen.patterns)).judge
        changes = []
        for service in meant:
            if service not in states:
                told = NotFound(
                    f"{service} ran when it was remembered, and is not there any more", may_have_arrived=False
                )
                changes += [] if self.chosen.missing_ok else [impossible(str(service), told)]
                continue
            wish, real = states[service]
            changes.append(judge(service, {"configuredState": wish, "realTimeState": real}))
        self._started(client.site.name, [one.item for one in changes if one.state == "noop"])
        return changes

    async def carry_out(self, client: SiteClient, changes: Sequence[Change], sender: Sender, done: Done) -> None:
        started: list[str] = []

        def told(change: Change, result: Answer[Any] | BaseException) -> None:
            if isinstance(result, Answer):
                started.append(change.item)
            done(change, result)

        try:
            await super().carry_out(client, changes, sender, told)
        finally:
            self._started(client.site.name, started)

    def _started(self, site: str, items: Sequence[str]) -> None:
        """Note that *items* run again; that it can't be noted keeps nothing from running."""
        known = self.remembered.sites.get(site, {})
        with suppress(OSError):
            if self.memory is not None:
                self.memory.write(site, "started", [item for item in items if known.get(item) != "started"])

    def parameters(self) -> Mapping[str, Any]:
        return {**super().parameters(), "remembered": self.remembered.name}
