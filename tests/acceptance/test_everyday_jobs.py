"""Every everyday job has a row, and the commands of the row do it: each is run at simulated sites, and they are looked at."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import click
import pytest

from fleet.cli.main import cli as main
from fleet.simulator import SimulatedSite, Simulator
from fleet.simulator.webadaptors import new_adaptor
from tests import pages
from tests.processes import FLEET

PAGE = pages.ROOT / "docs/how-to/everyday-jobs.md"
NAMES = (pages.ROOT / "tests/reference/jobs.txt").read_text(encoding="utf-8").splitlines()
SPAN = re.compile(r"`(fleet [^`]+)`")
LINK = re.compile(r"\]\(([^)#]*)(?:#([^)]+))?\)")
NOT_OFFERED = "not offered by the API"


class Row(NamedTuple):
    """A row of the page: the heading that it stands under, the job, and the cell that tells how it is done."""

    heading: str
    job: str
    cell: str

    @property
    def commands(self) -> list[str]:
        return SPAN.findall(self.cell)


def rows_of_the_page() -> list[Row]:
    found, heading = [], ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            heading = line[3:]
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and cells[0] not in ("job", "---"):
            assert len(cells) == 2, line
            found.append(Row(heading, *cells))
    return found


ROWS = rows_of_the_page()

Sites = Mapping[str, SimulatedSite]
"""The simulated sites by the names that the pages give them."""


def real(sites: Sites, pattern: str = "") -> set[str]:
    """The real-time states of all services whose names begin so."""
    return {one.real for site in sites.values() for key, one in site.services.items() if key.startswith(pattern)}


def prod(sites: Sites) -> list[SimulatedSite]:
    return [site for name, site in sites.items() if name != "narvik"]


def settings(sites: Sites, pattern: str, name: str, where: Callable[[Sites], list[SimulatedSite]] = prod) -> set[str]:
    """What a setting is at all services whose names have *pattern* in them."""
    return {
        str(one.definition.get(name)) for site in where(sites) for key, one in site.services.items() if pattern in key
    }


@dataclass(frozen=True)
class Promise:
    """What a command comes to: its exit status, what makes it worth the while, and what is so afterwards."""

    status: int = 0
    before: Callable[[Sites], Any] | None = None
    holds: Callable[[Sites], Any] | None = None
    rows: bool = True
    """Whether a read has something to tell here."""


READ = Promise()
NOTHING_TO_TELL = Promise(rows=False)


def then(holds: Callable[[Sites], Any], before: Callable[[Sites], Any] | None = None) -> Promise:
    return Promise(before=before, holds=holds)


def stands(sites: Sites) -> None:
    """A service that should run, and does not."""
    sites["gis01"].services["Bridges.MapServer"].real = "STOPPED"


def meant_to_stand(sites: Sites) -> None:
    one = sites["bergen"].services["Flood.MapServer"]
    one.configured = one.real = "STOPPED"


def a_machine_stands(sites: Sites) -> None:
    list(sites["gis02"].machines.values())[-1].real = "STOPPED"


def twins(sites: Sites) -> None:
    """One service on two sites, set otherwise."""
    for name, least in (("narvik", "2"), ("bergen", "1")):
        one = sites[name].state.add_service("Planning", "Streets", "MapServer")
        one.definition["minInstancesPerNode"] = least


def twin(sites: Sites, name: str) -> str:
    return str(sites[name].services["Planning/Streets.MapServer"].definition["minInstancesPerNode"])


def jobs(sites: list[SimulatedSite], status: str) -> int:
    return sum(job["status"] == status for site in sites for one in site.services.values() for job in one.jobs)


def aliases(sites: list[SimulatedSite], alias: str) -> bool:
    return all(alias in machine.certificates for site in sites for machine in site.machines.values())


def planners(sites: Sites) -> None:
    for site in sites.values():
        site.state.roles["planners"] = {"rolename": "planners", "description": ""}
        site.state.role_privileges["planners"] = "ACCESS"


def allowed(sites: Sites, role: str) -> set[str]:
    """The services at which a role is named, and may."""
    return {
        key
        for site in prod(sites)
        for key, one in site.services.items()
        for rule in one.permissions
        if rule["principal"] == role and rule["permission"]["isAllowed"]
    }


def soon(sites: Sites) -> None:
    site = sites["gis01"]
    next(iter(site.machines.values())).certificates["soon"] = site.state.clock() + 20 * 86_400


def old_folder(sites: Sites) -> None:
    items = sites["narvik"].state.data_items
    items["/fileShares/old"] = {**items["/fileShares/maps"], "path": "/fileShares/old", "id": "c0ffee00-0009"}
    items["/fileShares/old"]["totalRefCount"] = 0


def counted(operation: str, where: Callable[[Sites], list[SimulatedSite]]) -> Callable[[Sites], bool]:
    return lambda sites: all(site.count(operation) for site in where(sites))


def every(sites: Sites) -> list[SimulatedSite]:
    return list(sites.values())


def narvik_only(sites: Sites) -> list[SimulatedSite]:
    return [sites["narvik"]]


def old_adaptor(sites: Sites) -> None:
    new_adaptor(sites["gis01"].state, "https://old.example.com/arcgis", "OLD-WEB1.EXAMPLE.COM", "192.0.2.9")


def adaptors(sites: Sites) -> set[str]:
    return {one["machineName"] for site in sites.values() for one in site.state.kept["webadaptors"].values()}


PROMISES: dict[str, list[Promise]] = {
    "Restart all services of a folder": [
        then(lambda s: real(s, "Planning/") == {"STARTED"} and counted("startServices", every)(s)),
    ],
    "Stop everything that runs": [
        then(lambda s: {one.real for site in prod(s) for one in site.services.values()} == {"STOPPED"}, meant_to_stand),
        then(
            lambda s: (
                [k for site in prod(s) for k, one in site.services.items() if one.real != "STARTED"]
                == ["Flood.MapServer"]
            )
        ),
    ],
    "Find services whose configured": [Promise(before=stands), then(lambda s: real(s) == {"STARTED"})],
    "Find services or machines with fewer": [Promise(before=a_machine_stands)],
    "Change min and max instances": [
        then(
            lambda s: (
                settings(s, "Planning/", "minInstancesPerNode") == {"2"}
                and settings(s, "Planning/", "recycleInterval") == {"48"}
            )
        ),
    ],
    "Set min instances to 0 or 1": [
        READ,
        then(lambda s: settings(s, "Planning/Bridges", "minInstancesPerNode") == {"0"}),
    ],
    "Move services to shared instances": [
        then(lambda s: settings(s, ".MapServer", "provider", narvik_only) == {"DMaps"}),
        Promise(before=lambda s: s["gis01"].services["Bridges.MapServer"].definition.update(provider="ArcObjects")),
    ],
    "Switch extensions or capabilities": [
        then(
            lambda s: (
                {
                    (part["typeName"], str(part["enabled"]).lower())
                    for site in prod(s)
                    for key, one in site.services.items()
                    if key.endswith("MapServer")
                    for part in one.definition["extensions"]
                    if part["typeName"] in ("WMSServer", "KmlServer")
                }
                == {("WMSServer", "true"), ("KmlServer", "false")}
            )
        ),
        then(lambda s: settings(s, ".MapServer", "capabilities", narvik_only) == {"Map,Query"}),
    ],
    "Compare service properties": [
        Promise(status=1, before=twins),
        then(lambda s: twin(s, "bergen") == "2"),
    ],
    "Inventory of all services": [READ],
    "Which services use a database": [READ, READ],
    "Find broken manifests": [READ],
    "Delete or rename services": [
        then(
            lambda s: (
                not any(
                    "Flood.MapServer" in site.services or "Utilities/Landuse.MapServer" in site.services
                    for site in s.values()
                )
            )
        ),
        then(lambda s: "Planning/BuildingPermits.MapServer" in s["narvik"].services),
    ],
    "Publish or overwrite": [then(lambda s: any("Hydrants" in key for key in s["narvik"].services))],
    "Export and import service definitions": [
        Promise(before=twins),
        then(lambda s: twin(s, "narvik") == "1"),
    ],
    "Geoprocessing jobs": [
        READ,
        then(lambda s: jobs(narvik_only(s), "esriJobExecuting") == 0),
        then(lambda s: jobs(prod(s), "esriJobWaiting") == 0),
    ],
    "Clear the REST cache": [then(counted("clear", every))],
    "Log level up": [
        then(lambda s: s["oslo"].state.log_settings["logLevel"] == "DEBUG"),
        then(lambda s: s["oslo"].state.log_settings["logLevel"] == "WARNING"),
        then(lambda s: {int(site.state.log_settings["maxLogFileAge"]) for site in prod(s)} == {30}),
    ],
    "Collect SEVERE and WARNING": [READ],
    "Top errors by code": [READ],
    "Usage per service and day": [READ, READ, READ],
    "Clean logs": [READ, then(counted("clean", narvik_only))],
    "Machine state, hardware": [READ, READ],
    "Rolling stop and start": [
        then(
            lambda s: (
                s["gis02"].count("stop") == 2 and {one.real for one in s["gis02"].machines.values()} == {"STARTED"}
            )
        ),
    ],
    "Heap sizes": [
        READ,
        then(lambda s: {one.heap for one in s["oslo"].machines.values()} == {128}),
    ],
    "Take a machine out": [
        then(lambda s: len(s["gis02"].machines) == 1),
        then(lambda s: len(s["gis02"].machines) == 2),
        then(
            lambda s: not any(one.behind for site in s.values() for one in site.machines.values()),
            lambda s: setattr(next(iter(s["gis01"].machines.values())), "behind", True),
        ),
    ],
    "Certificate expiry": [
        Promise(status=1, before=soon),
        then(lambda s: aliases(prod(s), "gis-2027")),
        then(lambda s: {one.alias for site in prod(s) for one in site.machines.values()} == {"gis-2027"}),
        then(lambda s: aliases(every(s), "example-root")),
    ],
    "Licence level": [READ],
    "Validate all data stores": [Promise(status=1, before=lambda s: s["gis01"].fault("data-broken"))],
    "Register or repoint": [
        then(lambda s: all("/enterpriseDatabases/roads" in site.state.data_items for site in prod(s))),
        then(
            lambda s: all(
                "SERVER=db9.example.com"
                in site.state.data_items["/enterpriseDatabases/gisprod"]["info"]["connectionString"]
                for site in prod(s)
            )
        ),
    ],
    "Reference count": [
        Promise(before=old_folder),
        then(lambda s: "/fileShares/old" not in s["narvik"].state.data_items),
    ],
    "PSA": [
        READ,
        then(lambda s: s["gis02"].tokens.accounts["siteadmin"] != "simulated"),
        then(lambda s: s["narvik"].state.psa_disabled),
        then(lambda s: not s["narvik"].state.psa_disabled),
    ],
    "Users and roles from a CSV": [
        then(lambda s: all("jdoe" in site.state.users and "planners" in site.state.roles for site in prod(s))),
        READ,
    ],
    "Permissions from a file": [
        then(lambda s: len(allowed(s, "planners")) >= 2, planners),
        then(lambda s: allowed(s, "map-viewers") >= allowed(s, "planners")),
        then(lambda s: not allowed(s, "planners")),
        READ,
    ],
    "Token settings audit": [
        READ,
        then(counted("update", narvik_only)),
        READ,
    ],
    "Security audit": [
        Promise(status=1),
        Promise(status=1, before=lambda s: s["gis01"].state.kept.update(security_config={"HSTSEnabled": True})),
    ],
    "Switch the services directory off": [
        then(lambda s: {str(services_directory(site)).lower() for site in prod(s)} == {"false"}),
    ],
    "Identity store test": [READ],
    "Web adaptors": [
        READ,
        Promise(before=lambda s: next(iter(s["oslo"].state.kept["webadaptors"].values())).update(isAdminEnabled=True)),
        then(lambda s: "OLD-WEB1.EXAMPLE.COM" not in adaptors(s), old_adaptor),
    ],
    "System properties": [
        Promise(before=lambda s: s["oslo"].state.properties.update(WebContextURL="https://gis.example.com/arcgis")),
        then(
            lambda s: (
                {site.state.properties["httpProxyHost"] for site in prod(s)} == {"proxy.example.com"}
                and s["oslo"].state.properties["WebContextURL"] == "https://gis.example.com/arcgis"
            )
        ),
    ],
    "Directories": [READ, then(counted("clean", narvik_only))],
    "Configuration store status": [READ, then(counted("recover", narvik_only))],
    "Export a site backup": [
        then(lambda s: all(site.state.kept["exports"] for site in prod(s))),
        NOTHING_TO_TELL,
        NOTHING_TO_TELL,
    ],
    "Read-only mode": [
        then(lambda s: {site.state.mode for site in prod(s)} == {"READ_ONLY"}),
        then(lambda s: {site.state.mode for site in prod(s)} == {"EDITABLE"}),
    ],
    "Wait until a site": [READ, READ],
    "Pre-flight": [Promise(status=1)],
    "Post-flight": [Promise(status=1), READ],
    "Public reachability": [READ],
    "Status page": [READ, READ],
    "Mail or chat": [READ, Promise(status=1, before=stands)],
    "Cold start order": [READ, READ, READ, READ],
    "Federation check": [READ],
}
"""By the begin of each job what its commands come to, in the order of the row."""


def services_directory(site: SimulatedSite) -> Any:
    return site.state.kept["servicesdirectory"]["servicesDirEnabled"]


def promises_of(job: str) -> list[Promise]:
    (found,) = [promises for begin, promises in PROMISES.items() if job.startswith(begin)]
    return found


def changes(command: str) -> bool:
    """Whether a command changes sites."""
    words = shlex.split(command)
    now: click.Command = main
    context = click.Context(main)
    for word in words[1:]:
        if not isinstance(now, click.Group):
            break
        found = now.get_command(context, word)
        assert found is not None, f"there is no {word} in {command}"
        now = found
    names = {option for parameter in now.params for option in parameter.opts}
    return {"--dry-run", "--yes"} <= names and (words[1] != "call" or "--change" in words)


def test_the_page_has_every_job_and_no_other() -> None:
    assert [row.job for row in ROWS if row.job not in NAMES] == []
    assert sorted(row.job for row in ROWS) == sorted(NAMES)


@pytest.mark.parametrize("row", ROWS, ids=[row.job for row in ROWS])
def test_a_job_has_a_command_or_is_not_offered(row: Row) -> None:
    assert row.commands or NOT_OFFERED in row.cell
    assert len(promises_of(row.job)) == len(row.commands)
    for file, anchor in LINK.findall(row.cell):
        text = (PAGE.parent / file if file else PAGE).read_text(encoding="utf-8")
        section = sections_of(text)[anchor] if anchor else text
        assert "\n$ " in section, f"nothing is run at {file}#{anchor}"


def sections_of(text: str) -> dict[str, str]:
    """What stands below each heading of a page, by the heading's anchor."""
    found, anchor, fenced = {"": ""}, "", False
    for line in text.splitlines():
        fenced ^= line.startswith("```")
        if line.startswith("#") and not fenced:
            anchor = re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        found[anchor] = f"{found.get(anchor, '')}{line}\n"
    return found


