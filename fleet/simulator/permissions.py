"""Who may use what in a simulated site: permissions of services, of folders, and of the root."""

from __future__ import annotations

from typing import Any

from fleet.simulator.call import SUCCESS, Call, Route, folder_of, route, service_of
from fleet.simulator.state import Service, SiteState
from fleet.simulator.wire import Reply

__all__ = ["ROUTES", "open_to_everyone", "permission"]


def permission(principal: str, allowed: bool, constraint: str = "") -> dict[str, Any]:
    """One entry, as it is listed."""
    return {
        "principal": principal,
        "permission": {"isAllowed": allowed, "constraint": constraint},
        "childURL": None,
        "operation": None,
    }


def _of_folder(state: SiteState, folder: str) -> list[dict[str, Any]]:
    kept: dict[str, list[dict[str, Any]]] = state.kept.setdefault("permissions", {})
    # What is in System is for administrators and publishers, who need no entry.
    return kept.setdefault(folder, [] if folder == "System" else [permission("esriEveryone", True)])


def open_to_everyone(state: SiteState, service: Service) -> bool:
    """Whether everybody may use *service*: what stands at it counts, then at its folder, then at the root."""
    for entries in (service.permissions, _of_folder(state, service.folder), _of_folder(state, "")):
        for entry in entries:
            if entry["principal"] == "esriEveryone":
                return bool(entry["permission"]["isAllowed"])
    return False


def _add(call: Call, entries: list[dict[str, Any]]) -> Reply:
    """An entry that takes the place of the one that its principal had."""
    principal = call.need("principal")
    allowed = call.flag("isAllowed", default=True)
    call.need("isAllowed")
    entries[:] = [entry for entry in entries if entry["principal"] != principal]
    entries.append(permission(principal, allowed, call.get("constraint") or ""))
    return Reply(dict(SUCCESS), changed=True)


def of_service(call: Call) -> Reply:
    return Reply({"permissions": service_of(call).permissions})


def add_to_service(call: Call) -> Reply:
    return _add(call, service_of(call).permissions)


def clean_service(call: Call) -> Reply:
    entries, principal = service_of(call).permissions, call.need("principal")
    entries[:] = [entry for entry in entries if entry["principal"] != principal]
    return Reply(dict(SUCCESS), changed=True)


def of_folder(call: Call) -> Reply:
    return Reply({"permissions": _of_folder(call.site.state, folder_of(call))})


def add_to_folder(call: Call) -> Reply:
    return _add(call, _of_folder(call.site.state, folder_of(call)))


def clean_folder(call: Call) -> Reply:
    """Every entry of a principal goes: here, and in what is below."""
    state, folder, principal = call.site.state, folder_of(call), call.need("principal")
    below = list(state.folder_names) if not folder else []
    places = [_of_folder(state, one) for one in (folder, *below)]
    places += [one.permissions for one in state.services.values() if not folder or one.folder == folder]
    for entries in places:
        entries[:] = [entry for entry in entries if entry["principal"] != principal]
    return Reply(dict(SUCCESS), changed=True)


def conflict(call: Call) -> Reply:
    """Whether a service in the folder says of the principal what the permission does not."""
    folder, principal = folder_of(call), call.need("principal")
    allowed = call.json_object("permission").get("isAllowed", True) not in (False, "false")
    found = any(
        entry["principal"] == principal and entry["permission"]["isAllowed"] is not allowed
        for service in call.site.state.services.values()
        if service.folder == folder
        for entry in service.permissions
    )
    return Reply({"hasConflicts": found})


_BASE = "admin/services"
ROUTES: tuple[Route, ...] = (
    route("GET POST", f"{_BASE}/<service>/permissions", of_service),
    route("POST", f"{_BASE}/<service>/permissions/add", add_to_service, changes=True),
    route("POST", f"{_BASE}/<service>/permissions/clean", clean_service, changes=True),
    route("GET POST", f"{_BASE}/permissions", of_folder),
    route("POST", f"{_BASE}/permissions/add", add_to_folder, changes=True),
    route("POST", f"{_BASE}/permissions/clean", clean_folder, changes=True),
    route("POST", f"{_BASE}/hasChildPermissionsConflict", conflict),
    route("GET POST", f"{_BASE}/<folder>/permissions", of_folder),
    route("POST", f"{_BASE}/<folder>/permissions/add", add_to_folder, changes=True),
    route("POST", f"{_BASE}/<folder>/permissions/clean", clean_folder, changes=True),
    route("POST", f"{_BASE}/<folder>/hasChildPermissionsConflict", conflict),
)
