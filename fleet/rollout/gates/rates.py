"""How many log records a site wrote since the wave began, beside how many it usually writes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fleet.durations import format_duration
from fleet.rollout.gates.saying import Said

__all__ = ["ClockMoved", "Counted", "RateLimits", "begin_of", "rated"]

NOTHING: Mapping[str, int] = {}

DRIFT = 60.0
"""Seconds by which a site's clock and ours may go differently before neither is believed; or a tenth of the time."""


class ClockMoved(Exception):
    """A clock was set: how long the wave has been going can't be told; the text says by how much they differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """*count* records in *seconds* by the site's clock; *whole* is False where reading ended early, at that many.

    *codes* are the most frequent codes with their counts.
    """

    count: int
    seconds: float
    whole: bool = True
    codes: Mapping[str, int] = field(default_factory=lambda: NOTHING)

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.count / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """At least *at_least* records, and more than *factor* times the usual ones, are too many.

    A wave that began less than *shortest* seconds ago is judged as if it had been going that long, and is never well.
    """

    factor: float = 3.0
    at_least: int = 5
    shortest: float = 60.0


def begin_of(site_then: int, ours_then: float, began: float, site_now: int, ours_now: float) -> int:
    """When the wave began by the site's clock (epoch milliseconds).

    *site_then* and *ours_then* are the two clocks when the baseline was taken, *site_now* and *ours_now* now (the site's
    in milliseconds, ours in seconds); *began* is by ours. However far they are apart, both must have gone equally far
    since: raises `ClockMoved` where they did not.
    """
    theirs, ours = (site_now - site_then) / 1000, ours_now - ours_then
    if abs(theirs - ours) > max(DRIFT, 0.1 * abs(ours)) or theirs < -DRIFT:
        raise ClockMoved(f"its clock went {theirs:.0f} s since the baseline, and ours {ours:.0f} s")
    return min(site_then + round(max(0.0, began - ours_then) * 1000), max(site_then, site_now))


def rated(before: Counted, now: Counted, limits: RateLimits) -> Said:
    """What a site says that had *before* records and has *now* ones."""
    usual = before.rate * max(now.seconds, limits.shortest)
    saw: dict[str, Any] = {
        "records": now.count,
        "seconds": round(now.seconds, 1),
        "usual": round(usual, 1),
    }
    if now.codes:
        saw["codes"] = dict(now.codes)
    more = "" if now.whole else " or more"
    told = f"{now.count}{more} records in {format_duration(round(now.seconds))}, where {usual:.1f} are usual"
    # What is usual was divided and multiplied again: a hair more is the same.
    if now.count >= limits.at_least and now.count > limits.factor * usual * (1 + 1e-9):
        return Said(answer="no", why=told, saw=saw)
    if now.seconds < limits.shortest:
        short = f"{told}; it is told after {format_duration(limits.shortest)} at the earliest"
        return Said(answer="cannot_tell", why=short, saw=saw)
    return Said(answer="go", why=told, saw=saw)
