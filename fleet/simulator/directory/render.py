"""How pages are made: templates in which everything is escaped, and what they allow a browser."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from fleet.simulator.call import Call
from fleet.simulator.portal import SimulatedPortal
from fleet.simulator.wire import Reply

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["moved", "rendered", "static"]

HTML = "text/html;charset=UTF-8"
GUARDED = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""What pages allow a browser: their own style sheet and their own forms, and nothing else."""

BRANDS = {
    "rest": ("rest/services", "Services Directory"),
    "portaladmin": ("portaladmin/", "Portal Administrator Directory"),
    "sharing": ("sharing/rest", "Portal Directory"),
}
"""The first page of each directory and its name, by the first part of its paths; all others are of `admin`."""

DEPTH = 6
"""How deep tables stand in tables; what lies below is shown as JSON."""


@cache
def _templates() -> Environment:
    # Only who looks at pages pays for what makes them.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("fleet.simulator.directory"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["a_state"] = lambda value: isinstance(value, str) and value in STATES
    environment.tests["a_grid"] = _is_grid
    environment.filters["compact"] = lambda value: json.dumps(value, ensure_ascii=False)
    return environment


def _is_grid(value: Any) -> bool:
    """Whether *value* is a list of objects that fit a table with a column for each of their members."""
    if not isinstance(value, list) or not value or not all(isinstance(one, dict) and one for one in value):
        return False
    names = value[0].keys()
    plain = all(not isinstance(part, (dict, list)) for one in value for part in one.values())
    return plain and len(names) <= COLUMNS and all(one.keys() == names for one in value)


COLUMNS = 12
"""How many columns a table has at most; objects with more members stand one below the other."""

STATES = frozenset({"STARTED", "STOPPED", "STARTING", "STOPPING", "FAILED", "READ_ONLY", "EDITABLE"})
"""Values that stand out by their colour."""

NOTHING: dict[str, Any] = {
    "crumbs": [],
    "user": "",
    "site": "",
    "json": "",
    "failures": [],
    "fields": [],
    "out": False,
    "first": False,
}
"""What templates get where a page tells nothing else."""


def rendered(template: str, call: Call, **told: Any) -> Reply:
    """The page that *template* makes of what is *told*, for whoever asked with *call*."""
    place = call.site.context
    first = call.path.partition("/")[0].lower()
    home, brand = BRANDS.get(first, ("admin/", "Administrator Directory"))
    signing = "portaladmin" if isinstance(call.site, SimulatedPortal) else "admin"
    values = {
        **NOTHING,
        "style": f"{place}/{signing if first != 'rest' else 'rest'}/static/directory.css",
        "home": f"{place}/{home}",
        "brand": brand,
        "sign_in": f"{place}/{signing}/login",
        "sign_out": f"{place}/{signing}/logout",
        "depth": DEPTH,
        "action": "",
        **told,
    }
    text = _templates().get_template(template).render(values)
    return Reply(body=text.encode("utf-8", "replace"), content_type=HTML, headers=dict(GUARDED))


def static(call: Call) -> Reply:
    """The style sheet; there is nothing else."""
    if call.path.rsplit("/", 1)[-1] != "directory.css":
        return Reply(body=b"", status=404, content_type=HTML, headers=dict(GUARDED))
    body = files("fleet.simulator.directory").joinpath("static/directory.css").read_bytes()
    return Reply(
        body=body,
        content_type="text/css;charset=UTF-8",
        headers={**GUARDED, "Cache-Control": "max-age=300"},
    )


def moved(place: str, headers: dict[str, str] | None = None) -> Reply:
    """A redirect that a browser follows with GET."""
    return Reply(body=b"", status=303, content_type=HTML, headers={"Location": place, **GUARDED, **(headers or {})})
