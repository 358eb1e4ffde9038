"""Clusters of a simulated site, which sites up to 10.5 have."""

from __future__ import annotations

from typing import Any

from fleet.simulator.call import SUCCESS, Call, Route, missing, route
from fleet.simulator.wire import Reply, admin_failure

__all__ = ["ROUTES", "WITHOUT_CLUSTERS"]

WITHOUT_CLUSTERS = 10.6
"""The release from which sites have one cluster only, and no resource for it."""


def _clusters(call: Call) -> dict[str, dict[str, Any]]:
    state = call.site.state
    if state.number >= WITHOUT_CLUSTERS:
        raise missing(call)
    kept: dict[str, dict[str, Any]] = state.kept.setdefault("clusters", {})
    if "clusters_made" not in state.kept:
        state.kept["clusters_made"] = True
        kept["default"] = _cluster("default", list(state.machines), "4014")
    placed = {name for one in kept.values() for name in one["machineNames"]}
    for one in kept.values():
        one["machineNames"] = [name for name in one["machineNames"] if name in state.machines]
    if "default" in kept and "clusters_touched" not in state.kept:
        # Machines that join go into the one cluster that there is, until somebody sorts them otherwise.
        kept["default"]["machineNames"] += [name for name in state.machines if name not in placed]
    return kept


def _cluster(name: str, machines: list[str], port: str) -> dict[str, Any]:
    protocol = {"type": "TCP", "tcpClusterPort": port}
    return {"clusterName": name, "clusterProtocol": protocol, "configuredState": "STARTED", "machineNames": machines}


def _found(call: Call) -> dict[str, Any]:
    found = _clusters(call).get(call.args["cluster"])
    if found is None:
        raise missing(call, call.args["cluster"])
    return found


def _listed(text: str) -> list[str]:
    return [one.strip().upper() for one in text.split(",") if one.strip()]


def listing(call: Call) -> Reply:
    return Reply({"clusters": list(_clusters(call).values())})


def create(call: Call) -> Reply:
    kept, name = _clusters(call), call.need("clusterName")
    if name in kept:
        raise admin_failure(500, f"Cluster '{name}' already exists.")
    port = call.get("topCluserPort") or call.get("tcpClusterPort") or "4014"
    free = _free(call)
    kept[name] = _cluster(name, [one for one in _listed(call.get("machineNames") or "") if one in free], port)
    return Reply(dict(SUCCESS), changed=True)


def _free(call: Call) -> list[str]:
    placed = {name for one in _clusters(call).values() for name in one["machineNames"]}
    return [name for name in call.site.state.machines if name not in placed]


def available(call: Call) -> Reply:
    return Reply(
        {
            "machines": [
                {"machineName": name, "adminURL": f"https://{name}:6443/arcgis/admin"} for name in sorted(_free(call))
            ]
        }
    )


def show(call: Call) -> Reply:
    return Reply(_found(call))


def machines(call: Call) -> Reply:
    state, found = call.site.state, _found(call)
    rows = [state.machines[name] for name in found["machineNames"]]
    return Reply(
        {
            "machines": [
                {"machineName": one.name, "configuredState": one.configured, "realTimeState": one.real} for one in rows
            ]
        }
    )


def services(call: Call) -> Reply:
    name = _found(call)["clusterName"]
    return Reply(
        {
            "services": [
                {"folderName": one.folder or "/", "serviceName": one.name, "type": one.type}
                for one in call.site.state.services.values()
                if one.definition.get("clusterName", "default") == name
            ]
        }
    )


def _switch(call: Call, wanted: str) -> Reply:
    """The machines of the cluster go with it."""
    found = _found(call)
    found["configuredState"] = wanted
    for name in found["machineNames"]:
        machine = call.site.state.machines[name]
        machine.configured = machine.real = wanted
    return Reply(dict(SUCCESS), changed=True)


def start(call: Call) -> Reply:
    return _switch(call, "STARTED")


def stop(call: Call) -> Reply:
    return _switch(call, "STOPPED")


def delete(call: Call) -> Reply:
    name = _found(call)["clusterName"]
    call.site.state.kept["clusters_touched"] = True
    del _clusters(call)[name]
    return Reply(dict(SUCCESS), changed=True)


def add_machines(call: Call) -> Reply:
    """Each machine has a verdict of its own: it must be of the site, and in no cluster yet."""
    found, free = _found(call), _free(call)
    call.site.state.kept["clusters_touched"] = True
    results = []
    for name in _listed(call.need("machineNames")):
        fits = name in free
        if fits:
            found["machineNames"].append(name)
        results.append({"machineName": name, "success": fits})
    return Reply({"results": results}, changed=True)


def remove_machines(call: Call) -> Reply:
    found = _found(call)
    call.site.state.kept["clusters_touched"] = True
    results = []
    for name in _listed(call.need("machineNames")):
        there = name in found["machineNames"]
        if there:
            found["machineNames"].remove(name)
        results.append({"machineName": name, "success": there})
    return Reply({"results": results}, changed=True)


def edit_protocol(call: Call) -> Reply:
    _found(call)["clusterProtocol"] = call.json_object("clusterProtocol")
    return Reply(dict(SUCCESS), changed=True)


_BASE = "admin/clusters"
ROUTES: tuple[Route, ...] = (
    route("GET POST", _BASE, listing),
    route("POST", f"{_BASE}/create", create, changes=True),
    route("GET POST", f"{_BASE}/getAvailableMachines", available),
    route("GET POST", f"{_BASE}/<cluster>", show),
    route("GET POST", f"{_BASE}/<cluster>/machines", machines),
    route("GET POST", f"{_BASE}/<cluster>/services", services),
    route("POST", f"{_BASE}/<cluster>/start", start, changes=True),
    route("POST", f"{_BASE}/<cluster>/stop", stop, changes=True),
    route("POST", f"{_BASE}/<cluster>/delete", delete, changes=True),
    route("POST", f"{_BASE}/<cluster>/machines/add", add_machines, changes=True),
    route("POST", f"{_BASE}/<cluster>/machines/remove", remove_machines, changes=True),
    route("POST", f"{_BASE}/<cluster>/editProtocol", edit_protocol, changes=True),
)
