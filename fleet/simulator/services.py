"""Services of a simulated site: listings, reports, states, and everything that changes them."""

from __future__ import annotations

import json
from typing import Any

import anyio

from fleet.simulator.call import SUCCESS, Call, Route, route
from fleet.simulator.state import Service
from fleet.simulator.wire import Reply, admin_failure

__all__ = ["ROUTES"]

PARTS = ("description", "status", "instances", "iteminfo", "properties", "permissions")


def _not_found(call: Call) -> Exception:
    last = call.path.rstrip("/").rsplit("/", 1)[-1]
    return admin_failure(404, f"Could not find resource or operation '{last}' on the system.")


def _folder(call: Call) -> str:
    folder = call.args.get("folder") or ""
    if folder and folder not in call.site.state.folder_names:
        raise _not_found(call)
    return folder


def _service(call: Call) -> Service:
    service = call.site.state.find(call.args.get("folder") or "", call.args["name"], call.args["type"])
    if service is None:
        raise _not_found(call)
    return service


def listing(call: Call) -> Reply:
    """One folder: the root says "/", other folders their name."""
    state, folder = call.site.state, _folder(call)
    names = [] if folder else list(state.folder_names)
    return Reply(
        {
            "folderName": folder or "/",
            "description": state.folder_names.get(folder, "Root folder"),
            "webEncrypted": False,
            "isDefault": False,
            "folders": names,
            "foldersDetail": [
                {"folderName": name, "description": state.folder_names[name], "webEncrypted": False, "isDefault": False}
                for name in names
            ],
            "services": [
                {
                    "folderName": folder or "/",
                    "serviceName": service.name,
                    "type": service.type,
                    "description": service.definition["description"],
                }
                for service in state.services.values()
                if service.folder == folder
            ],
        }
    )


def _instances(service: Service, machines: int) -> dict[str, Any]:
    most = service.most * machines
    running = service.real == "STARTED"
    busy = min(service.busy, most) if running else 0
    free = max(0, int(service.definition.get("minInstancesPerNode", 0)) * machines - busy) if running else 0
    return {
        "folderName": service.folder or "/",
        "serviceName": service.name,
        "type": service.type,
        "max": most,
        "busy": busy,
        "free": free,
        "initializing": 0,
        "notCreated": max(0, most - busy - free),
        "transactions": service.transactions,
        "totalBusyTime": service.transactions * 9,
        "isStatisticsAvailable": True,
    }


def report(call: Call) -> Reply:
    """Services with their parts: all of one folder, or, with `services`, those that are named, of any folder."""
    state = call.site.state
    wanted = list(PARTS)
    if text := call.get("parameters"):
        try:
            wanted = [part for part in json.loads(text) if part in PARTS]
        except ValueError:
            raise admin_failure(500, f"A JSONArray text must start with '[' at character 1 of {text[:80]}") from None
    named = call.get("services")
    if named:
        try:
            entries = json.loads(named)
            found = [
                state.find(entry["folderName"].strip("/"), entry["serviceName"], entry["type"]) for entry in entries
            ]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise admin_failure(500, f"A JSONArray text must start with '[' at character 1 of {named[:80]}") from None
        services = [service for service in found if service is not None]
    else:
        folder = _folder(call)
        services = [service for service in state.services.values() if service.folder == folder]
    return Reply({"reports": [_entry(call, service, wanted) for service in services]})


def _entry(call: Call, service: Service, wanted: list[str]) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "folderName": f"/{service.folder}",
        "serviceName": service.name,
        "type": service.type,
        "provider": service.definition["provider"],
        "isDefault": False,
        "isPrivate": False,
    }
    if "description" in wanted:
        entry["description"] = service.definition["description"]
    if "status" in wanted:
        entry["status"] = {"configuredState": service.configured, "realTimeState": service.real}
    if "instances" in wanted:
        entry["instances"] = _instances(service, len(call.site.state.machines))
    if "iteminfo" in wanted:
        entry["iteminfo"] = _iteminfo(service)
    if "properties" in wanted:
        entry["properties"] = service.definition["properties"]
    if "permissions" in wanted:
        entry["permissions"] = service.permissions
    return entry


def _iteminfo(service: Service) -> dict[str, Any]:
    return {
        "culture": "en-US",
        "name": service.name,
        "catalogPath": "",
        "snippet": "",
        "description": service.definition["description"],
        "summary": service.definition["description"],
        "title": service.name,
        "tags": ["simulated"],
        "type": "Map Service",
        "typeKeywords": ["Data", "Service"],
        "thumbnail": "thumbnail/thumbnail.png",
        "url": "",
        "extent": [[-180.0, -90.0], [180.0, 90.0]],
        "spatialReference": "",
        "accessInformation": "",
        "licenseInfo": "",
    }


def definition(call: Call) -> Reply:
    return Reply(_service(call).definition)


def status(call: Call) -> Reply:
    service = _service(call)
    return Reply({"configuredState": service.configured, "realTimeState": service.real})


