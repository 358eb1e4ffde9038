"""What an expert would write in an afternoon: every setting and every service of every site as a JSON file."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tomllib
from pathlib import Path
from typing import Any

import aiohttp

SINGLE = (
    "admin/ admin/info admin/mode admin/services/properties admin/services/types admin/services/types/extensions "
    "admin/logs/settings admin/usagereports/settings admin/usagereports admin/data/config admin/security/config "
    "admin/security/tokens admin/security/psa admin/system/properties admin/system/directories admin/system/configstore "
    "admin/system/webadaptors admin/system/webadaptors/config admin/system/licenses "
    "admin/system/handlers/rest/servicesdirectory admin/system/platformservices admin/system/deployment admin/uploads "
    "admin/data/findItems admin/security/users/getUsers admin/security/roles/getRoles rest/info"
).split()


async def one(
    session: aiohttp.ClientSession, limit: asyncio.Semaphore, folder: Path, url: str, user: str, password: str
) -> None:
    async with limit:
        form = {"username": user, "password": password, "client": "referer", "referer": "bare", "f": "json"}
        async with session.post(f"{url}/admin/generateToken", data=form) as response:
            token = (await response.json(content_type=None))["token"]
        headers = {"X-Esri-Authorization": f"Bearer {token}"}
        reads = asyncio.Semaphore(4)
        folder.mkdir()

        async def dump(path: str, **more: str) -> Any:
            async with (
                reads,
                session.get(f"{url}/{path}", params={"f": "json", **more}, headers=headers) as response,
            ):
                value = await response.json(content_type=None)
            text = json.dumps(value, indent=2, sort_keys=True)
            (folder / f"{path.strip('/').replace('/', '_')}.json").write_text(text)
            return value

        async def below(name: str) -> None:
            place = f"admin/services/{name}".rstrip("/")
            told = await dump(place)
            reports = [dump(f"{place}/report", parameters='["status","permissions"]')] if told["services"] else []
            each = [dump(f"{place}/{one['serviceName']}.{one['type']}") for one in told["services"]]
            await asyncio.gather(*reports, *each, *(below(inner) for inner in told["folders"]))

        async def machine(name: str) -> None:
            place = f"admin/machines/{name}"
            for path in (place, f"{place}/status", f"{place}/hardware"):
                await dump(path)
            for alias in (await dump(f"{place}/sslcertificates"))["certificates"]:
                await dump(f"{place}/sslcertificates/{alias}")

        async def machines() -> None:
            told = await dump("admin/machines")
            await asyncio.gather(*(machine(entry["machineName"]) for entry in told["machines"]))

        await asyncio.gather(*(dump(path) for path in SINGLE), below(""), machines())


async def main(path: str, folder: str) -> None:
    with open(path, "rb") as file:
        inventory = tomllib.load(file)
    user, password = inventory["defaults"]["username"], os.environ["FLEET_PASSWORD"]
    Path(folder).mkdir()
    limit = asyncio.Semaphore(100)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers={"Referer": "bare"}) as session:
        await asyncio.gather(
            *(
                one(session, limit, Path(folder) / name, site["url"], user, password)
                for name, site in inventory["sites"].items()
            )
        )


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
