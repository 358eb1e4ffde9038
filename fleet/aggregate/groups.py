"""Identical answers gathered: sites that agree are one group, and the largest group is the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fleet.aggregate.canonical import canonical
from fleet.aggregate.diffing import difference
from fleet.aggregate.fold import Aggregator, placed
from fleet.aggregate.pointer import Mask

__all__ = ["Diff", "Gathered", "Groups"]


@dataclass(slots=True)
class Gathered:
    """Answers by their canonical bytes, each with the sites that gave it.

    The value that stands for a group, and the order of its members, is that of its first site in the inventory.
    """

    values: dict[bytes, tuple[tuple[int, str], Any]]
    sites: dict[bytes, list[str]]


class Groups(Aggregator[Gathered]):
    """`{"groups": [{"sites", "count", "reference", "value"}]}`, the largest first, ties by inventory order.

    The reference is the largest group, or the one that *baseline* is in. Members that *mask* hides don't count.
    """

    def __init__(self, order: Mapping[str, int], *, baseline: str | None = None, mask: Sequence[str] = ()) -> None:
        self._order = order
        self._baseline = baseline
        self._mask = Mask(mask)

    def empty(self) -> Gathered:
        return Gathered({}, {})

    def add(self, state: Gathered, site: str, value: Any) -> Gathered:
        seen = self._mask.apply(value)
        key = canonical(seen)
        self._keep(state, key, (placed(self._order, site), seen))
        state.sites.setdefault(key, []).append(site)
        return state

    @staticmethod
    def _keep(state: Gathered, key: bytes, found: tuple[tuple[int, str], Any]) -> None:
        known = state.values.get(key)
        if known is None or found[0] < known[0]:
            state.values[key] = found

    def merge(self, left: Gathered, right: Gathered) -> Gathered:
        for key, sites in right.sites.items():
            self._keep(left, key, right.values[key])
            left.sites.setdefault(key, []).extend(sites)
        return left

    def report(self, state: Gathered) -> dict[str, Any]:
        ordered, reference = self._ranked(state)
        return {
            "groups": [
                {
                    "sites": sites,
                    "count": len(sites),
                    "reference": key == reference,
                    **self._content(state, key, reference),
                }
                for key, sites in ordered
            ]
        }

    def _content(self, state: Gathered, key: bytes, reference: bytes | None) -> dict[str, Any]:
        return {"value": state.values[key][1]}

    def _ranked(self, state: Gathered) -> tuple[list[tuple[bytes, list[str]]], bytes | None]:
        ordered = [
            (key, sorted(sites, key=lambda site: placed(self._order, site))) for key, sites in state.sites.items()
        ]
        ordered.sort(key=lambda group: (-len(group[1]), placed(self._order, group[1][0])))
        reference = ordered[0][0] if ordered else None
        if self._baseline is not None:
            reference = next((key for key, sites in ordered if self._baseline in sites), None)
        return ordered, reference


class Diff(Groups):
    """As `Groups`, but groups other than the reference have `diff`, what turns the reference into them, for `value`."""

    def _content(self, state: Gathered, key: bytes, reference: bytes | None) -> dict[str, Any]:
        if reference is None or key == reference:
            return {"value": state.values[key][1]}
        return {"diff": difference(state.values[reference][1], state.values[key][1])}
