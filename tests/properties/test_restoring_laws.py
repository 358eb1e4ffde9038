"""What a journal keeps of an operation is that operation and no secret; setting back touches only what was altered."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fleet import admin as ops
from fleet.admin.operation import Operation
from fleet.bulk.settings import differences
from fleet.protocol.secret_names import MASK
from fleet.rollout.restoring import kept, needs_refill, operation_of
from fleet.rollout.setting_back import set_back
from tests.judged import JUDGED

SECRET = "Bergen-sommer-1994"
SECRET_NAMES = ["password", "newPassword", "sharedKey", "client_secret", "connectionPassword"]


@given(judged=st.sampled_from(JUDGED))
def test_what_was_kept_is_the_same_operation(judged: tuple[Operation[Any], Any, Any]) -> None:
    operation, honest, _ = judged
    told = kept(operation)
    again = operation_of(json.loads(json.dumps(told)))

    assert (again.method, again.path, again.effect, again.idempotent) == (
        operation.method,
        operation.path,
        operation.effect,
        operation.idempotent,
    )
    assert bool(operation.files) == bool(told.get("files"))
    if not needs_refill(told):
        assert dict(again.parameters) == dict(operation.parameters)
        assert operation.read_back is not None
        assert again.read_back is not None
        assert again.read_back.look.path == operation.read_back.look.path
        assert again.read_back.look.parameters == operation.read_back.look.parameters
        assert again.read_back.whole == operation.read_back.whole
        assert again.read_back.done(copy.deepcopy(honest)) == operation.read_back.done(copy.deepcopy(honest))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(rest=st.dictionaries(st.sampled_from(["min", "max", "properties", "datasets"]), values), data=st.data())
@settings(max_examples=200)
def test_no_secret_is_kept(rest: dict[str, Any], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(SECRET_NAMES))
    place = data.draw(st.sampled_from(["parameter", "member", "connection", "deep"]))
    definition: dict[str, Any] = dict(rest)
    if place == "member":
        definition[name] = SECRET
    elif place == "deep":
        definition["extensions"] = [{"typeName": "WMSServer", "properties": {name: SECRET}}]
    elif place == "connection":
        definition["connection"] = f"SERVER=db;USER=gis;PASSWORD={SECRET};VERSION=sde"
    operation = ops.services.edit("Planning/Roads.MapServer", definition)
    if place == "parameter":
        operation = operation.with_parameters(**{name: SECRET})
    told = kept(operation)

    assert SECRET not in json.dumps(told)
    assert MASK in json.dumps(told)
    assert needs_refill(told)


@given(rest=st.dictionaries(st.text(min_size=1, max_size=4), values, max_size=4))
def test_a_live_secret_of_any_name_is_not_kept(rest: dict[str, Any]) -> None:
    operation = ops.services.edit("Roads.MapServer", {**rest, "note": f'he said "{SECRET}"'})
    told = kept(operation, mask=lambda text: text.replace(SECRET, MASK))

    assert SECRET not in json.dumps(told)
    assert told["masked"] == ["service"]


settings_of_a_service = st.fixed_dictionaries(
    {},
    optional={
        "minInstancesPerNode": st.integers(0, 3),
        "maxInstancesPerNode": st.integers(3, 6),
        "properties": st.dictionaries(st.sampled_from(["a", "b.c", "d"]), st.sampled_from(["1", "2", "x"])),
        "extensions": st.lists(
            st.fixed_dictionaries(
                {"typeName": st.sampled_from(["W", "K", "F"]), "enabled": st.sampled_from(["true", "false"])}
            ),
            max_size=3,
            unique_by=lambda one: one["typeName"],
        ),
    },
)


@given(old=settings_of_a_service, left=settings_of_a_service)
def test_what_nobody_touched_since_is_as_it_was(old: dict[str, Any], left: dict[str, Any]) -> None:
    back, conflicts = set_back(old, left, left)

    assert conflicts == ()
    assert differences(back, old) == ({}, {})


@given(old=settings_of_a_service, left=settings_of_a_service)
def test_what_is_back_already_stays(old: dict[str, Any], left: dict[str, Any]) -> None:
    assert set_back(old, left, old) == (old, ())


@given(old=settings_of_a_service, left=settings_of_a_service, note=st.text(max_size=5))
def test_what_somebody_else_set_since_stays(old: dict[str, Any], left: dict[str, Any], note: str) -> None:
    back, conflicts = set_back(old, left, {**left, "description": note})

    assert conflicts == ()
    assert back.pop("description") == note
    assert differences(back, old) == ({}, {})


def test_what_somebody_else_changed_too_is_a_conflict_with_all_three_values() -> None:
    back, (conflict,) = set_back({"min": 1, "max": 2}, {"min": 3, "max": 4}, {"min": 3, "max": 9})

    assert (conflict.path, conflict.left, conflict.present, conflict.old) == ("max", 4, 9, 2)
    assert back == {"min": 1, "max": 2}


def test_a_number_that_a_site_writes_as_a_text_is_no_conflict() -> None:
    assert set_back({"min": 1}, {"min": 3}, {"min": "3"}) == ({"min": 1}, ())


def test_a_secret_that_a_change_altered_is_told_to_be_lost() -> None:
    old = ops.services.edit("Roads.MapServer", {"min": 1, "properties": {"password": "before", "user": "gis"}})
    new = ops.services.edit("Roads.MapServer", {"min": 2, "properties": {"password": SECRET, "user": "gis"}})
    same = ops.services.edit("Roads.MapServer", {"min": 2, "properties": {"password": "before", "user": "gis"}})

    assert kept(old, beside=new)["lost"] == ["properties.password"]
    assert "lost" not in kept(old, beside=same)
