"""Answers one login and one admin/info per site, as fast as a Python server can, on distinct loopback addresses."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import tempfile
from pathlib import Path

from connection import Connection

from fleet import platform

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


class Site(Connection):
    """Says of itself what a site says; in *silent* mode nothing."""

    def __init__(self, latency: float, silent: bool) -> None:
        super().__init__(latency)
        self._silent = silent

    def answer(self, line: bytes, body: bytes) -> bytes:
        return INFO

    def data_received(self, data: bytes) -> None:
        if not self._silent:
            super().data_received(data)


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
