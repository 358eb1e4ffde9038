"""Each operation says what its caller must know: parameters, units, errors, and the page that it was read on."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fleet import errors, ops
from fleet.admin.catalogue import catalogue, operation_for
from fleet.admin.operation import Operation
from fleet.errors import SiteError
from fleet.protocol.secret_names import is_secret_name

SOURCE = re.compile(r"Source: developers\.arcgis\.com/rest/[a-z-]+/[a-z]+/[a-z-]+\Z")
UNITS = ("milliseconds", "seconds", "days", "minutes", "records", "MB", "bits", "*number* of them")
ARGUMENTS: dict[str, Any] = {
    "definition": {"serviceName": "Roads", "type": "MapServer", "minInstancesPerNode": 1},
    "wanted": "EDITABLE",
    "services": ["Planning/Roads.MapServer", "Trees.MapServer"],
    "item_info": {"title": "Roads"},
    "settings": {"logLevel": "FINE", "logDir": "/l", "maxLogFileAge": 9, "maxErrorReportsCount": 9},
    "item": {"path": "/fileShares/maps", "type": "folder", "info": {"path": "/srv"}},
    "path": "/fileShares/maps",
    "config": {"properties": {"shortTimeout": "60"}},
    "properties": {"WebContextURL": "https://x/arcgis"},
    "report": {"reportname": "day", "since": "LAST_DAY", "queries": []},
    "users": ["ops"],
    "roles": ["editors"],
    "certificate": b"bytes",
    "file": Path("roads.sd"),
    "provider": "DMaps",
    "privilege": "PUBLISH",
    "number": 1,
    "max_file_age": 10,
    "enabled": True,
    "sampling_interval": 30,
    "max_history": 0,
}
"""What some parameters take; any other takes `Roads.MapServer`."""

SPECIAL: dict[str, dict[str, Any]] = {
    "machines.edit": {"socMaxHeapSize": 128},
    "security.config_update": {"Protocol": "HTTPS"},
    "security.update_identity_store": {"users": {"type": "BUILTIN"}, "roles": {"type": "BUILTIN"}},
    "security.test_identity_store": {"users": {"type": "BUILTIN"}, "roles": {"type": "BUILTIN"}},
    "security.psa_update": {"password": "new"},
    "system.web_adaptor_update": {"httpPort": 80},
    "usage.report": {"name": "day"},
    "services.folder_edit": {"description": "Maps"},
    "system.services_directory_edit": {"settings": {"servicesDirEnabled": "false"}},
    **{f"services.{name}": {"service": "Tools/Model.GPServer"} for name in ("job", "jobs", "jobs_purge")},
    **{f"services.{name}": {"service": "Model.GPServer"} for name in ("job_cancel", "job_delete")},
}
"""What is given to functions with arguments of free names, or of the same name for something else."""


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
    assert len(EVERY) > 140


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
    operation = made(name)
    if operation.limit:
        assert f"{operation.limit:g} s" in told, "how long one attempt may take"
    if operation.changes:
        seen = "No resource tells afterwards" if operation.read_back is None else "Done when"
        assert seen in told, "how it is seen that it was done"
        assert {"VerifyFailed", "FateUnknown", "Locked"} <= set(kinds)
    if operation.since != "10.1":
        assert f"ince {operation.since}" in told


def made(name: str) -> Operation[Any]:
    function = EVERY[name]
    needed = [
        p.name
        for p in inspect.signature(function).parameters.values()
        if p.default is inspect.Parameter.empty and p.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    special = SPECIAL.get(name, {})
    return function(**{one: ARGUMENTS.get(one, "Roads.MapServer") for one in needed if one not in special}, **special)


@pytest.mark.parametrize("name", EVERY)
def test_an_operation_is_what_the_catalogue_says_of_it(name: str) -> None:
    operation = made(name)
    entry = catalogue().by_name[operation.name]
    found = catalogue().find(operation.path, entry.method)
    assert found is not None
    assert found.name.removesuffix(".folder") == entry.name
    assert operation.effect.value == entry.effect
    assert operation.since == entry.since
    assert operation.limit == entry.limit
    assert (operation.token, operation.get_only, operation.binary) == (entry.token, entry.get_only, entry.binary)
    assert operation.method == entry.method or entry.effect == "read"
    if operation.changes:
        assert operation.idempotent == entry.idempotent
    given = {*operation.parameters, *operation.files}
    assert given <= {parameter.name for parameter in entry.params}
    assert {parameter.name for parameter in entry.params if parameter.required} <= given
    assert operation.secrets == set(filter(is_secret_name, operation.parameters))


@pytest.mark.parametrize("name", EVERY)
def test_a_path_and_its_parameters_make_the_same_operation(name: str) -> None:
    """`fleet call` and the functions agree, also on how a change is seen."""
    operation = made(name)
    called, entry = operation_for(
        operation.path, method=operation.method, parameters=operation.parameters, files=operation.files
    )
    assert entry is not None
    assert called.effect == operation.effect
    assert called.cap == operation.cap
    if operation.read_back is None:
        assert called.read_back is None
        return
    assert called.read_back is not None
    assert called.read_back.look.path == operation.read_back.look.path
    assert called.read_back.look.parameters == operation.read_back.look.parameters
    assert called.read_back.whole == operation.read_back.whole
    assert not called.read_back.look.changes


def test_the_catalogue_names_the_functions_that_make_an_operation() -> None:
    named = {function: entry.name for entry in catalogue().entries for function in entry.functions}
    assert named.keys() == EVERY.keys()
    also = {"services.folder", "services.folder.permissions", "services.folder.permissions.add"}
    for entry in catalogue().entries:
        for function in entry.functions:
            assert entry.name in also or made(function).name == entry.name
