"""How two JSON values differ: a list of additions, removals and changes, each with its path."""

from __future__ import annotations

from typing import Any

from fleet.aggregate.pointer import escaped

__all__ = ["difference"]


def difference(reference: Any, value: Any, path: str = "") -> list[dict[str, Any]]:
    """What turns *reference* into *value*, as `{"op": "add" | "remove" | "change", "path", "old", "new"}`.

    Objects are compared member by member, lists place by place; numbers are equal to numbers of the same value, and
    true is not 1.
    """
    if isinstance(reference, dict) and isinstance(value, dict):
        steps: list[dict[str, Any]] = []
        for key in sorted(reference.keys() | value.keys()):
            below = f"{path}/{escaped(key)}"
            if key not in value:
                steps.append({"op": "remove", "path": below, "old": reference[key]})
            elif key not in reference:
                steps.append({"op": "add", "path": below, "new": value[key]})
            else:
                steps += difference(reference[key], value[key], below)
        return steps
    if isinstance(reference, list) and isinstance(value, list):
        steps = []
        for place in range(max(len(reference), len(value))):
            below = f"{path}/{place}"
            if place >= len(value):
                steps.append({"op": "remove", "path": below, "old": reference[place]})
            elif place >= len(reference):
                steps.append({"op": "add", "path": below, "new": value[place]})
            else:
                steps += difference(reference[place], value[place], below)
        return steps
    if reference == value and isinstance(reference, bool) is isinstance(value, bool):
        return []
    return [{"op": "change", "path": path, "old": reference, "new": value}]
