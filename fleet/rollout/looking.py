"""What the steps of a rollout would change on one site, told by reading only."""

from __future__ import annotations

from collections.abc import Mapping

from fleet.bulk.change import Change
from fleet.bulk.verb import Verb
from fleet.client.site import SiteClient
from fleet.rollout.plan import PlannedStep, SitePlan, seen_digest

__all__ = ["look"]

AFTER = "it is looked at again after {}"


async def look(client: SiteClient, verbs: Mapping[str, Verb]) -> SitePlan:
    """The plan of the site of *client*: what each of *verbs*, by the name of its step, would change there, in order.

    Each step is planned by what the site is now. Where an earlier step changes the same thing, what a later one finds
    there is open until then: such a step is a change, or says that it is looked at again. A later step on what is not
    there yet is no mistake where an earlier one brings something. Raises the `SiteError` that keeps it from being told.
    """
    read = [(name, await verb.plan(client)) for name, verb in verbs.items()]
    steps: list[PlannedStep] = []
    touched: dict[str, str] = {}
    for name, changes in read:
        steps += [_planned(name, change, touched) for change in changes]
        touched |= {change.item: name for change in changes if change.state == "change"}
    return SitePlan(digest=seen_digest(read), steps=tuple(steps))


def _planned(name: str, change: Change, touched: Mapping[str, str]) -> PlannedStep:
    earlier = touched.get(change.item)
    if change.state == "noop" and earlier is not None:
        return PlannedStep.of(name, change, why=AFTER.format(earlier))
    if change.state == "impossible" and change.error is not None and change.error.kind == "not_found" and touched:
        # What is not there may be what an earlier step brings; if it is not, the step fails when its turn comes.
        return PlannedStep.of(name, change, "change", why=f"{change.why}; {AFTER.format(_last(touched))}")
    return PlannedStep.of(name, change)


def _last(touched: Mapping[str, str]) -> str:
    return list(touched.values())[-1]
