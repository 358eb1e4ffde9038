"""Conditions on rows: printing and parsing are inverse, and logic is logic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.aggregate.where import And, Compare, Not, Or, Where, fields_of, matches, parse, require_fields
from fleet.errors import UsageError

FIELDS = st.sampled_from(["service", "max", "busy", "realTimeState", "properties.maxRecordCount", "odd name", "and"])
VALUES = st.one_of(st.text(max_size=12), st.sampled_from(["STARTED", "5", "1e3", "Hy*", "a?c", "", "not", "true"]))
TERMS = st.builds(
    Compare,
    FIELDS,
    st.sampled_from(["=", "!=", "<", "<=", ">", ">="]),
    VALUES,
    st.just(True),
)


def _combined(inner: st.SearchStrategy[Where]) -> st.SearchStrategy[Where]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(st.builds(Not, inner), st.builds(And, several), st.builds(Or, several))


CONDITIONS: st.SearchStrategy[Where] = st.recursive(TERMS, _combined, max_leaves=6)
CELLS = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.floats(allow_nan=False), VALUES)
ROWS = st.dictionaries(FIELDS, CELLS)


@given(CONDITIONS, ROWS)
def test_what_is_printed_is_parsed_back_to_the_same_judgement(where: Where, row: dict[str, object]) -> None:
    again = parse(str(where))

    assert matches(again, row) == matches(where, row)
    assert str(parse(str(again))) == str(again)
    assert fields_of(again) == fields_of(where)


@given(CONDITIONS, CONDITIONS, ROWS)
def test_the_operators_are_those_of_logic(one: Where, other: Where, row: dict[str, object]) -> None:
    assert matches(And((one, other)), row) == (matches(one, row) and matches(other, row))
    assert matches(Not(Or((one, other))), row) == matches(And((Not(one), Not(other))), row)


@given(st.text(max_size=40))
def test_any_text_is_a_condition_or_a_mistake(text: str) -> None:
    try:
        where = parse(text)
    except UsageError as mistake:
        assert str(mistake).startswith("--where, character ")
    else:
        assert isinstance(matches(where, {}), bool)


@given(FIELDS, CELLS, VALUES)
def test_of_less_equal_and_more_at_most_one_is_so(field: str, cell: object, value: str) -> None:
    less, same, more = (matches(Compare(field, sign, value, True), {field: cell}) for sign in ("<", "=", ">"))  # type: ignore[arg-type]

    assert less + more + (same and not less and not more) <= 1
    assert matches(Compare(field, "<=", value, True), {field: cell}) >= less
    assert matches(Compare(field, "!=", value, True), {field: cell}) is not same


ROW = {"service": "Planning/Hydrants.MapServer", "max": "10", "busy": 2, "private": False, "properties": {"n": "1000"}}


@pytest.mark.parametrize(
    "text",
    [
        "service=planning/*",
        "service=planning/hydrants.mapserver and max>9",
        "max>=10, busy=7",
        "not busy>2 & max=10.0",
        "private=false",
        "properties.n<2000",
        "gone=''",
        "gone!=x",
        "service != 'Planning/*'",
    ],
)
def test_rows_that_fit(text: str) -> None:
    assert matches(parse(text), ROW)


@pytest.mark.parametrize("text", ["max<9", "gone=x", "gone>1", "busy>abc", "not (busy=2)", "service='planning/*'"])
def test_rows_that_do_not_fit(text: str) -> None:
    assert not matches(parse(text), ROW)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("max", "character 4: behind 'max' one of = != < <= > >= is missing"),
        ("max>", "character 5: a value is missing behind max>"),
        ("(max=1", "character 7: a closing parenthesis is missing"),
        ("max=1 busy=2", "character 7: 'busy' is not expected"),
        ("max='1", "character 5: a quotation mark is not closed"),
        ("", "character 1: the name of a field is missing"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(UsageError) as mistake:
        parse(text)

    assert told in str(mistake.value)


def test_a_field_that_there_is_not_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean configuredState"):
        require_fields(parse("configuredstat=STARTED"), ["service", "configuredState"])
    require_fields(parse("properties.any=1 and service=x"), ["service", "properties"])
