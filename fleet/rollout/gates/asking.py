"""What every gate that asks sites begins with: which sites those are, and what a baseline keeps of each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fleet.client.site import SiteClient
from fleet.errors import SiteError
from fleet.fanout.fleet import Selection
from fleet.outcome import Outcome
from fleet.rollout.verdict import Asked

__all__ = ["ask_each", "baseline_sites", "remaining"]


def remaining(asked: Asked) -> Selection:
    """The sites that *asked* is about, without those that the wave lost: they count in its budget, and not twice."""
    lost = frozenset(asked.lost)
    selection = asked.selection
    return Selection(selection.fleet, [site for site in selection.sites if site.name not in lost])


def baseline_sites(baseline: Any) -> Mapping[str, Any]:
    """What *baseline*, which came out of a journal, keeps of each site; nothing where it is none of ours."""
    sites = baseline.get("sites") if isinstance(baseline, Mapping) else None
    return sites if isinstance(sites, Mapping) else {}


async def ask_each(
    asked: Asked, work: Callable[[SiteClient], Awaitable[Any]], *, width: int | None = None
) -> dict[str, Any | SiteError]:
    """What *work* came to on each site that is left, in inventory order: its value, or the error."""
    selection = remaining(asked)
    found: dict[str, Any | SiteError] = {}

    def see(outcome: Outcome) -> None:
        found[outcome.site] = getattr(outcome, "error", None) or getattr(outcome, "value", None)

    await selection.run(work, command="gate", stop=asked.stop, on_outcome=see, keep=False, width=width)
    return {site.name: found[site.name] for site in selection.sites}
