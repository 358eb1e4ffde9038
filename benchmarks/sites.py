"""Answers one login and one admin/info per site, as fast as a Python server can, on distinct loopback addresses."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import tempfile
from pathlib import Path

from fleet import platform

TOKEN = json.dumps({"token": "t" * 64, "expires": 4102444800000}).encode()
INFO = json.dumps(
    {
        "currentversion": 11.3,
        "fullVersion": "11.3.0",
        "currentbuild": "51575",
        "timezone": "UTC",
        "loggedInUser": "siteadmin",
        "loggedInUserPrivilege": "ADMINISTER",
    }
).encode()


class Site(asyncio.Protocol):
    """One connection: each request is answered after *latency* seconds; in *silent* mode none ever is."""

    def __init__(self, latency: float, silent: bool) -> None:
        self._latency = latency
        self._silent = silent
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._silent:
            return
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
        body = TOKEN if b"generateToken" in head else INFO
        close = b"connection: close" in lower
        asyncio.get_running_loop().call_later(self._latency, self._answer, body, close)

    def _answer(self, body: bytes, close: bool) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: %d\r\n" % len(body)
        self._transport.write(head + (b"Connection: close\r\n" if close else b"") + b"\r\n" + body)  # type: ignore[attr-defined]
        if close:
            self._transport.close()


def address(number: int) -> str:
    return f"127.{1 + number // 62500}.{number // 250 % 250}.{1 + number % 250}"


async def main(start: int, end: int, latency: float, tls: bool, dead: int) -> None:
    platform.raise_descriptor_limit()
    loop = asyncio.get_running_loop()
    context: ssl.SSLContext | None = None
    folder = tempfile.TemporaryDirectory()
    ca = ""
    if tls:
        import trustme

        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        names = [address(number) for number in range(start, end)]
        authority.issue_cert(*names).configure_cert(context)
        ca = str(Path(folder.name) / "ca.pem")
        authority.cert_pem.write_to_path(ca)
    for number in range(start, end):
        refuses, silent = number < dead // 2, dead // 2 <= number < dead
        if not refuses:
            await loop.create_server(
                lambda silent=silent: Site(latency, silent), address(number), 16443, ssl=context, backlog=64
            )
    print(f"ready {ca}", flush=True)
    await asyncio.sleep(600)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4] == "tls", int(sys.argv[5])))
