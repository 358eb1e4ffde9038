"""A JMESPath expression that no value could fit is a mistake of the command, told before anything is sent."""

from __future__ import annotations

import pytest

from fleet.aggregate import compile_query
from fleet.errors import UsageError


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a[[", "no JMESPath expression"),
        ("foo(@)", r"no such function"),
        ("a[?lengthy(b) > `1`]", r"did you mean length\(\)"),
        ("length(a, b)", "2 arguments, and it takes 1"),
        ("map(&length(@, @), a)", "2 arguments, and it takes 1"),
        ("merge()", "takes at least 1"),
    ],
)
def test_an_expression_that_can_never_succeed_is_refused(text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        compile_query(text)


@pytest.mark.parametrize(
    ("text", "value", "found"),
    [
        ("fullVersion", {"fullVersion": "11.3"}, "11.3"),
        ("merge(a, b, a)", {"a": {"x": 1}, "b": {"y": 2}}, {"x": 1, "y": 2}),
        ("sort_by(s, &n)[].n", {"s": [{"n": 2}, {"n": 1}]}, [1, 2]),
        ("not_null(a, `3`)", {}, 3),
    ],
)
def test_an_expression_that_fits_gives_its_result(text: str, value: object, found: object) -> None:
    assert compile_query(text)(value) == found


@pytest.mark.parametrize("text", ["sum(a)", "to_number('inf')", "[to_number('nan')]", "{a: `1e999`}", "abs(a)"])
def test_what_does_not_fit_a_value_or_is_no_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        compile_query(text)({"a": ["x"]})
