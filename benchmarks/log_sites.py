"""Answers logins and log queries page by page, as fast as a Python server can, on distinct loopback addresses."""

from __future__ import annotations

import asyncio
import json
import sys
from urllib.parse import parse_qs

from connection import Connection
from sites import address

from fleet import platform

PORT = 16453
LATEST = 1_800_000_000_000
STEP = 1000
RECORD = (
    b'{"type":"WARNING","message":"No instances for \'Planning/Zones%d.MapServer\' were available for 60.013 seconds. '
    b'Wait timeout exceeded.","time":%d,"source":"Planning/Zones%d.MapServer","machine":"GIS-%05d-A.EXAMPLE.COM",'
    b'"user":"","code":9511,"elapsed":"","process":"4012","thread":"%d","methodName":"","requestID":"%016x"}'
)


def page(site: int, records: int, newest: int, size: int) -> bytes:
    """The page of *site* whose newest end is *newest*; the sites' records lie between each other's."""
    first = max(0, -(-(LATEST - site - newest) // STEP))
    last = min(records, first + size)
    told = b",".join(
        RECORD % (i % 50, LATEST - site - i * STEP, i % 50, site, i % 7, site * 10_000 + i) for i in range(first, last)
    )
    more = b"true" if last < records else b"false"
    end = LATEST - site - (last - 1) * STEP if last > first else 0
    return b'{"hasMore":%s,"startTime":%d,"endTime":%d,"logMessages":[%s]}' % (more, min(newest, LATEST), end, told)


class Site(Connection):
    """One connection to the site *number*, whose log has so many *records*."""

    def __init__(self, number: int, records: int) -> None:
        super().__init__()
        self._number = number
        self._records = records

    def answer(self, line: bytes, body: bytes) -> bytes:
        if b"logs/query" not in line:
            return json.dumps({"currentVersion": 11.3}).encode()
        form = parse_qs(body.decode())
        newest = int(form.get("startTime", [str(LATEST)])[0])
        return page(self._number, self._records, newest, int(form.get("pageSize", ["1000"])[0]))


async def main(count: int, records: int) -> None:
    platform.raise_descriptor_limit()
    loop = asyncio.get_running_loop()
    for number in range(count):
        await loop.create_server(lambda number=number: Site(number, records), address(number), PORT, backlog=64)
    print("ready", flush=True)
    await asyncio.sleep(1200)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
