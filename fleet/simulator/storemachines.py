"""Machines of the managed data stores of a simulated site: started, stopped, made primary, removed, validated."""

from __future__ import annotations

from typing import Any

from fleet.simulator.call import SUCCESS, Call, Route, missing, route
from fleet.simulator.wire import Reply, admin_failure

__all__ = ["ROUTES"]


def _machines(call: Call) -> list[dict[str, str]]:
    """Name, role and status of each machine of the store; a store that is not managed has none of them."""
    path = f"/{call.args['root']}/{call.args['store']}"
    item = call.site.state.data_items.get(path)
    if item is None:
        raise missing(call, call.args["store"])
    kept: dict[str, list[dict[str, str]]] = call.site.state.kept.setdefault("store_machines", {})
    if path not in kept:
        named = item.get("info", {}).get("machines") or []
        kept[path] = [
            {
                "name": str(one["name"]),
                "role": "STANDBY" if place else "PRIMARY",
                "status": "Started",
                "adminURL": str(one.get("adminURL", "")),
            }
            for place, one in enumerate(named)
        ]
    return kept[path]


def _machine(call: Call) -> dict[str, str]:
    wanted = call.args["machine"].upper()
    found = next((one for one in _machines(call) if one["name"].upper() == wanted), None)
    if found is None:
        raise missing(call, call.args["machine"])
    return found


def machines(call: Call) -> Reply:
    return Reply({"machines": _machines(call)})


def machine(call: Call) -> Reply:
    return Reply(_machine(call))


def start(call: Call) -> Reply:
    _machine(call)["status"] = "Started"
    return Reply(dict(SUCCESS), changed=True)


def stop(call: Call) -> Reply:
    _machine(call)["status"] = "Stopped"
    return Reply(dict(SUCCESS), changed=True)


def make_primary(call: Call) -> Reply:
    """The machine takes over, and the one that was primary stands by."""
    found = _machine(call)
    if found["status"] != "Started":
        raise admin_failure(500, f"The data store machine '{found['name']}' is not running.")
    for one in _machines(call):
        one["role"] = "PRIMARY" if one is found else "STANDBY"
    return Reply(dict(SUCCESS), changed=True)


def remove(call: Call) -> Reply:
    """A primary machine stays as long as there is another."""
    found, all_of_them = _machine(call), _machines(call)
    if found["role"] == "PRIMARY" and len(all_of_them) > 1:
        raise admin_failure(500, f"The data store machine '{found['name']}' is the primary one and can't be removed.")
    all_of_them.remove(found)
    item: dict[str, Any] = call.site.state.data_items[f"/{call.args['root']}/{call.args['store']}"]
    info = item["info"]
    info["machines"] = [one for one in info.get("machines", []) if one["name"] != found["name"]]
    return Reply(dict(SUCCESS), changed=True)


def validate(call: Call) -> Reply:
    """A store with a machine that does not run is no failure: it says so."""
    _machine(call)
    rows = [{**one, "status": "Healthy" if one["status"] == "Started" else "Unavailable"} for one in _machines(call)]
    well = all(row["status"] == "Healthy" for row in rows) and "data-broken" not in call.site.faults
    return Reply({**SUCCESS, "datastoreStatus": "Healthy" if well else "Unhealthy", "machines": rows})


def kinds(call: Call) -> Reply:
    names = ("PostgreSQL", "SQL Server", "Oracle", "SAP HANA")
    return Reply({"relationalDatastoreTypes": [{"id": name.lower().replace(" ", ""), "name": name} for name in names]})


_BASE = "admin/data/items/<root>/<store>/machines"
ROUTES: tuple[Route, ...] = (
    route("GET POST", "admin/data/relationalDatastoreTypes", kinds, since=10.6),
    route("GET POST", _BASE, machines, since=10.3),
    route("GET POST", f"{_BASE}/<machine>", machine, since=10.3),
    route("POST", f"{_BASE}/<machine>/start", start, changes=True, read_only_ok=True, since=10.3),
    route("POST", f"{_BASE}/<machine>/stop", stop, changes=True, read_only_ok=True, since=10.3),
    route("POST", f"{_BASE}/<machine>/makePrimary", make_primary, changes=True, read_only_ok=True, since=10.3),
    route("POST", f"{_BASE}/<machine>/remove", remove, changes=True, since=10.3),
    route("GET POST", f"{_BASE}/<machine>/validate", validate, since=10.3),
)
