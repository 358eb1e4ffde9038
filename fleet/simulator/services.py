"""Services of a simulated site: listings, reports, states, and everything that changes them."""

from __future__ import annotations

import json
from typing import Any

import anyio

from fleet.simulator.call import SUCCESS, Call, Route, folder_of, missing, route, service_of
from fleet.simulator.items import item_information
from fleet.simulator.state import Service
from fleet.simulator.wire import Failure, Reply, admin_failure

__all__ = ["ROUTES"]

PARTS = ("description", "status", "instances", "iteminfo", "properties", "permissions")


def listing(call: Call) -> Reply:
    """One folder: the root says "/", other folders their name."""
    state, folder = call.site.state, folder_of(call)
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


def _instances(call: Call, service: Service, machine: str | None = None) -> dict[str, Any]:
    """Instances and counters, of the whole site or as *machine* has them: where nothing runs there is nothing."""
    state, traffic = call.site.state, call.site.switches.traffic
    names = [name for name, one in state.machines.items() if one.real == "STARTED" and machine in (None, name)]
    most = service.most * len(names)
    least = service.least * len(names)
    running = service.real == "STARTED" and bool(names)
    busy = min(state.busy_of(service, traffic), most) if running else 0
    free = max(0, least - busy) if running else 0
    starting = least if service.real == "STARTING" else 0
    count = state.transactions_of(service, traffic)
    if machine is not None:
        # Each machine has its share, and the first one the rest.
        share, rest = divmod(count, len(state.machines))
        count = share + (rest if machine == next(iter(state.machines)) else 0)
    return {
        "folderName": service.folder or "/",
        "serviceName": service.name,
        "type": service.type,
        "max": most,
        "busy": busy,
        "free": free,
        "initializing": starting,
        "notCreated": max(0, most - busy - free - starting),
        "transactions": count,
        "totalBusyTime": count * 9,
        "isStatisticsAvailable": bool(names),
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
        folder = folder_of(call)
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
        entry["status"] = {"configuredState": service.configured, "realTimeState": call.site.state.real_of(service)}
    if "instances" in wanted:
        entry["instances"] = _instances(call, service)
    if "iteminfo" in wanted:
        entry["iteminfo"] = item_information(service)
    if "properties" in wanted:
        entry["properties"] = service.definition["properties"]
    if "permissions" in wanted:
        entry["permissions"] = service.permissions
    return entry


def definition(call: Call) -> Reply:
    return Reply(service_of(call).definition)


def status(call: Call) -> Reply:
    service = service_of(call)
    return Reply({"configuredState": service.configured, "realTimeState": call.site.state.real_of(service)})


def statistics(call: Call) -> Reply:
    service = service_of(call)
    summary = {**_instances(call, service), "startTime": ""}
    per_machine = [{**_instances(call, service, name), "machineName": name} for name in call.site.state.machines]
    return Reply({"summary": summary, "perMachine": per_machine})


async def start(call: Call) -> Reply:
    """Start: blocks until the instances exist, holding the service's lock; may fail with a detail and no code."""
    await _switch(call, service_of(call), "STARTED")
    return Reply(dict(SUCCESS), changed=True)


async def stop(call: Call) -> Reply:
    """Stop: blocks until the last instance has gone."""
    await _switch(call, service_of(call), "STOPPED")
    return Reply(dict(SUCCESS), changed=True)


async def _switch(call: Call, service: Service, wanted: str) -> None:
    site = call.site
    state = site.state
    if service.definition.get("provider") == "SDS":
        raise admin_failure(500, f"Hosted service '{service.key}' cannot be started or stopped on its own.")
    with site.hold(f"service:{service.key}"):
        with site.hold("store"):
            service.configured = wanted
        if wanted == "STARTED" and "start-fails" in site.faults:
            await site.work("start", "services")
            raise _start_failure(call, service, "Failed to create instance: the data is not there.")
        if wanted == "STARTED" and "start-hangs" in site.faults:
            state.settle(service, "STARTING", site.switches.traffic)
            await anyio.sleep(service.number("maxStartupTime", 300))
            raise _start_failure(call, service, "Failed to create instance: the start-up time has passed.")
        if service.real != wanted:
            await _pass(call, service, wanted)
    told = (8004 if wanted == "STARTED" else 8005, f"Service '{service.key}' is {wanted.lower()}.")
    state.log("INFO", told, source=service.key, user=call.user or "")


async def _pass(call: Call, service: Service, wanted: str) -> None:
    """From the present state to *wanted*, by the one in between, which others see meanwhile."""
    site = call.site
    verb, usual = ("start", site.switches.start_time) if wanted == "STARTED" else ("stop", site.switches.stop_time)
    site.state.settle(service, "STARTING" if wanted == "STARTED" else "STOPPING", site.switches.traffic)
    await site.work(verb, "services", usual)
    site.state.settle(service, wanted, site.switches.traffic)


def _start_failure(call: Call, service: Service, reason: str) -> Exception:
    """A failed start: what each machine reports, and no code."""
    call.site.state.log("SEVERE", (8252, f"Failed to start service '{service.key}'."), source=service.key)
    machines = [
        {"machine": machine, "state": "FAILED", "reports": [{"state": "FAILED", "message": reason}]}
        for machine in call.site.state.machines
    ]
    return admin_failure(
        None,
        f"Failed to start service '{service.key}'.",
        detail={"service": service.key, "state": "FAILED", "message": "service failed to start", "machines": machines},
    )


async def start_many(call: Call) -> Reply:
    return await _switch_many(call, "STARTED")


async def stop_many(call: Call) -> Reply:
    return await _switch_many(call, "STOPPED")


async def _switch_many(call: Call, wanted: str) -> Reply:
    """All at once; the first failure is the failure of the whole, when all have ended."""
    services = _named(call)
    failures: list[Failure] = []

    async def one(service: Service) -> None:
        try:
            await _switch(call, service, wanted)
        except Failure as failure:
            failures.append(failure)

    async with anyio.create_task_group() as group:
        for service in services:
            group.start_soon(one, service)
    if failures:
        raise failures[0]
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


async def edit(call: Call) -> Reply:
    """Replace the whole definition: what is left out is lost; only the names may be. A running service restarts."""
    service = service_of(call)
    given = call.json_object("service")
    given.setdefault("serviceName", service.name)
    given.setdefault("type", service.type)
    site = call.site
    with site.hold(f"service:{service.key}"):
        await site.work("edit", "services")
        given.setdefault("configuredState", service.configured)
        given.setdefault("description", "")
        given.setdefault("provider", service.definition.get("provider", "ArcObjects11"))
        given.setdefault("properties", {})
        least, most = (given.get(name) for name in ("minInstancesPerNode", "maxInstancesPerNode"))
        if isinstance(least, int) and isinstance(most, int) and least > most:
            raise admin_failure(500, "The minimum number of instances cannot be greater than the maximum number.")
        with site.hold("store"):
            service.definition = given
        service.touched(call.user or "", site.state.clock())
        if service.real == "STARTED" or service.real != service.configured:
            await _pass(call, service, service.configured)
    site.state.log("INFO", (8006, f"Service '{service.key}' was edited."), source=service.key, user=call.user or "")
    return Reply(dict(SUCCESS), changed=True)


async def create(call: Call) -> Reply:
    """Create, and start unless the definition says otherwise; some providers stay stopped all the same."""
    given = call.json_object("service")
    folder = folder_of(call) or str(given.get("folderName", "")).strip("/")
    name, kind = given.get("serviceName"), given.get("type")
    if not isinstance(name, str) or not isinstance(kind, str) or not name or not kind:
        raise admin_failure(500, "java.lang.NullPointerException")
    site = call.site
    state = site.state
    if state.find(folder, name, kind) is not None:
        shown = f"{folder}/{name}.{kind}" if folder else f"{name}.{kind}"
        raise admin_failure(500, f"Service '{shown}' already exists.")
    if folder:
        state.folder_names.setdefault(folder, "")
    service = state.add_service(folder, name, kind)
    service.definition = {**service.definition, **given}
    service.owner, service.manifest = call.user or "", {}
    service.real = "STOPPED"
    stays = site.switches.created_stopped or service.definition["provider"] == "CUSTOMDATA"
    if service.configured == "STARTED" and not stays:
        await _pass(call, service, "STARTED")
    state.log("INFO", (8007, f"Service '{service.key}' was created."), source=service.key, user=call.user or "")
    return Reply(dict(SUCCESS), changed=True)


def delete(call: Call) -> Reply:
    service = service_of(call)
    with call.site.hold(f"service:{service.key}"):
        del call.site.state.services[service.key]
    return Reply(dict(SUCCESS), changed=True)


def delete_many(call: Call) -> Reply:
    for service in _named(call):
        with call.site.hold(f"service:{service.key}"):
            call.site.state.services.pop(service.key, None)
    return Reply(dict(SUCCESS), changed=True)


def rename(call: Call) -> Reply:
    """The service keeps everything but its name, and its address is another one."""
    state, folder = call.site.state, folder_of(call)
    old, kind, new = call.need("serviceName"), call.need("serviceType"), call.need("serviceNewName")
    service = state.find(folder, old, kind)
    if service is None:
        raise missing(call, f"{old}.{kind}")
    if state.find(folder, new, kind) is not None:
        raise admin_failure(500, f"Service '{folder + '/' if folder else ''}{new}.{kind}' already exists.")
    with call.site.hold(f"service:{service.key}"):
        renamed = {}
        for key, one in state.services.items():
            if one is service:
                service.name = service.definition["serviceName"] = new
            renamed[service.key if one is service else key] = one
        state.services = renamed
    service.touched(call.user or "", state.clock())
    return Reply(dict(SUCCESS), changed=True)


def create_folder(call: Call) -> Reply:
    name = call.need("folderName")
    if name in call.site.state.folder_names:
        raise admin_failure(500, f"Folder '{name}' already exists.")
    call.site.state.folder_names[name] = call.get("description", "") or ""
    return Reply(dict(SUCCESS), changed=True)


def delete_folder(call: Call) -> Reply:
    state, folder = call.site.state, folder_of(call)
    del state.folder_names[folder]
    state.services = {key: service for key, service in state.services.items() if service.folder != folder}
    return Reply(dict(SUCCESS), changed=True)


def edit_folder(call: Call) -> Reply:
    call.site.state.folder_names[folder_of(call)] = call.get("description", "") or ""
    return Reply(dict(SUCCESS), changed=True)


def exists(call: Call) -> Reply:
    state = call.site.state
    folder = (call.get("folderName") or "").strip("/")
    name, kind = call.get("serviceName"), call.get("type")
    if name and kind:
        return Reply({"exists": state.find(folder, name, kind) is not None})
    return Reply({"exists": folder in state.folder_names or folder == ""})


_BASE = "admin/services"
ROUTES: tuple[Route, ...] = (
    route("GET POST", f"{_BASE}/report", report),
    route("POST", f"{_BASE}/startServices", start_many, changes=True, lock=""),
    route("POST", f"{_BASE}/stopServices", stop_many, changes=True, lock=""),
    route("POST", f"{_BASE}/deleteServices", delete_many, changes=True),
    route("POST", f"{_BASE}/createService", create, changes=True, run_async=True),
    route("POST", f"{_BASE}/renameService", rename, changes=True),
    route("POST", f"{_BASE}/createFolder", create_folder, changes=True),
    route("GET POST", f"{_BASE}/exists", exists),
    route("GET POST", f"{_BASE}/<service>/status", status),
    route("GET POST", f"{_BASE}/<service>/statistics", statistics),
    route("POST", f"{_BASE}/<service>/start", start, changes=True, lock=""),
    route("POST", f"{_BASE}/<service>/stop", stop, changes=True, lock=""),
    route("POST", f"{_BASE}/<service>/edit", edit, changes=True, lock="", run_async=True),
    route("POST", f"{_BASE}/<service>/delete", delete, changes=True),
    route("GET POST", f"{_BASE}/<service>", definition),
    route("GET POST", f"{_BASE}/<folder>/report", report),
    route("POST", f"{_BASE}/<folder>/createService", create, changes=True, run_async=True),
    route("POST", f"{_BASE}/<folder>/startServices", start_many, changes=True, lock=""),
    route("POST", f"{_BASE}/<folder>/stopServices", stop_many, changes=True, lock=""),
    route("POST", f"{_BASE}/<folder>/renameService", rename, changes=True),
    route("POST", f"{_BASE}/<folder>/deleteFolder", delete_folder, changes=True),
    route("POST", f"{_BASE}/<folder>/delete", delete_folder, changes=True),
    route("POST", f"{_BASE}/<folder>/editFolder", edit_folder, changes=True),
    route("GET POST", _BASE, listing),
    route("GET POST", f"{_BASE}/<folder>", listing),
)
