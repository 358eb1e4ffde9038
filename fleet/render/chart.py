"""The one chart that helps to read a table of rows: days left, counts, or how many are in which state."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from fleet.render.tones import Tones

__all__ = ["Bar", "Chart", "Part", "chart_of"]

MOST = 30
"""Bars of a chart."""

SITES = 40
"""Sites up to which there is a bar for each."""

_COUNT = re.compile(r"count|count\(.*\)|records|n", re.IGNORECASE)
_DAYS = re.compile(r"days|days[_ ]?left", re.IGNORECASE)
_LABELS = ("site", "aliasName", "alias", "displayName", "name", "service", "machineName", "machine")
_STATES = ("realTimeState", "status", "outcome", "state")


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a bar: what it stands for, how much it is, and its colour."""

    word: str
    value: float
    tone: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar with its name."""

    label: str
    parts: Sequence[Part]

    @property
    def total(self) -> float:
        return sum(part.value for part in self.parts)


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars below each other; *more* are left out."""

    title: str
    bars: Sequence[Bar]
    more: int = 0


def chart_of(header: Sequence[str], rows: Sequence[Sequence[str]], tones: Tones | None) -> Chart | None:
    """The chart of *rows*, or None where none would say more than they do."""
    if len(rows) < 2:
        return None
    days = next((place for place, name in enumerate(header) if _DAYS.fullmatch(name)), None)
    if days is not None:
        return _days_left(header, rows, days)
    count = next((place for place, name in enumerate(header[:4]) if place and _COUNT.fullmatch(name)), None)
    if count is not None:
        return _counts(header, rows, count)
    state = next((header.index(name) for name in _STATES if name in header), None)
    return _states(header, rows, state, tones) if state is not None else None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < 1e15 else None


def _days_left(header: Sequence[str], rows: Sequence[Sequence[str]], place: int) -> Chart | None:
    labels = [header.index(name) for name in _LABELS if name in header][:2]
    known = [(value, row) for row in rows if (value := _number(row[place])) is not None]
    known.sort(key=lambda pair: pair[0])
    bars = []
    for value, row in known[:MOST]:
        tone = "red" if value < 14 else "yellow" if value < 45 else "green"
        bars.append(Bar(" ".join(row[at] for at in labels), [Part(f"{value:.0f}", max(0.0, value), tone)]))
    return Chart("Days left", bars, len(known) - len(bars)) if bars else None


def _counts(header: Sequence[str], rows: Sequence[Sequence[str]], place: int) -> Chart | None:
    known = [(value, row) for row in rows if (value := _number(row[place])) is not None and value >= 0]
    known.sort(key=lambda pair: -pair[0])
    if not known or not known[0][0]:
        return None
    bars = [Bar(" ".join(row[:place]), [Part(row[place], value, "blue")]) for value, row in known[:MOST]]
    title = f"{header[place].capitalize()} by {', '.join(header[:place])}"
    return Chart(title, bars, len(known) - len(bars))


def _states(header: Sequence[str], rows: Sequence[Sequence[str]], place: int, tones: Tones | None) -> Chart | None:
    by = next((name for name in ("check", "site") if name in header), None)
    labels = {row[header.index(by)] for row in rows} if by is not None else set()
    if by is None or not 1 < len(labels) <= SITES:
        by = None
    found: dict[str, Counter[tuple[str, str]]] = {}
    for row in rows:
        label = row[header.index(by)] if by is not None else "all"
        tone = (tones(row) if tones is not None else {}).get(place, "dim")
        found.setdefault(label, Counter())[(row[place] or "not told", tone)] += 1
    if all(len(counter) == 1 and counter.total() == 1 for counter in found.values()) and len(rows) < 6:
        return None
    words = Counter(word for counter in found.values() for word in counter.elements())
    order = [word for word, _ in words.most_common()]
    bars = [
        Bar(label, [Part(word, float(counter[(word, tone)]), tone) for word, tone in order if counter[(word, tone)]])
        for label, counter in found.items()
    ]
    return Chart(f"{header[place]} by {by}" if by is not None else header[place], bars)
