"""The log on standard error: its events, their fields, and what never stands in it; and what every reader is warned of."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from aiohttp import web

from fleet.simulator import Simulator
from tests.acceptance.terminals import FLEET

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]


async def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    def go() -> subprocess.CompletedProcess[str]:
        return subprocess.run([*FLEET, *arguments], capture_output=True, text=True, timeout=60, check=False)

    return await anyio.to_thread.run_sync(go)


async def logged(path: Path, *options: str) -> list[dict[str, Any]]:
    done = await run("call", "admin/info", "-i", str(path), "-q", "-o", "ndjson", "--log-format", "json", *options)
    assert done.stdout.count("\n") == 3, "the log does not disturb the lines"
    return [json.loads(line) for line in done.stderr.splitlines()]


@pytest.fixture
async def path(simulate: Simulate, write_inventory: Write) -> Path:
    return write_inventory(await simulate(sites=3, faults={"sim-0002": "refused", "sim-0003": "wrong-password"}))


async def test_one_event_tells_all_of_one_operation_on_one_site(path: Path) -> None:
    events = await logged(path, "-v")
    assert (events[0]["event"], events[0]["sites"], events[0]["selection"]) == ("run.started", 3, "all")
    last = events[-1]
    assert (last["event"], last["command"], last["selected"], last["answered"]) == ("run.ended", "call", 3, 1)
    told = {event["site"]: event for event in events[1:-1] if event["operation"] == "info"}
    assert len([event for event in events if event.get("operation") == "info"]) == 3, "one for each site"
    assert told.keys() == {"sim-0001", "sim-0002", "sim-0003"}
    assert len({event["request"] for event in events[1:-1]}) == len(events[1:-1])
    well = told["sim-0001"]
    assert (well["event"], well["level"], well["attempts"]) == ("operation.answered", "info", 1)
    assert re.fullmatch(r"r\d{6}", well["request"])
    assert 0 < well["seconds"] < 30
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", well["timestamp"])
    gone = told["sim-0002"]
    assert (gone["event"], gone["level"], gone["kind"], gone["attempts"]) == (
        "operation.failed",
        "warning",
        "connect",
        3,
    )
    assert gone["error"] == "connection refused"
    refused = told["sim-0003"]
    assert (refused["kind"], refused["attempts"], refused["code"]) == ("auth", 1, 401)
    assert [event["site"] for event in events if event.get("operation") == "login"] == ["sim-0001"]


async def test_every_attempt_is_told_at_the_second_level(path: Path) -> None:
    events = await logged(path, "-vv")
    attempts = [e for e in events if e.get("site") == "sim-0002" and e.get("operation") == "info" and "attempt" in e]
    assert [event["attempt"] for event in attempts] == [1, 2, 3]
    assert {event["event"] for event in attempts} == {"attempt.failed"}
    assert {event["level"] for event in attempts} == {"debug"}
    end = next(e for e in events if e.get("site") == "sim-0002" and e["event"] == "operation.failed" and "attempts" in e
               and e["operation"] == "info")  # fmt: skip
    assert {event["request"] for event in attempts} == {end["request"]}
    assert end["seconds"] >= sum(event["seconds"] for event in attempts) - 0.01
    answered = [event["operation"] for event in events if event["event"] == "attempt.answered"]
    assert sorted(answered) == ["info", "login"]


async def test_the_console_form_has_the_same_fields_and_without_v_there_is_no_log(path: Path) -> None:
    done = await run("call", "admin/info", "-i", str(path), "-q", "-o", "ndjson", "-v")
    line = next(line for line in done.stderr.splitlines() if "sim-0002" in line and "operation='info'" in line)
    assert re.match(r"timestamp='[^']+' level='warning' event='operation.failed' site='sim-0002' ", line)
    assert "kind='connect' error='connection refused'" in line
    assert (await run("call", "admin/info", "-i", str(path), "-q", "-o", "ndjson")).stderr == ""


@asynccontextmanager
async def answering(body: bytes) -> AsyncIterator[str]:
    """A server that answers everything with *body*; its base URL."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="text/plain")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/arcgis"
    finally:
        await runner.cleanup()


async def test_an_answer_that_is_no_strict_json_is_taken_with_a_warning(
    simulator: Simulator, write_inventory: Write
) -> None:
    odd = b'\xef\xbb\xbf{"currentVersion": 11.3, "note": "a\xff"}'
    async with answering(odd) as url:
        text = f'{simulator.inventory_toml()}\n[sites.odd]\nurl = "{url}"\n'
        path = str(write_inventory(text))
        report = json.loads((await run("call", "rest/info", "-i", path, "-o", "json")).stdout)
        lines = await run("call", "rest/info", "-i", path, "-o", "ndjson")
        strict = json.loads((await run("call", "rest/info", "-i", path, "-s", "not odd", "-o", "json")).stdout)
    assert [(warning["site"], warning["kind"]) for warning in report["warnings"]] == [("odd", "odd_answer")]
    assert next(o for o in report["outcomes"] if o["site"] == "odd")["value"]["note"] == "a\ufffd"
    assert lines.stdout.count("\n") == 4
    assert (
        "warning: an answer is no strict JSON, and was read leniently: a character of it may be lost: odd"
        in lines.stderr
    )
    assert strict["warnings"] == []


async def test_an_operation_whose_release_is_not_certain_is_sent_with_a_warning(
    simulator: Simulator, write_inventory: Write
) -> None:
    path = str(write_inventory(simulator))
    local = ["call", "admin/local", "-s", "sim-0001", "-i", path]
    told = "local is said to have come with release 10.0, which is not certain"
    assert told in (await run(*local)).stderr
    assert told not in (await run(*local, "-q")).stderr
