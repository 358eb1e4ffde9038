"""Service definitions of a simulated site on the move: checked beforehand, exported, imported, given another runtime."""

from __future__ import annotations

import json
from typing import Any

import anyio

from fleet.simulator.call import SUCCESS, Call, Route, missing, route, service_of
from fleet.simulator.kinds import KINDS, SHARED, runtimes
from fleet.simulator.state import Service, SiteState
from fleet.simulator.wire import Reply, admin_failure

__all__ = ["ROUTES", "put_back", "taken_out"]


def can_create(call: Call) -> Reply:
    """Whether such a service may be made: its type is known, its folder is there, its name is free."""
    state = call.site.state
    given = call.json_object("service") if call.get("service") else {}
    folder = (call.get("folderName") or str(given.get("folderName") or "")).strip("/")
    kind = call.get("serviceType") or given.get("type")
    if kind is not None and kind not in KINDS:
        raise admin_failure(500, f"The service type '{str(kind)[:40]}' is not supported.")
    if folder and folder not in state.folder_names:
        raise missing(call, folder)
    name = given.get("serviceName")
    if isinstance(name, str) and isinstance(kind, str) and (found := state.find(folder, name, kind)) is not None:
        raise admin_failure(500, f"Service '{found.key}' already exists.")
    return Reply(dict(SUCCESS))


async def change_provider(call: Call) -> Reply:
    """Move a map service between dedicated and shared instances; it restarts, and gets the instances of its new home."""
    service, site = service_of(call), call.site
    wanted = call.need("provider")
    if wanted not in runtimes(site.state) or service.type != "MapServer":
        raise admin_failure(500, f"The provider of service '{service.key}' can't be changed to '{wanted[:40]}'.")
    with site.hold(f"service:{service.key}"):
        await site.work("edit", "services")
        least, most = (0, 0) if wanted == SHARED else (1, 2)
        if wanted != service.definition["provider"]:
            service.definition |= {"provider": wanted, "minInstancesPerNode": least, "maxInstancesPerNode": most}
            if service.real == "STARTED":
                site.state.settle(service, "STARTING", site.switches.traffic)
                await anyio.sleep(site.switches.start_time)
                site.state.settle(service, service.configured, site.switches.traffic)
    service.touched(call.user or "", site.state.clock())
    return Reply(dict(SUCCESS), changed=True)


def taken_out(service: Service) -> dict[str, Any]:
    """All that makes *service* again."""
    return {
        "folderName": service.folder,
        "serviceName": service.name,
        "type": service.type,
        "definition": service.definition,
        "permissions": service.permissions,
        "item": service.item,
        "manifest": service.manifest,
        "origin": service.origin,
        "owner": service.owner,
    }


def put_back(state: SiteState, entry: dict[str, Any]) -> Service:
    """The service in *entry*, made or made anew; it stands still."""
    service = state.add_service(entry["folderName"], entry["serviceName"], entry["type"])
    if service.folder:
        state.folder_names.setdefault(service.folder, "")
    service.definition, service.permissions = entry["definition"], entry["permissions"]
    service.item, service.manifest = entry["item"], entry["manifest"]
    service.origin, service.owner = entry["origin"], entry["owner"]
    service.real = "STOPPED"
    return service


def export(call: Call) -> Reply:
    """All services in one file in `location`, or where the server likes; the answer says where, as exports of sites do.

    What a real server answers beyond its status is not recorded.
    """
    state = call.site.state
    folder = (call.get("location") or "/srv/arcgis/exports").rstrip("/")
    place = f"{folder}/{state.name}.agssiteservices"
    _exports(state)[place] = json.dumps([taken_out(service) for service in state.services.values()])
    return Reply({**SUCCESS, "location": place}, changed=True)


def _exports(state: SiteState) -> dict[str, str]:
    """The exported files on the server's disk, by path."""
    kept: dict[str, str] = state.kept.setdefault("service_exports", {})
    return kept


def import_services(call: Call) -> Reply:
    """Make the services in the file, or in the upload, that `location` names; those that are there are replaced."""
    state, location = call.site.state, call.need("location")
    upload = state.uploads.get(location)
    try:
        entries = json.loads(_exports(state)[location] if upload is None else upload["data"])
    except (KeyError, ValueError):
        entries = None
    if not isinstance(entries, list):
        raise admin_failure(500, f"The location '{location[:80]}' holds no services.")
    for entry in entries:
        service = put_back(state, entry)
        state.settle(service, service.configured, call.site.switches.traffic)
    return Reply(dict(SUCCESS), changed=True)


# Federation, as the portal calls it


def federate(call: Call) -> Reply:
    call.site.state.kept["federated_by_portal"] = True
    return Reply(dict(SUCCESS), changed=True)


def unfederate(call: Call) -> Reply:
    call.site.state.kept["federated_by_portal"] = False
    return Reply(dict(SUCCESS), changed=True)


_BASE = "admin/services"
ROUTES: tuple[Route, ...] = (
    route("GET POST", f"{_BASE}/canCreateService", can_create, since=10.3),
    route("POST", f"{_BASE}/<service>/changeProvider", change_provider, changes=True, since=10.7, lock=""),
    route("POST", f"{_BASE}/exportServices", export, changes=True, since=10.5, lock="site"),
    route("POST", f"{_BASE}/importServices", import_services, changes=True, since=10.5, lock="site"),
    route("POST", f"{_BASE}/federate", federate, changes=True),
    route("POST", f"{_BASE}/unfederate", unfederate, changes=True),
)
