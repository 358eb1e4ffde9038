"""What the rules on how changes are seen are made of: reads, parts of paths, members of answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import unquote

from fleet.admin.operation import Operation, ReadBack
from fleet.protocol.message import NOTHING

__all__ = ["Form", "See", "above", "last_of", "member_is", "member_of", "named", "object_in", "parts_of", "read_of"]

Form: TypeAlias = Mapping[str, str]
See: TypeAlias = Callable[[str, Form], ReadBack | None]
"""From the path of a change, without its last part, and its parameters: how it is seen; None where nothing tells."""


def read_of(path: str, **form: str) -> Operation[Any]:
    """A read by GET, or with parameters by POST, in which names of people are no part of an address."""
    name = path.removeprefix("admin/").replace("/", ".")
    return Operation(name=name, path=path, method="POST" if form else "GET", parameters=form or NOTHING)


def last_of(path: str) -> str:
    """The name that *path* ends with."""
    return unquote(path.rpartition("/")[2])


def above(path: str, parts: int = 1) -> str:
    """*path* without its last *parts*."""
    for _ in range(parts):
        path = path.rpartition("/")[0]
    return path


def object_in(form: Form, name: str) -> dict[str, Any]:
    """The JSON object in the parameter *name*; raises `ValueError` for anything else."""
    value = json.loads(form[name])
    if not isinstance(value, dict):
        raise ValueError(name)
    return value


def named(member: str, wanted: str) -> Callable[[Any], bool]:
    """Whether an entry of a list is called *wanted* in its *member*, or is that text; letters without regard to case."""
    lower = wanted.lower()

    def matches(entry: Any) -> bool:
        told = entry.get(member) if isinstance(entry, Mapping) else entry
        return isinstance(told, str) and told.lower() == lower

    return matches


def member_is(entry: Any, member: str, wanted: str) -> bool:
    return isinstance(entry, Mapping) and entry.get(member) == wanted


def parts_of(text: str) -> set[str]:
    return {part.strip() for part in text.split(",") if part.strip()}


def member_of(entry: Any, name: str) -> Any:
    return entry.get(name) if isinstance(entry, Mapping) else None
