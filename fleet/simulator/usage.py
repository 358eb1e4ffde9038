"""Usage reports of a simulated site: defined, read as numbers over time, and deleted."""

from __future__ import annotations

import json
import random
from typing import Any

from fleet.simulator.call import SUCCESS, Call, Route, route
from fleet.simulator.wire import Reply, admin_failure

__all__ = ["ROUTES"]

METRICS = (
    "RequestCount",
    "RequestsFailed",
    "RequestsTimedOut",
    "RequestMaxResponseTime",
    "RequestAvgResponseTime",
    "RequestMaxWaitTime",
    "RequestAvgWaitTime",
    "ServiceActiveInstances",
    "ServiceRunningInstancesMax",
)
SPANS = {"LAST_DAY": 86_400, "LAST_WEEK": 7 * 86_400, "LAST_MONTH": 30 * 86_400, "LAST_YEAR": 365 * 86_400}
QUIET = 0.25
"""The part of all slices in which nobody asks anything."""

SLICES = 2000
"""Slices that one report has at the most."""


def _reports(call: Call) -> dict[str, dict[str, Any]]:
    kept: dict[str, dict[str, Any]] = call.site.state.kept.setdefault("usagereports", {})
    return kept


def _report(call: Call) -> dict[str, Any]:
    found = _reports(call).get(call.args["report"])
    if found is None:
        last = call.args["report"]
        raise admin_failure(404, f"Could not find resource or operation '{last}' on the system.")
    return found


def listing(call: Call) -> Reply:
    """The member is called `metrics`, and its elements are reports."""
    return Reply({"metrics": list(_reports(call).values())})


def add(call: Call) -> Reply:
    given = _checked(call)
    reports = _reports(call)
    if given["reportname"] in reports:
        raise admin_failure(500, f"The usage report '{given['reportname']}' already exists.")
    reports[given["reportname"]] = given
    return Reply(dict(SUCCESS), changed=True)


def _checked(call: Call) -> dict[str, Any]:
    given = call.json_object("usagereport")
    queries = given.get("queries")
    if not given.get("reportname") or not isinstance(queries, list):
        raise admin_failure(500, "java.lang.NullPointerException")
    for query in queries:
        metrics = query.get("metrics", []) if isinstance(query, dict) else []
        unknown = [metric for metric in metrics if metric not in METRICS]
        if unknown:
            raise admin_failure(500, f"The metric '{unknown[0]}' is not supported.")
        alone = "ServiceRunningInstancesMax" in metrics and len(metrics) > 1
        if alone and call.site.state.number < 11.1:
            raise admin_failure(500, "The metric 'ServiceRunningInstancesMax' can only be queried on its own.")
    if isinstance(given.get("metadata"), str):
        try:
            given["metadata"] = json.loads(given["metadata"])
        except ValueError:
            given["metadata"] = {}
    return {"metadata": {}, **given}


def report(call: Call) -> Reply:
    return Reply(_report(call))


def edit(call: Call) -> Reply:
    found = _report(call)
    given = _checked(call)
    _reports(call)[found["reportname"]] = {**given, "reportname": found["reportname"]}
    return Reply(dict(SUCCESS), changed=True)


def delete(call: Call) -> Reply:
    del _reports(call)[_report(call)["reportname"]]
    return Reply(dict(SUCCESS), changed=True)


def data(call: Call) -> Reply:
    """Numbers for each slice of time; where nobody asked anything, null. The seed decides which."""
    found = _report(call)
    state = call.site.state
    now = int(state.clock())
    since = found.get("since", "LAST_DAY")
    if since == "CUSTOM":
        begin, end = int(found.get("from", 0)) // 1000, int(found.get("to", 0)) // 1000
    else:
        begin, end = now - SPANS.get(since, 86_400), now
    step = max(60, int(found.get("aggregationInterval") or 30) * 60)
    begin -= begin % step
    slices = list(range(begin, end, step))[:SLICES]
    busy = {moment: _busy(state.seed, state.name, moment) for moment in slices}
    rows = []
    for query in found["queries"]:
        rows.append(
            [
                {
                    "resourceURI": place,
                    "metric-type": metric,
                    "data": _data(call, place, metric, busy, step),
                }
                for place in query.get("resourceURIs", [])
                for metric in query.get("metrics", [])
            ]
        )
    answer = {
        "reportname": found["reportname"],
        "metadata": found.get("metadata", {}),
        "time-slices": [moment * 1000 for moment in slices],
        "report-data": rows,
    }
    return Reply({"report": answer})


def _rate(call: Call, place: str) -> float | None:
    """Requests per second below *place* (`services/`, `services/Folder/`, a service); None for what is not there."""
    services = call.site.state.services
    below = place.removeprefix("services").lstrip("/")
    if below in services:
        return services[below].rate
    if below and not below.endswith("/"):
        return None
    return sum(one.rate for key, one in services.items() if key.startswith(below))


def _busy(seed: int, site: str, moment: int) -> float:
    """How much more or less than usual is asked of a site at *moment*; 0 where nobody asks anything."""
    chosen = random.Random(f"{seed}/{site}/{moment}")
    return 0.0 if chosen.random() < QUIET else chosen.uniform(0.3, 1.7)


def _data(call: Call, place: str, metric: str, busy: dict[int, float], step: int) -> list[int | None]:
    """A number for each slice, or null where nobody asked anything: at quiet times, and of what nobody uses.

    Requests go with what the simulated users ask for, so that a folder has about as many as its services together.
    """
    state, rate = call.site.state, _rate(call, place)
    numbers: list[int | None] = []
    for moment, factor in busy.items():
        if not rate or not factor:
            numbers.append(None)
        elif metric == "RequestCount":
            numbers.append(max(1, round(rate * step * factor * call.site.switches.traffic)))
        else:
            own = random.Random(f"{state.seed}/{state.name}/{place}/{metric}/{moment}")
            numbers.append(own.randint(0, 500))
    return numbers


def settings(call: Call) -> Reply:
    statistics = call.site.state.log_settings["statisticsConfig"]
    return Reply(dict(statistics))


def edit_settings(call: Call) -> Reply:
    statistics = call.site.state.log_settings["statisticsConfig"]
    statistics["samplingInterval"] = call.whole("samplingInterval")
    statistics["enabled"] = call.flag("enabled", True)
    statistics["maxHistory"] = call.whole("maxHistory", 0)
    return Reply(dict(SUCCESS), changed=True)


_BASE = "admin/usagereports"
ROUTES: tuple[Route, ...] = (
    route("GET POST", _BASE, listing),
    route("POST", f"{_BASE}/add", add, changes=True),
    route("GET POST", f"{_BASE}/settings", settings),
    route("POST", f"{_BASE}/settings/edit", edit_settings, changes=True),
    route("GET POST", f"{_BASE}/<report>", report),
    route("GET POST", f"{_BASE}/<report>/data", data),
    route("POST", f"{_BASE}/<report>/edit", edit, changes=True),
    route("POST", f"{_BASE}/<report>/delete", delete, changes=True),
)
