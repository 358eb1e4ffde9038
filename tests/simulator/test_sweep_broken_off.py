"""A sweep that is ended before a site has answered everything: what it found out is kept, and the rest is unknown."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from fleet.fanout.fleet import Fleet
from fleet.fanout.stop import Stop
from fleet.health import sweep
from fleet.simulator import Simulator
from tests.liar import Liar, lying

Write = Callable[[Simulator | str], Path]

ANSWERED = {"healthcheck": "ok", "login": "ok", "release": "ok", "machines": "ok", "mode": "ok", "license": "ok"}


def told(value: dict[str, Any]) -> dict[str, str]:
    return {check["check"]: check["status"] for check in value["checks"] if check["check"] != "tls"}


def silent(liar: Liar) -> None:
    """The services are never told, everything else is at once."""
    liar.silent.add("admin/services/report")


async def test_the_run_s_deadline_keeps_the_checks_that_did_run(write_inventory: Write) -> None:
    async with lying() as liar:
        silent(liar)
        async with Fleet.from_inventory(write_inventory(liar.inventory)) as fleet:
            report = await sweep(fleet.select(), deadline="1s")
    (outcome,) = report.outcomes
    assert (outcome.outcome, outcome.error.kind) == ("timeout", "deadline")  # type: ignore[union-attr]
    value: Any = outcome.value
    assert told(value) == {**ANSWERED, "services": "unknown", "instances": "unknown"}
    assert (value["status"], value["release"]) == ("unknown", "11.3")
    for check in value["checks"]:
        if check["status"] == "unknown":
            assert check["error"]["kind"] == "deadline"
            assert check["saw"] == "the run's deadline passed"
            assert "--deadline" in check["advice"]
            assert check["elapsed"] > 0.9
    assert report.merged["verdicts"] == {"ok": 0, "warning": 0, "critical": 0, "unknown": 1}
    assert {"check": "services", "critical": [], "warning": [], "unknown": ["liar"]} in report.merged["checks"]


async def test_what_is_critical_already_stays_so_in_the_verdict(write_inventory: Write) -> None:
    async with lying() as liar:
        silent(liar)
        liar.answers["rest/info/healthCheck"] = {"success": False}
        async with Fleet.from_inventory(write_inventory(liar.inventory)) as fleet:
            report = await sweep(fleet.select(), deadline="1s")
    (outcome,) = report.outcomes
    assert outcome.outcome == "timeout"
    value: Any = outcome.value
    assert value["status"] == "critical"
    assert report.merged["verdicts"]["critical"] == 1


async def test_a_run_that_is_cancelled_keeps_them_too(write_inventory: Write) -> None:
    stop = Stop()
    async with lying() as liar:
        silent(liar)
        async with Fleet.from_inventory(write_inventory(liar.inventory)) as fleet, anyio.create_task_group() as group:

            async def interrupt() -> None:
                while "admin/services/report" not in liar.asked:
                    await anyio.sleep(0.02)
                await anyio.sleep(0.3)
                stop.cancel_all()

            group.start_soon(interrupt)
            report = await sweep(fleet.select(), stop=stop)
    (outcome,) = report.outcomes
    assert (outcome.outcome, outcome.error.kind) == ("cancelled", "cancelled")  # type: ignore[union-attr]
    assert told(outcome.value) == {**ANSWERED, "services": "unknown", "instances": "unknown"}
    assert outcome.to_dict()["value"] == outcome.value


async def test_the_second_ctrl_c_prints_what_was_found_out(write_inventory: Write) -> None:
    async with lying() as liar:
        silent(liar)
        command = [sys.executable, "-m", "fleet", "health", "-i", str(write_inventory(liar.inventory)), "-o", "json"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            with anyio.fail_after(30):
                while "admin/services/report" not in liar.asked:
                    await anyio.sleep(0.05)
            await anyio.sleep(0.5)
            for _ in range(2):
                process.send_signal(signal.SIGINT)
                await anyio.sleep(0.5)
            out, _ = await anyio.to_thread.run_sync(lambda: process.communicate(timeout=30))
        finally:
            process.kill()
    assert process.returncode == 130
    (outcome,) = json.loads(out)["outcomes"]
    assert outcome["outcome"] == "cancelled"
    assert told(outcome["value"]) == {**ANSWERED, "services": "unknown", "instances": "unknown"}
