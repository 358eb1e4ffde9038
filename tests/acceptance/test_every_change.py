"""Every command that changes sites, found by walking all commands: none misses the guards, and none is left out here."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import click
import pytest
from anyio.from_thread import start_blocking_portal

from fleet.admin.catalogue import catalogue
from fleet.cli.main import cli, run
from fleet.history.database import state_database
from fleet.history.leases import LeaseRows, fences
from fleet.simulator import Simulator
from fleet.simulator.gpjobs import new_job
from fleet.simulator.permissions import permission
from fleet.simulator.site import SimulatedSite
from tests.certificates import TestAuthority

GIS = "/enterpriseDatabases/gis"
OPEN, PROTECTED, OTHER = "sim-0001", "sim-0002", "sim-0003"


SERVICE = "Common/Roads.MapServer"


def nothing(site: SimulatedSite, folder: Path) -> None:
    pass


def differing(site: SimulatedSite, folder: Path) -> None:
    """Another site than the two has its own settings of the service."""
    if site.name == OTHER:
        site.services[SERVICE].definition |= {"minInstancesPerNode": 3, "maxInstancesPerNode": 7}


def by_a_deputy(site: SimulatedSite, folder: Path) -> None:
    site.state.users["deputy"] = {"username": "deputy", "disabled": False}
    site.state.role_members["administrators"].append("deputy")
    site.tokens.accounts["deputy"] = "simulated"


def without_directory(site: SimulatedSite, folder: Path) -> None:
    site.state.kept["servicesdirectory"] = {"enabled": "false", "servicesDirEnabled": "false"}


def without_psa(site: SimulatedSite, folder: Path) -> None:
    by_a_deputy(site, folder)
    site.state.psa_disabled = True


def stopped(site: SimulatedSite, folder: Path) -> None:
    for service in site.services.values():
        service.configured = service.real = "STOPPED"


def machines_stopped(site: SimulatedSite, folder: Path) -> None:
    list(site.machines.values())[1].configured = list(site.machines.values())[1].real = "STOPPED"


def behind(site: SimulatedSite, folder: Path) -> None:
    for machine in site.machines.values():
        machine.behind = True


def one_machine_less(site: SimulatedSite, folder: Path) -> None:
    site.machines.pop(list(site.machines)[1])


def with_data(site: SimulatedSite, folder: Path) -> None:
    info = {
        "isManaged": False,
        "dataStoreConnectionType": "shared",
        "connectionString": "SERVER=db1;INSTANCE=sde:postgresql:db1;DATABASE=gis;USER=gisuser",
    }
    item = {"path": GIS, "type": "egdb", "id": "i7", "provider": None, "totalRefCount": 0, "info": info}
    site.state.data_items[GIS] = item


def with_accounts(site: SimulatedSite, folder: Path) -> None:
    site.state.users["leaver"] = {"username": "leaver", "disabled": False}
    for role in ("makers", "others"):
        site.state.roles[role] = {"rolename": role, "description": ""}
        site.state.role_privileges[role] = "ACCESS"
        site.state.role_members[role] = []
    site.services[SERVICE].permissions = [permission("others", True)]
    site.state.kept["permissions"] = {"Common": [permission("makers", True)]}


def with_jobs(site: SimulatedSite, folder: Path) -> None:
    service = site.state.add_service("Tools", "Export", "GPServer")
    site.state.folder_names.setdefault("Tools", "")
    service.jobs[:] = [new_job(site.state, service, "esriJobWaiting", 60, "batch")]
    site.state.kept.setdefault("gp_filled", set()).add(service.origin)


def with_an_upload(site: SimulatedSite, folder: Path) -> None:
    item = site.state.new_upload("old.sd", None, committed=True)
    site.state.uploads[item["itemID"]] = {"item": item, "size": 1, "data": b"x"}


def with_certificates(site: SimulatedSite, folder: Path) -> None:
    for machine in site.machines.values():
        machine.certificates["spare"] = site.state.clock() + 300 * 86_400


Prepare = Callable[[SimulatedSite, Path], None]

CHANGES: dict[str, tuple[str, Prepare]] = {
    "call": ("admin/mode/update -p siteMode=READ_ONLY --change", nothing),
    "certificates delete": ("spare", with_certificates),
    "certificates generate": ("gis --common-name gis.example.net --validity 30", nothing),
    "certificates import": ("{folder}/new.pfx --alias new --password-from env:PFX", nothing),
    "certificates import-signed": ("{folder}/root.pem --alias spare", with_certificates),
    "certificates switch": ("spare --force", with_certificates),
    "datastores register": ("--from {folder}/gis.toml", nothing),
    "datastores repoint": (f"{GIS} --set server=db2 --no-validate", with_data),
    "datastores unregister": (GIS, with_data),
    "logs clean": ("", nothing),
    "logs level": ("FINE", nothing),
    "logs retention": ("--days 7", nothing),
    "machines edit": ("--set socMaxHeapSize=128", nothing),
    "machines register": ("NEW.EXAMPLE.NET --admin-url https://new.example.net:6443/arcgis/admin", nothing),
    "machines restart": ("--rolling --wait 5s", nothing),
    "machines start": ("", machines_stopped),
    "machines stop": ("*-B.SIMULATED.EXAMPLE", nothing),
    "machines synchronize": ("", behind),
    "machines unregister": ("*-B.SIMULATED.EXAMPLE", nothing),
    "security apply": ("{folder}/users.csv --passwords-out {folder}/made.csv", with_accounts),
    "security config set": ("allowDirectAccess=false", nothing),
    "security psa disable": ("", by_a_deputy),
    "security psa enable": ("", without_psa),
    "security psa rotate": ("", nothing),
    "security roles add": ("watchers", nothing),
    "security roles assign": ("makers --user leaver", with_accounts),
    "security roles remove": ("makers", with_accounts),
    "security tokens set": ("shortTimeout=30", nothing),
    "security users add": ("newcomer --passwords-out {folder}/added.csv", nothing),
    "security users apply": ("{folder}/users.csv --passwords-out {folder}/applied.csv", with_accounts),
    "security users remove": ("leaver", with_accounts),
    "services copy-settings": (f"--from {OTHER} {SERVICE}", differing),
    "services delete": (f"{SERVICE}", nothing),
    "services edit": (f"{SERVICE} --set minInstancesPerNode=2 --set maxInstancesPerNode=5", nothing),
    "services import": ("{folder}/definitions.json", differing),
    "services jobs cancel": ("Tools/* --where jobStatus=esriJobWaiting", with_jobs),
    "services jobs purge": ("Tools/*", with_jobs),
    "services permissions add": (f"makers {SERVICE}", with_accounts),
    "services permissions clean": ("makers", with_accounts),
    "services permissions copy": (f"--from-role others --to-role makers {SERVICE}", with_accounts),
    "services permissions remove": ("makers --folder Common", with_accounts),
    "services provider": (f"shared {SERVICE}", nothing),
    "services publish": ("{folder}/A.sd --folder Water", nothing),
    "services rename": (f"{SERVICE} Renamed", nothing),
    "services restart": (f"{SERVICE}", nothing),
    "services start": (f"{SERVICE}", stopped),
    "services stop": (f"{SERVICE}", nothing),
    "site export": ("/backup", nothing),
    "site mode": ("READ_ONLY", nothing),
    "system cache clear": ("", nothing),
    "system config-store recover": ("", nothing),
    "system directories clean": ("", nothing),
    "system directories recover": ("", nothing),
    "system properties set": ("WebContextURL=https://gis.example.net/arcgis", nothing),
    "system services-directory off": ("", nothing),
    "system services-directory on": ("", without_directory),
    "system web-adaptors config": ("* --description changed", nothing),
    "system web-adaptors unregister": ("*", nothing),
    "uploads delete": ("old.sd", with_an_upload),
}
"""The arguments with which each command has something to do, and what is made ready for it on each site."""


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield " ".join(path), command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from commands(found, (*path, name))


def options_of(command: click.Command) -> set[str]:
    return {option.name or "" for option in command.params}


def test_no_command_that_changes_sites_is_left_out() -> None:
    found = {name: options_of(command) for name, command in commands(cli)}
    changing = {name for name, options in found.items() if {"dry_run", "select"} <= options}

    assert changing == set(CHANGES)
    for name in changing:
        assert {"yes", "confirm"} <= found[name], name


@dataclass
class Place:
    simulator: Simulator
    folder: Path
    arguments: list[str]
    capsys: pytest.CaptureFixture[str]

    def run(self, *more: str) -> tuple[int, str, str]:
        self.simulator.ledger.clear()
        status = run([*self.arguments, *more])
        told = self.capsys.readouterr()
        assert "Traceback" not in told.err
        return status, told.out, told.err

    def sent(self, name: str | None = None) -> list[Any]:
        """What a site was sent that the catalogue calls no read."""
        asked = [entry for entry in self.simulator.ledger if name in (None, entry.site)]
        return [entry for entry in asked if not is_read(entry)]


def path_of(entry: Any) -> str:
    return str(entry.path.partition("/arcgis/")[2])


def is_read(entry: Any) -> bool:
    found = catalogue().at(path_of(entry))
    of_method = [one for one in found if one.method == entry.method] or found
    return not entry.changed and (any(one.effect == "read" for one in of_method) or entry.method == "GET")


def records() -> list[dict[str, Any]]:
    path = Path(os.environ["FLEET_STATE_DIR"]) / "audit.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def place(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Place]:
    name = request.param
    text, prepare = CHANGES[name]
    authority = TestAuthority()
    (tmp_path / "new.pfx").write_bytes(authority.pfx("gis.example.net", 90, "opens-the-file"))
    (tmp_path / "root.pem").write_bytes(authority.pem)
    (tmp_path / "A.sd").write_bytes(b"definition")
    (tmp_path / "users.csv").write_text("username,fullname\nnewcomer,New Comer\n")
    (tmp_path / "gis.toml").write_text(f'path = "{GIS}"\ntype = "egdb"\n[info]\nconnectionString = "SERVER=db1"\n')
    monkeypatch.setenv("PFX", "opens-the-file")
    with start_blocking_portal() as portal:
        simulator = Simulator(sites=3, machines=2)
        with portal.wrap_async_context_manager(simulator):
            given = simulator.inventory_toml().replace(
                f"[sites.{PROTECTED}]\n", f"[sites.{PROTECTED}]\nprotected = true\n"
            )
            for key in simulator.sites:
                (tmp_path / f"{key}.secret").write_text("simulated\n")
                (tmp_path / f"{key}.secret").chmod(0o600)
                given = given.replace(f"[sites.{key}]\n", f'[sites.{key}]\npassword = {{ file = "{key}.secret" }}\n')
            if prepare in (by_a_deputy, without_psa):
                given = given.replace('"siteadmin"', '"deputy"')
            inventory = tmp_path / "inventory.toml"
            inventory.write_text(given)
            for site in simulator.sites.values():
                site.state.folder_names.setdefault("Common", "")
                site.state.add_service("Common", "Roads", "MapServer")
                prepare(site, tmp_path)
            if name == "services import":
                assert (
                    run(
                        [
                            "services",
                            "export",
                            str(tmp_path / "definitions.json"),
                            SERVICE,
                            "-s",
                            OTHER,
                            "-i",
                            str(inventory),
                        ]
                    )
                    == 0
                )
            arguments = [word.format(folder=tmp_path) for word in text.split()]
            yield Place(simulator, tmp_path, [*name.split(), *arguments, "-i", str(inventory)], capsys)


@pytest.mark.parametrize("place", sorted(CHANGES), indirect=True)
def test_every_change_is_guarded(place: Place) -> None:
    status, _, told = place.run()
    assert (status, place.simulator.ledger) == (2, []), "without -s nothing is sent"
    assert "-s" in told

    for site in (PROTECTED, OPEN):
        status, _, told = place.run("-s", site)
        assert (status, place.simulator.ledger) == (2, []), "nothing is sent where nobody can be asked"
        assert "--yes" in told

        status, out, told = place.run("-s", site, "--dry-run", "-o", "json")
        report = json.loads(out)
        assert report["dry_run"] is True
        assert [one["outcome"] for one in report["outcomes"]] == ["changed"], report["outcomes"]
        assert place.sent() == [], "a dry run only reads"
        assert records() == []

    status, out, told = place.run("-s", PROTECTED, "--yes", "-o", "json")
    assert [one["outcome"] for one in json.loads(out)["outcomes"]] == ["skipped"]
    assert status == 1
    assert place.sent() == [], "a protected site is left alone"
    assert records() == []

    status, out, told = place.run("-s", OPEN, "--yes", "-o", "json")
    assert [one["outcome"] for one in json.loads(out)["outcomes"]] == ["changed"], out
    sent = place.sent()
    assert sent
    kept = [unquote(one["path"]) for one in records() if one["event"] == "intent"]
    assert kept == [path_of(entry) for entry in sent]
    assert {one["outcome"] for one in records() if one["event"] == "result"} <= {"changed", "noop"}


@pytest.mark.parametrize("place", sorted(CHANGES), indirect=True)
def test_a_site_that_somebody_else_is_changing_is_left_alone(place: Place) -> None:
    url = place.simulator.sites[OPEN].url
    with state_database().connect() as connection:
        other = LeaseRows(connection, "rollout all-down-20260101T000000Z-0000")
        other.take({url: OPEN})
        # A machine joins one site only; any other change is of two, of which one is free.
        sites = OPEN if place.arguments[:2] == ["machines", "register"] else f"{OPEN},{OTHER}"
        place.capsys.readouterr()
        status, out, told = place.run("-s", sites, "--yes", "-o", "json")
        assert (status, out) == (5, ""), told
        assert f"{OPEN} is being changed: rollout all-down-20260101T000000Z-0000 by " in told
        assert f"(process {os.getpid()}) since " in told
        assert OTHER not in told
        assert place.sent() == [], "neither site was changed"
        assert records() == []

        other.release()
        status, out, told = place.run("-s", OPEN, "--yes", "-o", "json")
        assert [one["outcome"] for one in json.loads(out)["outcomes"]] == ["changed"], told
        assert place.sent()
        assert fences(connection, [url]) == {}, "the lease was given back"
