"""A path that somebody types leads to one place below the site, however its names are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.admin.catalogue import operation_for, resource_of
from fleet.errors import UsageError


@pytest.mark.parametrize(
    "path", ["admin/../x", "admin/%2e%2e/x", "admin/%2E./x", "./admin", "admin/%2e", "rest/.%2e/a?f=json"]
)
def test_rule_n10_no_path_leads_out_of_the_site(path: str) -> None:
    with pytest.raises(UsageError, match="no \\. and no"):
        operation_for(path)


@pytest.mark.parametrize("path", ["admin/a%00b", "admin/a\nb", "admin/%1b[31m", "admin/a\u202eb"])
def test_a_path_has_no_control_characters(path: str) -> None:
    with pytest.raises(UsageError, match="control characters"):
        operation_for(path)


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("admin/services/a b.MapServer/status", "admin/services/a%20b.MapServer/status"),
        ("admin/services/a%20b.MapServer/status", "admin/services/a%20b.MapServer/status"),
        ("admin/services/Blåbær/Skog.MapServer", "admin/services/Bl%C3%A5b%C3%A6r/Skog.MapServer"),
        ("admin/data/items/x%2Fy", "admin/data/items/x%2Fy"),
        ("admin/services/a#b.MapServer", "admin/services/a%23b.MapServer"),
    ],
)
def test_names_are_encoded_once(typed: str, sent: str) -> None:
    assert operation_for(typed)[0].path == sent


@given(st.text(min_size=1, max_size=20))
def test_whatever_is_typed_is_refused_or_sent_in_plain_ascii(name: str) -> None:
    try:
        operation, _ = operation_for(f"admin/services/{name}")
    except UsageError:
        return
    assert operation.path.isascii()
    assert " " not in operation.path
    assert operation_for(operation.path)[0].path == operation.path


def test_the_resource_that_a_change_acts_on_is_what_its_path_stands_below() -> None:
    def acted_on(path: str) -> str | None:
        found = resource_of(operation_for(path)[0])
        return None if found is None else found.path

    assert acted_on("admin/services/Planning/Roads.MapServer/delete") == "admin/services/Planning/Roads.MapServer"
    assert acted_on("admin/machines/GIS-A/stop") == "admin/machines/GIS-A"
    assert acted_on("admin/nowhere/at/all/do") is None
