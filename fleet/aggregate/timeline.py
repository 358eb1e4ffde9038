"""Records of many sites in one order of time, with those that a page's border repeats taken once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fleet.aggregate.fold import Aggregator, placed
from fleet.aggregate.union import rows_of

__all__ = ["Timeline"]

State = dict[str, list[Any]]


class Timeline(Aggregator[State]):
    """`{"rows": [{"site", "row"}]}` by time, newest first unless told otherwise; ties by inventory order.

    *time_of* gives a row's time, or None, which sorts as the oldest. Equal rows of one site are one row.
    """

    def __init__(
        self, order: Mapping[str, int], time_of: Callable[[Any], float | None], *, newest_first: bool = True
    ) -> None:
        self._order = order
        self._time_of = time_of
        self._newest_first = newest_first

    def empty(self) -> State:
        return {}

    def add(self, state: State, site: str, value: Any) -> State:
        kept: list[Any] = []
        by_time: dict[float | None, list[Any]] = {}
        for row in rows_of(value):
            same_time = by_time.setdefault(self._time_of(row), [])
            if row not in same_time:
                same_time.append(row)
                kept.append(row)
        state[site] = kept
        return state

    def merge(self, left: State, right: State) -> State:
        return left | right

    def report(self, state: State) -> dict[str, Any]:
        sign = -1 if self._newest_first else 1
        rows = [
            (site, row) for site in sorted(state, key=lambda site: placed(self._order, site)) for row in state[site]
        ]

        def when(pair: tuple[str, Any]) -> float:
            time = self._time_of(pair[1])
            return sign * (float("-inf") if time is None else time)

        return {"rows": [{"site": site, "row": row} for site, row in sorted(rows, key=when)]}
