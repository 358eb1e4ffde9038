"""Laws of what comes next in a rollout: every site once, budgets that hold, and the same end after any crash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fleet.rollout.entry import Entry
from fleet.rollout.machine import (
    AskApproval,
    AskGates,
    BeginWave,
    EndWave,
    Finish,
    Over,
    Pause,
    RollBack,
    RunSites,
    Settle,
    Soak,
    WaitForWindow,
    next_step,
    sites_at_once,
)
from fleet.rollout.plan import Plan, SitePlan
from fleet.rollout.spec import Amount, Budget, Gate, OnFailure, Rollout, Step, Wave
from fleet.rollout.state import COUNTED, State, state_of

OUTCOMES = ("changed", "noop", "failed", "unreachable", "unknown", "skipped")


def planned(
    waves: Sequence[int], *, limit: int | None, strict: bool, width: int, on_failure: OnFailure, gate: bool
) -> Plan:
    names = [f"site-{number}" for number in range(sum(waves))]
    cut, at = [], 0
    for size in waves:
        cut.append(tuple(names[at : at + size]))
        at += size
    rollout = Rollout(
        name="raise",
        select="all",
        steps=(Step(name="edit", do="services.edit"),),
        waves=tuple(Wave(size=size, approve=number == 1) for number, size in enumerate(waves)),
        width=width,
        soak=60.0,
        on_failure=on_failure,
        run=Budget(failed=None if limit is None else Amount(limit)),
        strict=strict,
        gates=(Gate(when="after", check="health"),) if gate else (),
    )
    sites = {name: SitePlan(digest="sha256:0", steps=()) for name in names}
    return Plan(rollout=rollout, waves=tuple(cut), sites=sites, made=0.0, tool="0", inventory="sha256:0")


def driven(plan: Plan, outcomes: Mapping[str, str], answers: Mapping[int, str], journal: list[Entry]) -> State:
    """What a driver does that goes on from *journal* until nothing comes any more, with the clock of the entries."""
    state = state_of(journal)
    now = journal[-1].at if journal else 0.0

    def write(kind: Any, **more: Any) -> None:
        entry = Entry(kind=kind, at=now, **more)
        journal.append(entry)
        state.take(entry)

    for _ in range(500):
        now += 1.0
        match next_step(plan, state, now):
            case AskApproval(wave):
                write("approved", wave=wave)
            case BeginWave(wave):
                write("wave_begun", wave=wave)
            case RunSites(wave, sites):
                some = sites[: sites_at_once(plan, state, 0)]
                assert some, "nothing may begin, and nothing says why"
                for site in some:
                    write("site_begun", wave=wave, site=site)
                for site in some:
                    write("site_ended", wave=wave, site=site, outcome=outcomes[site])
            case Settle(sites):
                for site in sites:
                    write("site_ended", wave=plan.wave_of(site), site=site, outcome=outcomes[site])
            case Soak(wave, seconds):
                if wave not in state.soak_begun:
                    write("soak_begun", wave=wave)
                now += seconds
                write("soak_ended", wave=wave)
            case AskGates(wave, _, gates):
                for place in gates:
                    named = {"sites": [plan.waves[wave][0]]}
                    write("gate", wave=wave, item=str(place), outcome=answers[wave], data=named)
            case EndWave(wave):
                write("wave_ended", wave=wave)
            case Pause():
                write("approved", wave=0)
            case RollBack(sites, why, begin):
                if begin:
                    write("rollback_begun", data={"sites": list(sites), "why": why})
                elif sites:
                    write("site_ended", phase="back", site=sites[0], outcome="changed")
                else:
                    write("rollback_ended")
            case Finish(outcome, why):
                write("finished", outcome=outcome, data={"why": why})
            case Over():
                return state
            case WaitForWindow():
                raise AssertionError("there is no window")
    raise AssertionError("it does not come to an end")


@st.composite
def rollouts(draw: st.DrawFn) -> tuple[Plan, dict[str, str], dict[int, str]]:
    waves = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    plan = planned(
        waves,
        limit=draw(st.none() | st.integers(0, 4)),
        strict=draw(st.booleans()),
        width=draw(st.integers(1, 4)),
        on_failure=draw(st.sampled_from(["stop", "rollback_site", "rollback_all"])),
        gate=draw(st.booleans()),
    )
    outcomes = {site: draw(st.sampled_from(OUTCOMES)) for site in plan.sites}
    answers = {number: draw(st.sampled_from(["go", "no", "cannot_tell"])) for number in range(len(waves))}
    return plan, outcomes, answers


@given(rollouts())
def test_no_site_is_worked_on_twice_and_a_finished_rollout_left_none_out(
    case: tuple[Plan, dict[str, str], dict[int, str]],
) -> None:
    plan, outcomes, answers = case
    journal: list[Entry] = []

    state = driven(plan, outcomes, answers, journal)

    begun = [entry.site for entry in journal if entry.kind == "site_begun"]
    assert len(begun) == len(set(begun))
    if state.finished == "done":
        assert set(begun) == set(plan.sites)
        assert state.ended == outcomes


@given(rollouts())
def test_no_more_sites_fail_than_the_budget_and_what_is_in_flight(
    case: tuple[Plan, dict[str, str], dict[int, str]],
) -> None:
    plan, outcomes, answers = case

    state = driven(plan, outcomes, answers, [])

    if plan.rollout.run.failed is not None:
        limit = plan.rollout.run.failed.of(plan.planned)
        most = limit + 1 if plan.rollout.strict else limit + plan.rollout.width
        assert sum(outcome in COUNTED for outcome in state.ended.values()) <= most


@given(rollouts(), st.data())
def test_a_rollout_that_is_taken_up_after_any_entry_ends_as_it_would_have(
    case: tuple[Plan, dict[str, str], dict[int, str]], data: st.DataObject
) -> None:
    plan, outcomes, answers = case
    # Sites in flight at once end together here, so that a crash between two of them is the only freedom left.
    whole: list[Entry] = []
    state = driven(plan, outcomes, answers, whole)
    between = [place for place, entry in enumerate(whole) if entry.kind == "site_ended"]
    cut = whole[: data.draw(st.integers(0, len(whole)) | st.sampled_from(between or [0]))]
    ended_before = {entry.site for entry in cut if entry.kind == "site_ended" and entry.phase == "forward"}

    after = driven(plan, outcomes, answers, cut)

    assert ended_before <= after.ended.keys()
    assert after.begun == after.ended.keys(), "what became of each site that was begun is known"
    if plan.rollout.width == 1:
        assert after.finished == state.finished
        assert after.ended == state.ended
        assert after.undone == state.undone


@given(rollouts())
def test_a_rollback_goes_the_other_way_round(case: tuple[Plan, dict[str, str], dict[int, str]]) -> None:
    plan, outcomes, answers = case
    journal: list[Entry] = []

    driven(plan, outcomes, answers, journal)

    order = [site for wave in plan.waves for site in wave]
    back = [
        order.index(entry.site)
        for entry in journal
        if entry.kind == "site_ended" and entry.phase == "back"
        if entry.site
    ]
    assert back == sorted(back, reverse=True)


@given(rollouts())
def test_it_is_rolled_back_when_every_site_that_was_begun_is(case: tuple[Plan, dict[str, str], dict[int, str]]) -> None:
    plan, outcomes, answers = case

    state = driven(plan, outcomes, answers, [])

    if state.rolling_back is not None:
        assert (state.finished == "rolled_back") == (state.begun == state.undone.keys())
        assert state.finished in ("rolled_back", "stopped")
    else:
        assert not state.undone


@given(rollouts())
def test_the_second_wave_does_not_begin_unapproved(case: tuple[Plan, dict[str, str], dict[int, str]]) -> None:
    plan, outcomes, answers = case
    journal: list[Entry] = []

    driven(plan, outcomes, answers, journal)

    kinds = [(entry.kind, entry.wave) for entry in journal]
    if ("wave_begun", 1) in kinds:
        assert kinds.index(("approved", 1)) < kinds.index(("wave_begun", 1))


def test_what_a_killed_driver_was_at_is_settled_before_the_rollout_stops() -> None:
    plan = planned([2], limit=0, strict=False, width=2, on_failure="stop", gate=False)
    journal = [
        Entry(kind="wave_begun", at=1.0, wave=0),
        Entry(kind="site_begun", at=2.0, wave=0, site="site-0"),
        Entry(kind="site_begun", at=2.0, wave=0, site="site-1"),
        Entry(kind="site_ended", at=3.0, wave=0, site="site-0", outcome="failed"),
    ]

    assert next_step(plan, state_of(journal), 4.0) == Settle(("site-1",))
    journal.append(Entry(kind="site_ended", at=5.0, wave=0, site="site-1", outcome="unknown"))
    assert next_step(plan, state_of(journal), 6.0) == Finish("stopped", "2 sites failed in all, and 0 may")
