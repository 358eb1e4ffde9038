"""For each change of the catalogue that can be looked at: which resource tells, and what it says once it is done."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fleet.admin import seen_machines, seen_security, seen_services, seen_system, seen_uploads
from fleet.admin.operation import ReadBack
from fleet.admin.seen import Form, See
from fleet.errors import BadAnswer
from fleet.protocol.fields import as_bool
from fleet.protocol.message import NOTHING

__all__ = ["SEEN", "read_back_for"]

SEEN: Mapping[str, See] = {
    **seen_machines.SEEN,
    **seen_security.SEEN,
    **seen_services.SEEN,
    **seen_system.SEEN,
    **seen_uploads.SEEN,
}
"""How each change is seen, by its name in the catalogue."""


def read_back_for(
    name: str, path: str, parameters: Form, files: Mapping[str, Path | bytes] = NOTHING
) -> ReadBack | None:
    """How to look at what the change *name* at *path* does; None where nothing that can be read tells."""
    resource, _, verb = path.rpartition("/")
    if name == "uploads.upload":
        return seen_uploads.uploaded(parameters, files)
    see = SEEN.get(name)
    if see is None or not verb or as_bool(parameters.get("runAsync")):
        # One that is answered before it is done can't be judged by what is read at once.
        return None
    try:
        return see(resource, parameters)
    except (KeyError, TypeError, ValueError, AttributeError, BadAnswer):
        # A parameter is missing, or holds something else than it should: the site will say so.
        return None
