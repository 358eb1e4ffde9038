"""The gate `health`: a sweep of the wave's sites, beside the one from before the wave."""

from __future__ import annotations

from typing import Any

from fleet.fanout.fleet import Selection
from fleet.fanout.stop import Stop
from fleet.health.sweeping import HealthOptions, load_checks, sweep
from fleet.outcome import Outcome
from fleet.rollout.gates.asking import baseline_sites, remaining
from fleet.rollout.gates.comparing import CHOICES, Look, No, compared, kept, look_of
from fleet.rollout.gates.given import Given, nearest
from fleet.rollout.gates.saying import NONE, gathered
from fleet.rollout.spec import Amount, Gate
from fleet.rollout.verdict import Asked, Verdict

__all__ = ["Health"]


class Health:
    """Says no where a site has a failure that it had not before the wave, and cannot tell where it can't be seen."""

    def __init__(self, options: HealthOptions, no: No = "new_failures", share: Amount = NONE) -> None:
        self._options = options
        self._no = no
        self._share = share
        self._checks = load_checks()

    @classmethod
    def of(cls, gate: Gate, given: Given, share: Amount) -> Health:
        """The check that *gate* means; its mistakes are left with *given*."""
        no: Any = given.choice("no", CHOICES, "any_failure" if gate.when == "before" else "new_failures")
        if gate.when == "before" and no != "any_failure":
            given.wrong(f'before a wave nothing is new yet: no = "any_failure" fits, and {no!r} does not')
        options = HealthOptions(only=given.names("only"), also=given.names("also"))
        known = load_checks()
        for name in (*options.only, *options.also):
            if name not in known:
                given.wrong(f"there is no health check {name!r}; {nearest(name, known)}")
        return cls(options, no, share)

    async def baseline(self, asked: Asked) -> Any:
        """`{"sites": {site: kept}}`: of each site what is not well."""
        if self._no == "any_failure":
            return None
        looks = await self._looks(remaining(asked), asked.stop)
        return {"sites": {site: kept(look) for site, look in looks.items()}}

    async def judge(self, asked: Asked, baseline: Any) -> Verdict:
        """What a sweep of now says."""
        before = baseline_sites(baseline)
        looks = await self._looks(remaining(asked), asked.stop)
        said = {site: compared(before.get(site), look, self._no) for site, look in looks.items()}
        return gathered(said, may_say_no=self._share, lost=asked.lost)

    async def _looks(self, selection: Selection, stop: Stop | None) -> dict[str, Look]:
        looks: dict[str, Look] = {}

        def see(outcome: Outcome) -> None:
            error = getattr(outcome, "error", None)
            looks[outcome.site] = (
                look_of(outcome.value) if error is None else look_of(outcome.value, error.kind, error.message)
            )

        await sweep(selection, self._options, checks=self._checks, stop=stop, on_outcome=see, keep=False)
        return {site.name: looks[site.name] for site in selection.sites}
