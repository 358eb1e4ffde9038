"""What every aggregator is: a pure fold over outcomes whose parts merge in any grouping and any order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar

from fleet.outcome import Outcome

__all__ = ["Aggregator", "fold"]

S = TypeVar("S")


class Aggregator(ABC, Generic[S]):
    """A fold from outcomes to one merged answer that keeps which site said what.

    `add` and `merge` may change and return the state that they are given first. The result of `report` depends neither
    on the order of adding nor on the grouping of merges; each site is added at most once.
    """

    @abstractmethod
    def empty(self) -> S:
        """The state of no outcomes."""

    @abstractmethod
    def add(self, state: S, site: str, value: Any) -> S:
        """The state with what *site* said."""

    @abstractmethod
    def merge(self, left: S, right: S) -> S:
        """The state of both; no site is in both."""

    @abstractmethod
    def report(self, state: S) -> Any:
        """The merged answer as plain JSON values."""

    def observe(self, state: S, outcome: Outcome) -> S:
        """The state with *outcome*: only sites that did it enter, unless an aggregator says otherwise."""
        if outcome.ok and hasattr(outcome, "value"):
            return self.add(state, outcome.site, outcome.value)
        return state


def fold(aggregator: Aggregator[S], outcomes: Iterable[Outcome]) -> S:
    """The state of *outcomes*."""
    state = aggregator.empty()
    for outcome in outcomes:
        state = aggregator.observe(state, outcome)
    return state


def placed(order: Mapping[str, int], site: str) -> tuple[int, str]:
    """The sort key of *site*: its place in the inventory; sites that it does not list come last, by name."""
    return order.get(site, len(order)), site
