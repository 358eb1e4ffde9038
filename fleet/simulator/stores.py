"""Data items of a simulated site: registered, found, validated, edited and given up."""

from __future__ import annotations

from typing import Any

from fleet.simulator.call import SUCCESS, Call, Route, missing, route
from fleet.simulator.items import services_that_use
from fleet.simulator.wire import Reply, admin_failure

__all__ = ["ROUTES"]

ROOTS = (
    "/enterpriseDatabases",
    "/fileShares",
    "/nosqlDatabases",
    "/bigDataFileShares",
    "/cloudStores",
    "/rasterStores",
)


def resource(call: Call) -> Reply:
    return Reply({"operations": ["registerItem", "unregisterItem", "findItems"], "resources": ["config", "items"]})


def config(call: Call) -> Reply:
    return Reply(call.site.state.kept.setdefault("data_config", {"blockDataCopy": False}))


def update_config(call: Call) -> Reply:
    call.site.state.kept["data_config"] = call.json_object("datastoreConfig")
    return Reply(dict(SUCCESS), changed=True)


def roots(call: Call) -> Reply:
    return Reply({"rootItems": list(ROOTS)})


def below(call: Call) -> Reply:
    """What is registered below one of the roots."""
    root = f"/{call.args['root']}"
    if root not in ROOTS:
        raise missing(call)
    items = call.site.state.data_items.values()
    return Reply({"items": [_told(call, one) for one in items if one["path"].startswith(f"{root}/")]})


def _item(call: Call) -> dict[str, Any]:
    path = f"/{call.args['root']}/{call.args['item']}"
    found: dict[str, Any] | None = call.site.state.data_items.get(path)
    if found is None:
        raise missing(call, call.args["item"])
    return found


def item(call: Call) -> Reply:
    return Reply(_told(call, _item(call)))


def _told(call: Call, one: dict[str, Any]) -> dict[str, Any]:
    """An item as it is told: with the count of its uses at this moment."""
    return {**one, "totalRefCount": _references(call, one)} if "totalRefCount" in one else one


def edit_item(call: Call) -> Reply:
    found = _item(call)
    given = call.json_object("item")
    call.site.state.data_items[found["path"]] = {**given, "path": found["path"]}
    return Reply(dict(SUCCESS), changed=True)


def find_items(call: Call) -> Reply:
    above = call.get("parentPath") or call.get("ancestorPath") or ""
    kinds = [one.strip() for one in (call.get("types") or "").split(",") if one.strip()]
    managed = call.get("managed")
    return Reply(
        {
            "items": [
                _told(call, one)
                for one in call.site.state.data_items.values()
                if one["path"].startswith(above)
                and (not kinds or one.get("type") in kinds)
                and (call.get("id") in (None, "", one.get("id")))
                and (managed in (None, "") or bool(one.get("info", {}).get("isManaged")) is call.flag("managed"))
            ]
        }
    )


def register_item(call: Call) -> Reply:
    """Releases differ: the older say success true or false and nothing else, the newer have the usual failure."""
    given = call.json_object("item")
    path = str(given.get("path", ""))
    state = call.site.state
    old = state.number < 10.7
    if not path.startswith(ROOTS):
        raise admin_failure(500, f"The path '{path[:80]}' of the data item is invalid.")
    if path in state.data_items:
        if old:
            return Reply({"success": False})
        raise admin_failure(500, f"The data item '{path}' already exists.")
    state.data_items[path] = {"id": f"i{len(state.data_items):08x}", "totalRefCount": 0, "info": {}, **given}
    return Reply({"success": True} if old else {"success": True, **SUCCESS}, changed=True)


def unregister_item(call: Call) -> Reply:
    """What services use is given up with `force` only."""
    path, state = call.need("itempath"), call.site.state
    if path in state.data_items and services_that_use(state, path) and not call.flag("force"):
        return Reply({"success": False, "messages": [f"The data item '{path}' is in use."]})
    found = state.data_items.pop(path, None)
    return Reply({"success": found is not None}, changed=found is not None)


def _references(call: Call, item: dict[str, Any]) -> int:
    """How often services use *item*: what it says itself, and the services whose manifest names it."""
    own = item.get("totalRefCount")
    return (own if isinstance(own, int) else 0) + len(services_that_use(call.site.state, item["path"]))


def validate_item(call: Call) -> Reply:
    return _validated(call, [call.json_object("item")])


def validate_all(call: Call) -> Reply:
    return _validated(call, list(call.site.state.data_items.values()))


def _validated(call: Call, items: list[dict[str, Any]]) -> Reply:
    """A failed check is a failure body, or (by a switch) a list of what each machine saw, without any verdict."""
    worn: list[str] = call.site.state.kept.get("broken_items", [])
    broken = [one for one in items if "data-broken" in call.site.faults or one.get("path") in worn]
    if not broken:
        return Reply(dict(SUCCESS))
    machines = list(call.site.state.machines)
    text = f"The data item is not accessible from server machine '{machines[-1]}'."
    if not call.site.switches.validation_details:
        raise admin_failure(500, text)
    return Reply(
        {
            "machines": [
                {
                    "machine": machine,
                    "status": "success" if machine != machines[-1] else "failure",
                    "dataItems": [
                        {
                            "dataItem": one.get("id", ""),
                            "path": one.get("path", ""),
                            "validationState": "FAILED" if machine == machines[-1] and one in broken else "PASSED",
                            "message": text if machine == machines[-1] and one in broken else "",
                        }
                        for one in items
                    ],
                }
                for machine in machines
            ]
        }
    )


def count_references(call: Call) -> Reply:
    found = call.site.state.data_items.get(call.need("path"))
    if found is None:
        raise missing(call, "computeTotalRefCount")
    return Reply({"totalRefCount": _references(call, found)})


_BASE = "admin/data"
ROUTES: tuple[Route, ...] = (
    route("GET POST", _BASE, resource),
    route("GET POST", f"{_BASE}/config", config),
    route("POST", f"{_BASE}/config/update", update_config, changes=True),
    route("GET POST", f"{_BASE}/findItems", find_items),
    route("POST", f"{_BASE}/validateDataItem", validate_item),
    route("POST", f"{_BASE}/validateAllDataItems", validate_all),
    route("POST", f"{_BASE}/registerItem", register_item, changes=True),
    route("POST", f"{_BASE}/unregisterItem", unregister_item, changes=True),
    route("POST", f"{_BASE}/computeTotalRefCount", count_references),
    route("GET POST", f"{_BASE}/items", roots),
    route("GET POST", f"{_BASE}/items/<root>", below),
    route("GET POST", f"{_BASE}/items/<root>/<item>", item),
    route("POST", f"{_BASE}/items/<root>/<item>/edit", edit_item, changes=True),
)
