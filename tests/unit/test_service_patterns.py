"""Patterns of services: which fit, in which folders they lie, and which name something that is not there."""

from __future__ import annotations

import time

import pytest

from fleet.errors import UsageError
from fleet.protocol.fields import ServiceId
from fleet.protocol.patterns import ServicePatterns, typed

SERVICES = [
    ServiceId("Planning", "Hydrants", "MapServer"),
    ServiceId("Planning", "Hydrants", "FeatureServer"),
    ServiceId("", "Roads", "MapServer"),
    ServiceId("", "odd[1]", "GPServer"),
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Planning/*", [0, 1]),
        ("planning/", [0, 1]),
        ("*.MapServer", [0, 2]),
        ("Planning/Hydrants", [0, 1]),
        ("Planning/Hydrants.MapServer", [0]),
        ("hydrants", []),
        ("*", [0, 1, 2, 3]),
        ("odd[1].GPServer", [3]),
        ("R????.MapServer", [2]),
        ("/Roads.MapServer", [2]),
    ],
)
def test_what_fits(text: str, expected: list[int]) -> None:
    patterns = ServicePatterns((text,))

    assert [place for place, service in enumerate(SERVICES) if patterns.match(service)] == expected


def test_none_stands_for_all() -> None:
    assert all(map(ServicePatterns().match, SERVICES))
    assert ServicePatterns().folders is None


@pytest.mark.parametrize(
    ("texts", "folders"),
    [
        (("Planning/*", "Roads.MapServer"), {"Planning", ""}),
        (("*.MapServer",), None),
        (("Plan*/x",), None),
        (("Planning/Hy*",), {"Planning"}),
    ],
)
def test_where_they_lie(texts: tuple[str, ...], folders: set[str] | None) -> None:
    assert ServicePatterns(texts).folders == folders


def test_a_name_that_fits_nothing_is_missing_and_a_pattern_is_not() -> None:
    patterns = ServicePatterns(("Planning/Hydrant.MapServer", "Nowhere/*", "Roads"))

    assert patterns.missing(SERVICES) == ["Planning/Hydrant.MapServer"]
    assert patterns.nearest("Planning/Hydrant.MapServer", SERVICES) == "Planning/Hydrants.MapServer"


def test_an_empty_name_is_a_mistake() -> None:
    with pytest.raises(UsageError, match="is empty"):
        ServicePatterns((" ",))


def test_a_service_is_named_without_wildcards_only() -> None:
    hydrants = ServiceId("Planning", "Hydrants", "MapServer")
    for texts, named in (
        (("planning/hydrants.mapserver",), True),
        (("/Planning/Hydrants",), True),
        (("Planning/",), False),
        (("Planning/*",), False),
        (("*",), False),
        ((), False),
    ):
        assert ServicePatterns(texts).names(hydrants) is named, texts


def test_patterns_of_any_kind_that_fit_nothing_are_unused() -> None:
    patterns = ServicePatterns(("Planning/*", "Nowhere/*", "Nowhere/", "Roads", "Gone.MapServer"))
    found = [ServiceId("Planning", "Hydrants", "MapServer"), ServiceId("", "Roads", "MapServer")]
    assert patterns.unused(found) == ["Nowhere/*", "Nowhere/", "Gone.MapServer"]


def test_a_list_of_thousands_is_looked_up() -> None:
    services = [ServiceId("F", f"S{number}", "MapServer") for number in range(20_000)]
    patterns = ServicePatterns(tuple(map(str, services)))
    began = time.process_time()
    assert all(map(patterns.match, services))
    assert patterns.missing(services) == []
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("Planning/Hydrants.MapServer", "Planning/Hydrants.MapServer"),
        ("Größe.MapServer", "Größe.MapServer"),
        ("$(touch owned);`x`.MapServer", '"??touch?owned???x?.MapServer"'),
        ("-rf.MapServer", '"?rf.MapServer"'),
        ("@file:x.MapServer", '"?file?x.MapServer"'),
        ("y" * 300, f'"{"y" * 200}*"'),
    ],
)
def test_a_name_in_a_command_to_copy_means_nothing_to_a_shell_and_fits_itself(name: str, word: str) -> None:
    assert typed(name) == word
    folder, _, own = name.rpartition("/")
    own, _, kind = own.rpartition(".") if "." in own else (own, "", "MapServer")
    assert ServicePatterns((word.strip('"'),)).match(ServiceId(folder, own, kind))
