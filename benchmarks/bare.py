"""What an expert would write in an afternoon: aiohttp, one login and one admin/info per site, a line for each."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
import time
import tomllib

import aiohttp


async def one(
    session: aiohttp.ClientSession, limit: asyncio.Semaphore, name: str, url: str, user: str, password: str
) -> None:
    async with limit:
        started = time.monotonic()
        try:
            form = {
                "username": user,
                "password": password,
                "client": "referer",
                "referer": "bare",
                "expiration": "60",
                "f": "json",
            }
            async with session.post(f"{url}/admin/generateToken", data=form) as response:
                token = (await response.json(content_type=None))["token"]
            headers = {"X-Esri-Authorization": f"Bearer {token}"}
            async with session.get(f"{url}/admin/info", params={"f": "json"}, headers=headers) as response:
                value = await response.json(content_type=None)
            line = {"site": name, "outcome": "ok", "value": value, "elapsed": round(time.monotonic() - started, 3)}
        except Exception as error:
            line = {"site": name, "outcome": "failed", "error": str(error)}
    sys.stdout.write(json.dumps(line) + "\n")


async def main(path: str) -> None:
    with open(path, "rb") as file:
        inventory = tomllib.load(file)
    user, password = inventory["defaults"]["username"], os.environ["FLEET_PASSWORD"]
    ca = inventory["defaults"].get("tls", {}).get("ca")
    context = ssl.create_default_context(cafile=ca) if ca else None
    connector = aiohttp.TCPConnector(limit=0, ssl=context) if context else aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=30)
    limit = asyncio.Semaphore(100)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers={"Referer": "bare"}) as session:
        await asyncio.gather(
            *(one(session, limit, name, site["url"], user, password) for name, site in inventory["sites"].items())
        )


if __name__ == "__main__":
    if os.environ.get("BARE_UVLOOP"):
        import uvloop

        uvloop.run(main(sys.argv[1]))
    else:
        asyncio.run(main(sys.argv[1]))
