"""Whether a site is ready for an upgrade: the health checks that matter, and what an upgrade needs beside them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fleet import admin as ops
from fleet.bulk.readiness import upgrade_state
from fleet.errors import NotFound, SiteError
from fleet.health import builtin
from fleet.health.check import Check, Finding, Limits
from fleet.health.facts import Facts
from fleet.health.words import DAY, days
from fleet.rows.system import DIRECTORIES
from fleet.rows.system import config_store as read_config_store
from fleet.rows.table import EVERYTHING

__all__ = ["preflight"]


async def _directories(facts: Facts, limits: Limits) -> Finding:
    rows = await DIRECTORIES.read(facts.client, EVERYTHING)
    wanted = "a directory of every kind that a site needs"
    missing = [row["directoryType"] for row in rows if row["state"] == "missing"]
    if missing:
        return Finding(
            status="critical",
            saw=f"no directory of the kind {', '.join(missing)}",
            wanted=wanted,
            advice=f"register it, or: fleet system directories recover -s {facts.client.site.name}",
        )
    saw = f"{len(rows)} directories registered; free disk space is not offered by the API"
    return Finding(status="ok", saw=saw, wanted=wanted, advice="see that the disks of the machines have room")


async def _config_store(facts: Facts, limits: Limits) -> Finding:
    (row,) = await read_config_store(facts.client)
    state = str(row["status"] or "")
    ready = state.lower() == "ready"
    return Finding(
        status="ok" if ready else "critical",
        saw=f"the configuration store is {state or 'in no known state'}",
        wanted="the configuration store is Ready",
        advice="" if ready else "look at the share that it lies on",
    )


async def _upgrade(facts: Facts, limits: Limits) -> Finding:
    state = await upgrade_state(facts.client)
    good = state in ("", "UPGRADE_REQUIRED")
    return Finding(
        status="ok" if good else "critical",
        saw="no upgrade is going on" if not state else f"the upgrade is {state}",
        wanted="no upgrade is going on, and the last one did not fail",
        advice="" if good else "see what became of the last upgrade before you begin another",
    )


async def _jobs(facts: Facts, limits: Limits) -> Finding:
    wanted = "no operation works on by itself"
    try:
        answer = await facts.call(ops.system.jobs())
    except NotFound:
        return Finding(status="skipped", saw="this release tells no jobs", wanted=wanted)
    listed = answer.get("jobs")
    count = len(listed) if isinstance(listed, list) else 0
    if not count:
        return Finding(status="ok", saw="no jobs", wanted=wanted)
    advice = f"see which still run: fleet system jobs -s {facts.client.site.name}"
    return Finding(status="warning", saw=f"{count} jobs of long operations are listed", wanted=wanted, advice=advice)


def _checks() -> Sequence[Check]:
    return (
        builtin.healthcheck,
        builtin.release,
        Check(name="upgrade", look=_upgrade),
        builtin.machines,
        builtin.services,
        builtin.mode,
        builtin.license_days,
        replace(builtin.machine_certificates, name="certificates"),
        builtin.datastores,
        Check(name="directories", look=_directories),
        Check(name="config-store", look=_config_store),
        Check(name="jobs", look=_jobs),
    )


async def preflight(facts: Facts, *, exported: float | None, age: float) -> list[dict[str, Any]]:
    """Rows `{"check", "status", "saw", "advice"}`: one per check of the site of *facts*, those of the export last.

    *exported* is when the last export that is known of was made (epoch seconds), and *age* how old it may be in seconds.
    Raises what keeps the site from being asked at all.
    """
    await facts.rest_info()
    await facts.login()
    rows = []
    for check in _checks():
        try:
            found = await check.look(facts, check.limits)
        except SiteError as error:
            found = Finding(status="unknown", saw=error.message, wanted="", advice=error.hint or "", obstacle=error)
        rows.append({"check": check.name, "status": found.status, "saw": found.saw, "advice": found.advice})
    return [*rows, _export(facts, exported, age)]


def _export(facts: Facts, exported: float | None, age: float) -> dict[str, Any]:
    advice = f"fleet site export FOLDER -s {facts.client.site.name}"
    if exported is None:
        return {"check": "export", "status": "critical", "saw": "no export is known of", "advice": advice}
    old = time.time() - exported
    saw = f"the last export that is known of is {days(old)} old" if old >= DAY else "exported within a day"
    return {
        "check": "export",
        "status": "ok" if old <= age else "critical",
        "saw": saw,
        "advice": "" if old <= age else advice,
    }
