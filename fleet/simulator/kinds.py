"""Types, extensions and providers of services at a simulated site, and the defaults that hold for all services."""

from __future__ import annotations

from typing import Any

from fleet.simulator.call import SUCCESS, Call, Route, missing, route
from fleet.simulator.state import SiteState
from fleet.simulator.wire import Reply, admin_failure

__all__ = ["KINDS", "ROUTES", "SHARED", "runtimes"]

KINDS = (
    "FeatureServer",
    "GPServer",
    "GeoDataServer",
    "GeocodeServer",
    "GeometryServer",
    "ImageServer",
    "MapServer",
    "SceneServer",
    "SearchServer",
    "StreamServer",
    "VectorTileServer",
)
"""Types that a service may have."""

SHARED = "DMaps"
"""The provider of map services that use shared instances."""

SHARED_SINCE = 10.7


def runtimes(state: SiteState) -> list[str]:
    """The providers that the release of the site knows."""
    own = ["ArcObjects11", "ArcObjects"] if state.number >= 10.8 else ["ArcObjects"]
    return own + ([SHARED] if state.number >= SHARED_SINCE else []) + ["SDS", "CUSTOMDATA"]


def _extensions(state: SiteState) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = state.kept.setdefault("extensions", [])
    return kept


def types(call: Call) -> Reply:
    """Every type, with the extensions that were registered for it; the shape is a guess."""
    state = call.site.state
    provider = runtimes(state)[0]
    own = {"MapServer": ["KmlServer", "WMSServer", "FeatureServer"]}
    return Reply(
        {
            "types": [
                {
                    "Name": kind,
                    "Provider": provider,
                    "Properties": {},
                    "Extensions": [{"Name": name} for name in own.get(kind, ())]
                    + [{"Name": one["name"]} for one in _extensions(state) if one["parent"] == kind],
                }
                for kind in KINDS
            ]
        }
    )


def extensions(call: Call) -> Reply:
    return Reply({"extensions": _extensions(call.site.state)})


def _uploaded(call: Call) -> str:
    """The file name of the upload whose id was given."""
    identity = call.need("id")
    found = call.site.state.uploads.get(identity)
    if found is None:
        raise admin_failure(500, f"The item '{identity[:40]}' does not exist.")
    return str(found["item"]["itemName"])


def register_extension(call: Call) -> Reply:
    """Services restart for it; a file of that name may be registered once."""
    file, kept = _uploaded(call), _extensions(call.site.state)
    if any(one["extensionFilename"] == file for one in kept):
        raise admin_failure(500, f"The extension '{file}' already exists.")
    kept.append({"name": file.rsplit(".", 1)[0], "extensionFilename": file, "parent": "MapServer"})
    return Reply(dict(SUCCESS), changed=True)


def update_extension(call: Call) -> Reply:
    file = _uploaded(call)
    if all(one["extensionFilename"] != file for one in _extensions(call.site.state)):
        raise missing(call, file)
    return Reply(dict(SUCCESS), changed=True)


def unregister_extension(call: Call) -> Reply:
    file, kept = call.need("extensionFilename"), _extensions(call.site.state)
    if all(one["extensionFilename"] != file for one in kept):
        raise missing(call, file)
    kept[:] = [one for one in kept if one["extensionFilename"] != file]
    return Reply(dict(SUCCESS), changed=True)


def providers(call: Call) -> Reply:
    state = call.site.state
    custom: list[dict[str, str]] = state.kept.get("customdataproviders", [])
    return Reply({"providers": [{"name": name} for name in runtimes(state)] + custom})


def custom_providers(call: Call) -> Reply:
    return Reply({"customdataproviders": call.site.state.kept.get("customdataproviders", [])})


def register_provider(call: Call) -> Reply:
    file = _uploaded(call)
    kept = call.site.state.kept.setdefault("customdataproviders", [])
    name = file.rsplit(".", 1)[0]
    if any(one["name"] == name for one in kept):
        raise admin_failure(500, f"The custom data provider '{name}' already exists.")
    kept.append({"name": name, "fileName": file})
    return Reply(dict(SUCCESS), changed=True)


def properties(call: Call) -> Reply:
    kept = call.site.state.kept.setdefault("services_properties", {"suspendServiceAtStartup": "false"})
    return Reply({"properties": kept})


def edit_properties(call: Call) -> Reply:
    given = call.json_object("properties")
    call.site.state.kept["services_properties"] = {key: _text(value) for key, value in given.items()}
    return Reply(dict(SUCCESS), changed=True)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_BASE = "admin/services"
ROUTES: tuple[Route, ...] = (
    route("GET POST", f"{_BASE}/types", types),
    route("GET POST", f"{_BASE}/types/extensions", extensions),
    route("POST", f"{_BASE}/types/extensions/register", register_extension, changes=True),
    route("POST", f"{_BASE}/types/extensions/update", update_extension, changes=True),
    route("POST", f"{_BASE}/types/extensions/unregister", unregister_extension, changes=True),
    route("GET POST", f"{_BASE}/types/providers", providers),
    route("GET POST", f"{_BASE}/types/customdataproviders", custom_providers, since=11.1),
    route("POST", f"{_BASE}/types/customdataproviders/register", register_provider, changes=True, since=11.1),
    route("GET POST", f"{_BASE}/properties", properties),
    route("POST", f"{_BASE}/properties/edit", edit_properties, changes=True),
)
