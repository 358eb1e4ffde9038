"""What comes next in a rollout, by its plan and how it stands. Pure: no clock but *now*, nothing is sent from here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from fleet.rollout.plan import Plan
from fleet.rollout.spec import When
from fleet.rollout.state import State, over_budget

__all__ = [
    "Action",
    "AskApproval",
    "AskGates",
    "BeginWave",
    "EndWave",
    "Finish",
    "NextOpen",
    "Over",
    "Pause",
    "RollBack",
    "RunSites",
    "Settle",
    "Soak",
    "WaitForWindow",
    "next_step",
    "sites_at_once",
]

NextOpen: TypeAlias = Callable[[float], float]
"""When the maintenance windows next allow a change, by a time in epoch seconds: that time itself where they do now."""


@dataclass(frozen=True, slots=True)
class AskApproval:
    """Wait until somebody approves *wave*."""

    wave: int


@dataclass(frozen=True, slots=True)
class WaitForWindow:
    """Wait until the maintenance window opens, *until* epoch seconds."""

    until: float


@dataclass(frozen=True, slots=True)
class BeginWave:
    """Write down that *wave* begins, and what its gates remember from before it."""

    wave: int


@dataclass(frozen=True, slots=True)
class AskGates:
    """Ask *gates*, by their places in the rollout, about *wave*."""

    wave: int
    when: When
    gates: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RunSites:
    """Work on *sites* of *wave*; those that were begun before a crash come first."""

    wave: int
    sites: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Settle:
    """Find out by reading what became of *sites*, which a driver that died was at, and write it down; send nothing."""

    sites: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Soak:
    """Let *wave* be for *seconds*, and ask its gates `during` that time."""

    wave: int
    seconds: float


@dataclass(frozen=True, slots=True)
class EndWave:
    """Write down that *wave* is over."""

    wave: int


@dataclass(frozen=True, slots=True)
class Pause:
    """A gate can't tell, or somebody asked for it: wait for a person."""

    why: str


@dataclass(frozen=True, slots=True)
class RollBack:
    """Put *sites* back, the last one that was begun first; with *begin* that is to be written down before."""

    sites: tuple[str, ...]
    why: str
    begin: bool


@dataclass(frozen=True, slots=True)
class Finish:
    """It is over: `done`, `stopped`, `aborted` or `rolled_back`, and why."""

    outcome: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Over:
    """Nothing comes any more; *outcome* is what it came to."""

    outcome: str


Action: TypeAlias = (
    AskApproval
    | WaitForWindow
    | BeginWave
    | AskGates
    | RunSites
    | Settle
    | Soak
    | EndWave
    | Pause
    | RollBack
    | Finish
    | Over
)


def next_step(plan: Plan, state: State, now: float, next_open: NextOpen = lambda now: now) -> Action:
    """The one thing to do next; the driver does it, writes down what it came to, and asks again.

    It is asked while nothing is under way: a site that was begun and did not come to an end is one of a driver that died.
    """
    action = _wanted(plan, state, now, next_open)
    if isinstance(action, Finish | RollBack) and (left := state.begun - state.ended.keys()):
        # Neither the way back nor the end may leave open what became of a site.
        return Settle(tuple(site for wave in plan.waves for site in wave if site in left))
    return action


def _wanted(plan: Plan, state: State, now: float, next_open: NextOpen) -> Action:
    if state.finished is not None:
        return Over(state.finished)
    if state.rolling_back is not None:
        return _rolling_back(state)
    if state.aborted:
        return Finish("aborted")
    if state.paused is not None:
        return Pause(state.paused)
    wave = next((number for number in range(len(plan.waves)) if number not in state.waves_ended), None)
    if wave is None:
        return Finish("done")
    refused = _refusal(plan, state, wave)
    if refused is not None:
        return refused
    return _in_wave(plan, state, wave, now, next_open)


