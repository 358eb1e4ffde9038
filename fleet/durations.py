"""Times as people write them, always with a unit: `500ms`, `30s`, `5m`, `2h`, `7d`, `1h30m`."""

from __future__ import annotations

import re

__all__ = ["format_duration", "parse_duration"]

UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}

_WHOLE = re.compile(r"(?:\d+(?:ms|[smhd]))+", re.ASCII)
_PART = re.compile(r"(\d+)(ms|[smhd])", re.ASCII)


def parse_duration(text: str) -> float:
    """Seconds of a text such as `1h30m`: numbers with units, the largest unit first, each unit once.

    Raises `ValueError` with a sentence that says what is accepted.
    """
    parts = _PART.findall(text.strip())
    if not _WHOLE.fullmatch(text.strip()) or any(len(number) > 9 for number, _ in parts):
        raise ValueError(
            f"{text[:40]!r} is no duration: write a number with a unit, such as 500ms, 30s, 5m, 2h, 7d, 1h30m"
        )
    order = list(UNITS)
    places = [order.index(unit) for _, unit in parts]
    if places != sorted(set(places)):
        raise ValueError(f"{text[:40]!r} is no duration: the largest unit comes first, and each unit once (1h30m)")
    return sum(int(number) * UNITS[unit] for number, unit in parts)


def format_duration(seconds: float) -> str:
    """*seconds*, to the millisecond, in the form that `parse_duration` reads."""
    left = round(seconds * 1000)
    if left <= 0:
        return "0s"
    parts = []
    for unit, size in (
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
        ("ms", 1),
    ):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)
