"""Uploads of a simulated site, and publishing: a service definition, a job of the publishing tool, a service."""

from __future__ import annotations

import re
from typing import Any

from fleet.simulator.call import SUCCESS, Call, Route, route
from fleet.simulator.wire import REST_TYPE, Reply, admin_failure, rest_failure

__all__ = ["ROUTES"]

SUBMITTED_FOR = 0.2
"""Seconds for which a job is only submitted."""

WORKED_FOR = 0.6
"""Seconds after which a job is done."""


# Uploads


def upload(call: Call) -> Reply:
    if not call.files:
        raise admin_failure(500, "java.lang.NullPointerException")
    name, data = next(iter(call.files.values()))
    item = _new_item(call, name, committed=True)
    call.site.state.uploads[item["itemID"]] = {"item": item, "size": len(data)}
    return Reply({"status": "success", "item": item}, changed=True)


def register(call: Call) -> Reply:
    """An upload that comes in parts; it is there once it is committed."""
    item = _new_item(call, call.need("itemName"), committed=False)
    call.site.state.uploads[item["itemID"]] = {"item": item, "size": 0, "parts": {}}
    return Reply({"status": "success", "item": item}, changed=True)


def upload_part(call: Call) -> Reply:
    kept = _kept(call)
    if "parts" not in kept or not call.files:
        raise admin_failure(500, "java.lang.NullPointerException")
    _, data = next(iter(call.files.values()))
    kept["parts"][call.whole("partNumber")] = len(data)
    return Reply(dict(SUCCESS), changed=True)


def commit(call: Call) -> Reply:
    kept = _kept(call)
    kept["size"] += sum(kept.pop("parts", {}).values())
    kept["item"]["committed"] = True
    return Reply({"status": "success", "item": kept["item"]}, changed=True)


def _new_item(call: Call, name: str, *, committed: bool) -> dict[str, Any]:
    state = call.site.state
    state.kept["uploaded"] = state.kept.get("uploaded", 0) + 1
    identity = f"i{state.kept['uploaded']:08x}"
    return {
        "itemID": identity,
        "itemName": name,
        "description": call.get("description"),
        "pathOnServer": f"/srv/arcgis/uploads/{identity}/{name}",
        "date": round(state.clock() * 1000),
        "committed": committed,
    }


def _kept(call: Call) -> dict[str, Any]:
    found: dict[str, Any] | None = call.site.state.uploads.get(call.args["item"])
    if found is None:
        raise admin_failure(404, f"Could not find resource or operation '{call.args['item']}' on the system.")
    return found


def uploads(call: Call) -> Reply:
    return Reply({"items": [kept["item"] for kept in call.site.state.uploads.values()]})


def uploaded(call: Call) -> Reply:
    return Reply(_kept(call)["item"])


def delete_upload(call: Call) -> Reply:
    del call.site.state.uploads[_kept(call)["item"]["itemID"]]
    return Reply(dict(SUCCESS), changed=True)


def service_configuration(call: Call) -> Reply:
    """The service that an uploaded definition holds: here a map service that is called as the file is."""
    kept = _kept(call)
    state = call.site.state
    name = _name_in(kept["item"]["itemName"])
    return Reply({"folderName": "", "service": {**state.make_definition(name, "MapServer"), "serviceName": name}})


def _name_in(file: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", file.rsplit(".", 1)[0]) or "Published"


# Publishing


def submit(call: Call) -> Reply:
    """Begin to publish an uploaded definition; the job goes on by itself."""
    state = call.site.state
    identity = call.get("in_sdp_id") or ""
    kept = state.uploads.get(identity)
    if kept is None or not kept["item"]["committed"]:
        raise rest_failure(400, "Unable to complete operation.", (f"The item '{identity[:40]}' does not exist.",))
    jobs = state.kept.setdefault("publishing", {})
    job = {"at": state.clock(), "item": identity, "done": False}
    key = f"j{len(jobs) + 1:08x}"
    jobs[key] = job
    return Reply({"jobId": key, "jobStatus": "esriJobSubmitted"}, content_type=REST_TYPE, changed=True)


def published(call: Call) -> Reply:
    """Where a job stands; its messages are objects, not texts."""
    state = call.site.state
    job = state.kept.get("publishing", {}).get(call.args["job"])
    if job is None:
        raise rest_failure(404, "Job not found.")
    age = state.clock() - job["at"]
    key = call.args["job"]
    if age < SUBMITTED_FOR:
        return Reply({"jobId": key, "jobStatus": "esriJobSubmitted", "messages": []}, content_type=REST_TYPE)
    messages = [{"type": "esriJobMessageTypeInformative", "description": "Publishing the service definition."}]
    if age < WORKED_FOR:
        return Reply({"jobId": key, "jobStatus": "esriJobExecuting", "messages": messages}, content_type=REST_TYPE)
    if not job["done"]:
        job["done"] = True
        kept = state.uploads.get(job["item"])
        job["failed"] = kept is None
        if kept is not None:
            service = state.add_service("", _name_in(kept["item"]["itemName"]), "MapServer")
            state.log("INFO", (8004, f"Service '{service.key}' was published."), source=service.key)
    if job["failed"]:
        messages.append({"type": "esriJobMessageTypeError", "description": "The definition is no longer there."})
        return Reply({"jobId": key, "jobStatus": "esriJobFailed", "messages": messages}, content_type=REST_TYPE)
    messages.append({"type": "esriJobMessageTypeInformative", "description": "Succeeded."})
    return Reply({"jobId": key, "jobStatus": "esriJobSucceeded", "messages": messages}, content_type=REST_TYPE)


_BASE = "admin/uploads"
_TOOL = "rest/services/System/PublishingTools/GPServer/Publish Service Definition"
ROUTES: tuple[Route, ...] = (
    route("GET POST", _BASE, uploads),
    route("POST", f"{_BASE}/upload", upload, changes=True),
    route("POST", f"{_BASE}/register", register, changes=True),
    route("GET POST", f"{_BASE}/<item>", uploaded),
    route("POST", f"{_BASE}/<item>/uploadPart", upload_part, changes=True),
    route("POST", f"{_BASE}/<item>/commit", commit, changes=True),
    route("POST", f"{_BASE}/<item>/delete", delete_upload, changes=True),
    route("GET POST", f"{_BASE}/<item>/serviceconfiguration.json", service_configuration),
    route("GET POST", f"{_TOOL}/submitJob", submit, changes=True),
    route("GET POST", f"{_TOOL}/jobs/<job>", published),
)
