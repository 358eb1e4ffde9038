"""Laws of plans: what is kept of one gives the same one again, and one that was touched is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.rollout.files import plan_of, rollout_of
from fleet.rollout.plan import Plan, PlannedStep, SitePlan
from fleet.rollout.spec import Amount, Budget, Gate, Rollout, Step, Wave, Window

WORDS = st.text("abcdefgh-", min_size=1, max_size=8)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
AMOUNTS = st.none() | st.builds(Amount, st.integers(0, 100), st.booleans())
BUDGETS = st.builds(Budget, failed=AMOUNTS, unreachable=AMOUNTS)
STEPS = st.builds(Step, name=WORDS, do=WORDS, given=st.dictionaries(WORDS, VALUES, max_size=3))
WAVES = st.builds(
    Wave,
    size=st.integers(1, 99) | st.sampled_from(["10%", "rest", "role=test"]),
    approve=st.booleans(),
    soak=st.none() | st.floats(0, 1e6),
)
GATES = st.builds(
    Gate,
    when=st.sampled_from(["before", "after", "during"]),
    check=WORDS,
    given=st.dictionaries(WORDS.map("x".__add__), VALUES, max_size=3),
    waves=st.lists(st.integers(1, 9), max_size=3).map(tuple),
)
WINDOWS = st.builds(
    Window,
    days=st.frozensets(st.integers(0, 6), min_size=1),
    begin=st.just("22:00"),
    end=st.just("04:00"),
    zone=st.just("Europe/Oslo"),
)
ROLLOUTS = st.builds(
    Rollout,
    name=WORDS,
    select=WORDS,
    steps=st.lists(STEPS, min_size=1, max_size=3).map(tuple),
    waves=st.lists(WAVES, min_size=1, max_size=4).map(tuple),
    canary=st.none() | WORDS,
    width=st.integers(1, 100),
    order=st.sampled_from(["inventory", "name", "shuffle"]),
    spread=st.none() | WORDS,
    apart=st.none() | WORDS,
    soak=st.floats(0, 1e6),
    soak_every=st.floats(1, 1e6),
    on_failure=st.sampled_from(["stop", "rollback_site", "rollback_all", "continue"]),
    windows=st.lists(WINDOWS, max_size=2).map(tuple),
    run=BUDGETS,
    wave=BUDGETS,
    strict=st.booleans(),
    gates=st.lists(GATES, max_size=3).map(tuple),
)
PLANNED = st.builds(
    PlannedStep,
    name=WORDS,
    item=WORDS,
    state=st.sampled_from(["change", "noop", "impossible"]),
    old=VALUES,
    new=VALUES,
    why=st.just("") | WORDS,
    undo=st.booleans(),
)
SITES = st.builds(SitePlan, digest=WORDS, steps=st.lists(PLANNED, max_size=3).map(tuple))
PLANS = st.builds(
    Plan,
    rollout=ROLLOUTS,
    waves=st.lists(st.lists(WORDS, max_size=3).map(tuple), max_size=3).map(tuple),
    sites=st.dictionaries(WORDS, SITES, max_size=3),
    made=st.floats(0, 1e10),
    tool=WORDS,
    inventory=WORDS,
    folder=WORDS,
    scripts=st.dictionaries(WORDS, WORDS, max_size=2),
    seconds=st.floats(0, 1e6),
    unread=st.dictionaries(WORDS, WORDS, max_size=2),
)


@given(ROLLOUTS)
def test_a_rollout_that_is_kept_is_the_same_rollout(rollout: Rollout) -> None:
    assert rollout_of(json.loads(json.dumps(rollout.to_dict()))) == rollout


@given(PLANS)
def test_a_plan_that_is_kept_is_the_same_plan(plan: Plan) -> None:
    again = plan_of(json.loads(json.dumps(plan.to_dict())))

    assert again == plan
    assert again.digest == plan.digest


@given(PLANS, st.sampled_from(["tool", "inventory", "folder"]))
def test_a_plan_that_was_touched_is_refused(plan: Plan, member: str) -> None:
    told = plan.to_dict()
    told[member] += "!"

    with pytest.raises(ValueError, match="its digest is not that"):
        plan_of(told)


@given(VALUES | st.dictionaries(st.sampled_from(["schema", "rollout", "waves", "sites"]), VALUES))
def test_what_is_no_plan_is_refused(value: Any) -> None:
    with pytest.raises(ValueError):
        plan_of(value)
    with pytest.raises(ValueError):
        plan_of({"schema": "fleet.plan/1", **value} if isinstance(value, dict) else value)
