"""Work on portals: each is asked once, and every site that shares it has the answer, or the error, as its own."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import anyio

from fleet.auth.choose import portal_of
from fleet.client.clients import Clients
from fleet.client.site import SiteClient
from fleet.errors import Cancelled, FateUnknown, SiteError
from fleet.fanout.engine import Skipped, Work
from fleet.inventory.model import Site

__all__ = ["once_per_portal"]


def once_per_portal(sites: Sequence[Site], work: Work, clients: Clients) -> Work:
    """Work for *sites* that does *work* on each of their portals once.

    A portal is asked with the account, trust and proxy of the first of *sites* that names it. A site without a portal
    fails with `ConfigFailed`, and nothing is sent for it.
    """
    turns: dict[str, _Turn] = {}
    for site in sites:
        if site.auth.portal is not None and site.auth.portal not in turns:
            turns[site.auth.portal] = _Turn(clients.portal(site), work)

    async def share(client: SiteClient) -> Any:
        return await turns[portal_of(client.site).url].share(client)

    return share


class _Turn:
    """One portal's turn: whoever comes first asks, the others wait for what comes of it."""

    def __init__(self, portal: SiteClient, work: Work) -> None:
        self._portal = portal
        self._work = work
        self._lock = anyio.Lock()
        self._begun = False
        self._result: list[Any] = []

    async def share(self, client: SiteClient) -> Any:
        """The portal's answer, for the site of *client*; raises the portal's error as that site's own."""
        try:
            async with self._lock:
                if not self._begun:
                    await self._ask()
        except BaseException:
            # Whatever breaks this off has to know whether a change is under way.
            client.change_in_flight = self._portal.change_in_flight
            raise
        client.first_attempt = self._portal.first_attempt
        client.most_attempts = self._portal.most_attempts
        if not self._result:
            # Whoever asked was cancelled. A change must not be sent again by the next who comes.
            if self._portal.change_in_flight is not None:
                raise FateUnknown(f"{self._portal.change_in_flight} was sent to the portal, and its fate is unknown")
            raise Cancelled("the call to the portal was broken off")
        result = self._result[0]
        if isinstance(result, SiteError):
            error = copy.copy(result)
            error.site = client.site.name
            raise error
        if isinstance(result, Skipped):
            raise Skipped(str(result))
        return result

    async def _ask(self) -> None:
        self._begun = True
        try:
            self._result.append(await self._work(self._portal))
        except (SiteError, Skipped) as error:
            self._result.append(error)
