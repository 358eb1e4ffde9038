"""Selectors are a Boolean algebra over the sites of an inventory, and parsing is the inverse of printing."""

from __future__ import annotations

import contextlib
import re

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
FILE = "oslo # home\n\nbergen\n"
LAST = {name: ("ok", "timeout", "changed", "not_run")[place % 4] for place, name in enumerate(NAMES)}

terms = st.one_of(
    st.just(All()),
    st.sampled_from([Name(name) for name in [*NAMES, "prod", "test"]]),
    st.sampled_from([Glob("gis-*"), Glob("*o*"), Glob("gis-0?")]),
    st.sampled_from([Range("gis-[01-04]"), Range("gis-[02,05-06]"), Range("g*-[1-3,07-08]"), Range("gis-0[0-4]?")]),
    st.builds(Label, st.just("region"), st.sampled_from(["north east", "south", 'a"b\\c']), st.booleans()),
    st.sampled_from([LastRun("failed"), LastRun("timeout"), LastRun("ok")]),
    st.builds(FromFile, st.sampled_from(["names.txt", "a b.txt"])),
)
selectors: st.SearchStrategy[Selector] = st.recursive(
    terms,
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(And, st.lists(inner, min_size=2, max_size=4).map(tuple))
        | st.builds(Or, st.lists(inner, min_size=2, max_size=4).map(tuple))
    ),
    max_leaves=10,
)


def picked(selector: Selector) -> set[str]:
    return set(
        select(
            selector,
            INVENTORY,
            last_run=lambda: LAST,
            read_file=lambda path: FILE,
            allow_empty=True,
        )
    )


@given(selectors)
def test_parse_is_the_inverse_of_print(selector: Selector) -> None:
    assert parse(str(selector)) == selector


@given(selectors)
def test_white_space_and_the_other_spelling_of_operators_change_nothing(selector: Selector) -> None:
    spelt = {"and": "&", "or": ",", "not": "!"}
    parts = re.findall(r'"(?:[^"\\]|\\.)*"|[^"]+', str(selector))
    other = "".join(
        part if part.startswith('"') else re.sub(r"\b(and|or|not)\b", lambda word: spelt[word[0]], part)
        for part in parts
    )
    assert parse(f"  {other}\t") == parse(f"({other})") == selector


@given(selectors, selectors, selectors)
def test_operators_are_those_of_sets(one: Selector, two: Selector, three: Selector) -> None:
    everything = set(NAMES)
    a, b, c = picked(one), picked(two), picked(three)
    assert picked(And((one, two, three))) == a & b & c
    assert picked(Or((one, two, three))) == a | b | c
    assert picked(Not(one)) == everything - a
    assert picked(Not(And((one, two)))) == picked(Or((Not(one), Not(two))))
    assert picked(And((one, Or((two, three))))) == picked(Or((And((one, two)), And((one, three)))))


@given(selectors)
def test_a_selector_without_mistakes_says_of_each_site_why_in_inventory_order(selector: Selector) -> None:
    found = select(selector, INVENTORY, last_run=lambda: LAST, read_file=lambda path: FILE, allow_empty=True)
    assert list(found) == [name for name in NAMES if name in found]
    assert all(found.values())


@given(st.text(max_size=40))
def test_any_text_is_a_selector_or_a_selector_error(text: str) -> None:
    with contextlib.suppress(SelectorError):
        parse(text)
