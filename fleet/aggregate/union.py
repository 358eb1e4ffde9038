"""The union of rows: every row of every site, with the site beside it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from fleet.aggregate.fold import Aggregator, placed

__all__ = ["Union", "rows_of", "table_of"]

State = dict[str, Any]


def rows_of(value: Any, tables: Collection[str] = ()) -> list[Any]:
    """The rows of one answer: its elements if it is a list, those of its only list of objects, else itself.

    *tables* are the members that hold rows in other answers: an answer with one of them empty has no row.
    """
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        name = table_of(value)
        if name is not None:
            return list(value[name])
        if any(value.get(table) == [] for table in tables):
            return []
    return [value]


def table_of(value: Any) -> str | None:
    """The name of the only member of *value* that is a list of objects, if there is exactly one."""
    if not isinstance(value, dict):
        return None
    names = [
        name
        for name, member in value.items()
        if isinstance(member, list) and member and all(isinstance(row, dict) for row in member)
    ]
    return names[0] if len(names) == 1 else None


class Union(Aggregator[State]):
    """`{"rows": [{"site", "row"}]}`, in inventory order, and in each site's own order."""

    def __init__(self, order: Mapping[str, int]) -> None:
        self._order = order

    def empty(self) -> State:
        return {}

    def add(self, state: State, site: str, value: Any) -> State:
        state[site] = value
        return state

    def merge(self, left: State, right: State) -> State:
        return left | right

    def report(self, state: State) -> dict[str, Any]:
        sites = sorted(state, key=lambda site: placed(self._order, site))
        tables = {name for value in state.values() if (name := table_of(value)) is not None}
        return {"rows": [{"site": site, "row": row} for site in sites for row in rows_of(state[site], tables)]}
