"""Starting what an earlier step, or an earlier rollout, stopped and remembered: the set is read when it is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import anyio.to_thread

from fleet.bulk.change import Change
from fleet.bulk.remembered import StartRemembered
from fleet.bulk.services import Switch
from fleet.bulk.verb import Done, Sender
from fleet.client.site import SiteClient
from fleet.errors import UsageError
from fleet.history.sets import ServiceSet, SetFile, read_set

__all__ = ["StartSet"]


@dataclass(frozen=True)
class StartSet(Switch):
    """Start the services of the remembered set *set_name*, which may be made by an earlier step of the same rollout.

    A set that is not there yet holds nothing.
    """

    set_name: str = field(kw_only=True)

    name = "services.start"
    doing: str = field(default="start", init=False)
    resumes: ClassVar[bool] = True

    def _verb(self, known: ServiceSet) -> StartRemembered:
        memory = SetFile(self.set_name, add=True)
        return StartRemembered(self.chosen, self.together, remembered=known, memory=memory)

    def _known(self) -> ServiceSet:
        try:
            return read_set(self.set_name)
        except UsageError:
            return ServiceSet(self.set_name)

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        return await self._verb(await anyio.to_thread.run_sync(self._known)).plan(client)

    async def carry_out(self, client: SiteClient, changes: Sequence[Change], sender: Sender, done: Done) -> None:
        known = await anyio.to_thread.run_sync(self._known)
        await self._verb(known).carry_out(client, changes, sender, done)

    def parameters(self) -> Mapping[str, Any]:
        return {**super().parameters(), "remembered": self.set_name}
