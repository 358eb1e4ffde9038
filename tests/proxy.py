"""A small forward proxy on loopback: it forwards plain requests, tunnels others, and remembers what it was told."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

__all__ = ["LoopbackProxy", "Seen"]


@dataclass(frozen=True)
class Seen:
    """A request as the proxy got it; `headers` have lower-case names."""

    method: str
    target: str
    headers: dict[str, str] = field(repr=False)


class LoopbackProxy:
    """An async context manager. *routes* maps `host:port` to a port of this machine, so that no name is looked up.

    *account* is what it asks for, *refusal* a status with which it answers everything, and *sources* are the loopback
    addresses from which it connects, in turn.
    """

    def __init__(
        self,
        routes: dict[str, int] | None = None,
        *,
        account: tuple[str, str] | None = None,
        refusal: int | None = None,
        sources: Iterable[str] = (),
    ) -> None:
        self.seen: list[Seen] = []
        self._routes = routes or {}
        self._account = account
        self._refusal = refusal
        self._sources: Iterator[str] = iter(sources)
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._one(reader, writer)
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        self.seen.append(Seen(method, target, headers))
        if self._account is not None:
            wanted = "Basic " + base64.b64encode(":".join(self._account).encode()).decode()
            if headers.get("proxy-authorization") != wanted:
                await self._say(
                    writer,
                    "407 Proxy Authentication Required",
                    'Proxy-Authenticate: Basic realm="p"\r\nContent-Length: 0\r\n',
                )
                return
        if self._refusal is not None:
            await self._say(writer, f"{self._refusal} No")
            return
        parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
        host, port = parts.hostname or "", parts.port or 80
        port = self._routes.get(f"{host}:{port}", port)
        source = next(self._sources, None)
        there, upstream = await asyncio.open_connection(
            "127.0.0.1", port, local_addr=None if source is None else (source, 0)
        )
        if method == "CONNECT":
            await self._say(writer, "200 Connection established", "")
        else:
            path = parts.path + (f"?{parts.query}" if parts.query else "")
            kept = [
                line
                for line in lines
                if line and line.lower().split(":")[0] not in ("proxy-authorization", "connection")
            ]
            upstream.write(
                "\r\n".join([f"{method} {path} HTTP/1.1", *kept, "Connection: close", "", ""]).encode("latin-1")
            )
        ways = [asyncio.ensure_future(_pump(reader, upstream)), asyncio.ensure_future(_pump(there, writer))]
        try:
            # Whichever side closes ends both ways; what came before is passed on by then.
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            upstream.close()

    async def _say(self, writer: asyncio.StreamWriter, status: str, headers: str = "Content-Length: 0\r\n") -> None:
        writer.write(f"HTTP/1.1 {status}\r\n{headers}\r\n".encode())
        await writer.drain()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
