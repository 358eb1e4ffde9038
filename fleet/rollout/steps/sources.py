"""Settings of another site as the source of a change: read once for a run, when the first site is planned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio

from fleet.bulk.change import Change
from fleet.bulk.transfer import CopySettings
from fleet.client.site import SiteClient
from fleet.errors import ConfigFailed, SiteError
from fleet.inventory.model import Site

__all__ = ["CopyFrom"]


@dataclass(slots=True)
class _Turn:
    """Whose turn it is to read the source, and whether it was read."""

    lock: anyio.Lock = field(default_factory=anyio.Lock)
    read: bool = False


@dataclass(frozen=True)
class CopyFrom(CopySettings):
    """Bring services to the settings that they have on *site*, which is read when the first plan needs it."""

    site: Site = field(kw_only=True, repr=False)
    _turn: _Turn = field(default_factory=_Turn, init=False, repr=False, compare=False)

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        async with self._turn.lock:
            if not self._turn.read:
                try:
                    await self.source.read(client.beside(self.site))
                except SiteError as error:
                    raise ConfigFailed(
                        f"{self.source.site}, where the settings come from, can't be read: {error.message}",
                        hint="nothing was sent",
                    ) from None
                self._turn.read = True
        return await super().plan(client)
