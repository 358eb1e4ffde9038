"""What travels on which connection, against servers that take the standard at its word."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.to_thread
import pytest

from fleet.admin import info
from fleet.admin.operation import Operation
from fleet.client.clients import Clients
from fleet.client.settings import ClientSettings, RetryPolicy
from fleet.errors import BadAnswer, CircuitOpen, LoginRefused, ServerFailed
from fleet.inventory.model import Site
from fleet.inventory.secrets import CredentialRef, Secret


class StrictServer:
    """Answers the first read with 498; takes a request's `Connection: close` seriously without naming it itself."""

    def __init__(self) -> None:
        self.connections = 0
        self.logins = 0
        self.reads = 0
        self.after_close = 0
        self.body = b'{"fullVersion":"11.3.0"}'

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        closing = False
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if closing:
                    self.after_close += 1
                    return
                lower = head.lower()
                if b"content-length:" in lower:
                    await reader.readexactly(int(lower.split(b"content-length:")[1].split(b"\r\n")[0]))
                if b"generateToken" in head:
                    self.logins += 1
                    body = json.dumps({"token": f"token-{self.logins:08d}", "expires": 4102444800000}).encode()
                else:
                    self.reads += 1
                    body = (
                        b'{"status":"error","messages":["Token Expired."],"code":498}' if self.reads == 1 else self.body
                    )
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()
                # The end of the connection reaches the other side a moment later, as over a real network.
                closing = b"connection: close" in lower
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def served(server: StrictServer) -> AsyncIterator[str]:
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/arcgis"


def site(url: str, retries: int = 2) -> Site:
    password = CredentialRef(kind="plain", plain=Secret("simulated"))
    return Site(name="s", url=url, username="siteadmin", password=password, retries=retries)


async def test_nothing_more_is_sent_on_a_connection_after_the_request_that_said_close() -> None:
    server = StrictServer()
    async with served(server) as url, Clients(ClientSettings(timeout=5)) as clients:
        client = clients[site(url, retries=0)]
        client.finishing = True
        assert (await client.call(info.admin()))["fullVersion"] == "11.3.0"
        assert (await client.call(info.admin()))["fullVersion"] == "11.3.0"
    assert server.after_close == 0
    assert (server.logins, server.reads) == (2, 3)


async def test_a_large_answer_is_deciphered_in_a_thread_and_then_no_longer_held() -> None:
    server = StrictServer()
    server.reads = 1
    server.body = json.dumps({"rows": [[{}] for _ in range(300_000)]}).encode()
    async with served(server) as url, Clients(ClientSettings(timeout=20)) as clients:
        before = anyio.to_thread.current_default_thread_limiter().statistics()
        rows = (await clients[site(url)].call(Operation(name="rows", path="admin/rows")))["rows"]
        assert len(rows) == 300_000
        assert clients.transport.held == 0
        assert anyio.to_thread.current_default_thread_limiter().statistics() == before


async def test_an_answer_that_is_refused_is_not_held_either() -> None:
    server = StrictServer()
    server.reads = 1
    server.body = b"x" * 2_000_000
    async with served(server) as url, Clients(ClientSettings(timeout=20)) as clients:
        with pytest.raises(BadAnswer):
            await clients[site(url)].call(info.admin())
        assert clients.transport.held == 0


async def test_rule_n4_interim_answers_without_an_end_are_not_listened_to() -> None:
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        try:
            await reader.readuntil(b"\r\n\r\n")
            while sent < 200_000_000:
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 2000)
                sent += 50_000
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(flood, "127.0.0.1", 0)
    async with listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/arcgis"
        async with Clients(ClientSettings(timeout=20)) as clients:
            with pytest.raises(BadAnswer, match="interim answers"):
                await clients[site(url, retries=0)].call(info.rest())
    assert sent < 20_000_000, "what was sent beyond the bound is what the system's own buffers hold"


async def test_a_few_interim_answers_do_no_harm() -> None:
    async def polite(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 5 + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(polite, "127.0.0.1", 0)
    async with listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/arcgis"
        async with Clients(ClientSettings(timeout=20)) as clients:
            assert await clients[site(url)].call(info.rest()) == {}


async def test_a_refused_login_of_a_site_that_is_back_does_not_keep_the_breaker_open() -> None:
    down = True

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        told = {"status": "error", "code": 401, "messages": ["Invalid username or password"]}
        status, body = (b"503 Service Unavailable", b"") if down else (b"200 OK", json.dumps(told).encode())
        writer.write(b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))
        await writer.drain()
        writer.close()

    now = 1000.0
    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    settings = ClientSettings(timeout=20, retry=RetryPolicy(breaker_failures=2, breaker_pause=10.0))
    async with listening, Clients(settings, clock=lambda: now) as clients:
        client = clients[site(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/arcgis", retries=0)]
        for expected in (ServerFailed, ServerFailed, CircuitOpen):
            with pytest.raises(expected):
                await client.login()
        down, now = False, now + 11.0
        for _ in range(2):
            with pytest.raises(LoginRefused):
                await client.login()
