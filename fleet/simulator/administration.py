"""What a simulated site says of itself, and its machines with their certificates."""

from __future__ import annotations

from typing import Any

from fleet.simulator.call import SUCCESS, Call, Route, missing, route
from fleet.simulator.certificates import LIFE, chosen_for_web_server
from fleet.simulator.privileges import privilege_of
from fleet.simulator.state import RELEASES, Machine
from fleet.simulator.wire import REST_TYPE, Reply, admin_failure

__all__ = ["ROUTES"]


# The site


def root(call: Call) -> Reply:
    state = call.site.state
    number, full, _ = RELEASES[state.release]
    value: dict[str, Any] = {
        "resources": "machines services system security data uploads logs mode usagereports info kml".split(),
        "currentVersion": number,
        "fullVersion": full,
        "acceptLanguage": None,
    }
    if number < 10.6:
        value["resources"].insert(1, "clusters")
    else:
        value["isServerLicensed"] = "true"
    return Reply(value)


def info(call: Call) -> Reply:
    number, full, build = RELEASES[call.site.state.release]
    return Reply(
        {
            "currentversion": number,
            "fullVersion": full,
            "currentbuild": build,
            "timezone": "UTC",
            "loggedInUser": call.user,
            "loggedInUserPrivilege": _privilege(call),
        }
    )


def _privilege(call: Call) -> str:
    state, user = call.site.state, call.user or ""
    return privilege_of(state, user) if user in state.users else "ADMINISTER"


ZONES = (
    ("UTC", "(UTC) Coordinated Universal Time"),
    ("Europe/Oslo", "(UTC+01:00) Central European Time"),
    ("America/Chicago", "(UTC-06:00) Central Time"),
    ("Asia/Tokyo", "(UTC+09:00) Japan Time"),
)


def time_zones(call: Call) -> Reply:
    return Reply({"timeZones": [{"id": name, "displayName": shown} for name, shown in ZONES]})


def local(call: Call) -> Reply:
    return Reply({"machineName": next(iter(call.site.state.machines))})


def rest_info(call: Call) -> Reply:
    number, full, _ = RELEASES[call.site.state.release]
    site = call.site
    value: dict[str, Any] = {
        "currentVersion": number,
        "fullVersion": full,
        "soapUrl": f"{call.base}{site.context}/services",
        "secureSoapUrl": None,
    }
    if "no-site" in site.faults:
        value["authInfo"] = {"isTokenBasedSecurity": False}
    elif site.portal_url is not None:
        value["owningSystemUrl"] = site.portal_url
        value["authInfo"] = {
            "isTokenBasedSecurity": True,
            "tokenServicesUrl": f"{site.portal_url}/sharing/rest/generateToken",
        }
    else:
        value["authInfo"] = {
            "isTokenBasedSecurity": True,
            "tokenServicesUrl": f"{call.base}{site.context}/tokens/",
            "shortLivedTokenValidity": 60,
        }
    return Reply(value, content_type=REST_TYPE, headers={"Vary": "Origin"})


def rest_services(call: Call) -> Reply:
    state = call.site.state
    return Reply(
        {
            "currentVersion": RELEASES[state.release][0],
            "folders": list(state.folder_names),
            "services": [
                {"name": service.name, "type": service.type}
                for service in state.services.values()
                if not service.folder and state.real_of(service) == "STARTED"
            ],
        },
        content_type=REST_TYPE,
    )


def rest_folder(call: Call) -> Reply:
    folder = call.args["folder"]
    state = call.site.state
    if folder not in state.folder_names:
        return Reply({"error": {"code": 404, "message": "Folder not found", "details": []}}, code=404)
    return Reply(
        {
            "currentVersion": RELEASES[state.release][0],
            "folders": [],
            "services": [
                {"name": f"{folder}/{service.name}", "type": service.type}
                for service in state.services.values()
                if service.folder == folder and state.real_of(service) == "STARTED"
            ],
        },
        content_type=REST_TYPE,
    )


def health_check(call: Call) -> Reply:
    if "unhealthy" in call.site.faults:
        return Reply({"success": False}, status=503)
    return Reply({"success": True}, content_type=REST_TYPE)


# Machines


def _machine(call: Call) -> Machine:
    machine = call.site.state.machines.get(call.args["machine"].upper())
    if machine is None:
        raise missing(call)
    return machine


def machines(call: Call) -> Reply:
    value: dict[str, Any] = {
        "machines": [
            {"machineName": name, "adminURL": one.admin_url, "synchronize": one.behind}
            for name, one in call.site.state.machines.items()
        ]
    }
    if call.site.state.number >= 10.9:
        value |= {"DatastoreMachines": [], "Protocol": None}
    return Reply(value)


def machine(call: Call) -> Reply:
    found = _machine(call)
    return Reply(
        {
            "machineName": found.name,
            "platform": "Linux-amd64-64",
            "adminURL": found.admin_url,
            "ServerStartTime": round(found.started * 1000),
            "ports": found.ports,
            **found.heaps,
            "socMaxHeapSize": found.heap,
            "webServerSSLEnabled": True,
            "webServerCertificateAlias": found.alias,
            "configuredState": found.configured,
            "synchronize": found.behind,
            "underMaintenance": False,
        }
    )


def machine_status(call: Call) -> Reply:
    found = _machine(call)
    return Reply({"configuredState": found.configured, "realTimeState": found.real})


