"""JSON values as flat maps from paths to leaves, which can be compared property by property.

Lists of things that have a name are compared by that name, not by their place; an empty list or object says the same as
none. Texts that hold numbers or truth values equal these, since releases write them in either way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from fleet.aggregate.canonical import canonical
from fleet.aggregate.pointer import escaped, unescaped

__all__ = ["Flat", "applied", "by_name", "flatten", "same", "steps", "unflatten"]

Flat = Mapping[str, Any]
"""Paths as RFC 6901 writes them -> leaves: what is no object, and lists of things without names."""

NAMES = (
    "path",
    "typeName",
    "name",
    "aliasName",
    "machineName",
    "rolename",
    "username",
    "principal",
    "folderName",
    "itemName",
    "reportname",
    "id",
)
"""Members that name a thing among its like, the first that fits."""

_WHOLE = re.compile(r"-?(?:0|[1-9]\d{0,17})", re.ASCII)


def flatten(
    value: Any,
    *,
    hides: Callable[[str, str], bool] | None = None,
    reword: Callable[[str], str] | None = None,
) -> dict[str, Any]:
    """*value* as a flat map. *hides* says of a member's path and name whether it is left out; *reword* changes texts.

    Doing it again with what `unflatten` makes of the result gives the same.
    """
    found: dict[str, Any] = {}
    _walk(value, "", found, hides, reword)
    return found


def _walk(
    value: Any,
    path: str,
    found: dict[str, Any],
    hides: Callable[[str, str], bool] | None,
    reword: Callable[[str], str] | None,
) -> None:
    if isinstance(value, list):
        if not value:
            return
        named = by_name(value, reword)
        if named is None:
            found[path] = _stripped(value, path, hides, reword)
            return
        value = named
    if isinstance(value, dict):
        for key, inner in value.items():
            below = f"{path}/{escaped(reword(key) if reword is not None else key)}"
            if hides is None or not hides(below, key):
                _walk(inner, below, found, hides, reword)
        return
    found[path] = reword(value) if reword is not None and isinstance(value, str) else value


def by_name(value: list[Any], reword: Callable[[str], str] | None = None) -> dict[str, Any] | None:
    """The things in the list *value* by their names; None where they have none that tells them apart."""
    if not all(isinstance(entry, dict) for entry in value):
        return None
    for key in NAMES:
        names = [entry.get(key) for entry in value]
        if all(isinstance(name, str) and name for name in names):
            shown = [reword(name) for name in names] if reword is not None else names
            if len(set(shown)) == len(shown):
                return dict(zip(names, value, strict=True))
    return None


def _stripped(
    value: Any, path: str, hides: Callable[[str, str], bool] | None, reword: Callable[[str], str] | None
) -> Any:
    """What stands in a list that is compared as a whole, masked like everything else."""
    if isinstance(value, list):
        return [_stripped(inner, f"{path}/{place}", hides, reword) for place, inner in enumerate(value)]
    if isinstance(value, dict):
        found = {}
        for key, inner in value.items():
            name = reword(key) if reword is not None else key
            below = f"{path}/{escaped(name)}"
            if hides is None or not hides(below, key):
                found[name] = _stripped(inner, below, hides, reword)
        return found
    return reword(value) if reword is not None and isinstance(value, str) else value


def unflatten(flat: Flat) -> Any:
    """The value that *flat* is the flat map of, with things by name where they stood in a list."""
    if "" in flat:
        return flat[""]
    whole: dict[str, Any] = {}
    for path in sorted(flat):
        parts = [unescaped(part) for part in path.split("/")[1:]]
        place = whole
        for part in parts[:-1]:
            place = place.setdefault(part, {})
        place[parts[-1]] = flat[path]
    return whole


def same(leaf: Any) -> bytes:
    """Bytes that are equal for leaves that say the same."""
    if isinstance(leaf, str):
        word = leaf.lower()
        if word in ("true", "false"):
            return word.encode()
        if _WHOLE.fullmatch(leaf):
            return leaf.encode()
    return canonical(leaf)


def steps(old: Flat, new: Flat, blind: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """What turns *old* into *new*, as `{"op": "add" | "remove" | "change", "path", "old", "new"}`, by path.

    What lies at or below a path in *blind* is not known and does not count.
    """
    found: list[dict[str, Any]] = []
    for path in sorted(old.keys() | new.keys()):
        if blind and any(path == prefix or path.startswith(f"{prefix}/") for prefix in blind):
            continue
        if path not in new:
            found.append({"op": "remove", "path": path, "old": old[path]})
        elif path not in old:
            found.append({"op": "add", "path": path, "new": new[path]})
        elif old[path] is not new[path] and same(old[path]) != same(new[path]):
            found.append({"op": "change", "path": path, "old": old[path], "new": new[path]})
    return found


def applied(old: Flat, taken: list[dict[str, Any]]) -> dict[str, Any]:
    """*old* after the steps *taken*."""
    new = dict(old)
    for step in taken:
        if step["op"] == "remove":
            del new[step["path"]]
        else:
            new[step["path"]] = step["new"]
    return new
