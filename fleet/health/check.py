"""What a health check is: a name, limits that the inventory may move, and a look at the facts of one site."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from fleet.errors import SiteError
    from fleet.health.facts import Facts
    from fleet.inventory.model import CheckSettings

__all__ = ["RANK", "Check", "Finding", "Limits", "Status"]

Status: TypeAlias = Literal["ok", "warning", "critical", "unknown", "skipped"]

RANK: dict[str, int] = {"skipped": -1, "ok": 0, "warning": 1, "unknown": 2, "critical": 3}
"""The verdict on a site is its worst status in this order; skipped checks don't count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a check found: its status, what it saw and wanted in words, what to do next, and the things concerned.

    `obstacle` is what stood in the way, where the finding comes of that: a site of which nothing worse is found fails
    as that error does, instead of as an unhealthy one.
    """

    status: Status
    saw: str
    wanted: str
    advice: str = ""
    items: tuple[str, ...] = ()
    obstacle: SiteError | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """From which number on a check warns, and from which it is critical; None for never."""

    warning: float | None = None
    critical: float | None = None

    def at_least(self, number: float) -> Status:
        """The status of a number that is bad when it is high."""
        if self.critical is not None and number >= self.critical:
            return "critical"
        return "warning" if self.warning is not None and number >= self.warning else "ok"

    def below(self, number: float) -> Status:
        """The status of a number that is bad when it is low."""
        if self.critical is not None and number < self.critical:
            return "critical"
        return "warning" if self.warning is not None and number < self.warning else "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check: `look` gets the facts of one site and the limits that hold there, and may raise a `SiteError`.

    `limits` are the defaults, in the check's own unit. A check that is `on_demand` runs only where it is asked for by
    name, or enabled in the inventory. Plug-ins register one under the entry point group `fleet.checks`.
    """

    name: str
    look: Callable[[Facts, Limits], Awaitable[Finding]]
    limits: Limits = Limits()
    on_demand: bool = False

    def limits_for(self, settings: CheckSettings | None) -> Limits:
        """The limits where the inventory says *settings*."""
        if settings is None:
            return self.limits
        return Limits(
            self.limits.warning if settings.warning is None else settings.warning,
            self.limits.critical if settings.critical is None else settings.critical,
        )
