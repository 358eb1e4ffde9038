"""The gate `latency`: how long each site takes to answer a read, beside how long it took before the wave."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

from fleet.admin.operation import Operation
from fleet.client.site import SiteClient
from fleet.errors import SiteError, TimedOut
from fleet.rollout.gates.asking import ask_each, baseline_sites
from fleet.rollout.gates.given import Given
from fleet.rollout.gates.reads import read_of
from fleet.rollout.gates.saying import NONE, Said, cut, gathered
from fleet.rollout.spec import Amount, Gate
from fleet.rollout.verdict import Asked, Verdict

__all__ = ["Latency", "slowed"]

WIDTH = 10
"""Sites that are measured at once: more of them would measure each other."""


def slowed(before: float, now: float, *, factor: float, at_least: float, enough: bool = True) -> Said:
    """What a site says that took *before* seconds and takes *now*: no where that is more than *factor* times as long, and
    *at_least* seconds longer. Where *enough* is False it took longer than *now*: nobody knows how long.
    """
    took = f"{now * 1000:.0f} ms" if enough else f"more than {now * 1000:.0f} ms"
    told = f"it takes {took}, where it took {before * 1000:.0f} ms"
    saw = {"before": round(before, 4), "now": round(now, 4)}
    if now > factor * before and now - before >= at_least:
        return Said(answer="no", why=told, saw=saw)
    return Said(answer="go" if enough else "cannot_tell", why=told, saw=saw)


class Latency:
    """Says no where the median of *times* answers to *operation* takes much longer than before the wave."""

    def __init__(
        self,
        operation: Operation[Any],
        *,
        times: int = 5,
        factor: float = 2.0,
        at_least: float = 0.25,
        share: Amount = NONE,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._operation = operation
        self._times = times
        self._factor = factor
        self._at_least = at_least
        self._share = share
        self._clock = clock

    @classmethod
    def of(cls, gate: Gate, given: Given, share: Amount) -> Latency | None:
        """The check that *gate* means; its mistakes are left with *given*."""
        if gate.when == "before":
            given.wrong('before a wave there is nothing to compare: when = "after" or "during"')
        operation = read_of(given, "path", "rest/info")
        times = given.whole("times", 5, most=100)
        factor = given.number("factor", 2.0, least=1.0)
        at_least = given.seconds("at_least", 0.25)
        if operation is None:
            return None
        return cls(operation, times=times, factor=factor, at_least=at_least, share=share)

    async def baseline(self, asked: Asked) -> Any:
        """`{"sites": {site: seconds}}`, the median; a site that could not be asked has the kind of the error instead."""
        found = await ask_each(asked, self._measure, width=WIDTH)
        sites: dict[str, Any] = {}
        for site, one in found.items():
            if isinstance(one, SiteError):
                sites[site] = one.kind
            else:
                seconds, enough = one
                sites[site] = round(seconds, 6) if enough else "timeout"
        return {"sites": sites}

    async def judge(self, asked: Asked, baseline: Any) -> Verdict:
        """What the measurements of now say."""
        before = baseline_sites(baseline)
        found = await ask_each(asked, self._measure, width=WIDTH)
        said = {site: self._said(before, site, one) for site, one in found.items()}
        return gathered(said, may_say_no=self._share, lost=asked.lost)

    def _said(self, before: Mapping[str, Any], site: str, found: Any) -> Said:
        was = before.get(site)
        if isinstance(was, str):
            return Said(answer="ignored", why=f"it could not be measured before the wave ({cut(was)})")
        if isinstance(found, SiteError):
            return Said(answer="cannot_tell", why=cut(found.message), saw={"kind": found.kind})
        if not isinstance(was, int | float) or isinstance(was, bool):
            return Said(answer="cannot_tell", why="nothing is known of it from before the wave")
        seconds, enough = found
        return slowed(was, seconds, factor=self._factor, at_least=self._at_least, enough=enough)

    async def _measure(self, client: SiteClient) -> tuple[float, bool]:
        """The median in seconds; or how long an answer was waited for that did not come, and False."""
        seconds = []
        for _ in range(self._times + 1):
            begun = self._clock()
            try:
                await client.call(self._operation)
            except TimedOut:
                return self._clock() - begun, False
            seconds.append(self._clock() - begun)
        # The first one may have connected and signed in.
        return statistics.median(seconds[1:]), True
