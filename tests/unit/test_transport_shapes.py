"""What requests look like when they leave, seen where they would meet the network."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from aioresponses import aioresponses
from yarl import URL

from fleet import admin as ops
from fleet.admin.request import build_request
from fleet.client.settings import ClientSettings
from fleet.client.transport import Transport
from fleet.errors import BadAnswer, TooLarge
from fleet.protocol.message import Request
from tests import aioresponses_compat

BASE = "https://gis.example.com/arcgis"


@pytest.fixture
def network() -> Iterator[aioresponses]:
    aioresponses_compat.apply()
    with aioresponses() as mocked:
        yield mocked


def sent(network: aioresponses) -> tuple[str, URL, dict[str, Any]]:
    [((method, url), [call])] = network.requests.items()
    return method, url, call.kwargs


async def test_rule_t1_a_read_is_a_get_with_the_token_in_its_header(network: aioresponses) -> None:
    network.get(f"{BASE}/admin/info?f=json", body=b"{}")
    async with Transport(ClientSettings()) as transport:
        await transport.send(build_request(ops.info.admin(), BASE, token="t" * 20), limit=5)
    method, url, options = sent(network)
    assert (method, str(url)) == ("GET", f"{BASE}/admin/info?f=json")
    assert options["headers"]["X-Esri-Authorization"] == f"Bearer {'t' * 20}"
    assert options["headers"]["Referer"] == "arcgis-fleet"
    assert options["allow_redirects"] is False
    assert options["data"] is None


async def test_wire_5_4_a_change_is_a_post_with_the_token_in_its_body(network: aioresponses) -> None:
    network.post(f"{BASE}/admin/mode/update", body=b"{}")
    async with Transport(ClientSettings()) as transport:
        await transport.send(build_request(ops.site.set_mode("READ_ONLY"), BASE, token="a+b/c d&e"), limit=5)
    method, url, options = sent(network)
    assert (method, str(url)) == ("POST", f"{BASE}/admin/mode/update")
    assert parse_qs(options["data"].decode()) == {"siteMode": ["READ_ONLY"], "f": ["json"], "token": ["a+b/c d&e"]}
    assert options["headers"]["Content-Type"] == "application/x-www-form-urlencoded"
    assert "X-Esri-Authorization" not in options["headers"]


async def test_rule_n4_an_announced_length_beyond_the_cap_ends_the_call(network: aioresponses) -> None:
    network.get(f"{BASE}/x", body=b"{}", headers={"Content-Length": str(10**9)})
    async with Transport(ClientSettings()) as transport:
        with pytest.raises(TooLarge):
            await transport.send(Request(method="GET", url=f"{BASE}/x"), limit=5)


async def test_rule_n4_an_encoding_that_was_not_asked_for_is_refused(network: aioresponses) -> None:
    network.get(f"{BASE}/x", body=b"{}", headers={"Content-Encoding": "br"})
    async with Transport(ClientSettings()) as transport:
        with pytest.raises(BadAnswer, match="br"):
            await transport.send(Request(method="GET", url=f"{BASE}/x"), limit=5)


async def test_rule_n4_a_small_answer_that_inflates_without_end_is_stopped(network: aioresponses) -> None:
    bomb = gzip.compress(b"[" + b"0," * 20_000_000 + b"0]")
    assert len(bomb) < 100_000
    network.get(f"{BASE}/x", body=bomb, headers={"Content-Encoding": "gzip"})
    async with Transport(ClientSettings()) as transport:
        with pytest.raises(TooLarge):
            await transport.send(Request(method="GET", url=f"{BASE}/x"), limit=20)


async def test_a_compressed_answer_is_inflated_and_one_that_is_none_is_refused(network: aioresponses) -> None:
    network.get(f"{BASE}/good", body=gzip.compress(b'{"a":1}'), headers={"Content-Encoding": "gzip"})
    network.get(f"{BASE}/bad", body=b'{"a":1}', headers={"Content-Encoding": "gzip"})
    async with Transport(ClientSettings()) as transport:
        assert (await transport.send(Request(method="GET", url=f"{BASE}/good"), limit=5)).body == b'{"a":1}'
        with pytest.raises(BadAnswer):
            await transport.send(Request(method="GET", url=f"{BASE}/bad"), limit=5)


def test_the_shim_is_still_needed() -> None:
    assert aioresponses_compat.needed(), "aioresponses has caught up with aiohttp: remove tests/aioresponses_compat.py"
