"""How a rollout stands, folded from the entries of its journal. Pure: the same entries give the same state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from fleet.rollout.entry import Entry
from fleet.rollout.plan import Plan
from fleet.rollout.spec import Budget

__all__ = ["COUNTED", "REACH", "PauseReason", "State", "over_budget", "state_of"]

COUNTED = frozenset({"failed", "verify_failed", "protocol", "unknown", "unreachable", "timeout", "auth_failed"})
"""Outcomes that count against a budget; `skipped`, `not_run` and `cancelled` are not failures."""

REACH = frozenset({"unreachable", "timeout", "auth_failed"})
"""Those that count in the budget of the unreachable, where there is one."""

PauseReason: TypeAlias = Literal["approval", "gate", "hand", "interrupted"]


@dataclass(slots=True)
class State:
    """How a rollout stands. Waves count from 0; a gate is its place among the gates of the rollout.

    `ended` is what each site came to, `begun` are those that something was begun on, `undone` what a rollback came to on
    each. `verdicts` are the last ones, of a wave and a gate. `accepted` are the sites whose failure somebody accepted.
    """

    begun: set[str] = field(default_factory=set)
    ended: dict[str, str] = field(default_factory=dict)
    undone: dict[str, str] = field(default_factory=dict)
    accepted: set[str] = field(default_factory=set)
    approved: set[int] = field(default_factory=set)
    waves_begun: set[int] = field(default_factory=set)
    waves_ended: set[int] = field(default_factory=set)
    soak_begun: dict[int, float] = field(default_factory=dict)
    soak_ended: set[int] = field(default_factory=set)
    verdicts: dict[tuple[int, int], str] = field(default_factory=dict)
    named: dict[tuple[int, int], tuple[str, ...]] = field(default_factory=dict)
    baselines: dict[tuple[int, int], Any] = field(default_factory=dict)
    paused: str | None = None
    aborted: bool = False
    rolling_back: tuple[str, ...] | None = None
    rolled_back: bool = False
    finished: str | None = None

    @property
    def refusing(self) -> list[tuple[int, int]]:
        """The gates, as wave and place, that said no and were not overruled."""
        return [key for key, answer in self.verdicts.items() if answer == "no"]

    def open_sites(self, plan: Plan, wave: int) -> list[str]:
        """The sites of *wave* that have not come to an end, in its order; those that were begun come first."""
        left = [site for site in plan.waves[wave] if site not in self.ended]
        return sorted(left, key=lambda site: site not in self.begun)

    def counted(self, sites: Iterable[str]) -> Counter[str]:
        """How many of *sites* came to each outcome that counts against a budget, but for those that were accepted."""
        return Counter(
            outcome
            for site in sites
            if (outcome := self.ended.get(site)) in COUNTED and outcome is not None and site not in self.accepted
        )

    def take(self, entry: Entry) -> None:
        """Go on by one entry."""
        wave, site = entry.wave, entry.site
        match entry.kind:
            case "site_begun" if site is not None:
                if entry.phase == "forward":
                    self.begun.add(site)
            case "site_ended" if site is not None and entry.outcome is not None:
                (self.ended if entry.phase == "forward" else self.undone)[site] = entry.outcome
            case "wave_begun" if wave is not None:
                self.waves_begun.add(wave)
            case "wave_ended" if wave is not None:
                self.waves_ended.add(wave)
            case "soak_begun" if wave is not None:
                self.soak_begun[wave] = entry.at
            case "soak_ended" if wave is not None:
                self.soak_ended.add(wave)
            case "gate" if wave is not None and entry.item is not None and entry.outcome is not None:
                key = wave, int(entry.item)
                self.verdicts[key] = entry.outcome
                self.named[key] = tuple(entry.data.get("sites", ()))
            case "baseline" if wave is not None and entry.item is not None:
                self.baselines[wave, int(entry.item)] = entry.data.get("value")
            case "approved" if wave is not None:
                self.approved.add(wave)
                self._overrule("cannot_tell")
            case "accepted":
                self.accepted |= {name for name, outcome in self.ended.items() if outcome in COUNTED}
                self._overrule("cannot_tell", "no")
                self.finished = None
            case "paused":
                self.paused = entry.outcome
            case "resumed" | "unpaused":
                self.paused = None
            case "aborted":
                self.aborted = True
            case "rollback_begun":
                self.rolling_back = tuple(entry.data["sites"])
                self.rolled_back, self.finished = False, None
            case "rollback_ended":
                self.rolled_back = True
            case "finished":
                self.finished = entry.outcome
            case _:
                # What was sent on a site, and remembered there, concerns the site's own part alone.
                pass

    def _overrule(self, *answers: str) -> None:
        for key, answer in self.verdicts.items():
            if answer in answers:
                self.verdicts[key] = "go"


def state_of(entries: Iterable[Entry]) -> State:
    """The state after all of *entries*."""
    state = State()
    for entry in entries:
        state.take(entry)
    return state


def over_budget(plan: Plan, state: State, wave: int) -> str | None:
    """Which budget is passed, of the run or of *wave*, in a sentence; None where none is."""
    whole = [site for names in plan.waves for site in names]
    for budget, sites, where in (
        (plan.rollout.run, whole, "in all"),
        (plan.rollout.wave, plan.waves[wave], f"in wave {wave + 1}"),
    ):
        told = _passed(budget, state.counted(sites), plan.planned, where)
        if told is not None:
            return told
    return None


def _passed(budget: Budget, counted: Counter[str], planned: int, where: str) -> str | None:
    away = sum(counted[outcome] for outcome in REACH)
    failed = counted.total() - away
    if budget.unreachable is None:
        failed += away
    elif away > (limit := budget.unreachable.of(planned)):
        return f"{away} {'site is' if away == 1 else 'sites are'} out of reach {where}, and {limit} may be"
    if budget.failed is not None and failed > (limit := budget.failed.of(planned)):
        return f"{failed} {'site' if failed == 1 else 'sites'} failed {where}, and {limit} may"
    return None
