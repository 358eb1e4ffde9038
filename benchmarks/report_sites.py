"""Sites of 50 services each, whose report comes as fast as a Python server can send it, on distinct loopback addresses."""

from __future__ import annotations

import asyncio
import json
import sys

from fleet import platform

TOKEN = json.dumps({"token": "t" * 64, "expires": 4102444800000}).encode()
FOLDERS = ("", "Planning")
EACH = 25


def entry(folder: str, number: int, site: int) -> dict[str, object]:
    """What a report says of one service."""
    identity = {"folderName": f"/{folder}", "serviceName": f"Roads_{number:03d}", "type": "MapServer"}
    calls = (site * 977 + number * 131) % 100_000
    return {
        **identity,
        "provider": "ArcObjects11",
        "description": "Roads of the county, as the survey keeps them",
        "isDefault": False,
        "isPrivate": False,
        "status": {"configuredState": "STARTED", "realTimeState": "STARTED"},
        "instances": {
            **identity,
            "max": 4,
            "busy": number % 3,
            "free": 1,
            "initializing": 0,
            "notCreated": 2,
            "transactions": calls,
            "totalBusyTime": calls * 9,
            "isStatisticsAvailable": True,
        },
    }


LISTING = json.dumps(
    {
        "folderName": "/",
        "folders": ["Planning"],
        "services": [
            {"folderName": "/", "serviceName": f"Roads_{number:03d}", "type": "MapServer"} for number in range(EACH)
        ],
    }
).encode()


class Site(asyncio.Protocol):
    """One connection of site *number*: each request is answered after 20 ms."""

    def __init__(self, number: int) -> None:
        self._reports = {
            folder: json.dumps({"reports": [entry(folder, one, number) for one in range(EACH)]}).encode()
            for folder in FOLDERS
        }
        self._buffer = b""

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
        if b"generateToken" in line:
            body = TOKEN
        elif b"/report" in line:
            body = self._reports["Planning" if b"/Planning/" in line else ""]
        else:
            body = LISTING
        asyncio.get_running_loop().call_later(0.02, self._answer, body, b"connection: close" in lower)

    def _answer(self, body: bytes, close: bool) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: %d\r\n" % len(body)
        self._transport.write(head + (b"Connection: close\r\n" if close else b"") + b"\r\n" + body)  # type: ignore[attr-defined]
        if close:
            self._transport.close()


def address(number: int) -> str:
    """The loopback address of site *number*."""
    return f"127.9.{number // 250}.{number % 250 + 1}"


async def serve(count: int) -> None:
    loop = asyncio.get_running_loop()
    for number in range(count):
        await loop.create_server(lambda number=number: Site(number), address(number), 16444)  # type: ignore[misc]
    print("ready", flush=True)
    await asyncio.sleep(600)


if __name__ == "__main__":
    platform.raise_descriptor_limit()
    asyncio.run(serve(int(sys.argv[1])))