def statistics(call: Call) -> Reply:
    service = _service(call)
    summary = {**_instances(service, len(call.site.state.machines)), "startTime": ""}
    per_machine = [{**_instances(service, 1), "machineName": machine} for machine in call.site.state.machines]
    return Reply({"summary": summary, "perMachine": per_machine})


def iteminfo(call: Call) -> Reply:
    return Reply(_iteminfo(_service(call)))


def manifest(call: Call) -> Reply:
    service = _service(call)
    path = f"/srv/data/{service.folder or 'root'}.gdb"
    return Reply(
        {
            "databases": [
                {
                    "byReference": True,
                    "onServerWorkspaceFactoryProgID": "esriDataSourcesGDB.FileGDBWorkspaceFactory.1",
                    "onServerName": service.folder or "root",
                    "onPremiseConnectionString": f"DATABASE={path}",
                    "onServerConnectionString": f"DATABASE={path}",
                    "onPremisePath": path,
                    "datasets": [{"onServerName": service.name}],
                }
            ],
            "resources": [],
        }
    )


async def start(call: Call) -> Reply:
    """Start: blocks until the instances exist, holding the service's lock; may fail with a detail and no code."""
    service = _service(call)
    await _switch(call, service, "STARTED")
    return Reply(dict(SUCCESS), changed=True)


async def stop(call: Call) -> Reply:
    service = _service(call)
    await _switch(call, service, "STOPPED")
    return Reply(dict(SUCCESS), changed=True)


async def _switch(call: Call, service: Service, wanted: str) -> None:
    site = call.site
    folder = service.folder or "root"
    with site.lock(f"Service '{service.name}.{service.type}' in folder '{folder}'"):
        service.configured = wanted
        if wanted == "STARTED" and "start-fails" in site.faults:
            machines = [
                {
                    "machine": machine,
                    "state": "FAILED",
                    "reports": [{"state": "FAILED", "message": "Failed to create instance: the data is not there."}],
                }
                for machine in site.state.machines
            ]
            site.state.log("SEVERE", (8252, f"Failed to start service '{service.key}'."), source=service.key)
            raise admin_failure(
                None,
                f"Failed to start service '{service.key}'.",
                detail={
                    "service": service.key,
                    "state": "FAILED",
                    "message": "service failed to start",
                    "machines": machines,
                },
            )
        duration = site.switches.start_time if wanted == "STARTED" else site.switches.stop_time
        if duration and service.real != wanted:
            service.real = "STARTING" if wanted == "STARTED" else "STOPPING"
            await anyio.sleep(duration)
        service.real = wanted
    site.state.log("INFO", (9999, f"Service '{service.key}' is {wanted.lower()}."), source=service.key)


async def start_many(call: Call) -> Reply:
    return await _switch_many(call, "STARTED")


async def stop_many(call: Call) -> Reply:
    return await _switch_many(call, "STOPPED")


async def _switch_many(call: Call, wanted: str) -> Reply:
    for service in _named(call):
        await _switch(call, service, wanted)
    return Reply(dict(SUCCESS), changed=True)


def _named(call: Call) -> list[Service]:
    """The services in the parameter `services`: an object that holds a list, or the bare list where that is taken."""
    text = call.need("services")
    try:
        given = json.loads(text)
    except ValueError:
        given = None
    if isinstance(given, list) and call.site.switches.list_parameter:
        given = {"services": given}
    if not isinstance(given, dict):
        raise admin_failure(500, f"A JSONObject text must begin with '{{' at character 1 of {text[:80]}")
    found = []
    for entry in given.get("services", []):
        folder = str(entry.get("folderName", "")).strip("/")
        service = call.site.state.find(folder, entry.get("serviceName", ""), entry.get("type", ""))
        if service is None:
            name = f"{entry.get('serviceName')}.{entry.get('type')}"
            raise admin_failure(404, f"Could not find resource or operation '{name}' on the system.")
        found.append(service)
    return found


def edit(call: Call) -> Reply:
    """Replace the whole definition: what is left out is lost; only the names may be."""
    service = _service(call)
    given = call.json_object("service")
    given.setdefault("serviceName", service.name)
    given.setdefault("type", service.type)
    with call.site.lock(f"Service '{service.name}.{service.type}' in folder '{service.folder or 'root'}'"):
        given.setdefault("configuredState", service.configured)
        given.setdefault("description", "")
        given.setdefault("provider", service.definition.get("provider", "ArcObjects11"))
        given.setdefault("properties", {})
        service.definition = given
        service.real = service.configured
    return Reply(dict(SUCCESS), changed=True)


def create(call: Call) -> Reply:
    given = call.json_object("service")
    folder = _folder(call) or str(given.get("folderName", "")).strip("/")
    name, kind = given.get("serviceName"), given.get("type")
    if not name or not kind:
        raise admin_failure(500, "java.lang.NullPointerException")
    state = call.site.state
    if state.find(folder, name, kind) is not None:
        shown = f"{folder}/{name}.{kind}" if folder else f"{name}.{kind}"
        raise admin_failure(500, f"Service '{shown}' already exists.")
    if folder:
        state.folder_names.setdefault(folder, "")
    service = state.add_service(folder, name, kind)
    service.definition = {**service.definition, **given}
    service.real = service.configured
    return Reply(dict(SUCCESS), changed=True)


