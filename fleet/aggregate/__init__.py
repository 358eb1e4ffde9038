"""Many outcomes into one answer: pure folds that merge in any grouping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fleet.aggregate.fold import Aggregator, fold
from fleet.aggregate.groups import Diff, Groups
from fleet.aggregate.matrix import Matrix
from fleet.aggregate.query import compile_query
from fleet.aggregate.statistics import Statistics
from fleet.aggregate.union import Union
from fleet.errors import UsageError

__all__ = [
    "MODES",
    "Aggregator",
    "Diff",
    "Groups",
    "Matrix",
    "Statistics",
    "Union",
    "compile_query",
    "fold",
    "make_aggregator",
]

MODES = ("union", "group", "diff", "matrix", "stats")


def make_aggregator(
    mode: str, *, order: Mapping[str, int], baseline: str | None = None, mask: Sequence[str] = ()
) -> Aggregator[Any]:
    """The aggregator of *mode*; raises `UsageError` for a mode that there is none of.

    *order* is each site's place in the inventory, *baseline* the site that the others are compared with, and *mask*
    the paths that don't count in a comparison.
    """
    match mode:
        case "union":
            return Union(order)
        case "group":
            return Groups(order, baseline=baseline, mask=mask)
        case "diff":
            return Diff(order, baseline=baseline, mask=mask)
        case "matrix":
            return Matrix(order, mask=mask)
        case "stats":
            return Statistics(order, mask=mask)
    raise UsageError(f"there is no way of merging called {mode!r}; there are {', '.join(MODES)}")
