"""Whatever a site says of a change, it is done, not done, or not to be told; whatever is typed, it is taken or refused."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.admin.catalogue import catalogue, operation_for
from fleet.admin.checking import known_names, unknown_names, wrong_values
from fleet.admin.operation import Operation
from fleet.errors import SiteError
from tests.judged import JUDGED

WORDS = ["", "a", "/", "..", "STARTED", "true", "1", "Planning", "Roads", "MapServer", "\x1b[2J", "9" * 30]
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(WORDS)


def junk(keys: list[str]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(keys), inner, max_size=4),
        max_leaves=8,
    )


def keys_of(value: Any) -> set[str]:
    if isinstance(value, dict):
        return {str(key) for key in value}.union(*map(keys_of, value.values()))
    return set().union(*map(keys_of, value)) if isinstance(value, list) else set()


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(place for key, below in inner for place in places(below, (*here, key)))]


ALL = sorted(set().union(*(keys_of(answer) for _, answer, _ in JUDGED)) | {"hasMore"})
JUNK = junk(ALL)


@given(data=st.data())
@settings(max_examples=400)
def test_any_answer_is_judged(data: st.DataObject) -> None:
    operation, honest, _ = data.draw(st.sampled_from(JUDGED))
    assert operation.read_back is not None
    answer = copy.deepcopy(honest)
    for _ in range(data.draw(st.integers(0, 2))):
        *above, last = data.draw(st.sampled_from([place for place in places(answer) if place] or [("hasMore",)]))
        target = answer
        for key in above:
            target = target[key]
        target[last] = data.draw(JUNK)
    try:
        verdict = operation.read_back.done(answer)
    except SiteError:
        return
    assert verdict in (True, False, None)


@given(data=st.data())
def test_any_parameters_make_an_operation(data: st.DataObject) -> None:
    entry = data.draw(st.sampled_from([one for one in catalogue().entries if "exchange" not in one.name]))
    value = st.text(max_size=20) | JUNK.map(json.dumps)
    form = {one.name: data.draw(value) for one in entry.params if data.draw(st.booleans())}
    path = entry.full_path
    for name in ("<folder>/<name>.<type>", "<name>.<type>", "<folder>/<name>.GPServer"):
        path = path.replace(name, "Roads.GPServer" if "GPServer" in name else "Roads.MapServer")
    while "<" in path:
        path = f"{path[: path.index('<')]}x{path[path.index('>') + 1 :]}"
    operation, _ = operation_for(path, method=entry.method, parameters=form, portal=entry.base == "portal")
    assert isinstance(operation, Operation)
    if operation.read_back is not None:
        assert not operation.read_back.look.changes


@given(data=st.data())
def test_what_is_wrong_is_said_without_the_value(data: st.DataObject) -> None:
    entry = data.draw(st.sampled_from([one for one in catalogue().entries if one.params]))
    form = {one.name: data.draw(st.text(min_size=1, max_size=30)) for one in entry.params}
    for sentence in wrong_values(entry, form):
        assert sentence.startswith(f"{entry.name}: ")
    secret = {one.name: "hidden\n\x1b[31mvalue" for one in entry.params}
    assert not any("hidden" in sentence for sentence in wrong_values(entry, secret))


@given(data=st.data())
def test_the_catalogue_s_own_values_are_never_wrong(data: st.DataObject) -> None:
    entry = data.draw(st.sampled_from([one for one in catalogue().entries if one.params]))
    form = {}
    for one in entry.params:
        values = [str(value) for value in one.values]
        if one.type == "boolean":
            values = ["true", "false"]
        elif one.type == "json array":
            values = ["[]", '["status"]']
        elif one.type == "json":
            values = ["{}", '{"a": [1]}']
        elif one.type == "int":
            values = ["0", "-1", "30"]
        elif one.type.startswith("epoch"):
            values = ["0", "1767225599120", "2026-11-23T10:15:00", "2026-11-23T10:15:00,123"]
        form[one.name] = data.draw(st.sampled_from(values or ["any text"]))
    assert wrong_values(entry, form) == []
    assert unknown_names(entry, form) == []
    shouted = {name.upper(): value for name, value in form.items()}
    assert known_names(entry, shouted) == form
