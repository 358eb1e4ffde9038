"""How a command that changes sites keeps others off them meanwhile: by leases, as rollouts do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fleet.errors import StoreFailed, UsageError

if TYPE_CHECKING:
    from fleet.fanout.leases import Lease
    from fleet.inventory.model import Site

__all__ = ["leased", "leased_urls"]


@asynccontextmanager
async def leased(what: str, sites: Iterable[Site]) -> AsyncIterator[Mapping[str, Lease]]:
    """Leases on *sites* by name, all or none, for *what*; given back at the end, whatever that is.

    Raises `LockHeld` where somebody else changes one of them, and `UsageError` where leases can't be kept.
    """
    async with leased_urls(what, {site.name: site.url for site in sites}) as held:
        yield held


@asynccontextmanager
async def leased_urls(what: str, urls: Mapping[str, str]) -> AsyncIterator[Mapping[str, Lease]]:
    """As `leased`, on *urls* by name."""
    if not urls:
        yield {}
        return
    from fleet.fanout.leases import Leases
    from fleet.history.database import state_database

    async with Leases(state_database(), what) as leases:
        try:
            held = await leases.take_urls(urls)
        except StoreFailed as error:
            raise UsageError(
                f"nothing is changed without a lease, which keeps others off a site, and none can be taken: {error}"
            ) from None
        yield held
