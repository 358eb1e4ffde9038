"""Counts and statistics of every number in the answers: exact, by nearest rank, with the sites at both ends."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fleet.aggregate.fold import Aggregator, placed
from fleet.aggregate.pointer import Mask, escaped

__all__ = ["Statistics", "as_number"]

State = dict[str, list[tuple[float, str]]]

_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,17})(?:\.\d{1,17})?", re.ASCII)


def as_number(value: Any) -> int | float | None:
    """The number in *value*, also where it stands as text the way JSON writes numbers; truth values are none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value) if "." in value else int(value)
    return None


class Statistics(Aggregator[State]):
    """`{"fields": {path: {"count", "min", "median", "p95", "max", "sum", "min_site", "max_site"}}}`.

    Elements of lists are taken together: the path has `*` in place of their number.
    """

    def __init__(self, order: Mapping[str, int], *, mask: Sequence[str] = ()) -> None:
        self._order = order
        self._mask = Mask(mask)

    def empty(self) -> State:
        return {}

    def add(self, state: State, site: str, value: Any) -> State:
        for path, number in _numbers(self._mask.apply(value)):
            state.setdefault(path, []).append((number, site))
        return state

    def merge(self, left: State, right: State) -> State:
        for path, numbers in right.items():
            left.setdefault(path, []).extend(numbers)
        return left

    def report(self, state: State) -> dict[str, Any]:
        return {"fields": {path: self._field(state[path]) for path in sorted(state)}}

    def _field(self, pairs: list[tuple[float, str]]) -> dict[str, Any]:
        ranked = sorted(pairs, key=lambda pair: (pair[0], placed(self._order, pair[1])))
        numbers = [number for number, _ in ranked]
        largest = numbers[-1]
        return {
            "count": len(numbers),
            "min": numbers[0],
            "median": _rank(numbers, 50),
            "p95": _rank(numbers, 95),
            "max": largest,
            "sum": _sum(numbers),
            "min_site": ranked[0][1],
            "max_site": next(site for number, site in ranked if number == largest),
        }


def _rank(numbers: list[float], percent: int) -> float:
    """The nearest rank: the smallest number that at least *percent* of all numbers don't pass."""
    return numbers[-(-percent * len(numbers) // 100) - 1]


def _sum(numbers: list[float]) -> float | None:
    """The exact sum, the same whatever the order was; None where it is too large for a number of JSON."""
    if all(isinstance(number, int) for number in numbers):
        return sum(numbers)
    try:
        return math.fsum(numbers)
    except OverflowError:
        return None


def _numbers(value: Any) -> list[tuple[str, float]]:
    return [(path, number) for path, leaf in _leaves(value, "") if (number := as_number(leaf)) is not None]


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}/{escaped(key)}")
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, f"{path}/*")
    else:
        yield path, value
