"""Verbs that change the definitions of services: settings, extensions, capabilities, and the runtime they use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from fleet import admin as ops
from fleet.bulk.change import Change, impossible
from fleet.bulk.services import ServiceVerb
from fleet.bulk.settings import Edits, SettingRefused, differences, edited
from fleet.client.site import SiteClient
from fleet.errors import ServerFailed
from fleet.protocol.fields import ServiceId
from fleet.protocol.redact import redacted
from fleet.rows.services import definitions

__all__ = ["DefinitionVerb", "Edit", "MoveRuntime"]

GONE = "it was there a moment ago, and is not any more"


@dataclass(frozen=True)
class DefinitionVerb(ServiceVerb):
    """A verb on the whole definitions of services, which are read afresh each time."""

    def judge_definition(self, service: ServiceId, definition: Mapping[str, Any]) -> Change | None:
        """What is to be done to *service*; None where it is not meant."""
        raise NotImplementedError

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        rows, missing = await self.chosen.rows(client, ("configuredState",))
        services = [ServiceId.parse(row["service"]) for row in rows]
        found = await definitions(client, services)
        changes = list(missing)
        for service in services:
            judged = (
                self.judge_definition(service, found[service]) if service in found else impossible(str(service), GONE)
            )
            if judged is not None:
                changes.append(judged)
        return changes


def replaced(service: ServiceId, old: Mapping[str, Any], new: Mapping[str, Any]) -> Change:
    """The change of the whole definition of *service* from *old* to *new*; people see what differs."""
    before, after = differences(old, new)
    if not before and not after:
        return Change(item=str(service), state="noop", old=before, new=after)
    return Change(
        item=str(service),
        old=redacted(before),
        new=redacted(after),
        operations=(ops.services.edit(service, new),),
        undo=(ops.services.edit(service, old),),
    )


@dataclass(frozen=True)
class Edit(DefinitionVerb):
    """Change settings of services by *edits*; everything else of a definition is sent back as it was.

    A service that runs is restarted by it.
    """

    edits: Edits

    name = "services.edit"
    doing: str = field(default="edit", init=False)
    disrupts: bool = field(default=True, init=False)

    def judge_definition(self, service: ServiceId, definition: Mapping[str, Any]) -> Change:
        try:
            return replaced(service, definition, edited(definition, self.edits))
        except SettingRefused as refusal:
            return impossible(str(service), ServerFailed(str(refusal), may_have_arrived=False))

    def parameters(self) -> Mapping[str, Any]:
        return {**super().parameters(), **self.edits.to_dict()}


Runtime = Literal["shared", "dedicated"]
PROVIDERS: dict[Runtime, str] = {"shared": "DMaps", "dedicated": "ArcObjects11"}


@dataclass(frozen=True)
class MoveRuntime(DefinitionVerb):
    """Let map services use shared instances, or instances of their own; it restarts them.

    Only map services that were published for the current runtime can be moved; others that a pattern fits are left out,
    and those that are named are told of.
    """

    runtime: Runtime

    name = "services.provider"
    doing: str = field(default="move", init=False)
    disrupts: bool = field(default=True, init=False)

    def judge_definition(self, service: ServiceId, definition: Mapping[str, Any]) -> Change | None:
        wanted = PROVIDERS[self.runtime]
        provider = str(definition.get("provider"))
        old, new = {"provider": provider}, {"provider": wanted}
        if provider == wanted:
            return Change(item=str(service), state="noop", old=old, new=new)
        if service.type != "MapServer" or provider not in PROVIDERS.values():
            if not self.chosen.patterns.names(service):
                return None
            why = f"only map services of the current runtime can be moved, and this is a {service.type} of {provider}"
            return impossible(str(service), why, old=old, new=new)
        return Change(
            item=str(service),
            old=old,
            new=new,
            operations=(ops.services.change_provider(service, wanted),),  # type: ignore[arg-type]
            # The instances that it had of its own come back with the whole definition.
            undo=(ops.services.change_provider(service, provider), ops.services.edit(service, definition)),  # type: ignore[arg-type]
        )

    def parameters(self) -> Mapping[str, Any]:
        return {**super().parameters(), "runtime": self.runtime}
