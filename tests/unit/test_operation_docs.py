"""Each operation says what its caller must know: parameters, units, errors, and the page that it was read on."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from fleet import errors, ops
from fleet.admin.operation import Operation
from fleet.errors import SiteError

SOURCE = re.compile(r"Source: developers\.arcgis\.com/rest/[a-z-]+/[a-z]+/[a-z-]+\Z")
UNITS = ("milliseconds", "seconds", "days", "records")
ARGUMENTS: dict[str, Any] = {"definition": {"minInstancesPerNode": 1}, "wanted": "EDITABLE"}
"""What some parameters take; any other takes `Roads.MapServer`."""


def operations() -> Iterator[tuple[str, Callable[..., Operation[Any]]]]:
    for room in ops.__all__:
        module: ModuleType = getattr(ops, room)
        for name in module.__all__:
            function = getattr(module, name)
            if inspect.isfunction(function) and "Operation" in str(inspect.signature(function).return_annotation):
                yield f"{room}.{name}", function


EVERY = dict(operations())


def test_no_module_hides_an_operation() -> None:
    for room in ops.__all__:
        module = getattr(ops, room)
        own = [
            name
            for name, function in vars(module).items()
            if inspect.isfunction(function)
            and function.__module__ == module.__name__
            and not name.startswith("_")
            and "Operation" in str(inspect.signature(function).return_annotation)
        ]
        assert [name for name in own if name not in module.__all__] == []
    assert len(EVERY) > 20


@pytest.mark.parametrize("name", EVERY)
def test_an_operation_says_its_parameters_units_errors_and_source(name: str) -> None:
    function = EVERY[name]
    told = inspect.getdoc(function) or ""
    assert SOURCE.search(told), "the page that it was read on, as the last line"
    raised = re.search(r"^Raises, when called: (.+?)\.\nSource:", told, re.MULTILINE | re.DOTALL)
    assert raised, "the errors, in the paragraph before the source"
    kinds = re.findall(r"`(\w+)`", raised[1])
    assert kinds
    assert [kind for kind in kinds if not issubclass(getattr(errors, kind), SiteError)] == []
    for parameter in inspect.signature(function).parameters.values():
        assert f"*{parameter.name}*" in told
        if "int" in str(parameter.annotation) or "float" in str(parameter.annotation):
            assert any(unit in told for unit in UNITS), parameter.name
    operation = made(function)
    if operation.limit:
        assert f"{operation.limit:g} s" in told, "how long one attempt may take"
    if operation.changes:
        assert "Done when" in told, "how it is seen that it was done"
        assert {"VerifyFailed", "FateUnknown", "Locked"} <= set(kinds)
    if operation.since != "10.1":
        assert f"ince {operation.since}" in told


def made(function: Callable[..., Operation[Any]]) -> Operation[Any]:
    needed = [p.name for p in inspect.signature(function).parameters.values() if p.default is inspect.Parameter.empty]
    return function(**{name: ARGUMENTS.get(name, "Roads.MapServer") for name in needed})
