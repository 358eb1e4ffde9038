"""Publishing by hand: upload a definition, run the publishing tool, and poll its job."""

from __future__ import annotations

import asyncio
from typing import Any

from fleet.simulator import SimulatedSite
from tests.wire import ask, sign_in

__all__ = ["TOOL", "publish", "upload"]

TOOL = "rest/services/System/PublishingTools/GPServer/Publish%20Service%20Definition"


async def upload(site: SimulatedSite, name: str, token: str) -> dict[str, Any]:
    """The item that an upload of a file called *name* makes."""
    line = "----simulated"
    parts = [
        f'--{line}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
        for key, value in (("token", token), ("f", "json"))
    ]
    parts.append(
        f'--{line}\r\nContent-Disposition: form-data; name="itemFile"; filename="{name}"\r\n'
        f"Content-Type: application/octet-stream\r\n\r\nnot really a definition\r\n--{line}--\r\n"
    )
    answer = await ask(
        f"{site.url}/admin/uploads/upload",
        form="".join(parts).encode(),
        headers={"Content-Type": f"multipart/form-data; boundary={line}"},
    )
    item: dict[str, Any] = answer.json["item"]
    return item


async def publish(site: SimulatedSite, name: str) -> tuple[list[str], list[dict[str, str]]]:
    """The states that the job of publishing *name* goes through, and its messages at the end."""
    token = await sign_in(site)
    item = await upload(site, name, token)
    submitted = (await ask(f"{site.url}/{TOOL}/submitJob", form={"token": token, "in_sdp_id": item["itemID"]})).json
    states = [submitted["jobStatus"]]
    for _ in range(100):
        job = (await ask(f"{site.url}/{TOOL}/jobs/{submitted['jobId']}", {"token": token})).json
        if job["jobStatus"] != states[-1]:
            states.append(job["jobStatus"])
        if job["jobStatus"] in ("esriJobSucceeded", "esriJobFailed"):
            return states, job["messages"]
        await asyncio.sleep(0.05)
    raise AssertionError(f"the job did not end: {states}")
