"""Paths into JSON as RFC 6901 writes them, and masks over such paths."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

__all__ = ["Mask", "escaped", "leaves", "unescaped"]


def escaped(part: str | int) -> str:
    """*part* as it stands in a path."""
    return str(part).replace("~", "~0").replace("/", "~1")


def unescaped(part: str) -> str:
    """The name that stands escaped in a path."""
    return part.replace("~1", "/").replace("~0", "~")


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value in *value* that holds no others, with its path; empty lists and objects count as leaves."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, f"{path}/{escaped(key)}")
    elif isinstance(value, list) and value:
        for number, inner in enumerate(value):
            yield from leaves(inner, f"{path}/{number}")
    else:
        yield path, value


class Mask:
    """Members that are left out before answers are compared.

    A pattern is a path with dots or slashes (`*.timestamp`, `/a/*/id`): `*` stands for one part, `**` for any number,
    and a pattern that does not begin with a slash fits at any depth: `*.timestamp` hides every `timestamp`.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = [_expression(pattern) for pattern in patterns]

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def apply(self, value: Any) -> Any:
        """*value* without its masked members."""
        return self._strip(value, "") if self._patterns else value

    def _strip(self, value: Any, path: str) -> Any:
        if isinstance(value, dict):
            return {
                key: self._strip(inner, below)
                for key, inner in value.items()
                if not self.hides(below := f"{path}/{escaped(key)}")
            }
        if isinstance(value, list):
            return [self._strip(inner, f"{path}/{number}") for number, inner in enumerate(value)]
        return value

    def hides(self, path: str) -> bool:
        """Whether the member at *path* is left out."""
        return any(pattern.fullmatch(path) for pattern in self._patterns)


def _expression(pattern: str) -> re.Pattern[str]:
    rooted = pattern.startswith("/")
    text = pattern.strip("/") if "/" in pattern else pattern.replace(".", "/")
    names = [part for part in text.split("/") if part]
    if not rooted and len(names) > 1 and names[0] == "*":
        del names[0]  # any depth is what a leading * is meant to say, the top included
    parts = ["(?:/[^/]+)*" if part == "**" else "/" + _part(part) for part in names]
    return re.compile(("" if rooted else "(?:/[^/]+)*") + "".join(parts))


def _part(part: str) -> str:
    return "".join("[^/]*" if c == "*" else re.escape(c) for c in part)
