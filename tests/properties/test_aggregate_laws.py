"""Aggregators merge in any grouping and any order, and nothing is lost."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.aggregate import MODES, Aggregator, make_aggregator
from fleet.aggregate.diffing import difference
from fleet.health.verdicts import Verdicts

SITES = [f"s{number}" for number in range(8)]
ORDER = {site: place for place, site in enumerate(SITES)}
leaves = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["x", "10", "2.5", "y/z~"])
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "time", "rows"]), inner, max_size=3)
    ),
    max_leaves=8,
)
answers = st.dictionaries(st.sampled_from(SITES), values, max_size=8).map(lambda found: list(found.items()))


MAKERS: dict[str, Callable[[], Aggregator[Any]]] = {
    **{mode: (lambda mode=mode: make_aggregator(mode, order=ORDER)) for mode in MODES},
    "diff_with_baseline": lambda: make_aggregator("diff", order=ORDER, baseline="s3"),
    "masked": lambda: make_aggregator("group", order=ORDER, mask=["a", "/b/*"]),
    "verdicts": lambda: Verdicts(ORDER),
}


def folded(aggregator: Aggregator[Any], found: list[tuple[str, Any]]) -> Any:
    state = aggregator.empty()
    for site, value in found:
        state = aggregator.add(state, site, copy.deepcopy(value))
    return state


def shown(aggregator: Aggregator[Any], state: Any) -> str:
    return json.dumps(aggregator.report(state), sort_keys=False)


@pytest.mark.parametrize("name", MAKERS)
@given(found=answers, seed=st.randoms(use_true_random=False), cuts=st.tuples(st.integers(0, 8), st.integers(0, 8)))
def test_order_never_matters_and_merging_is_associative(
    name: str, found: list[tuple[str, Any]], seed: Any, cuts: tuple[int, int]
) -> None:
    make = MAKERS[name]
    once = shown(make(), folded(make(), found))
    mixed = list(found)
    seed.shuffle(mixed)
    if name != "matrix":
        assert shown(make(), folded(make(), mixed)) == once
    else:
        assert make().report(folded(make(), mixed)) == json.loads(once)
    low, high = sorted(cuts)
    parts = [mixed[:low], mixed[low:high], mixed[high:]]
    one, two, three = (folded(make(), part) for part in parts)
    left = make().merge(make().merge(one, two), three)
    one, two, three = (folded(make(), part) for part in parts)
    right = make().merge(one, make().merge(two, three))
    assert make().report(left) == make().report(right) == json.loads(once)


@given(answers)
def test_every_site_is_in_exactly_one_group(found: list[tuple[str, Any]]) -> None:
    groups = make_aggregator("group", order=ORDER)
    report = groups.report(folded(groups, found))["groups"]
    assert sorted(site for group in report for site in group["sites"]) == sorted(site for site, _ in found)
    assert [group["count"] for group in report] == sorted((group["count"] for group in report), reverse=True)
    assert sum(group["reference"] for group in report) == (1 if found else 0)


@given(values, values)
def test_a_difference_turns_one_value_into_the_other(old: Any, new: Any) -> None:
    steps = difference(old, new)
    assert apply(copy.deepcopy(old), steps) == new or difference(apply(copy.deepcopy(old), steps), new) == []
    assert difference(old, old) == []


def apply(value: Any, steps: list[dict[str, Any]]) -> Any:
    """*value* after *steps*; list places are removed from behind."""
    box = {"": value}
    for step in [*(s for s in steps if s["op"] != "remove"), *reversed([s for s in steps if s["op"] == "remove"])]:
        parts = [part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")]
        holder: Any = box
        for part in parts[:-1]:
            holder = holder[int(part)] if isinstance(holder, list) else holder[part]
        last: Any = int(parts[-1]) if isinstance(holder, list) else parts[-1]
        if step["op"] == "remove":
            del holder[last]
        elif isinstance(holder, list) and last == len(holder):
            holder.append(step["new"])
        else:
            holder[last] = step["new"]
    return box[""]


def test_statistics_are_exact_by_nearest_rank() -> None:
    stats = make_aggregator("stats", order=ORDER)
    report = stats.report(folded(stats, [("s0", {"n": "10"}), ("s1", {"n": 20}), ("s2", {"n": 30}), ("s3", {"n": 40})]))
    assert report == {
        "fields": {
            "/n": {
                "count": 4,
                "min": 10,
                "median": 20,
                "p95": 40,
                "max": 40,
                "sum": 100,
                "min_site": "s0",
                "max_site": "s3",
            }
        }
    }


def test_union_rows_are_the_elements_of_the_only_list_of_objects() -> None:
    union = make_aggregator("union", order=ORDER)
    value = {"folderName": "/", "folders": ["x"], "services": [{"n": 1}, {"n": 2}]}
    assert union.report(folded(union, [("s0", value)])) == {
        "rows": [{"site": "s0", "row": {"n": 1}}, {"site": "s0", "row": {"n": 2}}]
    }
