"""The log records that changes of a simulated site leave: a line for whatever was done, by whom and where.

Codes and sentences are stand-ins: those of real servers were recorded for a few operations only, which write their
own (services that start, stop and fail; machines; logins).
"""

from __future__ import annotations

from fleet.simulator.call import Call, Route

__all__ = ["note"]

CODES = {
    "services": 8008,
    "machines": 7011,
    "clusters": 7012,
    "logs": 7013,
    "usagereports": 7014,
    "data": 7101,
    "security": 7201,
    "system": 7301,
    "uploads": 7401,
    "kml": 7402,
}
OTHERWISE = 7001

THEIR_OWN = frozenset(
    {
        ("services", "start"),
        ("services", "stop"),
        ("services", "startServices"),
        ("services", "stopServices"),
        ("services", "edit"),
        ("services", "createService"),
        ("machines", "start"),
        ("machines", "stop"),
        ("mode", "update"),
        ("logs", "clean"),
    }
)
"""Resource and operation of those that write their own records, or none."""


def note(route: Route, call: Call) -> None:
    """Write a record of what *call* has changed, unless its handler did."""
    own_service_edit = (route.resource, route.operation) in THEIR_OWN
    if own_service_edit and not (route.operation == "edit" and "iteminfo" in call.path.lower()):
        return
    if not call.path.lower().startswith("admin"):
        return
    place = call.path.strip("/").split("/")[1:-1]
    args = call.args
    source = "Admin"
    if "name" in args and "type" in args:
        own = f"{args['name']}.{args['type']}"
        source = f"{args['folder']}/{own}" if args.get("folder") else own
    where = f" on '{'/'.join(place)}'" if place else ""
    told = (CODES.get(route.resource, OTHERWISE), f"The operation '{route.operation}'{where} was carried out.")
    machine = args.get("machine", "").upper()
    call.site.state.log(
        "INFO",
        told,
        source=source,
        user=call.user or "",
        machine=machine if machine in call.site.state.machines else "",
        method=route.operation,
    )
