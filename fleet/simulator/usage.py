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
    rows = []
    for query in found["queries"]:
        rows.append(
            [
                {
                    "resourceURI": place,
                    "metric-type": metric,
                    "data": [
                        None if _idle(call, place) else _number(state.seed, state.name, place, metric, moment)
                        for moment in slices
                    ],
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


def _idle(call: Call, place: str) -> bool:
    """Whether *place* (`services/Folder/Name.Type`) is a service that nobody asks for anything."""
    service = call.site.state.services.get(place.removeprefix("services/"))
    return service is not None and service.rate == 0 and service.transactions == 0


def _number(seed: int, site: str, place: str, metric: str, moment: int) -> int | None:
    quiet = random.Random(f"{seed}/{site}/{place}/{moment}").random() < 0.25
    return None if quiet else random.Random(f"{seed}/{site}/{place}/{metric}/{moment}").randint(0, 500)


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
