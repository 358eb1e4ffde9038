"""A site-by-item matrix: for every path that some site has, what each site has there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fleet.aggregate.fold import Aggregator, placed
from fleet.aggregate.pointer import Mask, leaves

__all__ = ["Matrix"]

State = dict[str, dict[str, Any]]


class Matrix(Aggregator[State]):
    """`{"sites": […], "rows": [{"item": path, "cells": {site: value}}]}`; a site without the item has no cell."""

    def __init__(self, order: Mapping[str, int], *, mask: Sequence[str] = ()) -> None:
        self._order = order
        self._mask = Mask(mask)

    def empty(self) -> State:
        return {}

    def add(self, state: State, site: str, value: Any) -> State:
        state[site] = dict(leaves(self._mask.apply(value)))
        return state

    def merge(self, left: State, right: State) -> State:
        return left | right

    def report(self, state: State) -> dict[str, Any]:
        sites = sorted(state, key=lambda site: placed(self._order, site))
        cells: dict[str, dict[str, Any]] = {}
        for site in sites:
            for item, value in state[site].items():
                cells.setdefault(item, {})[site] = value
        return {"sites": sites, "rows": [{"item": item, "cells": found} for item, found in cells.items()]}
