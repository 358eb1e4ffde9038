"""Records of many sites in one order of time, with those that a page's border repeats taken once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from fleet.aggregate.canonical import canonical
from fleet.aggregate.fold import Aggregator, placed
from fleet.aggregate.union import rows_of, table_of

__all__ = ["Timeline"]

State = dict[str, Any]


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
        state[site] = value
        return state

    def merge(self, left: State, right: State) -> State:
        return left | right

    def report(self, state: State) -> dict[str, Any]:
        sign = -1 if self._newest_first else 1
        tables = {name for value in state.values() if (name := table_of(value)) is not None}
        rows = []
        for site in sorted(state, key=lambda site: placed(self._order, site)):
            once = {canonical(row): row for row in reversed(rows_of(state[site], tables))}
            rows += [(site, row) for row in reversed(once.values())]

        def when(pair: tuple[str, Any]) -> float:
            time = self._time_of(pair[1])
            return sign * (-math.inf if time is None or math.isnan(time) else time)

        return {"rows": [{"site": site, "row": row} for site, row in sorted(rows, key=when)]}