def delete(call: Call) -> Reply:
    service = _service(call)
    del call.site.state.services[service.key]
    return Reply(dict(SUCCESS), changed=True)


def delete_many(call: Call) -> Reply:
    for service in _named(call):
        call.site.state.services.pop(service.key, None)
    return Reply(dict(SUCCESS), changed=True)


def rename(call: Call) -> Reply:
    state = call.site.state
    service = state.find(_folder(call), call.need("serviceName"), call.need("serviceType"))
    if service is None:
        raise _not_found(call)
    del state.services[service.key]
    service.name = service.definition["serviceName"] = call.need("serviceNewName")
    state.services[service.key] = service
    return Reply(dict(SUCCESS), changed=True)


def create_folder(call: Call) -> Reply:
    name = call.need("folderName")
    if name in call.site.state.folder_names:
        raise admin_failure(500, f"Folder '{name}' already exists.")
    call.site.state.folder_names[name] = call.get("description", "") or ""
    return Reply(dict(SUCCESS), changed=True)


def delete_folder(call: Call) -> Reply:
    state, folder = call.site.state, _folder(call)
    del state.folder_names[folder]
    state.services = {key: service for key, service in state.services.items() if service.folder != folder}
    return Reply(dict(SUCCESS), changed=True)


def edit_folder(call: Call) -> Reply:
    call.site.state.folder_names[_folder(call)] = call.get("description", "") or ""
    return Reply(dict(SUCCESS), changed=True)


def exists(call: Call) -> Reply:
    state = call.site.state
    folder = (call.get("folderName") or "").strip("/")
    name, kind = call.get("serviceName"), call.get("type")
    if name and kind:
        return Reply({"exists": state.find(folder, name, kind) is not None})
    return Reply({"exists": folder in state.folder_names or folder == ""})


def permissions(call: Call) -> Reply:
    return Reply({"permissions": _service(call).permissions})


def add_permission(call: Call) -> Reply:
    service = _service(call)
    principal = call.need("principal")
    service.permissions = [entry for entry in service.permissions if entry["principal"] != principal]
    service.permissions.append(
        {
            "principal": principal,
            "permission": {"isAllowed": call.flag("isAllowed"), "constraint": call.get("constraint", "") or ""},
            "childURL": None,
            "operation": None,
        }
    )
    return Reply(dict(SUCCESS), changed=True)


def types(call: Call) -> Reply:
    kinds = sorted({service.type for service in call.site.state.services.values()})
    return Reply(
        {"types": [{"Name": kind, "Provider": "ArcObjects11", "Properties": {}, "Extensions": []} for kind in kinds]}
    )


_BASE = "admin/services"
ROUTES: tuple[Route, ...] = (
    route("GET POST", f"{_BASE}/report", report),
    route("POST", f"{_BASE}/startServices", start_many, changes=True),
    route("POST", f"{_BASE}/stopServices", stop_many, changes=True),
    route("POST", f"{_BASE}/deleteServices", delete_many, changes=True),
    route("POST", f"{_BASE}/createService", create, changes=True),
    route("POST", f"{_BASE}/renameService", rename, changes=True),
    route("POST", f"{_BASE}/createFolder", create_folder, changes=True),
    route("GET POST", f"{_BASE}/exists", exists),
    route("GET POST", f"{_BASE}/types", types),
    route("GET POST", f"{_BASE}/<service>/status", status),
    route("GET POST", f"{_BASE}/<service>/statistics", statistics),
    route("GET POST", f"{_BASE}/<service>/iteminfo", iteminfo),
    route("GET POST", f"{_BASE}/<service>/iteminfo/manifest/manifest.json", manifest),
    route("POST", f"{_BASE}/<service>/start", start, changes=True),
    route("POST", f"{_BASE}/<service>/stop", stop, changes=True),
    route("POST", f"{_BASE}/<service>/edit", edit, changes=True),
    route("POST", f"{_BASE}/<service>/delete", delete, changes=True),
    route("GET POST", f"{_BASE}/<service>/permissions", permissions),
    route("POST", f"{_BASE}/<service>/permissions/add", add_permission, changes=True),
    route("GET POST", f"{_BASE}/<service>", definition),
    route("GET POST", f"{_BASE}/<folder>/report", report),
    route("POST", f"{_BASE}/<folder>/createService", create, changes=True),
    route("POST", f"{_BASE}/<folder>/startServices", start_many, changes=True),
    route("POST", f"{_BASE}/<folder>/stopServices", stop_many, changes=True),
    route("POST", f"{_BASE}/<folder>/renameService", rename, changes=True),
    route("POST", f"{_BASE}/<folder>/deleteFolder", delete_folder, changes=True),
    route("POST", f"{_BASE}/<folder>/delete", delete_folder, changes=True),
    route("POST", f"{_BASE}/<folder>/editFolder", edit_folder, changes=True),
    route("GET POST", _BASE, listing),
    route("GET POST", f"{_BASE}/<folder>", listing),
)
