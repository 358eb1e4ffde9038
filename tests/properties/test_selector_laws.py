"""Selectors are a Boolean algebra over the sites of an inventory, and parsing is the inverse of printing."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.errors import SelectorError
from fleet.inventory.model import Group, Inventory, Site
from fleet.inventory.selectors import (
    All,
    And,
    FromFile,
    Glob,
    Label,
    LastRun,
    Name,
    Not,
    Or,
    Range,
    Selector,
    parse,
    select,
)

NAMES = [f"gis-{number:02d}" for number in range(1, 9)] + ["oslo", "bergen"]
SITES = {
    name: Site(
        name=name,
        url=f"https://{name}.example.com",
        groups=("prod",) if place % 2 else ("test",),
        labels={"region": "north east" if place % 3 else "south"},
    )
    for place, name in enumerate(NAMES)
}
INVENTORY = Inventory(sites=SITES, groups={"prod": Group(name="prod"), "test": Group(name="test")})
LAST = {name: ("ok", "timeout", "changed", "not_run")[place % 4] for place, name in enumerate(NAMES)}

terms = st.one_of(
    st.just(All()),
    st.sampled_from([Name(name) for name in [*NAMES, "prod", "test"]]),
    st.sampled_from([Glob("gis-*"), Glob("*o*"), Glob("gis-0?")]),
    st.sampled_from([Range("gis-[01-04]"), Range("gis-[02,05-06]")]),
    st.builds(Label, st.just("region"), st.sampled_from(["north east", "south", 'a"b\\c']), st.booleans()),
    st.sampled_from([LastRun("failed"), LastRun("timeout"), LastRun("ok")]),
    st.builds(FromFile, st.sampled_from(["names.txt", "a b.txt"])),
)
selectors: st.SearchStrategy[Selector] = st.recursive(
    terms,
    lambda inner: st.builds(Not, inner) | st.builds(And, inner, inner) | st.builds(Or, inner, inner),
    max_leaves=8,
)


def picked(selector: Selector) -> set[str]:
    return set(
        select(
            selector,
            INVENTORY,
            last_run=lambda: LAST,
            read_file=lambda path: "oslo # home\n\nbergen\n",
            allow_empty=True,
        )
    )


@given(selectors)
def test_parse_is_the_inverse_of_print(selector: Selector) -> None:
    assert parse(str(selector)) == selector


@given(selectors, selectors)
def test_operators_are_those_of_sets(left: Selector, right: Selector) -> None:
    everything = set(NAMES)
    assert picked(And(left, right)) == picked(left) & picked(right)
    assert picked(Or(left, right)) == picked(left) | picked(right)
    assert picked(Not(left)) == everything - picked(left)
    assert picked(Not(And(left, right))) == picked(Or(Not(left), Not(right)))


@given(st.text(max_size=40))
def test_any_text_is_a_selector_or_a_selector_error(text: str) -> None:
    with contextlib.suppress(SelectorError):
        parse(text)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("a or b and not c", "a or (b and (not c))"),
        ("!a & b , c", "((not a) and b) or c"),
        ("region='x'", None),
        ("(a", None),
        ("a b", None),
        ("@faild", None),
        ("gis[9-1]", None),
        ("", None),
    ],
)
def test_precedence_and_mistakes(text: str, same: str | None) -> None:
    if same is None:
        with pytest.raises(SelectorError):
            parse(text)
    else:
        assert parse(text) == parse(same)


def test_what_matches_nothing_is_an_error_with_the_nearest_name() -> None:
    for text, near in (
        ("oslq", "oslo"),
        ("prood", "prod"),
        ("regin=south", "region"),
        ("gis-9*", "matches no site"),
        ("gis-[50-60]", "matches no site"),
    ):
        with pytest.raises(SelectorError, match=near):
            select(parse(text), INVENTORY)
        assert select(parse(text), INVENTORY, allow_empty=True) == {}


def test_order_is_the_inventory_s_and_each_site_has_its_reason() -> None:
    found = select(parse("oslo or gis-[01-02]"), INVENTORY)
    assert list(found) == ["gis-01", "gis-02", "oslo"]
    assert found["oslo"] == "oslo"