def _in_wave(plan: Plan, state: State, wave: int, now: float, next_open: NextOpen) -> Action:
    told = plan.rollout.waves
    spec = told[_place(plan, wave)] if told else None
    if wave not in state.waves_begun:
        if spec is not None and spec.approve and wave not in state.approved:
            return AskApproval(wave)
        if (until := next_open(now)) > now:
            return WaitForWindow(until)
        return BeginWave(wave)
    before = _unasked(plan, state, wave, "before")
    if before:
        return AskGates(wave, "before", before)
    sites = state.open_sites(plan, wave)
    if sites:
        if (until := next_open(now)) > now:
            return WaitForWindow(until)
        return RunSites(wave, tuple(sites))
    soak = plan.rollout.soak if spec is None or spec.soak is None else spec.soak
    if wave not in state.soak_ended and (soak > 0 or _gates(plan, wave, "during")):
        began = state.soak_begun.get(wave, now)
        # A clock that was set back must not make it longer than it was meant.
        return Soak(wave, min(max(0.0, began + soak - now), soak))
    after = _unasked(plan, state, wave, "after")
    return AskGates(wave, "after", after) if after else EndWave(wave)


def _refusal(plan: Plan, state: State, wave: int) -> Action | None:
    """What a passed budget, or a gate that did not say go, comes to; None where nothing stands in the way."""
    whatever = plan.rollout.on_failure == "continue"
    if any(answer == "cannot_tell" for answer in state.verdicts.values()):
        return Pause("gate")
    passed = over_budget(plan, state, wave)
    why = passed or ("a gate said no" if state.refusing else None)
    if why is None or whatever:
        return None
    match plan.rollout.on_failure:
        case "rollback_all":
            return RollBack(_newest_first(plan, state, tuple(state.begun)), why, begin=True)
        case "rollback_site":
            named = {site for key in state.refusing for site in state.named.get(key, ())} & state.begun
            if named - state.undone.keys():
                return RollBack(_newest_first(plan, state, tuple(named)), why, begin=True)
        case _:
            pass
    return Finish("stopped", why)


def _rolling_back(state: State) -> Action:
    sites = state.rolling_back or ()
    left = tuple(site for site in sites if site not in state.undone)
    if left or not state.rolled_back:
        return RollBack(left, "", begin=False)
    if state.begun - state.undone.keys():
        return Finish("stopped", "some sites were rolled back, and the others are as the rollout left them")
    return Finish("rolled_back")


def _newest_first(plan: Plan, state: State, sites: tuple[str, ...]) -> tuple[str, ...]:
    order = {site: place for place, site in enumerate(site for wave in plan.waves for site in wave)}
    return tuple(sorted(sites, key=lambda site: -order[site]))


def _place(plan: Plan, wave: int) -> int:
    """Which wave of the rollout the planned *wave* is of: the canary's comes before them, and the last may be cut."""
    return min(max(0, wave - (plan.rollout.canary is not None)), len(plan.rollout.waves) - 1)


def _gates(plan: Plan, wave: int, when: When) -> tuple[int, ...]:
    gates = enumerate(plan.rollout.gates)
    return tuple(place for place, gate in gates if gate.when == when and gate.is_for(wave + 1))


def _unasked(plan: Plan, state: State, wave: int, when: When) -> tuple[int, ...]:
    return tuple(place for place in _gates(plan, wave, when) if (wave, place) not in state.verdicts)


def sites_at_once(plan: Plan, state: State, in_flight: int) -> int:
    """How many further sites may be begun beside those *in_flight*: the width, and with `strict` no more than the budget
    of the run can bear."""
    room = plan.rollout.width - in_flight
    limit = plan.rollout.run.failed
    if plan.rollout.strict and limit is not None:
        counted = state.counted(site for wave in plan.waves for site in wave).total()
        room = min(room, limit.of(plan.planned) + 1 - counted - in_flight)
    return max(0, room)
