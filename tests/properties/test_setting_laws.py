"""Settings of services: what is changed, what never is, and the differences that people are shown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.bulk.portable import carried, carried_over
from fleet.bulk.settings import Edits, SettingRefused, differences, edited
from fleet.errors import UsageError

names = st.text("abcdefgh", min_size=1, max_size=6)
values = st.one_of(st.integers(0, 9999), st.booleans(), st.text("xyz0123 ", max_size=5))
extensions = st.lists(
    st.fixed_dictionaries(
        {
            "typeName": st.sampled_from(["KmlServer", "WMSServer", "FeatureServer"]),
            "enabled": st.sampled_from(["true", "false", True, False]),
            "capabilities": st.one_of(st.none(), st.text("ab,", max_size=4)),
            "properties": st.dictionaries(names, st.text("xyz", max_size=3), max_size=2),
        }
    ),
    max_size=3,
    unique_by=lambda one: str(one["typeName"]),
)


@st.composite
def definitions(draw: st.DrawFn) -> dict[str, Any]:
    return {
        **draw(st.dictionaries(names, values, max_size=5)),
        "minInstancesPerNode": draw(st.integers(0, 3)),
        "maxInstancesPerNode": draw(st.integers(3, 9)),
        "properties": draw(st.dictionaries(names, st.text("xyz1", max_size=4), max_size=4)),
        "extensions": draw(extensions),
    }


@given(definitions())
def test_what_is_set_to_what_it_is_changes_nothing(definition: dict[str, Any]) -> None:
    texts = []
    for name, value in definition.items():
        if not isinstance(value, dict | list):
            texts.append((name, str(value).lower() if isinstance(value, bool) else str(value)))
    texts += [(f"properties.{name}", value) for name, value in definition["properties"].items()]

    new = edited(definition, Edits(settings=tuple(texts)))

    assert new == definition
    assert [type(value) for value in new.values()] == [type(value) for value in definition.values()]
    assert differences(definition, new) == ({}, {})


@given(definitions(), st.data())
def test_only_what_is_named_changes_and_keeps_its_type(definition: dict[str, Any], data: st.DataObject) -> None:
    paths = ["minInstancesPerNode", *(f"properties.{name}" for name in definition["properties"])]
    path = data.draw(st.sampled_from(paths))
    before = str(definition)

    new = edited(definition, Edits(settings=((path, "3"),)))

    assert str(definition) == before
    old_told, new_told = differences(definition, new)
    assert old_told.keys() == new_told.keys() <= {path}
    if path == "minInstancesPerNode":
        assert new["minInstancesPerNode"] == 3
        assert type(new["minInstancesPerNode"]) is int
    else:
        assert new["properties"][path.removeprefix("properties.")] == "3"


@given(definitions(), st.data())
def test_a_switch_there_and_back_gives_the_definition_again(definition: dict[str, Any], data: st.DataObject) -> None:
    if not definition["extensions"]:
        return
    one = data.draw(st.sampled_from(definition["extensions"]))
    name = one["typeName"].lower()
    on = one["enabled"] in ("true", True)
    there = Edits(disable=(name,)) if on else Edits(enable=(name,))
    back = Edits(enable=(name,)) if on else Edits(disable=(name,))

    changed = edited(definition, there)

    assert changed != definition
    assert edited(changed, back) == definition


@given(definitions(), st.integers(4, 99))
def test_more_at_least_than_at_most_is_refused(definition: dict[str, Any], most: int) -> None:
    too_many = str(definition["maxInstancesPerNode"] + most)
    with pytest.raises(SettingRefused, match="set both"):
        edited(definition, Edits(settings=(("minInstancesPerNode", too_many),)))
    both = (("minInstancesPerNode", too_many), ("maxInstancesPerNode", too_many))
    assert edited(definition, Edits(settings=both))["minInstancesPerNode"] == int(too_many)


SOME = {
    "minInstancesPerNode": 1,
    "maxInstancesPerNode": 2,
    "maxIdleTime": "1800",
    "private": False,
    "capabilities": "Map,Query",
    "properties": {"maxRecordCount": "1000", "a.b": "x"},
    "extensions": [{"typeName": "KmlServer", "enabled": "true", "capabilities": None, "properties": {"mode": "1"}}],
}


@pytest.mark.parametrize(
    ("edits", "told"),
    [
        (Edits(settings=(("minInstancePerNode", "2"),)), "did you mean minInstancesPerNode?"),
        (Edits(settings=(("maxRecordCount", "2"),)), "did you mean properties.maxRecordCount?"),
        (Edits(settings=(("minInstancesPerNode", "two"),)), "is a whole number"),
        (Edits(settings=(("minInstancesPerNode", "-1"),)), "less than 0"),
        (Edits(settings=(("private", "perhaps"),)), "is true or false"),
        (Edits(settings=(("properties", "x"),)), "is an object"),
        (Edits(settings=(("extensions.KmlServer", "x"),)), "--enable and --disable"),
        (Edits(enable=("KmlServe",)), "did you mean KmlServer?"),
        (Edits(enable=("WFSServer",)), "it has KmlServer; --force adds it"),
        (Edits(capabilities=(("FeatureServer", "Query"),)), "no extension FeatureServer"),
    ],
)
def test_what_can_not_be_is_refused_with_the_nearest(edits: Edits, told: str) -> None:
    with pytest.raises(SettingRefused) as refusal:
        edited(SOME, edits)
    assert told in str(refusal.value)


@pytest.mark.parametrize(
    ("edits", "path", "value"),
    [
        (Edits(settings=(("maxIdleTime", "60"),)), "maxIdleTime", "60"),
        (Edits(settings=(("properties.a.b", "y"),)), "properties.a.b", "y"),
        (Edits(settings=(("extensions.kmlserver.properties.mode", "2"),)), "extensions.KmlServer.properties.mode", "2"),
        (Edits(settings=(("properties.new", "5"),), force=True), "properties.new", "5"),
        (Edits(settings=(("properties.new.one", "5"),), force=True), "properties.new.one", "5"),
        (Edits(settings=(("keepAlive", "5"),), force=True), "keepAlive", 5),
        (Edits(disable=("KmlServer",)), "extensions.KmlServer.enabled", "false"),
        (Edits(capabilities=(("", " Map , Data"),)), "capabilities", "Map,Data"),
        (Edits(capabilities=(("KmlServer", "Separate"),)), "extensions.KmlServer.capabilities", "Separate"),
    ],
)
def test_what_is_named_is_found_and_shown_by_its_path(edits: Edits, path: str, value: Any) -> None:
    _, new = differences(SOME, edited(SOME, edits))
    assert new == {path: value}


def test_what_no_edit_may_touch_is_a_usage_error() -> None:
    for path in ("serviceName", "type", "configuredState", "", "a..b"):
        with pytest.raises(UsageError):
            Edits(settings=((path, "x"),))
    with pytest.raises(UsageError, match="at once"):
        Edits(enable=("KmlServer",), disable=("kmlserver",))


@given(definitions())
def test_a_definition_carried_over_to_itself_stays_as_it_is(definition: dict[str, Any]) -> None:
    assert carried_over(definition, definition, carried()) == definition


@given(definitions(), definitions())
def test_what_is_carried_over_once_is_not_carried_over_again(old: dict[str, Any], source: dict[str, Any]) -> None:
    once = carried_over(old, source, carried())
    assert carried_over(once, source, carried()) == once


@given(definitions(), definitions(), st.sampled_from(["minInstancesPerNode", "properties", "extensions.KmlServer"]))
def test_only_what_is_named_is_carried_over(old: dict[str, Any], source: dict[str, Any], only: str) -> None:
    before, after = differences(old, carried_over(old, source, carried((only,))))
    # An empty list of extensions is no longer one when the first comes into it.
    named = [path for path in before | after if not (path == "extensions" and not old["extensions"])]
    assert all(path == only or path.startswith(f"{only}.") or only == "properties" for path in named)


def test_what_is_a_sites_own_is_not_carried_over() -> None:
    old = {"clusterName": "a", "properties": {"filePath": "/a", "outputDir": "/a", "portalURL": "a", "maxImage": "1"}}
    source = {
        "clusterName": "b",
        "properties": {"filePath": "/b", "outputDir": "/b", "portalURL": "b", "maxImage": "2"},
    }
    assert carried_over(old, source, carried()) == {**old, "properties": {**old["properties"], "maxImage": "2"}}
    assert carried_over(old, source, carried(("properties.filePath",)))["properties"]["filePath"] == "/b"
