"""One HTTP connection of a site that benchmarks ask, as fast as a Python server can have it."""

from __future__ import annotations

import asyncio
import json

TOKEN = json.dumps({"token": "t" * 64, "expires": 4102444800000}).encode()


class Connection(asyncio.Protocol):
    """Answers each request with what `answer` makes of it, after *latency* seconds."""

    def __init__(self, latency: float = 0.0) -> None:
        self._latency = latency
        self._buffer = b""

    def answer(self, line: bytes, body: bytes) -> bytes:
        """The JSON that answers the request of that first *line*, which has that *body*."""
        raise NotImplementedError

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        lower = head.lower()
        at = lower.find(b"content-length:")
        length = int(lower[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        line = head.split(b"\r\n", 1)[0]
        told = TOKEN if b"generateToken" in line else self.answer(line, rest[:length])
        close = b"connection: close" in lower
        if self._latency:
            asyncio.get_running_loop().call_later(self._latency, self._write, told, close)
        else:
            self._write(told, close)

    def _write(self, told: bytes, close: bool) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: %d\r\n" % len(told)
        self._transport.write(head + (b"Connection: close\r\n" if close else b"") + b"\r\n" + told)  # type: ignore[attr-defined]
        if close:
            self._transport.close()