@asynccontextmanager
async def estate(folder: Path, federated: bool) -> Any:
    """Simulated sites by the names of the pages, and in *folder* their inventory and the files that commands name."""
    async with Simulator(sites=len(pages.SITES), federated=federated) as simulator:
        sites = dict(zip(pages.SITES, simulator.sites.values(), strict=True))
        own = {"narvik": 'username = "deputy-admin"', "gis02": 'password = { file = "gis02.secret" }'}
        parts = [
            f'[sites.{name}]\nurl = "{sites[name].url}"\n{said}\n{own.get(name, "")}\n'
            for name, said in pages.SITES.items()
        ]
        text = simulator.inventory_toml() if federated else "\n".join([pages.HEAD, *parts])
        files = {
            **{block.notes["file"][0]: block.text for block in pages.blocks(PAGE) if "file" in block.notes},
            "inventory.toml": text,
            "old-services.txt": "Flood.MapServer\nUtilities/Landuse.MapServer\n",
            "definitions/Hydrants.sd": "a definition",
            "roads.toml": 'path = "/enterpriseDatabases/roads"\ntype = "egdb"\n[info]\n'
            'dataStoreConnectionType = "shared"\nconnectionString = "SERVER=db1;DATABASE=roads;USER=gis"\n',
            "permissions.csv": "service,role,site\nPlanning/,planners,\nUtilities/,planners,\n"
            "Flood.MapServer,planners,bergen\nBridges.MapServer,planners,gis01\n",
            "roles.csv": "rolename,privilege\nplanners,PUBLISH\n",
            "users.csv": "username,fullname,roles\njdoe,J. Doe,planners\n",
            "gis02.secret": "simulated\n",
            "pfx.secret": "opens-the-file\n",
            "db.secret": "opens-the-database\n",
            "key.secret": "a-new-shared-key-of-the-site\n",
        }
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(content, encoding="utf-8")
            path.chmod(0o600)
        yield simulator, sites