async def start_machine(call: Call) -> Reply:
    """Start: the services that should run come with it, and locks that had stuck are gone."""
    found = _machine(call)
    site = call.site
    with site.hold(f"machine:{found.name}"):
        with site.hold("store", "Failed to start the server machine."):
            found.configured = "STARTED"
        site.lose_stuck_locks()
        await _carry(call, found, "STARTED", site.switches.machine_start_time)
        found.started = site.state.clock()
        for service in site.state.services.values():
            if service.real in ("STARTING", "STOPPING"):
                service.real = service.configured
    return Reply(dict(SUCCESS), changed=True)


async def stop_machine(call: Call) -> Reply:
    """Stop: no service runs on the machine afterwards; it can still be administered."""
    found = _machine(call)
    site = call.site
    with site.hold(f"machine:{found.name}"):
        with site.hold("store", "Failed to stop the server machine."):
            found.configured = "STOPPED"
        for service in site.state.services.values():
            site.state.settle(service, service.real, site.switches.traffic)
        await _carry(call, found, "STOPPED", site.switches.machine_stop_time)
    return Reply(dict(SUCCESS), changed=True)


async def _carry(call: Call, found: Machine, wanted: str, usual: float) -> None:
    if found.real != wanted:
        found.real = "STARTING" if wanted == "STARTED" else "STOPPING"
        await call.site.work("start" if wanted == "STARTED" else "stop", "machines", usual)
        found.real = wanted
    told = (7008 if wanted == "STARTED" else 7009, f"Server machine '{found.name}' is {wanted.lower()}.")
    call.site.state.log("INFO", told, user=call.user or "", machine=found.name)


async def edit_machine(call: Call) -> Reply:
    """Edit: what is not sent keeps its value here; the web server restarts for it."""
    found = _machine(call)
    with call.site.hold(f"machine:{found.name}"):
        await call.site.work("edit", "machines")
        numbers = {name: call.whole(name, value) for name, value in (found.ports | found.heaps).items()}
        found.heap = call.whole("socMaxHeapSize", found.heap)
        if (alias := call.get("webServerCertificateAlias")) is not None:
            chosen_for_web_server(call, found, alias)
        found.ports = {name: numbers[name] for name in found.ports}
        found.heaps = {name: numbers[name] for name in found.heaps}
        found.address = call.get("adminURL") or found.address
    call.site.restart()
    return Reply(dict(SUCCESS), changed=True)


def register_machine(call: Call) -> Reply:
    name, address = call.need("machineName").upper(), call.need("adminURL")
    state = call.site.state
    if name in state.machines:
        raise admin_failure(500, f"Server machine '{name}' is already part of the site.")
    state.machines[name] = Machine(name, started=state.clock(), address=address)
    state.machines[name].certificates["selfsignedcertificate"] = state.clock() + LIFE
    return Reply(dict(SUCCESS), changed=True)


def unregister_machine(call: Call) -> Reply:
    found = _machine(call)
    state = call.site.state
    if len(state.machines) == 1:
        raise admin_failure(500, f"Server machine '{found.name}' is the last one of the site.")
    del state.machines[found.name]
    return Reply(dict(SUCCESS), changed=True)


def rename_machine(call: Call) -> Reply:
    state = call.site.state
    old, new = call.need("machineName").upper(), call.need("newMachineName").upper()
    if old not in state.machines:
        raise missing(call, old)
    if new in state.machines:
        raise admin_failure(500, f"Server machine '{new}' is already part of the site.")
    state.machines = {new if name == old else name: one for name, one in state.machines.items()}
    state.machines[new].name = new
    call.site.restart()
    return Reply(dict(SUCCESS), changed=True)


def synchronize(call: Call) -> Reply:
    """The machine takes over what the site has decided while it was away."""
    found = _machine(call)
    found.behind = False
    if found.configured == "STARTED":
        found.real, found.started = "STARTED", call.site.state.clock()
    return Reply(dict(SUCCESS), changed=True)


def hardware(call: Call) -> Reply:
    _machine(call)
    return Reply(
        {
            "cpu": "Simulated CPU",
            "os": "Linux",
            "systemMemoryMB": 16384,
            "numPhysicalProcessors": 4,
            "numLogicalProcessors": 8,
        }
    )


ROUTES: tuple[Route, ...] = (
    route("GET POST", "admin", root),
    route("GET POST", "admin/info", info),
    route("GET POST", "admin/info/getAvailableTimeZones", time_zones),
    route("GET POST", "admin/local", local),
    route("GET POST", "admin/info/healthCheck", health_check, token=False),
    route("GET POST", "rest/info", rest_info, token=False),
    route("GET POST", "rest/info/healthCheck", health_check, token=False),
    route("GET POST", "rest/services", rest_services, token=False),
    route("GET POST", "rest/services/<folder>", rest_folder, token=False),
    route("GET POST", "admin/machines", machines),
    route("POST", "admin/machines/register", register_machine, changes=True, read_only_ok=True),
    route("POST", "admin/machines/rename", rename_machine, changes=True, read_only_ok=True),
    route("GET POST", "admin/machines/<machine>", machine),
    route("GET POST", "admin/machines/<machine>/status", machine_status),
    route("GET POST", "admin/machines/<machine>/hardware", hardware, since=10.61),
    route("POST", "admin/machines/<machine>/start", start_machine, changes=True, read_only_ok=True, lock=""),
    route("POST", "admin/machines/<machine>/stop", stop_machine, changes=True, read_only_ok=True, lock=""),
    route("POST", "admin/machines/<machine>/edit", edit_machine, changes=True, lock=""),
    route("POST", "admin/machines/<machine>/synchronizeWithSite", synchronize, changes=True, since=10.21),
    route("POST", "admin/machines/<machine>/unregister", unregister_machine, changes=True, read_only_ok=True),
)
