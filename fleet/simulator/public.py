"""Services as anybody sees them below `rest/services`: what one says of itself, and why it does not answer."""

from __future__ import annotations

from fleet.simulator.call import Call, Route, route
from fleet.simulator.permissions import open_to_everyone
from fleet.simulator.state import RELEASES
from fleet.simulator.wire import REST_TYPE, Reply

__all__ = ["ROUTES"]


def service(call: Call) -> Reply:
    """The description of a service that runs, is open to everybody, and has an instance left to answer with."""
    state = call.site.state
    folder, name, kind = call.args.get("folder", ""), call.args["name"], call.args["type"]
    found = state.find(folder, name, kind)
    shown = f"{folder}/{name}/{kind}" if folder else f"{name}/{kind}"
    if found is None:
        return _failure(404, f"Service {shown} not found")
    if state.real_of(found) != "STARTED":
        return _failure(500, f"Service {shown} not started")
    if call.user is None and not open_to_everyone(state, found):
        return _failure(499, "Token Required")
    busy = state.busy_of(found, call.site.switches.traffic)
    if 0 < found.most * state.running_machines() <= busy:
        return _failure(500, f"Wait timeout of the request to service '{shown}' has expired.")
    return Reply(
        {
            "currentVersion": RELEASES[state.release][0],
            "serviceDescription": found.definition["description"],
            "capabilities": found.definition.get("capabilities", ""),
        },
        content_type=REST_TYPE,
    )


def _failure(code: int, message: str) -> Reply:
    return Reply({"error": {"code": code, "message": message, "details": []}}, code=code)


ROUTES: tuple[Route, ...] = (
    route("GET POST", "rest/services/<name>/<type>", service, token=False),
    route("GET POST", "rest/services/<folder>/<name>/<type>", service, token=False),
)
