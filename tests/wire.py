"""HTTP by hand, for tests that look at the bytes which a simulated site sends; it shares nothing with the client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from fleet.simulator import SimulatedSite

__all__ = ["Answer", "admin", "ask", "first_service", "form_of", "sign_in", "until"]

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Answer:
    """A status, headers by lower-case names, and the body as it came (chunks joined)."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> int | None:
        """The code in a failure body, of either shape."""
        value = self.json
        code: int | None = (value.get("error") if isinstance(value.get("error"), dict) else value).get("code")
        return code

    @property
    def message(self) -> str:
        """The first sentence of a failure body."""
        value = self.json
        error = value.get("error")
        return str(error["message"] if isinstance(error, dict) else value["messages"][0])


def form_of(values: Mapping[str, str]) -> bytes:
    return urlencode(values).encode("ascii")


async def ask(
    url: str,
    query: Mapping[str, str] | None = None,
    *,
    form: Mapping[str, str] | bytes | None = None,
    headers: Mapping[str, str] | None = None,
    source: str | None = None,
    json: bool = True,
    length: int | None = None,
) -> Answer:
    """One request on a connection of its own: a POST where there is a *form*; `f=json` unless *json* is False.

    *source* is the address that it comes from, and *length* says how much of the body the server gets to see.
    """
    parts = urlsplit(url)
    pairs = dict(query or {})
    if json and (form is None or isinstance(form, bytes)):
        pairs.setdefault("f", "json")
    if json and isinstance(form, Mapping):
        form = {"f": "json", **form}
    address = f"{parts.path}?{urlencode(pairs)}" if pairs else parts.path
    body = form_of(form) if isinstance(form, Mapping) else form
    head = {"Host": parts.netloc, "Connection": "close", **(headers or {})}
    if body is not None:
        head.setdefault("Content-Type", FORM)
        head["Content-Length"] = str(len(body) if length is None else length)
    lines = [f"{'GET' if body is None else 'POST'} {address} HTTP/1.1", *(f"{k}: {v}" for k, v in head.items())]
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", parts.port, local_addr=None if source is None else (source, 0)
    )
    try:
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")[:length])
        await writer.drain()
        return await _read(reader)
    finally:
        writer.close()


async def _read(reader: asyncio.StreamReader) -> Answer:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
    else:
        body = await reader.readexactly(int(headers["content-length"]))
    return Answer(int(first.split()[1]), headers, body)


async def sign_in(site: SimulatedSite, *, at: str = "admin/generateToken", **more: str) -> str:
    """A token of *site*, bound to nothing unless the form says more."""
    form = {"username": site.tokens.primary, "password": site.tokens.accounts[site.tokens.primary], **more}
    answer = await ask(f"{site.url}/{at}", form=form)
    return str(answer.json["token"])


async def admin(site: SimulatedSite, path: str, token: str | None = None, **form: str) -> Answer:
    """A POST to *path* below `admin`, with a fresh token unless there is one."""
    token = await sign_in(site) if token is None else token
    return await ask(f"{site.url}/admin/{path}".rstrip("/") + ("/" if not path else ""), form={"token": token, **form})


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Return as soon as *condition* holds; fails when it does not in time."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


def first_service(site: SimulatedSite) -> str:
    """Key of the first service, as it stands in addresses."""
    return next(iter(site.services))
