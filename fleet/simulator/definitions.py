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
    """The definitions of the named services, or of all, as an item of the uploads; its id is in the answer.

    What real servers take and answer here is not known: this is a stand-in that keeps what it is given.
    """
    state = call.site.state
    chosen = list(state.services.values())
    if call.get("services"):
        try:
            given = json.loads(call.need("services"))
            entries = given["services"] if isinstance(given, dict) else given
            found = [state.find(str(one["folderName"]).strip("/"), one["serviceName"], one["type"]) for one in entries]
        except (ValueError, KeyError, TypeError):
            raise admin_failure(500, "A JSONArray text must start with '[' at character 1") from None
        if None in found:
            raise missing(call, "services")
        chosen = [one for one in found if one is not None]
    text = json.dumps([taken_out(service) for service in chosen])
    item = state.new_upload("services.export", call.get("description"), committed=True)
    state.uploads[item["itemID"]] = {"item": item, "size": len(text), "data": text.encode()}
    return Reply({**SUCCESS, "itemID": item["itemID"]}, changed=True)


def import_services(call: Call) -> Reply:
    """Make the services of an exported item; those that are there already are replaced."""
    state = call.site.state
    kept = state.uploads.get(call.need("itemID"))
    try:
        entries = json.loads(kept["data"]) if kept is not None else None
    except (KeyError, ValueError):
        entries = None
    if not isinstance(entries, list):
        raise admin_failure(500, f"The item '{call.need('itemID')[:40]}' holds no services.")
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
    route("POST", f"{_BASE}/exportServices", export, changes=True, since=11.0, lock="site"),
    route("POST", f"{_BASE}/importServices", import_services, changes=True, since=11.0, lock="site"),
    route("POST", f"{_BASE}/federate", federate, changes=True),
    route("POST", f"{_BASE}/unfederate", unfederate, changes=True),
)
