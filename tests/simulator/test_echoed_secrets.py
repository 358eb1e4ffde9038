"""A site that gives back what it was shown: no password and no token leaves the client again, in whatever it says."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from fleet.admin import info
from fleet.client.clients import Clients
from fleet.client.settings import ClientSettings
from fleet.errors import SiteError
from fleet.inventory.model import Site
from fleet.inventory.secrets import CredentialRef, Secret
from tests.processes import fleet

PASSWORD = 'pw+S3cret/xyz"Q'
TOKEN = "t0ken-" + "Zx9/+=" * 8

Echo = Callable[[str], Any]

ECHOES: dict[str, Echo] = {
    "value": lambda secret: {"a": secret},
    "part of a value": lambda secret: {"a": [{"b": f"got ({secret}) from you"}]},
    "key": lambda secret: {secret: 1},
    "in an address": lambda secret: {"a": f"https://x/?p={quote(secret, safe='')}&q=1"},
    "in base64": lambda secret: {"a": b64encode(secret.encode()).decode()},
    "as a header's base64": lambda secret: {"a": "Basic " + b64encode(f"siteadmin:{secret}".encode()).decode()},
    "error": lambda secret: {"status": "error", "messages": [f"no: {secret}"], "code": 500},
    "error and nothing else": lambda secret: {"status": "error", "messages": [secret], "code": 401},
    "error that is cut": lambda secret: {"status": "error", "messages": ["x " * 247 + secret], "code": 500},
    "rest error": lambda secret: {"error": {"code": 400, "message": "no", "details": [secret]}},
}


def escaped(value: Any) -> str:
    """*value* as JSON in which every letter of a text is an escape."""
    if isinstance(value, str):
        return '"' + "".join(f"\\u{ord(c):04x}" for c in value) + '"'
    return json.dumps(value)


async def called(echo: Echo, secret: str, *, at_login: bool, write: Callable[[Any], str] = json.dumps) -> str:
    """Everything that a caller sees of a site that answers *echo* of *secret*."""

    async def answer(request: web.Request) -> web.Response:
        if request.path.endswith("generateToken"):
            return web.Response(text=write(echo(secret)) if at_login else json.dumps({"token": TOKEN}))
        return web.Response(text=write(echo(secret)))

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with (
        TestServer(app, host="127.0.0.1") as server,
        Clients(ClientSettings(timeout=5)) as clients,
    ):
        site = Site(
            name="s",
            url=f"http://127.0.0.1:{server.port}/arcgis",
            username="siteadmin",
            password=CredentialRef(kind="plain", plain=Secret(PASSWORD)),
            retries=0,
        )
        try:
            return json.dumps(await clients[site].call(info.admin()), ensure_ascii=False)
        except SiteError as error:
            return f"{error} {error.message} {error.hint} {error.args}"


def holds(shown: str, secret: str) -> bool:
    forms = (secret, quote(secret, safe=""), b64encode(secret.encode()).decode().rstrip("="), json.dumps(secret)[1:-1])
    return any(form in shown or form[:12] in shown for form in forms)


@pytest.mark.parametrize("secret", [PASSWORD, TOKEN], ids=["password", "token"])
@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
async def test_rule_o4_an_echoed_secret_is_masked_in_values_keys_and_errors(echo: Echo, secret: str) -> None:
    assert not holds(await called(echo, secret, at_login=False), secret)


@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
async def test_rule_o4_a_refused_login_does_not_show_the_password(echo: Echo) -> None:
    assert not holds(await called(echo, PASSWORD, at_login=True), PASSWORD)


async def test_rule_o4_a_secret_in_escapes_is_masked() -> None:
    def write(value: Any) -> str:
        return '{"a":' + escaped(value["a"]) + "}"

    assert await called(ECHOES["value"], PASSWORD, at_login=False, write=write) == '{"a": "***"}'


async def test_rule_o3_a_token_that_comes_back_in_escapes_is_masked_in_a_trace(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.path.endswith("generateToken"):
            return web.json_response({"token": TOKEN})
        return web.Response(text='{"a":' + escaped(TOKEN) + "}")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app, host="127.0.0.1") as server:
        inventory = tmp_path / "echo.toml"
        inventory.write_text(
            f'[sites.s]\nurl = "http://127.0.0.1:{server.port}/arcgis"\nusername = "siteadmin"\n'
            "password = 'simulated'\nallow_plaintext = true\n"
        )
        done = await fleet("call", "admin/info", "-i", str(inventory), "--trace")
    assert done.returncode == 0, done.stderr
    assert '< {"a":"***"}' in done.stderr
    assert escaped(TOKEN)[1:-1] not in done.stderr
    assert not holds(done.stdout + done.stderr, TOKEN)
