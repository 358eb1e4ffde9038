"""Every bulk verb can be a step of a rollout, made from parameters that are checked whole."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import fleet.bulk
from fleet.bulk.verb import Verb
from fleet.errors import UsageError
from fleet.inventory.load import Source, load
from fleet.rollout.spec import Step
from fleet.rollout.steps import KINDS, Kind, Making
from fleet.rollout.steps.scripts import load_script
from fleet.rollout.verbs import verb_of
from tests.certificates import TestAuthority

SECRET = "of-the-database-1994"


@pytest.fixture
def making(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Making:
    monkeypatch.setenv("STEP_SECRET", SECRET)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    inventory = tmp_path / "inventory.toml"
    inventory.write_text('[sites]\noslo = { url = "https://oslo.example.com/arcgis", username = "siteadmin" }\n')
    inventory.chmod(0o600)
    (tmp_path / "Hydrants.sd").write_bytes(b"definition")
    (tmp_path / "users.csv").write_text("username,roles\nola,editors\n")
    (tmp_path / "new.csv").write_text("username,password\nola,a-password-of-ola\n")
    (tmp_path / "new.csv").chmod(0o600)
    (tmp_path / "item.toml").write_text('path = "/fileShares/maps"\ntype = "folder"\ninfo = { path = "/srv" }\n')
    services = [{"folderName": "/", "serviceName": "Roads", "type": "MapServer", "definition": {"provider": "DMaps"}}]
    (tmp_path / "prod.json").write_text(json.dumps({"schema": "fleet.services/1", "sites": {"oslo": services}}))
    (tmp_path / "list.csv").write_text("service,role\nPlanning/,planners\n")
    (tmp_path / "names.txt").write_text("# mine\nPlanning/*\nRoads.MapServer\n")
    authority = TestAuthority()
    (tmp_path / "root.cer").write_bytes(authority.pem)
    (tmp_path / "new.pfx").write_bytes(authority.pfx("gis.example.net", 90, SECRET))
    return Making(inventory=load([Source(inventory, trusted=True)]), folder=tmp_path)


SERVICES = {"services": ["Planning/*"]}
FROM_ENV = {"env": "STEP_SECRET"}
GIVEN: list[tuple[str, Mapping[str, Any]]] = [
    ("services.start", {**SERVICES, "where": "configuredState=STARTED", "ignore_not_found": True}),
    ("services.start", {"remembered": "before"}),
    ("services.stop", {"services": "*", "together": False}),
    ("services.stop", {"services": "*", "remember": "before"}),
    ("services.restart", SERVICES),
    ("services.edit", {**SERVICES, "set": {"minInstancesPerNode": 2}, "enable": ["WMSServer"], "capabilities": "Map"}),
    ("services.provider", {**SERVICES, "runtime": "shared"}),
    ("services.delete", SERVICES),
    ("services.rename", {"service": "Planning/Roads.MapServer", "new_name": "Streets"}),
    ("services.publish", {"files": "Hydrants.sd", "folder": "Planning", "wait": "5m"}),
    ("services.import", {"file": "prod.json", "only": ["minInstancesPerNode"]}),
    ("services.copy-settings", {"from": "oslo", **SERVICES}),
    ("services.permissions", {"role": "planners", **SERVICES, "folders": ["/"], "allowed": False}),
    ("services.permissions", {"file": "list.csv"}),
    ("services.permissions.copy", {"from": "planners", "to": "editors", **SERVICES}),
    ("services.permissions.clean", {"role": "planners"}),
    ("services.jobs.cancel", {**SERVICES, "jobs": ["j1"]}),
    ("services.jobs.purge", SERVICES),
    ("machines.start", {}),
    ("machines.stop", {"machines": ["gis-a02"], "allow_outage": True}),
    ("machines.restart", {"wait": "2m"}),
    ("machines.edit", {"set": {"socMaxHeapSize": 128}}),
    ("machines.synchronize", {}),
    ("machines.unregister", {"machines": "gis-a02"}),
    ("machines.register", {"machine": "GIS-A03", "admin_url": "https://gis-a03.example.net:6443/arcgis/admin"}),
    ("certificates.generate", {"alias": "gis-2027", "validity": 90, "organization": "Example"}),
    ("certificates.import", {"file": "new.pfx", "alias": "gis-2027", "password": FROM_ENV}),
    ("certificates.import-root", {"file": "root.cer", "alias": "root"}),
    ("certificates.import-signed", {"file": "root.cer", "alias": "gis-2027"}),
    ("certificates.switch", {"alias": "gis-2027", "force": True}),
    ("certificates.delete", {"alias": "gis-*", "where": "inUse=false"}),
    ("security.config.set", {"set": {"HSTSEnabled": True}}),
    ("security.tokens.set", {"set": {"shortTimeout": 60}, "shared_key": FROM_ENV}),
    ("security.psa.enable", {}),
    ("security.psa.disable", {}),
    ("security.psa.rotate", {"length": 40}),
    ("security.accounts", {"files": ["users.csv"], "passwords": "new.csv"}),
    ("security.roles.assign", {"role": "editors", "add": ["ola"]}),
    ("site.mode", {"mode": "read_only"}),
    ("site.export", {"folder": "/backup"}),
    ("logs.edit", {"set": {"logLevel": "FINE"}}),
    ("logs.clean", {}),
    ("directories.clean", {"names": ["arcgis*"]}),
    ("directories.recover", {}),
    ("config-store.recover", {}),
    ("cache.clear", {}),
    ("web-adaptors.edit", {"names": "*", "admin": False}),
    ("web-adaptors.unregister", {"names": "*"}),
    ("properties.set", {"set": {"WebContextURL": "https://x"}, "secrets": {"trustKey": FROM_ENV}}),
    ("services-directory", {"on": False}),
    ("datastores.register", {"file": "item.toml"}),
    ("datastores.unregister", {"items": ["/fileShares/*"]}),
    ("datastores.repoint", {"items": "/fileShares/*", "set": {"path": "/srv/new"}, "validate": False}),
    ("uploads.delete", {"items": "*", "older_than": "30d"}),
]


@pytest.mark.parametrize(("do", "given"), GIVEN, ids=[f"{do}-{number}" for number, (do, _) in enumerate(GIVEN)])
def test_each_verb_is_made_from_its_parameters(do: str, given: Mapping[str, Any], making: Making) -> None:
    verb = verb_of(Step(name="one", do=do, given=given), making)

    assert verb.name == do
    assert isinstance(verb, KINDS[do].verbs) or type(verb).__module__.startswith("fleet.rollout.steps")
    told = json.dumps(verb.parameters(), default=str)
    assert SECRET not in told + repr(verb)


def test_a_certificate_with_its_key_is_opened_by_the_password_that_is_named(making: Making) -> None:
    with pytest.raises(UsageError, match="no PKCS#12 file, or the password is another"):
        given = {"file": "root.cer", "alias": "gis", "password": FROM_ENV}
        verb_of(Step(name="one", do="certificates.import", given=given), making)


def bulk_verbs() -> Iterator[type[Verb]]:
    for module in pkgutil.iter_modules(fleet.bulk.__path__):
        importlib.import_module(f"fleet.bulk.{module.name}")
    waiting = list(Verb.__subclasses__())
    while waiting:
        verb = waiting.pop()
        waiting += verb.__subclasses__()
        if verb.__module__.startswith("fleet.bulk.") and getattr(verb, "name", None):
            yield verb


def test_no_bulk_verb_is_forgotten() -> None:
    made = {verb for kind in KINDS.values() for verb in kind.verbs}

    assert {verb for verb in bulk_verbs() if verb not in made} == set()
    assert {verb.name for verb in bulk_verbs()} <= KINDS.keys()


def test_what_can_not_be_undone_says_why_and_what_leaves_nothing_behind_does_not() -> None:
    for kind in KINDS.values():
        if any(verb.__module__.startswith("fleet.bulk.") for verb in kind.verbs):
            assert bool(kind.undo) is all(verb.lasting for verb in kind.verbs), kind.do


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_the_mistakes_of_a_step_are_told_all_at_once(kind: Kind, making: Making) -> None:
    given = {f"{name}x": "wrong" for name in kind.names} | {"nonsense": 1}
    with pytest.raises(UsageError) as caught:
        verb_of(Step(name="first", do=kind.do, given=given), making)
    lines = str(caught.value).splitlines()

    assert len(lines) >= len(given)
    assert all(line.startswith("step first: ") for line in lines)
    for parameter in kind.parameters:
        assert parameter.meaning
        assert f"{parameter.name}x" in str(caught.value)


def refused(making: Making, do: str, **given: Any) -> str:
    with pytest.raises(UsageError) as caught:
        verb_of(Step(name="first", do=do, given=given), making)
    return str(caught.value)


def test_the_nearest_thing_to_do_and_the_nearest_parameter_are_told(making: Making) -> None:
    assert (
        refused(making, "services.edti") == "step first: there is no 'services.edti' to do; did you mean services.edit?"
    )
    assert "did you mean services?" in refused(making, "services.restart", servcies="*")
    assert "did you mean shared?" in refused(making, "services.provider", services="*", runtime="sharde")
    assert "there is no site osl; did you mean oslo?" in refused(
        making, "services.copy-settings", services="*", **{"from": "osl"}
    )


def test_a_secret_is_never_written_in_a_step_and_never_repeated(making: Making) -> None:
    told = refused(making, "security.tokens.set", shared_key=SECRET)
    assert "where a secret lies" in told
    assert SECRET not in told
    told = refused(making, "properties.set", set={"trustKey": SECRET})
    assert "give it in secrets" in told
    assert SECRET not in told
    assert "a password is never written here" in refused(
        making, "datastores.repoint", items="*", set={"password": SECRET}
    )


def test_a_secret_of_a_command_is_refused_where_others_can_write_the_file(making: Making) -> None:
    given = {"set": {"WebContextURL": "x"}, "secrets": {"trustKey": {"command": ["printf", SECRET]}}}
    told = refused(making, "properties.set", **given)
    assert "can be written by others" in told
    allowed = Making(inventory=making.inventory, folder=making.folder, commands=True)
    verb_of(Step(name="first", do="properties.set", given=given), allowed)


def test_a_value_of_another_type_is_told_with_what_is_wanted(making: Making) -> None:
    assert "wait is a duration such as" in refused(making, "machines.restart", wait=600)
    assert "together is true or false" in refused(making, "services.restart", services="*", together="no")
    assert "there is no file" in refused(making, "services.import", file="nowhere.json")
    assert "services is a text, or a list of texts" in refused(making, "services.restart", services=[1])
    assert "length is 12 to 128 characters" in refused(making, "security.psa.rotate", length=3)
    assert "there is nothing to change" in refused(making, "services.edit", services="*")


def test_names_may_lie_in_a_file_beside_the_rollout(making: Making) -> None:
    verb = verb_of(Step(name="first", do="services.restart", given={"services": "@file:names.txt"}), making)

    assert verb.parameters()["services"] == ["Planning/*", "Roads.MapServer"]


def test_settings_may_be_written_as_tables_in_tables(making: Making) -> None:
    given = {"services": "*", "set": {"properties": {"maxRecordCount": 2000}, "minInstancesPerNode": 1}}
    verb = verb_of(Step(name="first", do="services.edit", given=given), making)

    assert verb.parameters()["set"] == {"properties.maxRecordCount": "2000", "minInstancesPerNode": "1"}


PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "rollout-steps.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_steps_on_the_page_can_be_made(making: Making) -> None:
    steps = [step for text in blocks("toml") for step in tomllib.loads(text)["steps"]]
    made = [verb_of(Step(name=one["name"], do=one["do"], given=one["with"]), making) for one in steps]

    assert [verb.name for verb in made] == ["services.edit", "call", "wait"]


def test_the_script_on_the_page_can_be_loaded(making: Making) -> None:
    (text,) = blocks("python")
    file = making.folder / "steps.py"
    file.write_text(text)
    file.chmod(0o600)
    script = load_script("steps.py:quiet", making.folder)

    assert script.planner is not None
    assert verb_of(Step(name="own", do="steps.py:quiet", given={}), making).name == "script"