def certificates(folder: Path) -> None:
    pytest.importorskip("cryptography")
    from tests.certificates import TestAuthority

    authority = TestAuthority()
    (folder / "new.pfx").write_bytes(authority.pfx("gis.example.net", 90, "opens-the-file"))
    (folder / "authority.cer").write_bytes(authority.pem)


async def run(command: str, folder: Path) -> tuple[int, str, str]:
    """Run a line in bash, in *folder*, where `fleet` is this `fleet`: status, standard output, standard error."""
    script = f'fleet() {{ {shlex.join(FLEET)} "$@"; }}\n{command}'
    done = await anyio.run_process(
        ["bash", "-c", script],
        cwd=folder,
        env={**os.environ, "FLEET_PASSWORD": "simulated", "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"},
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def tells(text: str) -> bool:
    """Whether a report has something in it beside which sites it is about."""
    told = json.loads(text)
    if isinstance(told, list):
        return bool(told)
    merged = told["merged"]
    return any(merged.values())


@pytest.mark.parametrize("row", [row for row in ROWS if row.commands], ids=lambda row: row.job)
async def test_the_commands_do_the_job(row: Row, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    if row.job.startswith("Certificate"):
        certificates(folder)
    async with estate(folder, federated=row.job.startswith("Federation")) as (simulator, sites):
        for command, promise in zip(row.commands, promises_of(row.job), strict=True):
            if promise.before is not None:
                promise.before(sites)
            if changes(command):
                await change(command, promise, folder, simulator, sites)
            else:
                await look(command, promise, folder)


async def look(command: str, promise: Promise, folder: Path) -> None:
    bare = " -o " in command or " > " in command or not promise.rows
    status, out, err = await run(command if bare else f"{command} -o json", folder)
    assert status == promise.status, (command, out, err)
    assert "Traceback" not in err, err
    if " > " in command:
        assert (folder / command.rpartition(" > ")[2]).read_text(encoding="utf-8").strip(), command
    elif "-o csv" in command:
        assert len(out.splitlines()) > 1, out
    elif promise.rows:
        assert tells(out), (command, out)


async def change(command: str, promise: Promise, folder: Path, simulator: Simulator, sites: Sites) -> None:
    """A dry run sends nothing and has something to do; then it is done, and the sites are as was promised."""
    seen = len(simulator.ledger)
    status, out, err = await run(f"{command} --dry-run -o json", folder)
    assert status == 0, (command, out[-3000:], err)
    told = json.loads(out)
    assert told["dry_run"] is True
    assert any(one["outcome"] == "changed" for one in told["outcomes"]), (command, out)
    assert [one.operation for one in simulator.ledger[seen:] if one.changed and one.operation != "generateToken"] == []

    protected = "--confirm oslo" if re.search(r"-s (all|prod|oslo|role=hosting)\b", command) else ""
    status, out, err = await run(f"{command} --yes {protected} -o json", folder)
    assert status == promise.status, (command, out, err)
    assert any(one["outcome"] == "changed" for one in json.loads(out)["outcomes"]), (command, out)
    assert promise.holds is None or promise.holds(sites), (command, out)
