"""KML of a simulated site: packages that are made of what is asked for."""

from __future__ import annotations

from fleet.simulator.call import Call, Route, route
from fleet.simulator.wire import Reply

__all__ = ["ROUTES"]


def listing(call: Call) -> Reply:
    return Reply({"items": call.site.state.kept.get("kml", [])})


def create(call: Call) -> Reply:
    """Make a package; where it can be had is in the answer, whose shape is a guess."""
    given = call.json_object("kml")
    kept = call.site.state.kept.setdefault("kml", [])
    name = str(given.get("name") or f"package{len(kept) + 1}")
    place = f"{call.base}{call.site.context}/rest/directories/arcgisoutput/{name}.kmz"
    kept.append({"name": f"{name}.kmz", "url": place})
    return Reply({"kmzURL": place}, changed=True)


ROUTES: tuple[Route, ...] = (
    route("GET POST", "admin/kml", listing),
    route("POST", "admin/kml/createKmz", create, changes=True),
)
