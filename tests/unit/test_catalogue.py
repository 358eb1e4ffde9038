"""The catalogue has every operation of the reference, as the reference tells it, and what was learnt since."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fleet.admin.catalogue import Entry, catalogue, operation, operation_for
from fleet.errors import UsageError
from fleet.protocol.fields import ServiceId
from fleet.protocol.message import ANSWER_CAP
from fleet.protocol.release import Release

REFERENCE: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "reference" / "operations.json").read_text(encoding="utf-8")
)
SIGN_IN = {"generateToken", "tokens.generateToken", "portal.generateToken", "portal.generateToken.exchange"}
"""They change nothing on the site, and may be repeated, which the reference does not say of them."""

CORRECTED: dict[str, set[str]] = {
    "local": {"since"},
    "machines.edit": {"slow"},
    "services.exportServices": {"since", "evidence", "params"},
    "services.importServices": {"since", "evidence", "params"},
    "services.jobs": {"since", "evidence", "answer"},
}
"""Where a page that was found later says more than the reference: `source` of the entry names it."""


def entry_of(row: dict[str, Any]) -> Entry:
    (found,) = (
        entry
        for entry in catalogue().entries
        if entry.path.strip("/") == row["path"].strip("/")
        and (entry.base == "portal") is (row["base"] == "portal")
        and (entry.base == "admin") is (row["base"] == "admin")
        and entry.method == row["method"]
        and entry.name.endswith(".exchange") is row["exchange"]
    )
    return found


def told(entry: Entry) -> dict[str, Any]:
    """What an entry says, in the words of the reference."""
    params = [
        {
            key: value
            for key, value in {
                "name": parameter.name,
                "type": parameter.type,
                "required": parameter.required,
                "default": parameter.default,
                "values": list(parameter.values),
                "unit": parameter.unit,
            }.items()
            if key == "required" or value not in (None, [], "")
        }
        for parameter in entry.params
    ]
    return {
        "params": params,
        "safe": entry.effect == "read",
        "restarts": entry.effect == "disrupt",
        "idempotent": entry.idempotent,
        "slow": entry.limit is not None,
        "async": entry.asynchronous,
        "since": entry.since,
        "evidence": entry.evidence,
        "privilege": entry.privilege,
        "token": entry.token,
        "answer": None if entry.binary else list(entry.answer),
    }


def test_the_reference_has_216_operations_and_the_catalogue_has_each_of_them_once() -> None:
    assert len(REFERENCE) == 216
    assert len({entry_of(row).name for row in REFERENCE}) == 216
    assert len({entry.name for entry in catalogue().entries}) == len(catalogue().entries)


@pytest.mark.parametrize("number", range(216))
def test_an_operation_is_as_the_reference_tells_it(number: int) -> None:
    row = REFERENCE[number]
    entry = entry_of(row)
    corrected = CORRECTED.get(entry.name, set()) | ({"safe"} if entry.name in SIGN_IN else set())
    said = told(entry)
    wrong = {key: (said[key], row[key]) for key in said if key not in corrected and said[key] != row[key]}
    assert wrong == {}


def test_what_the_reference_lacks_names_the_page_that_has_it() -> None:
    known = {entry_of(row).name for row in REFERENCE}
    later = [entry for entry in catalogue().entries if entry.name not in known]
    assert len(later) >= 10
    for entry in [*later, *(catalogue().by_name[name] for name, what in CORRECTED.items() if "evidence" in what)]:
        assert entry.source.startswith("developers.arcgis.com/rest/"), entry.name
        assert entry.evidence in ("docs", "client-code", "unverified"), entry.name


def test_every_entry_is_sound() -> None:
    for entry in catalogue().entries:
        assert Release.parse(entry.since) is not None, entry.name
        assert entry.effect in ("read", "change", "disrupt"), entry.name
        assert entry.evidence in ("recorded", "docs", "docs+client-code", "client-code", "unverified"), entry.name
        assert len({parameter.name for parameter in entry.params}) == len(entry.params), entry.name
        for parameter in entry.params:
            assert (parameter.type == "enum") is bool(parameter.values) or parameter.name == "level", entry.name
        if entry.effect != "read":
            assert entry.method == "POST", entry.name


def test_further_places_and_large_answers_are_data() -> None:
    large = {entry.name for entry in catalogue().entries if entry.cap != ANSWER_CAP}
    assert large == {"services.report", "services.iteminfo.manifest"}
    for entry in catalogue().entries:
        for path in entry.also_at:
            concrete = path.replace("<folder>", "Maps")
            found = catalogue().find(concrete, entry.method)
            assert found is entry, concrete


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("admin/services/permissions", "services.folder.permissions"),
        ("admin/services/Maps/permissions", "services.folder.permissions"),
        ("admin/services/Maps/Roads.MapServer/permissions", "services.permissions"),
        ("admin/services/Model.GPServer/jobs/query", "services.jobs.query"),
        ("admin/services/Tools/Model.GPServer/jobs/j12", "services.jobs.get"),
        ("admin/services/Maps/report", "services.report"),
        ("admin/data/items/fileShares/a", "data.items.get"),
        ("admin/system/webadaptors/config", "system.webadaptors.config"),
        ("admin/system/webadaptors/w1", "system.webadaptors.get"),
    ],
)
def test_a_path_is_found(path: str, name: str) -> None:
    entry = operation_for(path)[1]
    assert entry is not None
    assert entry.name == name


def test_an_operation_is_made_by_its_name() -> None:
    service = ServiceId.parse("A b/Roads.MapServer")
    made = operation(
        "services.permissions.add", {"principal": "x", "isAllowed": True, "constraint": None}, service=service
    )
    assert made.path == "admin/services/A%20b/Roads.MapServer/permissions/add"
    assert dict(made.parameters) == {"principal": "x", "isAllowed": "true"}
    assert operation("services.report", {"parameters": ["status"]}, folder="A b").path == "admin/services/A%20b/report"
    assert operation("data.items.get", item="/fileShares/a b").path == "admin/data/items/fileShares/a%20b"
    with pytest.raises(UsageError, match="other names"):
        operation("machines.get")
    with pytest.raises(UsageError, match="other names"):
        operation("machines", machine="A")
    with pytest.raises(UsageError, match="part of a path"):
        operation("machines.get", machine="..")
