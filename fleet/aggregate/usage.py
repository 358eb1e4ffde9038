"""Numbers of usage added up: sums, greatest values, and averages weighted by requests, in any grouping and order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["AVERAGES", "GREATEST", "METRICS", "Total", "totals"]

SUMS = ("RequestCount", "RequestsFailed", "RequestsTimedOut")
AVERAGES = ("RequestAvgResponseTime", "RequestAvgWaitTime")
GREATEST = ("RequestMaxResponseTime", "RequestMaxWaitTime", "ServiceActiveInstances", "ServiceRunningInstancesMax")
METRICS = (*SUMS, *AVERAGES, *GREATEST)
"""What sites count; times are seconds."""


@dataclass(slots=True)
class Total:
    """One metric over some slices of time: what is needed to add more, and `value`.

    An average counts as often as there were requests: a slice without requests says nothing of how long they took.
    """

    metric: str
    total: float = 0.0
    weight: float = 0.0
    seen: bool = False

    def add(self, number: float, requests: float = 1.0) -> None:
        """Add *number*, of a slice of time with so many *requests*."""
        if self.metric in AVERAGES:
            if requests <= 0:
                return
            self.total += number * requests
            self.weight += requests
        elif self.metric in GREATEST:
            self.total = max(self.total, number) if self.seen else number
        else:
            self.total += number
        self.seen = True

    def merge(self, other: Total) -> None:
        """Add what *other* has seen."""
        if not other.seen:
            return
        if self.metric in GREATEST:
            self.total = max(self.total, other.total) if self.seen else other.total
        else:
            self.total += other.total
            self.weight += other.weight
        self.seen = True

    @property
    def value(self) -> float | int | None:
        """The sum, the greatest, or the average; a sum of nothing is 0, anything else of nothing is None."""
        if not self.seen:
            return 0 if self.metric in SUMS else None
        number = self.total / self.weight if self.metric in AVERAGES else self.total
        return int(number) if float(number).is_integer() and abs(number) < 2**53 else round(number, 6)


def totals(
    entries: Iterable[tuple[Mapping[str, Any], Mapping[str, Total]]], keys: Sequence[str], metrics: Sequence[str]
) -> list[dict[str, Any]]:
    """A row per value of *keys*, with the totals of *metrics* of all *entries* that have it; in order of the keys."""
    found: dict[tuple[Any, ...], dict[str, Total]] = {}
    for labels, numbers in entries:
        kept = found.setdefault(tuple(labels[key] for key in keys), {metric: Total(metric) for metric in metrics})
        for metric in metrics:
            if metric in numbers:
                kept[metric].merge(numbers[metric])
    order = sorted(found, key=lambda values: [str(value).casefold() for value in values])
    return [
        {**dict(zip(keys, values, strict=True)), **{metric: found[values][metric].value for metric in metrics}}
        for values in order
    ]
