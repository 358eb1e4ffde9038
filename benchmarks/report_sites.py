"""Sites of 50 services each, whose report comes as fast as a Python server can send it, on distinct loopback addresses."""

from __future__ import annotations

import asyncio
import json
import sys

from connection import Connection

from fleet import platform

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


class Site(Connection):
    """One connection of site *number*: each request is answered after 20 ms."""

    def __init__(self, number: int) -> None:
        super().__init__(0.02)
        self._reports = {
            folder: json.dumps({"reports": [entry(folder, one, number) for one in range(EACH)]}).encode()
            for folder in FOLDERS
        }

    def answer(self, line: bytes, body: bytes) -> bytes:
        return self._reports["Planning" if b"/Planning/" in line else ""] if b"/report" in line else LISTING


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
