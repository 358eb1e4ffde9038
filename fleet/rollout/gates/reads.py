"""A read that a gate's options name by its path below a site's base URL."""

from __future__ import annotations

from typing import Any

from fleet.admin.catalogue import operation_for
from fleet.admin.operation import Operation
from fleet.errors import UsageError
from fleet.rollout.gates.given import Given

__all__ = ["read_of"]


def read_of(given: Given, name: str, default: str | None = None) -> Operation[Any] | None:
    """The read that the option *name* is the path of; a mistake, and None, where it is no read or is not there."""
    path = given.text(name) or default
    if path is None:
        if not given.has(name):
            given.wrong(f'{name} is missing: a path such as "admin/info"')
        return None
    if path.startswith("portal:"):
        given.wrong(f"{name} is below the site itself, and not {path!r}")
        return None
    try:
        operation, _ = operation_for(path)
    except UsageError as error:
        given.wrong(f"{name}: {error}")
        return None
    if operation.changes:
        given.wrong(f"{name} is a read, and {path!r} changes the site")
    elif operation.secrets:
        given.wrong(f"{name} has no secrets in it, and {', '.join(sorted(operation.secrets))} is one")
    elif operation.binary:
        given.wrong(f"{name} is answered as JSON, and {path!r} as a file")
    else:
        return operation
    return None
