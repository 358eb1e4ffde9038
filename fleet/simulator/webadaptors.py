"""Web adaptors of a simulated site: registered, edited, unregistered, and what they have in common."""

from __future__ import annotations

from typing import Any

from fleet.simulator.call import SUCCESS, Call, Route, missing, route
from fleet.simulator.state import SiteState
from fleet.simulator.wire import Reply, admin_failure

__all__ = ["ROUTES", "adaptors_of", "new_adaptor"]


def adaptors_of(state: SiteState) -> dict[str, dict[str, Any]]:
    """Web adaptor by id."""
    kept: dict[str, dict[str, Any]] = state.kept.setdefault("webadaptors", {})
    return kept


def new_adaptor(state: SiteState, url: str, machine: str, address: str, **more: Any) -> dict[str, Any]:
    """A web adaptor that is registered from now on."""
    state.kept["webadaptors_made"] = state.kept.get("webadaptors_made", 0) + 1
    identity = f"{state.kept['webadaptors_made']:08x}-0000-4000-8000-00c0ffee0001"
    entry = {
        "machineName": machine,
        "machineIP": address,
        "webAdaptorURL": url,
        "id": identity,
        "description": "",
        "httpPort": 80,
        "httpsPort": 443,
        "isAdminEnabled": False,
        "refreshServerListInterval": 1,
        "reconnectServerOnFailureInterval": 1,
        **more,
    }
    adaptors_of(state)[identity] = entry
    return entry


def listing(call: Call) -> Reply:
    return Reply({"webAdaptors": list(adaptors_of(call.site.state).values())})


def _found(call: Call) -> dict[str, Any]:
    found = adaptors_of(call.site.state).get(call.args["id"])
    if found is None:
        raise missing(call, call.args["id"])
    return found


def show(call: Call) -> Reply:
    return Reply(_found(call))


def register(call: Call) -> Reply:
    """A web adaptor that registers again, from the same machine for the same address, takes its former place."""
    given = {key: call.need(key) for key in ("webAdaptorURL", "machineName", "machineIP")}
    state = call.site.state
    same = [
        identity
        for identity, one in adaptors_of(state).items()
        if (one["webAdaptorURL"], one["machineName"]) == (given["webAdaptorURL"], given["machineName"])
    ]
    for identity in same:
        del adaptors_of(state)[identity]
    new_adaptor(
        state,
        given["webAdaptorURL"],
        given["machineName"],
        given["machineIP"],
        description=call.get("description") or "",
        httpPort=call.whole("httpPort", 80),
        httpsPort=call.whole("httpsPort", 443),
        isAdminEnabled=call.flag("isAdminEnabled"),
    )
    return Reply(dict(SUCCESS), changed=True)


def update(call: Call) -> Reply:
    """What is sent is changed, what is not sent stays."""
    found = _found(call)
    for name in ("webAdaptorURL", "machineName", "machineIP", "description"):
        if (text := call.get(name)) is not None:
            found[name] = text
    for name in ("httpPort", "httpsPort"):
        found[name] = call.whole(name, found[name])
    found["isAdminEnabled"] = call.flag("isAdminEnabled", found["isAdminEnabled"])
    return Reply(dict(SUCCESS), changed=True)


def unregister(call: Call) -> Reply:
    del adaptors_of(call.site.state)[_found(call)["id"]]
    return Reply(dict(SUCCESS), changed=True)


def config(call: Call) -> Reply:
    return Reply(call.site.state.kept.setdefault("webadaptors_config", {"sharedKey": "shared-key-of-this-site"}))


def update_config(call: Call) -> Reply:
    """Every web adaptor must register again with the new key."""
    given = call.json_object("webAdaptorsConfig")
    if not isinstance(given.get("sharedKey"), str) or not given["sharedKey"]:
        raise admin_failure(500, "java.lang.NullPointerException")
    call.site.state.kept["webadaptors_config"] = given
    return Reply(dict(SUCCESS), changed=True)


_BASE = "admin/system/webadaptors"
ROUTES: tuple[Route, ...] = (
    route("GET POST", _BASE, listing),
    route("POST", f"{_BASE}/register", register, changes=True),
    route("GET POST", f"{_BASE}/config", config),
    route("POST", f"{_BASE}/config/update", update_config, changes=True),
    route("GET POST", f"{_BASE}/<id>", show),
    route("POST", f"{_BASE}/<id>/update", update, changes=True),
    route("POST", f"{_BASE}/<id>/unregister", unregister, changes=True),
)
