"""The union of rows: every row of every site, with the site beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleet.aggregate.fold import Aggregator, placed

__all__ = ["Union", "rows_of"]

State = dict[str, list[Any]]


def rows_of(value: Any) -> list[Any]:
    """The rows of one answer: its elements if it is a list, those of its only list of objects, else itself."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        tables = [
            member
            for member in value.values()
            if isinstance(member, list) and member and all(isinstance(row, dict) for row in member)
        ]
        if len(tables) == 1:
            return tables[0]
    return [value]


class Union(Aggregator[State]):
    """`{"rows": [{"site", "row"}]}`, in inventory order, and in each site's own order."""

    def __init__(self, order: Mapping[str, int]) -> None:
        self._order = order

    def empty(self) -> State:
        return {}

    def add(self, state: State, site: str, value: Any) -> State:
        state[site] = rows_of(value)
        return state

    def merge(self, left: State, right: State) -> State:
        return left | right

    def report(self, state: State) -> dict[str, Any]:
        sites = sorted(state, key=lambda site: placed(self._order, site))
        return {"rows": [{"site": site, "row": row} for site in sites for row in state[site]]}
