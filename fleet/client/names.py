"""Names of hosts to addresses, as the system looks them up, in threads that hold up nobody's end."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from ipaddress import ip_address
from threading import Thread
from typing import Any

import anyio
from aiohttp.abc import AbstractResolver, ResolveResult

from fleet.errors import ConnectFailed
from fleet.inventory.tables import leads_nowhere

__all__ = ["AT_ONCE", "Names"]

AT_ONCE = 32
"""Look-ups at the same time: one of a name server that is silent takes a quarter of a minute, or more."""

FLAGS = getattr(socket, "AI_ADDRCONFIG", 0) & getattr(socket, "AI_MASK", -1)
NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class Names(AbstractResolver):
    """Looks names up, and takes no address that can't be a site's: a name may lead anywhere.

    A look-up of the system can't be called off. In threads of the event loop's own, which are waited for when it ends, a
    name server that does not answer would hold up a run beyond its deadline and beyond Ctrl-C. *at_once* is how many
    there may be at the same time; each takes a descriptor or two.
    """

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._slots = anyio.CapacityLimiter(at_once)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of *host*; raises `OSError` where it has none, and `ConnectFailed` where none can be a site's."""
        try:
            found = await self._look_up(host, port, family, FLAGS)
        except socket.gaierror:
            if host.rstrip(".").casefold() != "localhost":
                raise
            # Windows does not find its own name while it has no network.
            found = await self._look_up(host, port, family, 0)
        results: list[ResolveResult] = []
        for kind, _, protocol, _, address in found:
            if kind not in (socket.AF_INET, socket.AF_INET6) or leads_nowhere(str(address[0])):
                continue
            results.append(
                ResolveResult(
                    hostname=host,
                    host=str(address[0]),
                    port=int(address[1]),
                    family=kind,
                    proto=protocol,
                    flags=NUMERIC,
                )
            )
        if found and not results:
            raise ConnectFailed(
                f"the name {host} leads to a link-local, unspecified or multicast address, which is no site's",
                passing=False,
                hint="check the host in `url`, and who answers for its name",
            )
        return results

    async def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of *host*, which may be one itself; raises as `resolve` does."""
        with suppress(ValueError):
            return [str(ip_address(host))]
        return [result["host"] for result in await self.resolve(host, port, socket.AF_UNSPEC)]

    async def close(self) -> None:
        """Look-ups that are still under way end by themselves, and nobody waits for them."""

    async def _look_up(self, host: str, port: int, family: int, flags: int) -> list[tuple[Any, ...]]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[tuple[Any, ...]]] = loop.create_future()
        slot = object()

        def tell(found: list[tuple[Any, ...]], error: Exception | None) -> None:
            self._slots.release_on_behalf_of(slot)
            if answer.done():
                return
            if error is None:
                answer.set_result(found)
            else:
                answer.set_exception(error)

        def look() -> None:
            found: list[tuple[Any, ...]] = []
            failed: Exception | None = None
            try:
                found = list(socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, flags))
            except Exception as error:
                failed = error
            # A loop that is closed means that nobody waits any more.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(tell, found, failed)

        # The slot belongs to the thread: it is free when the thread is done, not when nobody waits for it any more.
        await self._slots.acquire_on_behalf_of(slot)
        try:
            Thread(target=look, name=f"look up {host[:40]}", daemon=True).start()
        except RuntimeError as error:
            self._slots.release_on_behalf_of(slot)
            raise OSError(f"no thread can be started to look up a name: {error}") from None
        return await answer
