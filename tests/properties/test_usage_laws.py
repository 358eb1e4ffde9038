"""Usage adds up the same in whatever order and grouping it comes."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from fleet.aggregate.usage import AVERAGES, GREATEST, METRICS, Total, totals

slices = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 1000)), max_size=20)


def added(metric: str, numbers: list[tuple[int, int]]) -> Total:
    total = Total(metric)
    for number, requests in numbers:
        total.add(number, requests)
    return total


@given(st.sampled_from(METRICS), slices, st.data())
def test_any_grouping_comes_to_the_same(metric: str, numbers: list[tuple[int, int]], data: st.DataObject) -> None:
    whole = added(metric, numbers).value
    shuffled = data.draw(st.permutations(numbers))
    cut = data.draw(st.integers(0, len(numbers)))
    left, right = added(metric, shuffled[:cut]), added(metric, shuffled[cut:])
    left.merge(right)

    assert left.value == whole or math.isclose(left.value or 0, whole or 0, rel_tol=1e-6)


@given(slices)
def test_an_average_lies_between_and_is_weighted_by_requests(numbers: list[tuple[int, int]]) -> None:
    value = added(AVERAGES[0], numbers).value
    asked = [(number, requests) for number, requests in numbers if requests]
    if not asked:
        assert value is None
        return
    expected = sum(number * requests for number, requests in asked) / sum(requests for _, requests in asked)
    assert value is not None
    assert math.isclose(value, expected, rel_tol=1e-6, abs_tol=1e-6)
    assert min(number for number, _ in asked) - 1e-6 <= value <= max(number for number, _ in asked) + 1e-6


@given(slices)
def test_the_greatest_is_the_greatest(numbers: list[tuple[int, int]]) -> None:
    assert added(GREATEST[0], numbers).value == max((number for number, _ in numbers), default=None)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.integers(0, 100)), max_size=20))
def test_rows_by_fewer_keys_add_up_to_those_by_more(entries: list[tuple[str, str, int]]) -> None:
    told = [
        ({"site": site, "service": name}, {"RequestCount": added("RequestCount", [(count, 1)])})
        for site, name, count in entries
    ]

    fine = totals(told, ["site", "service"], ["RequestCount"])
    coarse = totals(told, ["service"], ["RequestCount"])

    for row in coarse:
        parts = [one["RequestCount"] for one in fine if one["service"] == row["service"]]
        assert row["RequestCount"] == sum(parts)
