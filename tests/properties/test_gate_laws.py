"""Gates: a sweep beside itself is nothing new, one failure more is, and whatever gets worse never makes a gate say go."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fleet.aggregate.where import And, Compare, Not, Or, Where, fields_of, holds, matches
from fleet.rollout.gates.comparing import CHOICES, Look, No, Seen, compared, kept
from fleet.rollout.gates.latency import slowed
from fleet.rollout.gates.rates import ClockMoved, Counted, RateLimits, begin_of, rated
from fleet.rollout.gates.saying import Said, gathered
from fleet.rollout.gates.soaking import Repetition, over_soak
from fleet.rollout.spec import Amount
from fleet.rollout.verdict import GateAnswer

WORSE = {"go": 0, "cannot_tell": 1, "no": 2}
ANSWERS: list[GateAnswer] = ["go", "cannot_tell", "no"]

# Comparing sweeps

NAMES = st.sampled_from(["services", "machines", "healthcheck", "instances", "license", "of_others"])
THINGS = st.sampled_from(["Roads.MapServer", "Planning/Zoning.MapServer", "GIS1.EXAMPLE.COM", "GIS2.EXAMPLE.COM", "x"])
ITEMS = st.one_of(
    st.builds("{} is {}".format, THINGS, st.sampled_from(["STOPPED", "STOPPING"])),
    st.builds("{}: {} of {} busy".format, THINGS, st.integers(0, 9), st.integers(0, 9)),
    st.builds("{} ends in {} days".format, THINGS, st.integers(0, 9)),
    st.text(max_size=9),
)
SEEN = st.builds(
    Seen,
    st.sampled_from(["ok", "warning", "critical", "unknown", "skipped"]),
    st.text(max_size=9),
    st.lists(ITEMS, max_size=4).map(tuple),
)
LOOKS = st.builds(
    Look,
    st.dictionaries(NAMES, SEEN, max_size=5),
    st.sampled_from([None, "connect", "timeout", "unhealthy"]),
    st.text(max_size=9),
)
NEW: list[No] = ["new_failures", "new_warnings"]


def as_kept(look: Look) -> Any:
    """What the journal gives back."""
    return json.loads(json.dumps(kept(look)))


@given(LOOKS, st.sampled_from(NEW))
def test_a_sweep_beside_itself_is_nothing_new(look: Look, no: No) -> None:
    assert compared(as_kept(look), look, no).answer == ("go" if look.asked else "ignored")


@given(LOOKS, LOOKS, st.sampled_from(NEW), st.randoms())
def test_the_order_of_checks_and_items_does_not_matter(before: Look, now: Look, no: No, chance: Any) -> None:
    def shuffled(look: Look) -> Look:
        checks = list(look.checks.items())
        chance.shuffle(checks)
        return replace(
            look,
            checks={
                name: replace(seen, items=tuple(chance.sample(seen.items, len(seen.items)))) for name, seen in checks
            },
        )

    one = compared(as_kept(before), now, no)
    other = compared(as_kept(shuffled(before)), shuffled(now), no)
    assert (one.answer, one.saw) == (other.answer, other.saw)


@given(LOOKS, st.sampled_from(CHOICES), NAMES)
def test_a_check_that_fails_newly_is_a_no(look: Look, no: No, name: str) -> None:
    assume(look.asked)
    assume(name not in look.checks or look.checks[name].status in ("ok", "warning", "skipped"))
    worse = replace(look, checks={**look.checks, name: Seen("critical", "it fails")})
    assert compared(as_kept(look), worse, no).answer == "no"


@given(LOOKS, st.sampled_from(NEW), st.sampled_from(["services", "machines", "of_others"]))
def test_one_thing_more_in_a_check_that_failed_before_is_a_no(look: Look, no: No, name: str) -> None:
    item = "Another.MapServer is STOPPED"
    failed = replace(look, checks={**look.checks, name: Seen("critical", "", ("Roads.MapServer is STOPPED",))})
    more = replace(failed, checks={**failed.checks, name: Seen("critical", "", (*failed.checks[name].items, item))})
    assert compared(as_kept(failed), more, no).answer == "no"
    assert compared(as_kept(more), failed, no).answer == "go", "one thing less is none"


@given(LOOKS, LOOKS, st.sampled_from(CHOICES))
def test_what_cannot_be_seen_now_and_could_be_before_is_never_a_go(before: Look, now: Look, no: No) -> None:
    blind = replace(now, checks={name: Seen("unknown", "gone") for name in before.checks})
    assume(any(seen.status in ("ok", "warning", "critical") for seen in before.checks.values()))
    assert compared(as_kept(before), blind, no).answer in ("no", "cannot_tell")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=6,
    ),
    LOOKS,
    st.sampled_from(CHOICES),
)
def test_a_baseline_of_any_form_is_judged(odd: Any, now: Look, no: No) -> None:
    assert compared(odd, now, no).answer in ("go", "no", "cannot_tell", "ignored")


def test_the_baseline_of_a_fleet_in_which_everything_is_stopped_is_small() -> None:
    items = tuple(f"Planning/A_rather_long_name_of_a_service_{number}.MapServer is STOPPED" for number in range(50))
    look = Look({"services": Seen("critical", "50 of 50 stopped", items), "machines": Seen("ok")})
    fleet = {"sites": {f"a-rather-long-name-of-a-site-{number}": kept(look) for number in range(500)}}
    assert len(json.dumps(fleet)) < 500_000
    assert len(fleet["sites"]["a-rather-long-name-of-a-site-0"]["services"][1]) == 50


# From sites to the gate

SITES = st.dictionaries(
    st.sampled_from([f"site-{number}" for number in range(8)]),
    st.sampled_from(["go", "no", "cannot_tell", "ignored"]),
    max_size=8,
)
SHARES = st.one_of(st.builds(Amount, st.integers(0, 9)), st.builds(Amount, st.integers(0, 100), st.just(True)))


def verdict(answers: dict[str, Any], share: Amount) -> GateAnswer:
    return gathered({site: Said(answer=answer) for site, answer in answers.items()}, may_say_no=share).answer


@given(SITES, SHARES, st.data())
def test_a_site_that_says_something_worse_never_makes_the_gate_say_something_better(
    answers: dict[str, Any], share: Amount, data: st.DataObject
) -> None:
    assume(answers)
    site = data.draw(st.sampled_from(sorted(answers)))
    worse = data.draw(st.sampled_from(ANSWERS))
    assume(answers[site] != "ignored" and WORSE[worse] >= WORSE[answers[site]])
    assert WORSE[verdict({**answers, site: worse}, share)] >= WORSE[verdict(answers, share)]


@given(SITES, st.randoms())
def test_without_a_share_one_no_is_a_no_and_one_cannot_tell_is_no_go(answers: dict[str, Any], chance: Any) -> None:
    found = verdict(answers, Amount(0))
    assert (found == "no") == ("no" in answers.values())
    if found == "go":
        assert set(answers.values()) <= {"go", "ignored"}
        assert "go" in answers.values(), "nobody says go where no site does"
    order = list(answers.items())
    chance.shuffle(order)
    assert verdict(dict(order), Amount(0)) == found


@given(SITES, SHARES)
def test_the_sites_that_made_it_say_so_are_named_and_no_others(answers: dict[str, Any], share: Amount) -> None:
    found = gathered({site: Said(answer=answer) for site, answer in answers.items()}, may_say_no=share)
    assert set(found.sites) <= set(answers)
    assert all(answers[site] != "go" for site in found.sites)
    assert (found.sites == ()) == (found.answer == "go" or not answers)
    json.dumps(found.to_dict(), allow_nan=False)


def test_what_was_seen_of_many_sites_is_bounded() -> None:
    said = {f"site-{number}": Said(answer="no", why="x" * 200, saw={"checks": ["services"]}) for number in range(500)}
    found = gathered(said)
    assert len(found.sites) == 500
    assert len(json.dumps(dict(found.data))) < 10_000
    assert found.data["no"]["count"] == 500
    assert found.data["no"]["more"] == 480


# Over a soak

SOAKS = st.lists(st.sampled_from(ANSWERS), max_size=12)
REPETITIONS = st.tuples(st.integers(1, 4), st.integers(0, 4)).map(lambda pair: Repetition(pair[0], sum(pair)))


@given(SOAKS, REPETITIONS, st.booleans(), st.data())
def test_a_worse_answer_in_a_soak_never_makes_it_come_to_something_better(
    answers: list[GateAnswer], repetition: Repetition, ended: bool, data: st.DataObject
) -> None:
    assume(answers)
    place = data.draw(st.integers(0, len(answers) - 1))
    worse = data.draw(st.sampled_from([one for one in ANSWERS if WORSE[one] >= WORSE[answers[place]]]))
    changed = [*answers[:place], worse, *answers[place + 1 :]]
    assert WORSE[over_soak(changed, repetition, ended=ended)] >= WORSE[over_soak(answers, repetition, ended=ended)]


@given(SOAKS, SOAKS, REPETITIONS)
def test_what_a_soak_came_to_stays_whatever_follows(
    answers: list[GateAnswer], more: list[GateAnswer], repetition: Repetition
) -> None:
    assert WORSE[over_soak([*answers, *more], repetition)] >= WORSE[over_soak(answers, repetition)]


@given(SOAKS, SOAKS, REPETITIONS)
def test_after_a_go_a_soak_begins_anew(
    answers: list[GateAnswer], more: list[GateAnswer], repetition: Repetition
) -> None:
    parts = [over_soak(answers, repetition), over_soak(more, repetition)]
    assert over_soak([*answers, "go", *more], repetition) == max(parts, key=WORSE.__getitem__)


@given(st.lists(st.sampled_from(ANSWERS[1:]), max_size=8), REPETITIONS, st.randoms())
def test_between_two_goes_only_the_numbers_matter(
    answers: list[GateAnswer], repetition: Repetition, chance: Any
) -> None:
    other = list(answers)
    chance.shuffle(other)
    assert over_soak(answers, repetition) == over_soak(other, repetition)


@given(SOAKS, REPETITIONS)
def test_a_soak_that_has_ended_is_a_go_only_if_its_last_answer_was(
    answers: list[GateAnswer], repetition: Repetition
) -> None:
    if over_soak(answers, repetition, ended=True) == "go":
        assert answers[-1] == "go"


@pytest.mark.parametrize(
    ("answers", "repetition", "verdict"),
    [
        (["no"], Repetition(), "no"),
        (["go", "cannot_tell", "cannot_tell"], Repetition(), "go"),
        (["cannot_tell", "cannot_tell", "cannot_tell"], Repetition(), "cannot_tell"),
        (["no", "go", "no"], Repetition(2), "go"),
        (["no", "cannot_tell", "no"], Repetition(2), "no"),
        (["no", "cannot_tell", "cannot_tell"], Repetition(2), "cannot_tell"),
    ],
)
def test_a_soak_comes_to(answers: list[GateAnswer], repetition: Repetition, verdict: GateAnswer) -> None:
    assert over_soak(answers, repetition) == verdict


# Rates and times

COUNTS = st.builds(Counted, count=st.integers(0, 5000), seconds=st.floats(0, 1e6), whole=st.booleans())
LIMITS = st.builds(RateLimits, factor=st.floats(1, 10), at_least=st.integers(1, 100), shortest=st.floats(1, 3600))


@given(COUNTS, COUNTS, st.integers(1, 5000), LIMITS)
def test_more_records_never_make_it_better(before: Counted, now: Counted, more: int, limits: RateLimits) -> None:
    one, other = rated(before, now, limits), rated(before, replace(now, count=now.count + more), limits)
    assert WORSE[other.answer] >= WORSE[one.answer]


@given(COUNTS, LIMITS)
def test_the_usual_rate_is_no_news_and_no_go_before_its_time(usual: Counted, limits: RateLimits) -> None:
    found = rated(usual, usual, limits).answer
    if usual.seconds < limits.shortest:
        assert found != "go"
    else:
        assert found == "go"


@given(st.integers(0, 10**13), st.floats(0, 2e9), st.floats(0, 3e6), st.floats(0, 3e6))
def test_how_far_apart_two_clocks_are_does_not_matter(site: int, ours: float, begun: float, gone: float) -> None:
    assume(begun <= gone)
    begin = begin_of(site, ours, ours + begun, site + round(gone * 1000), ours + gone)
    assert abs(begin - (site + begun * 1000)) <= 2


@given(st.integers(0, 10**13), st.floats(0, 3e6), st.floats(61, 1e7), st.booleans())
def test_a_clock_that_was_set_is_not_believed(site: int, gone: float, by: float, forward: bool) -> None:
    assume(by > 0.1 * gone + 61)
    moved = site + round((gone + (by if forward else -by)) * 1000)
    with pytest.raises(ClockMoved):
        begin_of(site, 0.0, 0.0, moved, gone)


@given(st.floats(0, 100), st.floats(0, 100), st.floats(0, 100), st.floats(1, 9), st.floats(0.001, 9), st.booleans())
def test_slower_is_never_better(
    before: float, now: float, more: float, factor: float, at_least: float, enough: bool
) -> None:
    one = slowed(before, now, factor=factor, at_least=at_least, enough=enough)
    other = slowed(before, now + more, factor=factor, at_least=at_least, enough=enough)
    assert WORSE[other.answer] >= WORSE[one.answer]
    assert slowed(before, before, factor=factor, at_least=at_least).answer == "go"
    if not enough:
        assert one.answer != "go"


# Conditions

FIELDS = st.sampled_from(["a", "b.c", "d"])
TERMS = st.builds(
    Compare, FIELDS, st.sampled_from(["=", "!=", "<", ">="]), st.sampled_from(["1", "2", "x", ""]), st.just(True)
)
CONDITIONS: st.SearchStrategy[Where] = st.recursive(
    TERMS,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=5,
)
CELLS = st.sampled_from([1, 2, 3, "x", True])


@given(CONDITIONS, st.fixed_dictionaries({"a": st.integers(0, 3), "b.c": st.integers(0, 3), "d": st.integers(0, 3)}))
def test_where_all_is_there_a_condition_that_can_be_told_is_the_usual_one(where: Where, row: dict[str, Any]) -> None:
    found = holds(where, row)
    assert found is None or found == matches(where, row)


@given(CONDITIONS, st.dictionaries(FIELDS, CELLS), st.dictionaries(FIELDS, CELLS))
def test_what_is_told_of_a_part_is_not_changed_by_what_is_missing_there(
    where: Where, row: dict[str, Any], more: dict[str, Any]
) -> None:
    found = holds(where, row)
    if found is not None:
        assert holds(where, {**more, **row}) == found
    if not row and not isinstance(where, Not | And | Or):
        assert found is None
    if not fields_of(where) & row.keys():
        assert found is None, "nothing of what it looks at is there"
