"""What a careful script does by hand: sign in everywhere, fetch every report, write one CSV. No retries, no checks.

With `fetch` as second argument it only fetches; any other one is a query that SQLite answers from the rows.
"""

from __future__ import annotations

import asyncio
import csv
import json
import sqlite3
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import aiohttp

COLUMNS = ("max", "busy", "free", "initializing", "notCreated", "transactions", "totalBusyTime")


async def main() -> None:
    sites = tomllib.loads(Path(sys.argv[1]).read_text())["sites"]
    parse = len(sys.argv) < 3 or sys.argv[2] != "fetch"
    limit = asyncio.Semaphore(100)
    found: dict[str, list[object]] = {}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one(name: str, url: str) -> None:
            async with limit:
                form = {"username": "siteadmin", "password": "x" * 12, "client": "referer", "f": "json"}
                async with session.post(f"{url}/admin/generateToken", data=form) as answer:
                    token = json.loads(await answer.read())["token"]
                headers = {"X-Esri-Authorization": f"Bearer {token}"}

                async def get(path: str, **query: str) -> bytes:
                    async with session.get(f"{url}/{path}", params={**query, "f": "json"}, headers=headers) as answer:
                        return await answer.read()

                asked = '["status","instances","description"]'
                folders = json.loads(await get("admin/services"))["folders"]
                paths = ["admin/services/report", *(f"admin/services/{folder}/report" for folder in folders)]
                answers = await asyncio.gather(*(get(path, parameters=asked) for path in paths))
                found[name] = [json.loads(body) for body in answers] if parse else []

        await asyncio.gather(*(one(name, site["url"]) for name, site in sites.items()))
    if not parse:
        return
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if len(sys.argv) < 3:
        writer.writerow(NAMES)
        writer.writerows(rows(sites, found))
        return
    database = sqlite3.connect(":memory:")
    database.execute(f"create table services ({', '.join(NAMES)})")
    database.executemany(f"insert into services values ({', '.join('?' * len(NAMES))})", rows(sites, found))
    answer = database.execute(sys.argv[2])
    writer.writerow([name for name, *_ in answer.description])
    writer.writerows(answer)


NAMES = ("site", "service", "folderName", "serviceName", "type", "configuredState", "realTimeState", *COLUMNS)


def rows(sites: Mapping[str, object], found: Mapping[str, list[object]]) -> Iterator[list[object]]:
    for name in sites:
        for report in found[name]:
            for told in report["reports"]:  # type: ignore[index]
                folder, status, instances = told["folderName"].strip("/"), told["status"], told["instances"]
                service = f"{folder}/" if folder else ""
                service += f"{told['serviceName']}.{told['type']}"
                states = status["configuredState"], status["realTimeState"]
                counts = [instances[column] for column in COLUMNS]
                yield [name, service, folder, told["serviceName"], told["type"], *states, *counts]


asyncio.run(main())
