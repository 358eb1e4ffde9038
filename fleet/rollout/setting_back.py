"""Setting back what a change altered, and nothing else: the settings of a definition that others changed since stay. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from fleet.bulk.settings import by_type

__all__ = ["ABSENT", "Conflict", "set_back"]


class _Absent:
    """That there is no such setting."""

    def __repr__(self) -> str:
        return "not there"


ABSENT: Final = _Absent()


@dataclass(frozen=True, slots=True)
class Conflict:
    """A setting that is neither as it was left nor as it was before: somebody else changed it since."""

    path: str
    left: Any
    present: Any
    old: Any

    def __str__(self) -> str:
        return f"{self.path} was left as {self.left!r}, is {self.present!r} now, and was {self.old!r} before"


def set_back(old: Any, left: Any, present: Any) -> tuple[Any, tuple[Conflict, ...]]:
    """*present* with those settings as they were in *old* that differ between *old* and *left*, and the conflicts.

    *old* is what was there before a change, *left* what the change made of it. A setting that is in conflict is that of
    *old* in what is returned: whoever does not want that looks at the conflicts first. Values that are the same but for
    their type (`2` and `"2"`, `true` and `"true"`), as a site may write them, are no difference.
    """
    conflicts: list[Conflict] = []
    return _back(old, left, present, "", conflicts), tuple(conflicts)


def _back(old: Any, left: Any, present: Any, path: str, conflicts: list[Conflict]) -> Any:
    if _alike(old, left):
        return deepcopy(present)
    if isinstance(old, Mapping) and isinstance(left, Mapping) and isinstance(present, Mapping):
        return _members(old, left, present, path, conflicts)
    if path.rpartition(".")[2] == "extensions" and all(isinstance(one, list) for one in (old, left, present)):
        named = [by_type(one) for one in (old, left, present)]
        if None not in named:
            before, after, now = (dict(one or {}) for one in named)
            return list(_members(before, after, now, path, conflicts).values())
    if not _alike(present, left) and not _alike(present, old):
        conflicts.append(Conflict(path, left, present, old))
    return deepcopy(present if _alike(present, old) else old)


def _members(
    old: Mapping[str, Any], left: Mapping[str, Any], present: Mapping[str, Any], path: str, conflicts: list[Conflict]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key in dict.fromkeys([*present, *old, *left]):
        below = f"{path}.{key}" if path else str(key)
        before, after, now = (one.get(key, ABSENT) for one in (old, left, present))
        value = _back(before, after, now, below, conflicts)
        if value is not ABSENT and not isinstance(value, _Absent):
            found[key] = value
    return found


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return _all_alike(one, other)
    if isinstance(one, Mapping | list | _Absent) or isinstance(other, Mapping | list | _Absent):
        return one is other or (isinstance(one, _Absent) and isinstance(other, _Absent))
    if one is None or other is None:
        return one is other
    return bool(one == other) or _text(one) == _text(other)


def _all_alike(one: Sequence[Any], other: Sequence[Any]) -> bool:
    return len(one) == len(other) and all(map(_alike, one, other))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
