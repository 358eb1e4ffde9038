"""Comparisons: a thing with itself is the same, differences lead from old to new, and no order of sites matters."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fleet.aggregate.compare import Comparison, Sheet, Traits, compare_pairs, compare_sites, explain
from fleet.aggregate.flat import applied, flatten, same, steps, unflatten
from fleet.snapshots.sheets import Masking, SheetBuilder

names = st.sampled_from(
    [
        "a",
        "b/c",
        "d~e",
        "name",
        "",
        "guid",
        "GUID",
        "oslo-a.example.com",
        "x oslo-a.example.com:6443 y",
        "oſlo-a.example.com",
    ]
)
leaves = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "true", "TRUE", "1", "01", "x", "y"]) | names
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=12,
)
objects = st.dictionaries(names, values, max_size=4)
items = st.sampled_from([("services", "Roads.MapServer"), ("services", "A/B.GPServer"), ("site", "mode")])
sheets = st.builds(
    lambda found, blind: Sheet(
        items={item: flatten(value) for item, value in found.items() if item not in blind}, blind=frozenset(blind)
    ),
    st.dictionaries(items, objects, max_size=3),
    st.sets(items, max_size=1),
)
sites = st.sampled_from([f"s{number}" for number in range(6)])
fleets = st.dictionaries(sites, sheets, min_size=1, max_size=6)
ORDER = {f"s{number}": number for number in range(6)}


def told(flat: dict[str, Any]) -> dict[str, bytes]:
    return {path: same(leaf) for path, leaf in flat.items()}


@given(values)
def test_a_value_is_the_same_as_itself(value: Any) -> None:
    assert steps(flatten(value), flatten(value)) == []


@given(objects)
def test_a_flat_map_becomes_the_same_map_again(value: dict[str, Any]) -> None:
    flat = flatten(value)
    assert flatten(unflatten(flat)) == flat


@given(values, values)
def test_the_differences_applied_to_the_old_give_the_new(old: Any, new: Any) -> None:
    before, after = flatten(old), flatten(new)
    assert told(applied(before, steps(before, after))) == told(after)


@given(objects, st.booleans(), st.lists(st.sampled_from(["a", "/services/*/d~0e", "*.name"]), max_size=2))
def test_masking_twice_is_masking_once(value: dict[str, Any], between: bool, patterns: list[str]) -> None:
    builder = SheetBuilder(Masking(between=between, patterns=patterns), ("services",))
    url = "https://oslo-a.example.com/arcgis"
    (once,) = builder.sheet({"services/definition/X.MapServer": value}, url=url).items.values()
    (twice,) = builder.sheet({"services/definition/X.MapServer": unflatten(once)}, url=url).items.values()
    assert twice == once
    if between:
        assert "oslo-a" not in repr(once).lower()
        assert not [path for path in once if path.lower().rpartition("/")[2] == "guid"]


@given(fleets)
def test_sites_that_are_alike_do_not_differ(fleet: dict[str, Sheet]) -> None:
    one = next(iter(fleet.values()))
    assert not compare_sites(dict.fromkeys(fleet, one), ORDER).differs
    assert not compare_pairs(fleet, fleet, ORDER, name="x").differs


def of_item(comparison: Comparison) -> dict[tuple[str, str], Any]:
    return {(item.what, item.item): item for item in comparison.items}


@given(fleets, st.permutations(sorted(ORDER)))
def test_the_order_in_which_sites_come_does_not_matter(fleet: dict[str, Sheet], order: list[str]) -> None:
    again = {site: fleet[site] for site in order if site in fleet}
    assert compare_sites(again, ORDER) == compare_sites(fleet, ORDER)
    assert compare_pairs(again, fleet, ORDER, name="x") == compare_pairs(fleet, fleet, ORDER, name="x")


@given(fleets, st.booleans())
def test_the_reference_and_the_differences_of_a_site_are_what_the_site_has(
    fleet: dict[str, Sheet], majority: bool
) -> None:
    baseline = None if majority else sorted(fleet)[0]
    comparison = compare_sites(fleet, ORDER, baseline=baseline)
    for (what, name), diff in of_item(comparison).items():
        known = {site for site, sheet in fleet.items() if sheet.knows((what, name))}
        assert sorted([*diff.agree, *(site for gap in diff.gaps for site in gap.sites)]) == sorted(known), "each once"
        assert baseline is None or baseline in diff.agree
        for gap in diff.gaps:
            for site in gap.sites:
                mine = fleet[site].items.get((what, name))
                if (
                    gap.steps[0]["path"] == ""
                    and gap.steps[0]["op"] == "remove"
                    and len(gap.steps) == 1
                    and mine is None
                ):
                    assert unflatten(diff.reference or {}) == gap.steps[0]["old"]
                elif diff.reference is None:
                    assert flatten(gap.steps[0]["new"]) == mine
                else:
                    assert mine is not None
                    assert told(applied(diff.reference, [dict(step) for step in gap.steps])) == told(dict(mine))


@given(fleets)
def test_no_property_has_more_sites_behind_it_than_the_reference(fleet: dict[str, Sheet]) -> None:
    for (what, name), diff in of_item(compare_sites(fleet, ORDER)).items():
        present = [sheet.items[(what, name)] for sheet in fleet.values() if (what, name) in sheet.items]
        absent = [sheet for sheet in fleet.values() if sheet.knows((what, name)) and (what, name) not in sheet.items]
        if diff.reference is None:
            assert len(absent) > len(present)
            continue
        assert len(present) >= len(absent)
        for path in {path for flat in present for path in flat}:
            votes = [same(flat[path]) if path in flat else None for flat in present]
            mine = same(diff.reference[path]) if path in diff.reference else None
            assert votes.count(mine) == max(map(votes.count, votes))


@given(st.dictionaries(sites, st.sampled_from(["10.9.1", "11.3"]), min_size=2), st.sets(sites, min_size=1))
def test_an_explanation_is_exact_or_there_is_none(releases: dict[str, str], picked: set[str]) -> None:
    everybody = frozenset(releases)
    some = frozenset(picked) & everybody
    found = explain(some, everybody, {site: Traits(release=release) for site, release in releases.items()})
    if found is None:
        held = {releases[site] for site in some}
        assert len(held) != 1 or {site for site in releases if releases[site] in held} != some or some == everybody
    else:
        assert {site for site, release in releases.items() if release == found["value"]} == some


def test_a_release_explains_before_a_group_and_a_group_before_a_label() -> None:
    traits = {
        "a": Traits(release="10.9.1", groups=("old", "all"), labels={"tier": "dev"}),
        "b": Traits(release="10.9.1", groups=("old", "all"), labels={"tier": "dev"}),
        "c": Traits(release="11.3", groups=("all",), labels={"tier": "prod"}),
        "d": Traits(release="11.3", groups=("all",), labels={"tier": "prod"}),
    }
    everybody = frozenset(traits)
    assert explain(frozenset("ab"), everybody, traits) == {"by": "release", "key": "release", "value": "10.9.1"}
    for site in traits:
        traits[site] = Traits(groups=traits[site].groups, labels=traits[site].labels)
    assert explain(frozenset("ab"), everybody, traits) == {"by": "group", "key": "group", "value": "old"}
    assert explain(frozenset("cd"), everybody, traits) == {"by": "label", "key": "tier", "value": "prod"}
    assert explain(frozenset("a"), everybody, traits) is None
    assert explain(everybody, everybody, traits) is None


def test_a_single_site_is_explained_only_where_the_others_have_one_thing_in_common() -> None:
    three = {name: Traits(labels={"city": name}) for name in ("oslo", "bergen", "narvik")}
    assert explain(frozenset({"oslo"}), frozenset(three), three) is None
    two = {**three, "bergen": Traits(labels={"city": "narvik"})}
    assert explain(frozenset({"oslo"}), frozenset(two), two) == {"by": "label", "key": "city", "value": "oslo"}


def test_things_in_a_list_are_compared_by_name_and_not_by_place() -> None:
    old = {"extensions": [{"typeName": "KmlServer", "enabled": "true"}, {"typeName": "WMSServer", "enabled": "false"}]}
    new = {"extensions": [{"typeName": "WMSServer", "enabled": "true"}, {"typeName": "KmlServer", "enabled": True}]}
    assert steps(flatten(old), flatten(new)) == [
        {"op": "change", "path": "/extensions/WMSServer/enabled", "old": "false", "new": "true"}
    ]
