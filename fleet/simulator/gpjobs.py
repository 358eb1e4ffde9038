"""Jobs of the geoprocessing services of a simulated site: asked for in pages, cancelled, deleted, purged."""

from __future__ import annotations

import random
from typing import Any

from fleet.simulator.call import SUCCESS, Call, Route, missing, route, service_of
from fleet.simulator.logs import moment
from fleet.simulator.state import Service, SiteState
from fleet.simulator.wire import Reply, admin_failure

__all__ = ["ROUTES", "new_job"]

QUEUED = ("esriJobNew", "esriJobSubmitted", "esriJobWaiting")
"""States of jobs that have not begun."""

STANDING = (*QUEUED, "esriJobExecuting", "esriJobCancelling")
"""States of jobs that have not ended."""

ENDED = ("esriJobSucceeded", "esriJobSucceeded", "esriJobFailed", "esriJobCancelled")
SINCE = 10.61


def new_job(state: SiteState, service: Service, status: str, age: float, user: str) -> dict[str, Any]:
    """A job of *service* that was submitted *age* seconds ago; it runs on the first machine."""
    submitted = round((state.clock() - age) * 1000)
    state.kept["gp_jobs"] = state.kept.get("gp_jobs", 0) + 1
    identity = f"jg{state.kept['gp_jobs']:08x}"
    return {
        "jobId": identity,
        "submittedTime": submitted,
        "endTime": None if status in STANDING else submitted + round(min(age, 60) * 1000),
        "status": status,
        "username": user,
        "machinename": next(iter(state.machines), ""),
        "url": f"/rest/services/{service.key.rpartition('.')[0]}/GPServer/{service.name}/jobs/{identity}",
    }


def _jobs(call: Call) -> list[dict[str, Any]]:
    """The jobs of the service; one that the seed made has had some before it is first asked."""
    service, state = service_of(call), call.site.state
    if service.type != "GPServer":
        raise missing(call)
    filled: set[str] = state.kept.setdefault("gp_filled", set())
    if service.origin not in filled:
        filled.add(service.origin)
        chosen = random.Random(f"{state.seed}/{state.name}/{service.origin}/jobs")
        for status in (
            *(chosen.choice(ENDED) for _ in range(chosen.randint(2, 5))),
            "esriJobExecuting",
            "esriJobWaiting",
        ):
            age = chosen.uniform(1, 120) if status in STANDING else chosen.uniform(3600, 30 * 86_400)
            service.jobs.append(new_job(state, service, status, age, chosen.choice(("planning-editor", "web-viewer"))))
    return service.jobs


def resource(call: Call) -> Reply:
    _jobs(call)
    return Reply({"resources": ["query", "statistics"]})


def query(call: Call) -> Reply:
    """The newest first, in pages; `nextStart` is -1 on the last one. `startTime` is the earlier border."""
    found = sorted(_jobs(call), key=lambda job: (-job["submittedTime"], job["jobId"]))
    earliest, latest = moment(call.get("startTime"), 0), moment(call.get("endTime"), 2**62)
    asked = {"status": call.get("jobStatus"), "username": call.get("userName")}
    found = [
        job
        for job in found
        if earliest <= job["submittedTime"] <= latest
        and all(value in (None, "", job[name]) for name, value in asked.items())
    ]
    start, number = max(1, call.whole("start", 1)), max(1, call.whole("number", 10))
    page = found[start - 1 : start - 1 + number]
    following = start + number if start - 1 + number < len(found) else -1
    told = {name: call.get(name) for name in ("startTime", "endTime", "jobStatus", "userName") if call.get(name)}
    return Reply(
        {"total": len(found), "query": told, "num": len(page), "start": start, "nextStart": following, "results": page}
    )


def statistics(call: Call) -> Reply:
    """How many jobs are in each state; the shape is a guess."""
    counts: dict[str, int] = {}
    for job in _jobs(call):
        counts[job["status"]] = counts.get(job["status"], 0) + 1
    return Reply({"statistics": [{"status": status, "count": count} for status, count in sorted(counts.items())]})


def _job(call: Call) -> dict[str, Any]:
    found = next((one for one in _jobs(call) if one["jobId"] == call.args["job"]), None)
    if found is None:
        raise missing(call, call.args["job"])
    return found


def job(call: Call) -> Reply:
    return Reply(_job(call))


def _end(call: Call, found: dict[str, Any]) -> None:
    found["status"], found["endTime"] = "esriJobCancelled", round(call.site.state.clock() * 1000)


def cancel(call: Call) -> Reply:
    """Only a job that has not ended can be cancelled."""
    found = _job(call)
    if found["status"] not in STANDING:
        raise admin_failure(500, f"The job '{found['jobId']}' has ended and can't be cancelled.")
    _end(call, found)
    return Reply(dict(SUCCESS), changed=True)


def delete(call: Call) -> Reply:
    """The job is cancelled where it still runs, and nothing is left of it."""
    service_of(call).jobs.remove(_job(call))
    return Reply(dict(SUCCESS), changed=True)


def purge(call: Call) -> Reply:
    """Whatever has not begun is cancelled."""
    for one in _jobs(call):
        if one["status"] in QUEUED:
            _end(call, one)
    return Reply(dict(SUCCESS), changed=True)


_BASE = "admin/services/<service>/jobs"
ROUTES: tuple[Route, ...] = (
    route("GET POST", _BASE, resource, since=SINCE),
    route("GET POST", f"{_BASE}/query", query, since=SINCE),
    route("GET POST", f"{_BASE}/statistics", statistics, since=SINCE),
    route("POST", f"{_BASE}/purgeQueue", purge, changes=True, since=SINCE),
    route("GET POST", f"{_BASE}/<job>", job, since=SINCE),
    route("POST", f"{_BASE}/<job>/cancel", cancel, changes=True, since=SINCE),
    route("POST", f"{_BASE}/<job>/delete", delete, changes=True, since=SINCE),
)
