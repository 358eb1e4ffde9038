"""Jobs of the geoprocessing services of a simulated site: listed, cancelled, deleted, purged."""

from __future__ import annotations

import random
from typing import Any

from fleet.simulator.call import SUCCESS, Call, Route, missing, route, service_of
from fleet.simulator.state import Service, SiteState
from fleet.simulator.wire import Reply, admin_failure

__all__ = ["ROUTES", "WAITING", "new_job"]

WAITING = ("esriJobSubmitted", "esriJobWaiting", "esriJobExecuting")
"""States of jobs that have not ended."""

ENDED = ("esriJobSucceeded", "esriJobSucceeded", "esriJobFailed", "esriJobCancelled", "esriJobTimedOut")


def new_job(state: SiteState, service: Service, status: str, age: float, user: str) -> dict[str, Any]:
    """A job of *service* that was submitted *age* seconds ago."""
    submitted = round((state.clock() - age) * 1000)
    ended = status not in WAITING
    state.kept["gp_jobs"] = state.kept.get("gp_jobs", 0) + 1
    return {
        "jobId": f"jg{state.kept['gp_jobs']:08x}",
        "jobStatus": status,
        "submittedTime": submitted,
        "startTime": submitted + 500,
        "endTime": submitted + round(min(age, 60) * 1000) if ended else None,
        "taskName": service.name,
        "userName": user,
        "machineName": next(iter(state.machines), ""),
    }


def _jobs(call: Call) -> list[dict[str, Any]]:
    """The jobs of the service; a service that the seed made has had some before it is first asked."""
    service, state = service_of(call), call.site.state
    if service.type != "GPServer":
        raise missing(call)
    filled: set[str] = state.kept.setdefault("gp_filled", set())
    if service.origin not in filled:
        filled.add(service.origin)
        chosen = random.Random(f"{state.seed}/{state.name}/{service.origin}/jobs")
        for status in (*(chosen.choice(ENDED) for _ in range(chosen.randint(2, 5))), "esriJobExecuting"):
            age = chosen.uniform(1, 120) if status in WAITING else chosen.uniform(3600, 30 * 86_400)
            service.jobs.append(new_job(state, service, status, age, chosen.choice(("editor1", "planner1"))))
    return service.jobs


def jobs(call: Call) -> Reply:
    """All jobs, or those in one state; the shape is a guess."""
    wanted = call.get("status") or call.get("jobStatus") or ""
    return Reply({"jobs": [job for job in _jobs(call) if wanted in ("", job["jobStatus"])]})


def _job(call: Call) -> dict[str, Any]:
    found = next((one for one in _jobs(call) if one["jobId"] == call.args["job"]), None)
    if found is None:
        raise missing(call, call.args["job"])
    return found


def job(call: Call) -> Reply:
    return Reply(_job(call))


def cancel(call: Call) -> Reply:
    """Only a job that has not ended can be cancelled."""
    found = _job(call)
    if found["jobStatus"] not in WAITING:
        raise admin_failure(500, f"The job '{found['jobId']}' has ended and can't be cancelled.")
    found["jobStatus"], found["endTime"] = "esriJobCancelled", round(call.site.state.clock() * 1000)
    return Reply(dict(SUCCESS), changed=True)


def delete(call: Call) -> Reply:
    """Only a job that has ended can be deleted."""
    found = _job(call)
    if found["jobStatus"] in WAITING:
        raise admin_failure(500, f"The job '{found['jobId']}' has not ended; cancel it first.")
    service_of(call).jobs.remove(found)
    return Reply(dict(SUCCESS), changed=True)


def purge(call: Call) -> Reply:
    """Every job that has ended is gone."""
    kept = _jobs(call)
    kept[:] = [one for one in kept if one["jobStatus"] in WAITING]
    return Reply(dict(SUCCESS), changed=True)


_BASE = "admin/services/<service>/jobs"
ROUTES: tuple[Route, ...] = (
    route("GET POST", _BASE, jobs, since=10.4),
    route("GET POST", f"{_BASE}/query", jobs, since=10.4),
    route("POST", f"{_BASE}/purge", purge, changes=True, since=10.4),
    route("GET POST", f"{_BASE}/<job>", job, since=10.4),
    route("POST", f"{_BASE}/<job>/cancel", cancel, changes=True, since=10.4),
    route("POST", f"{_BASE}/<job>/delete", delete, changes=True, since=10.4),
)
