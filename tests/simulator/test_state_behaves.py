"""The state of simulated sites: seeded, moved by requests and by time, and read back."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fleet.simulator import SimulatedSite, Simulator
from tests.wire import admin, ask, first_service, sign_in, until

Simulate = Callable[..., Awaitable[Simulator]]
DONE = {"status": "success"}
NOW = 1_800_000_000.0


async def one(simulate: Simulate, **options: object) -> SimulatedSite:
    return (await simulate(sites=1, **options)).sites["sim-0001"]


# Seeds


async def everything(site: SimulatedSite) -> dict[str, Any]:
    """What a site says of itself in all places that its seed decides."""
    token = await sign_in(site)
    listing = (await admin(site, "services", token)).json
    told: dict[str, Any] = {"listing": listing}
    for folder in ("", *listing["folders"]):
        path = f"services/{folder}/report" if folder else "services/report"
        told[folder or "/"] = (await admin(site, path, token)).json
    for path in ("machines", "logs/query", "system/licenses", "system/directories", "data/findItems"):
        told[path] = (await admin(site, path, token)).json
    for machine in site.machines:
        told[machine] = (await admin(site, f"machines/{machine}/sslcertificates/selfsignedcertificate", token)).json
    for key in site.services:
        told[key] = (await admin(site, f"services/{key}", token)).json
        told[f"{key}/statistics"] = (await admin(site, f"services/{key}/statistics", token)).json
    return told


async def test_the_same_seed_makes_the_same_sites_and_another_seed_others(simulate: Simulate) -> None:
    told = []
    for seed in (7, 7, 8):
        simulator = await simulate(sites=3, seed=seed, clock=lambda: NOW)
        told.append([await everything(site) for site in simulator.sites.values()])
    assert told[0] == told[1]
    assert all(first != other for first, other in zip(told[0], told[2], strict=True))
    assert told[0][0] != told[0][1], "and sites differ among themselves"


def test_the_same_seed_makes_the_same_sites_in_every_process() -> None:
    code = (
        "import json; from fleet.simulator.state import SiteState\n"
        "state = SiteState('sim-0001', release='11.3', seed=5, clock=lambda: 1.8e9)\n"
        "print(json.dumps([[s.key, s.definition, s.transactions, s.rate] for s in state.services.values()]))\n"
        "print(json.dumps(state.log_records))"
    )
    runs = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert len(runs) == 1


# Services and machines


async def test_services_start_and_stop_by_states_in_between_also_in_bulk(simulate: Simulate) -> None:
    site = await one(simulate)
    token = await sign_in(site)
    keys = list(site.services)[:4]
    named = [key.rpartition("/") for key in keys]
    entries = [{"folderName": f, "serviceName": n.partition(".")[0], "type": n.partition(".")[2]} for f, _, n in named]
    listed = json.dumps({"services": entries})
    with site.paused("services.stop"):
        work = asyncio.create_task(admin(site, "services/stopServices", token, services=listed))
        await until(lambda: {site.services[key].real for key in keys} == {"STOPPING"})
        told = {(await admin(site, f"services/{key}/status", token)).json["realTimeState"] for key in keys}
        assert told == {"STOPPING"}
    assert (await work).json == DONE
    assert {site.services[key].real for key in keys} == {"STOPPED"}


async def test_nothing_runs_on_a_stopped_machine(simulate: Simulate) -> None:
    site = await one(simulate, machines=2, services=6)
    token, key = await sign_in(site), first_service(site)
    first, second = site.machines
    site.services[key].definition |= {"minInstancesPerNode": 2, "maxInstancesPerNode": 5}
    assert (await admin(site, f"machines/{first}/stop", token)).json == DONE
    told = (await admin(site, f"services/{key}/statistics", token)).json
    by_machine = {one["machineName"]: one for one in told["perMachine"]}
    assert (by_machine[first]["max"], by_machine[first]["isStatisticsAvailable"]) == (0, False)
    assert (by_machine[second]["max"], by_machine[second]["isStatisticsAvailable"]) == (5, True)
    assert told["summary"]["max"] == 5
    assert (await admin(site, f"services/{key}/status", token)).json["realTimeState"] == "STARTED"
    assert (await admin(site, f"machines/{second}/stop", token)).json == DONE
    states = (await admin(site, "services/report", token, parameters='["status"]')).json["reports"]
    assert {one["status"]["realTimeState"] for one in states} == {"STOPPED"}
    assert {one["status"]["configuredState"] for one in states} == {"STARTED"}
    assert (await ask(f"{site.url}/rest/services")).json["services"] == []
    assert (await admin(site, f"machines/{first}/start", token)).json == DONE
    assert (await admin(site, f"services/{key}/status", token)).json["realTimeState"] == "STARTED", "it came with it"
    assert (await admin(site, f"machines/{first}", token)).json["configuredState"] == "STARTED"


async def test_counters_move_with_requests_and_with_time_and_stand_while_a_service_is_stopped(
    simulate: Simulate,
) -> None:
    now = NOW
    site = await one(simulate, clock=lambda: now, folders=0)
    token, key = await sign_in(site), first_service(site)
    site.services[key].rate = 0.5
    name, _, kind = key.partition(".")

    async def told() -> dict[str, Any]:
        summary: dict[str, Any] = (await admin(site, f"services/{key}/statistics", token)).json["summary"]
        return summary

    begun = (await told())["transactions"]
    for _ in range(3):
        await ask(f"{site.url}/rest/services/{name}/{kind}/export")
    assert (await told())["transactions"] == begun + 3
    now += 60.0
    assert (await told())["transactions"] == begun + 33
    assert (await told())["totalBusyTime"] > 0
    await admin(site, f"services/{key}/stop", token)
    now += 600.0
    stopped = await told()
    assert stopped["transactions"] == begun + 33
    assert (stopped["busy"], stopped["free"]) == (0, 0)
    await admin(site, f"services/{key}/start", token)
    now += 10.0
    assert (await told())["transactions"] == begun + 38
    shares = (await admin(site, f"services/{key}/statistics", token)).json["perMachine"]
    assert sum(one["transactions"] for one in shares) == begun + 38
    site.services[key].rate = 5.0
    busy = set()
    for _ in range(40):
        now += 5.0
        summary = await told()
        busy.add(summary["busy"])
        assert summary["busy"] + summary["free"] + summary["notCreated"] + summary["initializing"] == summary["max"]
    assert busy >= {1}


# Logs


async def test_logs_grow_with_what_happened(simulate: Simulate) -> None:
    site = await one(simulate, machines=1)
    token, key = await sign_in(site), first_service(site)
    machine = next(iter(site.machines))
    known = len(site.state.log_records)
    await admin(site, f"services/{key}/stop", token)
    await admin(site, f"services/{key}/start", token)
    await admin(site, f"machines/{machine}/stop", token)
    await admin(site, f"machines/{machine}/start", token)
    await ask(f"{site.url}/admin/generateToken", form={"username": "guest", "password": "my-secret"})
    await admin(site, f"services/{key}/edit", token, service="nothing")
    await admin(site, "services/createFolder", token)
    new = site.state.log_records[known:]
    assert [(one["type"], one["user"]) for one in new] == [
        ("INFO", "siteadmin"),
        ("INFO", "siteadmin"),
        ("INFO", "siteadmin"),
        ("INFO", "siteadmin"),
        ("WARNING", "guest"),
        ("SEVERE", "siteadmin"),
        ("SEVERE", "siteadmin"),
    ]
    assert "my-secret" not in json.dumps(new)
    shown = (await admin(site, "logs/query", token, level="INFO", filter=json.dumps({"services": [key]}))).json
    assert [one["message"] for one in shown["logMessages"]][:2] == [
        f"Service '{key}' is started.",
        f"Service '{key}' is stopped.",
    ]
    assert (await admin(site, "logs/clean", token)).json == DONE
    assert (await admin(site, "logs/query", token, level="DEBUG")).json["logMessages"] == []


async def test_only_levels_of_the_settings_are_written(simulate: Simulate) -> None:
    site = await one(simulate)
    token, key = await sign_in(site), first_service(site)
    form = {"logDir": "/srv/logs", "maxLogFileAge": "9", "maxErrorReportsCount": "1"}
    for level, grows in (("WARNING", 0), ("OFF", 0), ("FINE", 1)):
        await admin(site, "logs/settings/edit", token, **form, logLevel=level)
        known = len(site.state.log_records)
        await admin(site, f"services/{key}/stop", token)
        assert len(site.state.log_records) - known == grows


# Accounts


async def test_accounts_sign_in_and_may_do_what_their_roles_allow(simulate: Simulate) -> None:
    site = await one(simulate)
    token, key = await sign_in(site), first_service(site)
    for name in ("reader", "publisher", "boss"):
        account = {"username": name, "password": f"{name}-pass"}
        assert (await admin(site, "security/users/add", token, **account)).json == DONE
    for role, privilege in (("publishers", "PUBLISH"), ("bosses", "ADMINISTER")):
        assert (await admin(site, "security/roles/add", token, rolename=role)).json == DONE
        assert (await admin(site, "security/roles/assignPrivilege", token, rolename=role, privilege=privilege)).json
    await admin(site, "security/users/assignRoles", token, username="publisher", roles="publishers")
    await admin(site, "security/roles/addUsersToRole", token, rolename="bosses", users="boss,reader")
    await admin(site, "security/roles/removeUsersFromRole", token, rolename="bosses", users="reader")
    told = {}
    for name in ("reader", "publisher", "boss"):
        account = {"username": name, "password": f"{name}-pass"}
        own = (await ask(f"{site.url}/admin/generateToken", form=account)).json["token"]
        told[name] = [
            (await admin(site, path, own)).json.get("code") for path in (f"services/{key}/status", "machines", "info")
        ]
    assert told == {"reader": [403, 403, 403], "publisher": [None, 403, None], "boss": [None, None, None]}
    assert (await admin(site, "security/users/getPrivilege", token, username="publisher")).json == {
        "privilege": "PUBLISH"
    }
    assert (await admin(site, "security/roles/getRolesForUser", token, username="boss")).json["roles"] == ["bosses"]
    await admin(site, "security/users/remove", token, username="boss")
    gone = await ask(f"{site.url}/admin/generateToken", form={"username": "boss", "password": "boss-pass"})
    assert gone.code == 401


async def test_users_come_in_pages(simulate: Simulate) -> None:
    site = await one(simulate, switches={"estate": "bare"})
    token = await sign_in(site)
    for number in range(13):
        await admin(site, "security/users/add", token, username=f"u{number:02d}", password="some-pass")
    first = (await admin(site, "security/users/getUsers", token)).json
    assert (len(first["users"]), first["hasMore"]) == (10, True)
    rest = (await admin(site, "security/users/getUsers", token, startIndex="10")).json
    assert ([one["username"] for one in rest["users"]], rest["hasMore"]) == (["u10", "u11", "u12"], False)
    found = (await admin(site, "security/users/search", token, filter="U1", maxCount="2")).json
    assert ([one["username"] for one in found["users"]], found["hasMore"]) == (["u10", "u11"], True)


async def test_the_primary_administrator_can_be_changed_disabled_and_locked(simulate: Simulate) -> None:
    site = await one(simulate)
    token = await sign_in(site)
    place = f"{site.url}/admin/generateToken"
    assert (await admin(site, "security/psa/update", token, username="chief", password="newer-pass")).json == DONE
    assert (await ask(place, form={"username": "siteadmin", "password": "simulated"})).code == 401
    chief = {"username": "chief", "password": "newer-pass"}
    assert "token" in (await ask(place, form=chief)).json
    await admin(site, "security/psa/disable", token)
    assert (await ask(place, form=chief)).code == 401
    await admin(site, "security/psa/enable", token)
    assert "token" in (await ask(place, form=chief)).json
    for _ in range(5):
        await ask(place, form={**chief, "password": "wrong"})
    assert (await ask(place, form=chief)).message == "Too many failed attempts. The account is locked."


async def test_a_changed_shared_key_makes_every_token_unreadable(simulate: Simulate) -> None:
    site = await one(simulate)
    token = await sign_in(site)
    config = json.dumps({"type": "BUILTIN", "properties": {"sharedKey": "another", "longTimeout": 2880}})
    assert (await admin(site, "security/tokens/update", token, tokenManagerConfig=config)).json == DONE
    assert (await admin(site, "info", token)).message == "Could not decrypt token. Token may not be valid."
    assert (await admin(site, "security/tokens")).json["properties"]["longTimeout"] == "2880"


# Edits are read back

EDITS: list[tuple[str, dict[str, str], str, Callable[[Any], bool]]] = [
    ("services/createFolder", {"folderName": "New", "description": "d"}, "services/New", lambda a: a["description"] == "d"),
    ("services/System/editFolder", {"description": "e"}, "services/System", lambda a: a["description"] == "e"),
    ("system/properties/update", {"properties": '{"WebContextURL":"https://x"}'}, "system/properties",
     lambda a: a == {"WebContextURL": "https://x"}),
    ("system/directories/arcgisoutput/edit",
     {"name": "arcgisoutput", "physicalPath": "/n/", "directoryType": "OUTPUT", "cleanupMode": "NONE", "maxFileAge": "5"},
     "system/directories/arcgisoutput", lambda a: (a["physicalPath"], a["maxFileAge"]) == ("/n", 5)),
    ("system/configstore/edit", {"type": "FILESYSTEM", "connectionString": "/moved"}, "system/configstore",
     lambda a: a["connectionString"] == "/moved"),
    ("system/webadaptors/register", {"webAdaptorURL": "https://w/x", "machineName": "W", "machineIP": "10.0.0.9"},
     "system/webadaptors", lambda a: a["webAdaptors"][-1]["webAdaptorURL"] == "https://w/x"),
    ("system/handlers/rest/servicesdirectory/edit", {"allowedOrigins": "https://a"},
     "system/handlers/rest/servicesdirectory", lambda a: a["allowedOrigins"] == "https://a"),
    ("system/platformservices/compute/stop", {}, "system/platformservices/compute/status",
     lambda a: a == {"configuredState": "STOPPED", "realTimeState": "STOPPED"}),
    ("security/config/update", {"Protocol": "HTTPS", "HSTSEnabled": "true"}, "security/config",
     lambda a: (a["httpEnabled"], a["HSTSEnabled"]) == (False, True)),
    ("data/items/fileShares/maps/edit", {"item": '{"type":"folder","info":{"path":"/n"}}'}, "data/items/fileShares/maps",
     lambda a: a["info"] == {"path": "/n"}),
    ("data/config/update", {"datastoreConfig": '{"blockDataCopy":true}'}, "data/config", lambda a: a["blockDataCopy"] is True),
    ("usagereports/settings/edit", {"samplingInterval": "5", "enabled": "false"}, "usagereports/settings",
     lambda a: (a["samplingInterval"], a["enabled"]) == (5, False)),
]  # fmt: skip


@pytest.mark.parametrize(("change", "form", "look", "so"), EDITS, ids=[edit[0] for edit in EDITS])
async def test_an_edit_is_read_back(
    simulate: Simulate, change: str, form: dict[str, str], look: str, so: Callable[[Any], bool]
) -> None:
    site = await one(simulate)
    token = await sign_in(site)
    before = await admin(site, look, token)
    assert before.json.get("code") == 404 or not before.json.get("webAdaptors", [{}]) or not so(before.json)
    assert (await admin(site, change, token, **form)).json["status"] == "success"
    assert so((await admin(site, look, token)).json)


async def test_machines_and_their_certificates_come_and_go(simulate: Simulate) -> None:
    site = await one(simulate, machines=1)
    token = await sign_in(site)
    own = next(iter(site.machines))
    new = {"machineName": "new-b.example.net", "adminURL": "https://new-b.example.net:6443/arcgis/admin"}
    assert (await admin(site, "machines/register", token, **new)).json == DONE
    keys = "machines/NEW-B.EXAMPLE.NET/sslcertificates"
    assert (await admin(site, f"{keys}/generate", token, alias="web", commonName="n", validity="10")).json == DONE
    assert (await admin(site, keys, token)).json["certificates"] == ["selfsignedcertificate", "web"]
    assert (await admin(site, f"{keys}/web/export", token)).headers["content-type"] == "application/octet-stream"
    edited = await admin(site, "machines/NEW-B.EXAMPLE.NET/edit", token, webServerCertificateAlias="web")
    assert edited.json == DONE
    assert (await admin(site, "machines/NEW-B.EXAMPLE.NET", token)).json["webServerCertificateAlias"] == "web"
    assert (await admin(site, f"{keys}/web/delete", token)).code == 500, "it is in use"
    renamed = {"machineName": "NEW-B.EXAMPLE.NET", "newMachineName": "new-c.example.net"}
    assert (await admin(site, "machines/rename", token, **renamed)).json == DONE
    assert (await admin(site, "machines/NEW-C.EXAMPLE.NET/unregister", token)).json == DONE
    assert [one["machineName"] for one in (await admin(site, "machines", token)).json["machines"]] == [own]
    assert (await admin(site, f"machines/{own}/unregister", token)).code == 500, "it is the last one"


async def test_a_site_is_exported_changed_and_imported_again(simulate: Simulate) -> None:
    site = await one(simulate)
    token, key = await sign_in(site), first_service(site)
    definition = dict(site.services[key].definition)
    keys = set(site.services)
    assert "location" in (await admin(site, "exportSite", token, location="/srv/x", validate="true")).json
    assert site.state.kept.get("exports") is None, "a look only"
    place = (await admin(site, "exportSite", token, location="/srv/x")).json["location"]
    await admin(site, f"services/{key}/edit", token, service=json.dumps({**definition, "description": "changed"}))
    await admin(site, "services/createFolder", token, folderName="Later")
    said = (await admin(site, "importSite", token, location=place)).json
    assert said["result"][0]["source"] == place
    assert set(site.services) == keys
    assert (await admin(site, f"services/{key}", token)).json == definition
    assert (await admin(site, "services/Later", token)).code == 404
    assert (await admin(site, "importSite", token, location="/srv/nowhere")).code == 500


async def test_bad_values_are_failures_and_never_a_crash(simulate: Simulate) -> None:
    site = await one(simulate)
    token, key = await sign_in(site), first_service(site)
    odd = json.dumps({"minInstancesPerNode": "two", "maxInstancesPerNode": None, "configuredState": "STARTED"})
    assert (await admin(site, f"services/{key}/edit", token, service=odd)).json == DONE
    assert (await admin(site, f"services/{key}/statistics", token)).json["summary"]["max"] == 0
    for path, form in (
        ("logs/query", {"startTime": "yesterday"}),
        ("logs/query", {"pageSize": "-"}),
        ("services/report", {"parameters": "status"}),
        ("services/report", {"services": '["x"]'}),
        ("services/startServices", {"services": '{"services":[{"serviceName":"x"}]}'}),
        ("services/createService", {"service": '{"serviceName":5,"type":[]}'}),
        ("usagereports/add", {"usagereport": '{"reportname":"x","queries":[{"metrics":["Nonsense"]}]}'}),
        ("security/tokens/update", {"tokenManagerConfig": '{"properties":5}'}),
        ("data/registerItem", {"item": '{"path":"/elsewhere/x"}'}),
        ("mode/update", {"siteMode": "OPEN"}),
        ("security/config/update", {"Protocol": "FTP"}),
    ):
        said = await admin(site, path, token, **form)
        assert (said.status, said.code in (404, 500)) == (200, True), path
