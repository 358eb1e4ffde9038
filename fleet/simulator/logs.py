"""The logs of a simulated site: queries page by page, with the pages that trip up careless readers, and the settings."""

from __future__ import annotations

import json
import random
from calendar import timegm
from collections import Counter
from collections.abc import Callable
from time import strptime
from typing import Any

from fleet.simulator.call import SUCCESS, Call, Route, missing, route
from fleet.simulator.state import LEVELS, TYPICAL
from fleet.simulator.wire import Reply, admin_failure

__all__ = ["ROUTES", "moment", "wanted"]

MOST = 10_000
"""Records that one page has at the most."""

MANY = 12_500
BURST = 25
"""Records with one time stamp where time stamps are equal in bursts."""


def resource(call: Call) -> Reply:
    return Reply({"operations": ["query", "clean", "countErrorReports"], "resources": ["settings"]})


def query(call: Call) -> Reply:
    """Newest first. `startTime` is the newer border, `endTime` the older one, in the question and in the answer.

    Borders belong to the page: with `startTime` set to the `endTime` of the page before, the record at the border
    comes again, and so does every other one of the same millisecond.
    """
    site = call.site
    if call.method not in site.switches.log_methods.split():
        raise admin_failure(405, f"HTTP {call.method} is not supported.")
    _fill(call)
    now = round(site.state.clock() * 1000)
    newest = moment(call.get("startTime"), now)
    oldest = moment(call.get("endTime"), 0)
    if call.flag("sinceServerStart") or call.flag("sinceLastStart"):
        begun = max((machine.started for machine in site.state.machines.values()), default=0.0)
        oldest = max(oldest, round(begun * 1000))
    size = max(1, min(call.whole("pageSize", 1000), MOST))
    passes = wanted(call)
    records = [record for record in site.state.log_records if oldest <= record["time"] <= newest and passes(record)]
    records.sort(key=lambda record: -record["time"])
    return _paged(call, records, newest, oldest, size)


def _paged(call: Call, records: list[dict[str, Any]], newest: int, oldest: int, size: int) -> Reply:
    shown, more = records[:size], len(records) > size
    end = shown[-1]["time"] if more else (oldest or (shown[-1]["time"] if shown else newest))
    kept = call.site.state.kept
    kept["log_queries"] = kept.get("log_queries", 0) + 1
    pages = call.site.switches.log_pages
    if pages == "empty-page" and kept["log_queries"] % 2 == 0 and records:
        # An empty page in between: it says that there is more, and moves on by nothing but its older border.
        shown, more, end = [], True, newest - 1
    elif pages == "stuck-page" and kept["log_queries"] > 1:
        shown, more, end = records[:1], True, newest
    return Reply({"hasMore": more, "startTime": newest, "endTime": end, "logMessages": shown})


def _fill(call: Call) -> None:
    """More records where the site is meant to have many, or many of the same millisecond; made at the first query."""
    state, pages = call.site.state, call.site.switches.log_pages
    if pages not in ("many", "equal-times") or state.kept.get("log_pages") == pages:
        return
    state.kept["log_pages"] = pages
    chosen = random.Random(f"{state.seed}/{state.name}/{pages}")
    now, machines = state.clock(), list(state.machines)
    step = 1.0 if pages == "many" else 30.0
    count = MANY if pages == "many" else 40 * BURST
    for place in range(count):
        at = now - 1.0 - (place * step if pages == "many" else place // BURST * step)
        code, text = chosen.choice(TYPICAL)
        told = (code, text if pages == "many" else f"{text} ({place})")
        request = f"{chosen.getrandbits(64):016x}"
        machine = machines[place % len(machines)]
        state.log_records.append(state.record("WARNING", told, at=at, request=request, machine=machine))


def moment(text: str | None, default: int) -> int:
    """Epoch milliseconds, as a number or as `YYYY-MM-DDThh:mm:ss,mmm` in the site's zone, which is UTC."""
    if not text:
        return default
    if text.lstrip("-").isdigit():
        return int(text)
    whole, _, part = text.replace(".", ",").partition(",")
    try:
        return timegm(strptime(whole, "%Y-%m-%dT%H:%M:%S")) * 1000 + int((part or "0")[:3].ljust(3, "0"))
    except ValueError:
        raise admin_failure(500, f'Unparseable date: "{text[:40]}"') from None


def wanted(call: Call) -> Callable[[dict[str, Any]], bool]:
    """What level and filter let through. Each part of the filter is a list, or `*`, or not there at all."""
    level = (call.get("level") or "WARNING").upper()
    levels = LEVELS[: LEVELS.index(level) + 1] if level in LEVELS else LEVELS[:2]
    try:
        given = json.loads(call.get("filter") or "{}")
    except ValueError:
        given = {}
    asked: dict[str, Any] = given if isinstance(given, dict) else {}

    def passes(key: str, value: Any) -> bool:
        one = asked.get(key, "*")
        if one in ("*", ["*"], [], "", None):
            return True
        return value in one if isinstance(one, list) else value == one

    def wants(record: dict[str, Any]) -> bool:
        return (
            record["type"] in levels
            and passes("codes", record["code"])
            and passes("machines", record["machine"])
            and passes("services", record["source"])
            and passes("source", record["source"])
            and passes("users", record["user"])
            and passes("processIds", record["process"])
            and passes("requestIds", record.get("requestID", ""))
        )

    return wants


def settings(call: Call) -> Reply:
    return Reply({"settings": call.site.state.log_settings})


def edit_settings(call: Call) -> Reply:
    """Everything must be sent; the folder comes back with a slash, and `on` as a boolean."""
    level = call.need("logLevel")
    if level not in ("OFF", *LEVELS):
        raise admin_failure(500, f"Invalid log level '{level}'.")
    new = {
        "logLevel": level,
        "logDir": call.need("logDir").rstrip("/") + "/",
        "maxLogFileAge": call.whole("maxLogFileAge"),
        "maxErrorReportsCount": call.whole("maxErrorReportsCount"),
        "usageMeteringEnabled": (call.get("usageMeteringEnabled") or "off") == "on",
    }
    kept = call.site.state.log_settings
    kept.update(new)
    return Reply({"status": "success", "settings": kept}, changed=True)


def clean(call: Call) -> Reply:
    call.site.state.log_records.clear()
    return Reply(dict(SUCCESS), changed=True)


CRASHED = 8254
"""The code of the record that comes with an error report."""


def count_reports(call: Call) -> Reply:
    """A process that crashes leaves a report on its machine, which keeps so many; cleaning the logs removes them."""
    state, wanted = call.site.state, (call.get("machine") or "").upper()
    if wanted not in ("", "ALL", *state.machines):
        raise missing(call, wanted)
    most = int(state.log_settings["maxErrorReportsCount"])
    counts = Counter(record["machine"] for record in state.log_records if record["code"] == CRASHED)
    names = [wanted] if wanted in state.machines else list(state.machines)
    return Reply({"machineName": call.get("machine") or "All", "reportCount": sum(min(counts[n], most) for n in names)})


_BASE = "admin/logs"
ROUTES: tuple[Route, ...] = (
    route("GET POST", _BASE, resource),
    route("GET POST", f"{_BASE}/query", query),
    route("GET POST", f"{_BASE}/settings", settings),
    route("POST", f"{_BASE}/settings/edit", edit_settings, changes=True, read_only_ok=True),
    route("POST", f"{_BASE}/clean", clean, changes=True, read_only_ok=True),
    route("POST", f"{_BASE}/countErrorReports", count_reports),
)
