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
    item = call.site.state.new_upload(name, call.get("description"), committed=True)
    call.site.state.uploads[item["itemID"]] = {"item": item, "size": len(data), "data": data}
    return Reply({"status": "success", "item": item}, changed=True)


def register(call: Call) -> Reply:
    """An upload that comes in parts; it is there once it is committed."""
    item = call.site.state.new_upload(call.need("itemName"), call.get("description"), committed=False)
    call.site.state.uploads[item["itemID"]] = {"item": item, "size": 0, "parts": {}}
    return Reply({"status": "success", "item": item}, changed=True)


def upload_part(call: Call) -> Reply:
    kept = _kept(call)
    if "parts" not in kept or not call.files:
        raise admin_failure(500, "java.lang.NullPointerException")
    _, data = next(iter(call.files.values()))
    kept["parts"][call.whole("partNumber")] = data
    return Reply(dict(SUCCESS), changed=True)


def commit(call: Call) -> Reply:
    """The parts become the file, in the order of their numbers; with `parts`, those that are named there."""
    kept = _kept(call)
    parts = kept.get("parts", {})
    named = [one.strip() for one in (call.get("parts") or "").split(",") if one.strip()]
    numbers = [int(one) if one.isdigit() else -1 for one in named] or sorted(parts)
    lost = [number for number in numbers if number not in parts]
    if lost and "parts" in kept:
        raise admin_failure(500, f"The part '{lost[0]}' has not been uploaded.")
    if "parts" in kept:
        kept["data"] = b"".join(parts[number] for number in numbers)
        kept["size"] = len(kept["data"])
        del kept["parts"]
    kept["item"]["committed"] = True
    return Reply({"status": "success", "item": kept["item"]}, changed=True)


def _kept(call: Call) -> dict[str, Any]:
    found: dict[str, Any] | None = call.site.state.uploads.get(call.args["item"])
    if found is None:
        raise admin_failure(404, f"Could not find resource or operation '{call.args['item']}' on the system.")
    return found


def uploads(call: Call) -> Reply:
    return Reply({"items": [kept["item"] for kept in call.site.state.uploads.values()]})


def uploaded(call: Call) -> Reply:
    return Reply(_kept(call)["item"])


def download(call: Call) -> Reply:
    """The file itself, once it is whole."""
    kept = _kept(call)
    if "data" not in kept:
        raise admin_failure(500, f"The item '{kept['item']['itemID']}' has not been committed.")
    return Reply(body=kept["data"], content_type="application/octet-stream")


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
    changed = call.json_object("in_config_overwrite") if call.get("in_config_overwrite") else {}
    job = {"at": state.clock(), "item": identity, "done": False, "changed": changed, "user": call.user or ""}
    key = f"j{len(jobs) + 1:08x}"
    jobs[key] = job
    return Reply({"jobId": key, "jobStatus": "esriJobSubmitted"}, content_type=REST_TYPE, changed=True)


def _publish(call: Call, job: dict[str, Any], kept: dict[str, Any]) -> None:
    """Make the service, as the definition has it or as it was changed; one of that name gets the new definition."""
    state, changed = call.site.state, job["changed"]
    given = changed.get("service")
    given = given if isinstance(given, dict) else {}
    folder = str(changed.get("folderName") or "").strip("/")
    name = str(given.get("serviceName") or _name_in(kept["item"]["itemName"]))
    kind = str(given.get("type") or "MapServer")
    if folder:
        state.folder_names.setdefault(folder, "")
    former = state.find(folder, name, kind)
    service = state.add_service(folder, name, kind)
    if former is not None:
        service.permissions, service.item = former.permissions, former.item
        service.owner, service.created = former.owner, former.created
    service.definition |= given
    service.owner = service.owner or job["user"]
    service.touched(job["user"], state.clock())
    state.log("INFO", (8004, f"Service '{service.key}' was published."), source=service.key, user=job["user"])


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
            _publish(call, job, kept)
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
    route("GET POST", f"{_BASE}/<item>/download", download),
    route("POST", f"{_BASE}/<item>/delete", delete_upload, changes=True),
    route("GET POST", f"{_BASE}/<item>/serviceconfiguration.json", service_configuration),
    route("GET POST", f"{_TOOL}/submitJob", submit, changes=True),
    route("GET POST", f"{_TOOL}/jobs/<job>", published),
)
