"""A file that a site answers with goes to the disk while it arrives: whole or not at all, and never into memory."""

from __future__ import annotations

import asyncio
import gzip
import stat
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from fleet.admin.catalogue import operation, operation_for
from fleet.admin.operation import Operation
from fleet.admin.request import build_request
from fleet.client.settings import ClientSettings
from fleet.client.transport import Transport
from fleet.errors import ConfigFailed, ConnectFailed, NotFound, TimedOut, TooLarge
from fleet.protocol.envelope import decipher
from fleet.protocol.message import REPORT_CAP, Response

PIECE = b"0123456789abcdef" * 4096
COUNT = 640
"""Pieces of the large file: 40 MiB."""


async def answered(request: web.Request) -> web.StreamResponse:
    kind = request.match_info["kind"]
    if kind == "failure":
        return web.json_response({"status": "error", "messages": ["Could not find resource."], "code": 404})
    if kind == "disguised":
        body = b'{"status": "error", "messages": ["Could not find resource."], "code": 404}'
        return web.Response(body=body, content_type="application/octet-stream")
    if kind == "small":
        return web.Response(body=b"PK\x03\x04small", content_type="application/octet-stream")
    if kind == "none":
        return web.Response(body=b"", content_type="application/octet-stream")
    if kind == "page":
        return web.Response(text="<html>sign in</html>", content_type="text/html")
    if kind == "gzip":
        body = gzip.compress(PIECE * 20)
        return web.Response(body=body, headers={"Content-Type": "application/zip", "Content-Encoding": "gzip"})
    response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
    await response.prepare(request)
    for number in range(COUNT):
        if kind == "broken" and number == 50:
            assert request.transport is not None
            request.transport.close()
            break
        if kind == "hangs" and number == 50:
            await asyncio.sleep(5)
        await response.write(PIECE)
    return response


@pytest.fixture
async def base() -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/arcgis/rest/directories/{kind}", answered)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    yield f"http://127.0.0.1:{port}/arcgis"
    await runner.cleanup()


def reading(kind: str, file: Path) -> Operation[int]:
    return operation_for(f"rest/directories/{kind}")[0].saved_to(file)


async def fetched(base: str, operation: Operation[int], limit: float = 20.0) -> tuple[int, Response]:
    async with Transport(ClientSettings()) as transport:
        response = await transport.send(build_request(operation, base), limit=limit)
        try:
            return decipher(response, operation.answer, binary=operation.binary), response
        finally:
            transport.done_with(response)
            assert transport.held == 0


async def test_rule_n4_a_large_file_is_saved_and_not_held(base: str, tmp_path: Path) -> None:
    file = tmp_path / "backup.agssite"
    tracemalloc.start()
    try:
        size, response = await fetched(base, reading("large", file))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size == len(PIECE) * COUNT == file.stat().st_size
    assert file.read_bytes() == PIECE * COUNT
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert response.body == b""
    assert peak < 16 * 1024 * 1024, "the file has 40 MiB, and is sent from this process too"
    assert [path.name for path in tmp_path.iterdir()] == ["backup.agssite"]


@pytest.mark.parametrize(("kind", "content"), [("small", b"PK\x03\x04small"), ("gzip", PIECE * 20), ("none", b"")])
async def test_what_is_saved_is_what_was_sent(base: str, tmp_path: Path, kind: str, content: bytes) -> None:
    file = tmp_path / "file"
    file.write_text("what was there before")
    size, _ = await fetched(base, reading(kind, file))
    assert (size, file.read_bytes()) == (len(content), content)


@pytest.mark.parametrize("kind", ["failure", "disguised"])
async def test_a_failure_is_no_file(base: str, tmp_path: Path, kind: str) -> None:
    with pytest.raises(NotFound, match="Could not find resource"):
        await fetched(base, reading(kind, tmp_path / "file"))
    assert list(tmp_path.iterdir()) == []


async def test_a_page_is_no_file(base: str, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="login page"):
        await fetched(base, reading("page", tmp_path / "file"))
    assert list(tmp_path.iterdir()) == []


async def test_a_file_that_broke_off_leaves_nothing_half_written(base: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("what was there before")
    with pytest.raises(ConnectFailed):
        await fetched(base, reading("broken", file))
    with pytest.raises(TimedOut):
        await fetched(base, reading("hangs", file), limit=1.0)
    assert file.read_text() == "what was there before"
    assert list(tmp_path.iterdir()) == [file]


async def test_a_file_of_more_than_the_limit_is_given_up(base: str, tmp_path: Path) -> None:
    from dataclasses import replace

    with pytest.raises(TooLarge):
        await fetched(base, replace(reading("large", tmp_path / "file"), cap=1024 * 1024))
    assert list(tmp_path.iterdir()) == []


async def test_a_place_that_can_t_be_written_is_said(base: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigFailed, match="can't be written: No such file or directory"):
        await fetched(base, reading("small", tmp_path / "nowhere" / "file"))


def test_an_operation_is_saved_to_a_file_in_its_own_time() -> None:
    export = operation("machines.sslcertificates.export", machine="A", alias="b").saved_to(Path("b.cer"))
    assert export.binary
    assert export.limit == 3600
    assert export.cap > REPORT_CAP
