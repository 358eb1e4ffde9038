"""A site that signs everybody in, and answers each resource with whatever a test puts there."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

__all__ = ["HONEST", "Liar", "lying"]

FAR = 4_102_444_800_000
"""The year 2100, in epoch milliseconds."""

STARTED = {"configuredState": "STARTED", "realTimeState": "STARTED"}


def _report(folder: str, name: str) -> dict[str, Any]:
    return {
        "folderName": folder,
        "serviceName": name,
        "type": "MapServer",
        "status": STARTED,
        "instances": {"max": 2, "busy": 0, "free": 1, "isStatisticsAvailable": True},
    }


HONEST: dict[str, Any] = {
    "rest/info": {"currentVersion": 11.3, "fullVersion": "11.3.0"},
    "rest/info/healthCheck": {"success": True},
    "rest/services": {"folders": ["F"], "services": [{"name": "A", "type": "MapServer"}]},
    "rest/services/F": {"services": [{"name": "F/B", "type": "MapServer"}]},
    "rest/services/A/MapServer": {"currentVersion": 11.3},
    "rest/services/F/B/MapServer": {"currentVersion": 11.3},
    "admin/generateToken": {"token": "a-token-of-the-liar", "expires": FAR},
    "admin/machines": {"machines": [{"machineName": "M1", "adminURL": "x"}, {"machineName": "M2", "adminURL": "y"}]},
    "admin/machines/M1/status": STARTED,
    "admin/machines/M2/status": STARTED,
    "admin/machines/M1/sslcertificates": {"certificates": ["own"]},
    "admin/machines/M2/sslcertificates": {"certificates": []},
    "admin/machines/M1/sslcertificates/own": {"aliasName": "own", "validUntilEpoch": FAR},
    "admin/services": {
        "folders": ["Planning"],
        "services": [{"folderName": "/", "serviceName": "Roads", "type": "MapServer"}],
    },
    "admin/services/report": {"reports": [_report("/", "Roads")]},
    "admin/services/Planning/report": {"reports": [_report("Planning", "Zones")]},
    "admin/services/Planning": {
        "folders": [],
        "services": [{"folderName": "Planning", "serviceName": "Zones", "type": "MapServer"}],
    },
    "admin/services/Roads.MapServer/status": STARTED,
    "admin/services/Planning/Zones.MapServer/status": STARTED,
    "admin/mode": {"siteMode": "EDITABLE"},
    "admin/system/licenses": {
        "edition": {"name": "Advanced", "canExpire": True, "expiration": FAR},
        "level": {"name": "Enterprise", "canExpire": False, "expiration": 0},
        "extensions": [{"name": "3D", "canExpire": True, "expiration": FAR}],
        "features": [],
    },
    "admin/data/validateAllDataItems": {"status": "success"},
    "admin/logs/query": {"hasMore": False, "startTime": 1, "endTime": 0, "logMessages": []},
}
"""What a healthy site says, by resource."""


class Liar:
    """`answers` may be changed at any time: a JSON value, or a pair of an HTTP status and a value.

    A resource in `silent` is never answered.
    """

    def __init__(self) -> None:
        self.answers = copy.deepcopy(HONEST)
        self.silent: set[str] = set()
        self.asked: list[str] = []
        self.url = ""
        self.over = asyncio.Event()

    @property
    def inventory(self) -> str:
        """An inventory with this site alone, called `liar`."""
        return (
            '[defaults]\nusername = "siteadmin"\npassword = "simulated"\nallow_plaintext = true\n'
            f'[sites.liar]\nurl = "{self.url}"\n'
        )

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                for line in head.lower().split("\r\n"):
                    if line.startswith("content-length:"):
                        await reader.readexactly(int(line.split(":")[1]))
                path = head.split(" ")[1].split("?")[0].removeprefix("/arcgis/")
                self.asked.append(path)
                if path in self.silent:
                    await self.over.wait()
                    return
                nothing = {"status": "error", "messages": ["Could not find it."], "code": 404}
                answer = self.answers.get(path, nothing)
                status, value = answer if isinstance(answer, tuple) else (200, answer)
                body = json.dumps(value).encode()
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def lying() -> AsyncIterator[Liar]:
    """A liar on a free port, who tells the truth until a test says otherwise."""
    liar = Liar()
    listening = await asyncio.start_server(liar.serve, "127.0.0.1", 0)
    liar.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/arcgis"
    async with listening:
        try:
            yield liar
        finally:
            liar.over.set()
