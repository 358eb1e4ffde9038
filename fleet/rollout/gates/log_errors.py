"""The gate `log_errors`: how many severe log records each site wrote since the wave began, beside its usual rate."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fleet.admin import logs
from fleet.admin.log_pages import LEVELS, LogPages, LogQuery
from fleet.client.site import SiteClient
from fleet.errors import BadAnswer, SiteError
from fleet.protocol.fields import as_int
from fleet.rollout.gates.asking import ask_each, baseline_sites
from fleet.rollout.gates.given import Given
from fleet.rollout.gates.rates import ClockMoved, Counted, RateLimits, begin_of, rated
from fleet.rollout.gates.saying import NONE, Said, cut, gathered
from fleet.rollout.spec import Amount, Gate
from fleet.rollout.verdict import Asked, Verdict
from fleet.rows.logs import read_page

__all__ = ["LogErrors"]

PAGE = 1000
PAGES = 5
"""Records that a page has, and pages that are read of one site: what is beyond them is not counted."""

CODES = 5
"""Codes that are told of a site, the most frequent ones."""


class LogErrors:
    """Says no where a site writes many more records of *level* than in the *window* seconds before the wave.

    All times are taken by the site's own clock, of which only its speed must be ours.
    """

    def __init__(
        self,
        *,
        level: str = "SEVERE",
        window: float = 3600.0,
        limits: RateLimits | None = None,
        share: Amount = NONE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._level = level
        self._window = window
        self._limits = limits or RateLimits()
        self._share = share
        self._clock = clock

    @classmethod
    def of(cls, gate: Gate, given: Given, share: Amount) -> LogErrors:
        """The check that *gate* means; its mistakes are left with *given*."""
        if gate.when == "before":
            given.wrong('before a wave there is nothing to compare: when = "after" or "during"')
        defaults = RateLimits()
        return cls(
            level=given.choice("level", LEVELS, "SEVERE"),
            window=given.seconds("window", 3600.0),
            limits=RateLimits(
                factor=given.number("factor", defaults.factor, least=1.0),
                at_least=given.whole("at_least", defaults.at_least, most=PAGE * PAGES),
                shortest=given.seconds("shortest", defaults.shortest),
            ),
            share=share,
        )

    async def baseline(self, asked: Asked) -> Any:
        """`{"sites": {site: {"at", "taken", "count", "seconds"}}}`; a site that could not be asked has a kind instead.

        `at` is the site's own clock in epoch milliseconds, `taken` ours in epoch seconds at the same moment.
        """
        found = await ask_each(asked, self._usual)
        return {"sites": {site: one.kind if isinstance(one, SiteError) else one for site, one in found.items()}}

    async def judge(self, asked: Asked, baseline: Any) -> Verdict:
        """What the records since the wave began say."""
        before = baseline_sites(baseline)
        found = await ask_each(asked, self._since(before, asked.began))
        said = {
            site: Said(answer="cannot_tell", why=cut(one.message), saw={"kind": one.kind})
            if isinstance(one, SiteError)
            else one
            for site, one in found.items()
        }
        return gathered(said, may_say_no=self._share, lost=asked.lost)

    async def _usual(self, client: SiteClient) -> Any:
        now, taken = await self._now(client)
        counted = await self._count(client, now - round(self._window * 1000), now)
        return {"at": now, "taken": taken, "count": counted.count, "seconds": round(counted.seconds, 3)}

    def _since(self, before: Mapping[str, Any], began: float) -> Callable[[SiteClient], Awaitable[Said]]:
        async def work(client: SiteClient) -> Said:
            kept: Any = before.get(client.site.name)
            if isinstance(kept, str):
                return Said(answer="ignored", why=f"it could not be asked before the wave ({cut(kept)})")
            if not _is_kept(kept):
                return Said(answer="cannot_tell", why="nothing is known of it from before the wave")
            now, ours = await self._now(client)
            try:
                begin = begin_of(kept["at"], kept["taken"], began, now, ours)
            except ClockMoved as moved:
                return Said(answer="cannot_tell", why=str(moved))
            usual = Counted(count=kept["count"], seconds=kept["seconds"])
            return rated(usual, await self._count(client, begin, now), self._limits)

        return work

    async def _now(self, client: SiteClient) -> tuple[int, float]:
        """The site's clock (epoch milliseconds) and ours; raises `BadAnswer` where it writes no such records at all."""
        settings = (await client.call(logs.settings())).get("settings")
        level = settings.get("logLevel") if isinstance(settings, Mapping) else None
        if level not in LEVELS or LEVELS.index(level) < LEVELS.index(self._level):
            raise BadAnswer(f"the site's log level is {cut(str(level))}: no records of {self._level} can be expected")
        pages = LogPages(LogQuery(level=self._level), size=1)
        ours = self._clock()
        await read_page(client, pages)
        if pages.now is None:
            raise BadAnswer("the log does not tell the site's time")
        return pages.now, ours

    async def _count(self, client: SiteClient, oldest: int, newest: int) -> Counted:
        """The records from *oldest* to *newest*, both by the site's clock, as far as they are read."""
        pages = LogPages(LogQuery(level=self._level, oldest=oldest, newest=newest), size=PAGE)
        codes: Counter[str] = Counter()
        while not pages.done and pages.pages < PAGES:
            for _, record in await read_page(client, pages):
                code = as_int(record.get("code"))
                codes["none" if code is None else str(code)] += 1
        begin = oldest if pages.done else max(oldest, int(pages.border))
        return Counted(
            count=codes.total(),
            seconds=max(0, newest - begin) / 1000,
            whole=pages.done,
            codes=dict(codes.most_common(CODES)),
        )


def _is_kept(kept: Any) -> bool:
    """Whether *kept* is what a baseline keeps of a site."""
    return isinstance(kept, Mapping) and all(
        isinstance(kept.get(name), int | float) and not isinstance(kept.get(name), bool)
        for name in ("at", "taken", "count", "seconds")
    )
