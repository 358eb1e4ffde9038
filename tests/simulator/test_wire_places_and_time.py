"""Sections 6 and 7 of the page about the wire: addresses and names, slow operations and restarts."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fleet import Fleet, ops
from fleet.admin.catalogue import catalogue, operation_for
from fleet.auth.portal import federation_refusal
from fleet.client.settings import RetryPolicy
from fleet.errors import SiteError
from fleet.inventory.load import Source, load
from fleet.protocol.fields import ServiceId
from fleet.protocol.release import Release
from fleet.simulator import SimulatedSite, Simulator
from tests.wire import admin, ask, first_service, sign_in, until

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

PATIENCE = RetryPolicy(base=0.02, cap=0.1, settle=1.5, lock_patience=0.5, restart=2.0)
BROKEN = (ConnectionError, asyncio.IncompleteReadError)


async def one(simulate: Simulate, **options: object) -> SimulatedSite:
    return (await simulate(sites=1, **options)).sites["sim-0001"]


async def error_of(inventory: Path, operation: object, timeout: str = "2s") -> SiteError:
    async with Fleet.from_inventory(inventory, timeout=timeout, retry=PATIENCE) as fleet:
        report = await fleet.select("sim-0001").run(operation)  # type: ignore[arg-type]
    error: SiteError = report.outcomes[0].error  # type: ignore[union-attr]
    return error


# 6. Addresses, ports, redirects, names


async def test_wire_6_1_a_certificate_that_signed_itself_is_refused_unless_the_inventory_says_which(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, tls=True, faults={"sim-0001": "cert-self-signed"})
    error = await error_of(write_inventory(simulator), ops.info.rest())
    assert (error.kind, "not trusted" in error.message) == ("tls", True)
    assert error.hint is not None
    assert "pin" in error.hint
    assert simulator.ledger == [], "nothing was sent"
    text = "\n".join(
        "tls = { verify = false }" if line.startswith("tls") else line
        for line in simulator.inventory_toml().splitlines()
    )
    async with Fleet.from_inventory(write_inventory(text)) as fleet:
        report = await fleet.select().run(ops.info.rest())
    assert report.ok
    assert "tls_unverified" in json.dumps(report.to_dict()), "every report says so"


@pytest.mark.parametrize(("release", "both"), [("10.5.1", True), ("10.9.1", False), ("11.3", False)])
async def test_wire_6_1_https_only_is_the_default_from_10_7_on(simulate: Simulate, release: str, both: bool) -> None:
    site = await one(simulate, release=release)
    config = (await admin(site, "security/config")).json
    assert (config["sslEnabled"], config["httpEnabled"]) == (True, both)


async def test_wire_6_2_certificates_of_machines_live_1825_days(simulate: Simulate) -> None:
    site = await one(simulate)
    machine = next(iter(site.machines))
    told = (await admin(site, f"machines/{machine}/sslcertificates/selfsignedcertificate")).json
    assert (told["validUntilEpoch"] - told["validFromEpoch"]) / 86_400_000 == 1825


async def test_wire_6_3_direct_access_and_admin_addresses_can_be_limited(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    token = await sign_in(site)
    assert (await admin(site, "security/config/update", token, allowedAdminAccessIPs="127.0.0.2")).json
    assert (await ask(f"{site.url}/admin/info", {"token": token})).status == 403
    assert (await ask(f"{site.url}/rest/info")).status == 200
    inside = await ask(f"{site.url}/admin/info", {"token": token}, source="127.0.0.2")
    assert inside.json["loggedInUser"] == "siteadmin"
    place = f"{site.url}/admin/security/config/update"
    form = {"token": token, "allowedAdminAccessIPs": "", "allowDirectAccess": "false"}
    assert (await ask(place, form=form, source="127.0.0.2")).json == {"status": "success"}
    assert (await ask(f"{site.url}/rest/info")).status == 403
    assert (await error_of(write_inventory(simulator), ops.info.rest())).kind == "forbidden"
    site.switches.set("web-adaptor", "open")
    assert (await admin(site, "info", token)).json["loggedInUser"] == "siteadmin"


async def test_wire_6_4_machine_names_are_upper_case_and_fully_qualified(simulate: Simulate) -> None:
    site = await one(simulate, machines=3)
    token = await sign_in(site)
    names = [one["machineName"] for one in (await admin(site, "machines", token)).json["machines"]]
    assert len(names) == 3
    for name in names:
        assert name == name.upper()
        assert name.count(".") >= 2
        assert (await admin(site, f"machines/{name.lower()}/status", token)).json["realTimeState"] == "STARTED"


@pytest.mark.parametrize(("release", "number"), [("10.5.1", 10.51), ("10.9.1", 10.91), ("11.1", 11.1), ("11.3", 11.3)])
async def test_wire_6_5_the_release_is_read_from_each_place_that_tells_it(
    simulate: Simulate, release: str, number: float
) -> None:
    simulator = await simulate(sites=1, release=release, federated=True)
    assert simulator.portal is not None
    site = simulator.sites["sim-0001"]
    token = await sign_in(site)
    answers = [(await ask(f"{site.url}/rest/info")).json, (await admin(site, "", token)).json]
    told = (await admin(site, "info", token)).json
    assert [answer["currentVersion"] for answer in answers] == [number, number]
    assert told["currentversion"] == number
    assert "currentVersion" not in told
    for answer in (*answers, told):
        assert str(Release.of(answer)) == release
        assert str(Release.of({key: value for key, value in answer.items() if key != "fullVersion"})) == release
    portal = (await ask(f"{simulator.portal.url}/sharing/rest")).json
    assert isinstance(portal["currentVersion"], str)


async def test_wire_6_6_parameters_and_fixed_paths_have_any_case_names_keep_theirs(simulate: Simulate) -> None:
    site = await one(simulate)
    token, key = await sign_in(site), first_service(site)
    assert (await ask(f"{site.url}/admin/machines", {"Token": token})).json["machines"]
    machine = next(iter(site.machines))
    for spelling in ("sslcertificates", "sslCertificates", "SSLCertificates"):
        assert (await admin(site, f"machines/{machine}/{spelling}", token)).json["certificates"]
    for name in ("itempath", "itemPath"):
        site.state.data_items["/fileShares/x"] = {"path": "/fileShares/x", "type": "folder"}
        assert (await admin(site, "data/unregisterItem", token, **{name: "/fileShares/x"})).json == {"success": True}
    assert (await admin(site, f"services/{key}/status", token)).json["realTimeState"] == "STARTED"
    assert (await admin(site, f"services/{key.swapcase()}/status", token)).code == 404


async def test_wire_6_7_rest_info_tells_stand_alone_sites_from_federated_ones(simulate: Simulate) -> None:
    alone = (await ask(f"{(site := await one(simulate)).url}/rest/info")).json
    assert alone["authInfo"]["tokenServicesUrl"] == f"{site.url}/tokens/"
    assert alone["authInfo"]["shortLivedTokenValidity"] == 60
    assert alone["secureSoapUrl"] is None
    simulator = await simulate(sites=1, federated=True)
    assert simulator.portal is not None
    owned = (await ask(f"{simulator.sites['sim-0001'].url}/rest/info")).json
    assert owned["owningSystemUrl"] == simulator.portal.url
    assert "shortLivedTokenValidity" not in owned["authInfo"]


def test_wire_6_7_a_portal_that_is_named_with_another_scheme_is_not_signed_in_at(write_inventory: Write) -> None:
    text = """
[sites.oslo]
url = "https://gis.example.com/arcgis"
username = "siteadmin"
auth = { kind = "portal", portal = "https://portal.example.com/arcgis" }
"""
    site = load([Source(write_inventory(text), trusted=True)])["oslo"]
    refusal = federation_refusal(site, {"owningSystemUrl": "http://portal.example.com/arcgis"})
    assert refusal is not None
    assert refusal.hint is not None
    assert 'portal = "http://portal.example.com/arcgis"' in refusal.hint
    assert "the inventory names https://portal.example.com/arcgis" in refusal.message


async def test_wire_6_8_a_portal_s_token_address_may_redirect(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, federated=True)
    assert simulator.portal is not None
    simulator.portal.faults.add("token-redirect")
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        assert (await fleet.select().run(ops.info.admin())).ok
    asked = [entry for entry in simulator.ledger if entry.site == "portal" and entry.operation == "generateToken"]
    assert [(entry.method, entry.status) for entry in asked] == [("POST", 302), ("POST", 200)]
    assert all("password" not in entry.path for entry in asked)


async def test_wire_6_9_the_root_folder_is_a_slash_in_listings_and_rest_names_hold_the_folder(
    simulate: Simulate,
) -> None:
    site = await one(simulate, folders=2, services=12)
    token = await sign_in(site)
    listing = (await admin(site, "services", token)).json
    assert {one["folderName"] for one in listing["services"]} == {"/"}
    folder = next(name for name in listing["folders"] if name != "System")
    inside = (await admin(site, f"services/{folder}", token)).json["services"]
    assert {one["folderName"] for one in inside} == {folder}
    reports = (await admin(site, f"services/{folder}/report", token)).json["reports"]
    assert {one["folderName"] for one in reports} == {f"/{folder}"}
    assert {str(ServiceId.of(one)) for one in reports} == {str(ServiceId.of(one)) for one in inside}
    shown = (await ask(f"{site.url}/rest/services/{folder}")).json["services"]
    assert {one["name"] for one in shown} == {f"{folder}/{one['serviceName']}" for one in inside}


# 7. Slow operations, time-outs, restarts


async def test_wire_7_1_a_stop_blocks_until_it_is_done_and_goes_on_when_the_caller_has_gone(simulate: Simulate) -> None:
    site = await one(simulate)
    token, key = await sign_in(site), first_service(site)
    site.switches.set("stop-time", "400ms")
    begun = time.monotonic()
    await admin(site, f"services/{key}/stop", token)
    assert time.monotonic() - begun >= 0.4
    with site.paused("services.start"):
        caller = asyncio.create_task(admin(site, f"services/{key}/start", token))
        await until(lambda: site.services[key].real == "STARTING")
        caller.cancel()
        await asyncio.wait({caller})
    await until(lambda: site.services[key].real == "STARTED")


async def test_wire_7_2_a_start_waits_as_long_as_the_service_says(simulate: Simulate) -> None:
    site = await one(simulate, faults={"sim-0001": "start-hangs"})
    token, key = await sign_in(site), first_service(site)
    assert site.services[key].definition["maxStartupTime"] == 300
    site.services[key].definition["maxStartupTime"] = 1
    begun = time.monotonic()
    said = (await admin(site, f"services/{key}/start", token)).json
    assert time.monotonic() - begun >= 1.0
    assert "start-up time" in said["detail"]["machines"][0]["reports"][0]["message"]
    definition = json.dumps({"serviceName": "Later", "type": "MapServer", "configuredState": "STOPPED"})
    with site.paused("services.start"):
        # A service that is made stopped is not waited for.
        assert (await admin(site, "services/createService", token, service=definition)).json == {"status": "success"}


async def test_wire_7_3_a_site_is_made_although_nobody_waits_for_it_any_more(simulate: Simulate) -> None:
    site = await one(simulate, faults={"sim-0001": "no-site"})
    form = {"username": "first", "password": "choice"}
    with site.paused("createNewSite"):
        caller = asyncio.create_task(ask(f"{site.url}/admin/createNewSite", form=form))
        await until(lambda: "site" in site.locks.held)
        caller.cancel()
        await asyncio.wait({caller})
        assert (await ask(f"{site.url}/admin/")).code == 404, "not yet"
    await until(lambda: "no-site" not in site.faults)
    assert (await ask(f"{site.url}/admin/")).code == 499, "there is a site now"
    assert "token" in (await ask(f"{site.url}/admin/generateToken", form=form)).json


LIMITS = {
    "createNewSite": 1000,
    "joinSite": 360,
    "deleteSite": 300,
    "services.start": 600,
    "services.stop": 120,
    "services.createService": 240,
    "services.edit": 300,
    "security.config.update": 300,
    "portal.federation.servers.unfederate": 90,
}


def test_wire_7_4_slow_operations_have_the_time_that_the_vendor_s_tools_allow() -> None:
    assert {name: catalogue().by_name[name].limit for name in LIMITS} == LIMITS
    assert operation_for("admin/services/Roads.MapServer/start", method="POST")[0].limit == 600


async def test_wire_7_5_an_edited_machine_restarts_its_web_server_and_the_fate_is_told_as_unknown(
    simulate: Simulate, write_inventory: Write
) -> None:
    now = 1_800_000_000.0
    switches = {"cut-connections": "machines.edit", "restart-time": "30s"}
    simulator = await simulate(sites=1, switches=switches, clock=lambda: now)
    site = simulator.sites["sim-0001"]
    machine = next(iter(site.machines))
    edit, _ = operation_for(f"admin/machines/{machine}/edit", method="POST", parameters={"socMaxHeapSize": "999"})
    error = await error_of(write_inventory(simulator), edit)
    assert error.kind == "unknown_outcome", "nothing that is read back tells, and it is not sent again"
    assert site.machines[machine].heap == 999
    assert site.count("edit") == 1
    with pytest.raises(BROKEN):
        await ask(f"{site.url}/rest/info")
    now += 31.0
    assert (await ask(f"{site.url}/rest/info")).status == 200


async def test_wire_7_6_read_only_mode_restarts_services_and_refuses_changes(simulate: Simulate) -> None:
    site = await one(simulate)
    token, key = await sign_in(site), first_service(site)
    with site.paused("services.restart"):
        work = asyncio.create_task(admin(site, "mode/update", token, siteMode="READ_ONLY"))
        await until(lambda: site.services[key].real == "STARTING")
        assert (await admin(site, f"services/{key}/status", token)).json["realTimeState"] == "STARTING"
    assert (await work).json == {"status": "success"}
    assert (await admin(site, f"services/{key}/status", token)).json["realTimeState"] == "STARTED"
    for verb in ("stop", "start", "edit", "delete"):
        assert (await admin(site, f"services/{key}/{verb}", token, service="{}")).code == 403
    with site.paused("services.restart"):
        # Going back restarts nothing.
        assert (await admin(site, "mode/update", token, siteMode="EDITABLE")).json == {"status": "success"}


async def test_wire_7_7_a_gateway_that_loses_patience_is_not_believed_and_the_state_decides(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, switches={"web-adaptor": "time-out", "gateway-limit": "200ms"})
    site = simulator.sites["sim-0001"]
    key = first_service(site)
    site.switches.set("durations", "services.stop:600ms")
    patience = RetryPolicy(base=0.02, cap=0.1, settle=20.0)
    async with Fleet.from_inventory(write_inventory(simulator), retry=patience) as fleet:
        report = await fleet.select().run(ops.services.stop(ServiceId.parse(key)))
    assert report.outcomes[0].outcome == "changed"
    assert [(entry.status, entry.changed) for entry in site.requests("stop")] == [(504, True)], "and it was sent once"


async def test_wire_7_8_run_async_answers_at_once_where_it_is_known_and_blocks_elsewhere(simulate: Simulate) -> None:
    site = await one(simulate)
    token, key = await sign_in(site), first_service(site)
    definition = json.dumps({**site.services[key].definition, "description": "later"})
    with site.paused("services.edit"):
        said = (await admin(site, f"services/{key}/edit", token, service=definition, runAsync="true")).json
        job = (await admin(site, f"system/jobs/{said['jobid']}", token)).json
        assert (job["operation"], job["status"]) == ("edit", "IN_PROGRESS")
    await until(lambda: site.state.kept["jobs"][said["jobid"]]["status"] != "IN_PROGRESS")
    assert (await admin(site, f"system/jobs/{said['jobid']}", token)).json["status"] == "COMPLETED"
    assert (await admin(site, f"services/{key}", token)).json["description"] == "later"
    machine = next(iter(site.machines))
    with site.paused("machines.stop"):
        work = asyncio.create_task(admin(site, f"machines/{machine}/stop", token, runAsync="true"))
        await until(lambda: site.machines[machine].real == "STOPPING")
        assert not work.done()
    assert (await work).json == {"status": "success"}


async def test_wire_7_9_during_an_upgrade_all_is_refused_and_afterwards_its_resource_is_gone(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, switches={"upgrade-required": "true", "upgrade-time": "50ms"})
    site = simulator.sites["sim-0001"]
    token = await sign_in(site)
    with site.paused("upgrade.run"):
        work = asyncio.create_task(ask(f"{site.url}/admin/upgrade", form={}))
        await until(lambda: "upgrading" in site.faults)
        for path in ("info", "services", "generateToken"):
            said = await admin(site, path, token, **{"username": "siteadmin", "password": "simulated"})
            assert (said.code, said.message) == (403, "Upgrade in progress.")
        error = await error_of(write_inventory(simulator), ops.info.admin())
        assert error.kind == "locked"
        assert (await ask(f"{site.url}/admin/upgrade")).json == {"upgradeStatus": "IN_PROGRESS"}
    await work
    assert (await ask(f"{site.url}/admin/upgrade")).code == 404
    assert (await admin(site, "info", token)).json["loggedInUser"] == "siteadmin"


async def test_wire_7_10_without_a_token_404_is_no_site_and_499_is_a_site(simulate: Simulate) -> None:
    site = await one(simulate)
    assert (await ask(f"{site.url}/admin/")).code == 499
    token = await sign_in(site)
    assert (await admin(site, "deleteSite", token)).json == {"status": "success"}
    assert (await ask(f"{site.url}/admin/")).code == 404
    assert (await ask(f"{site.url}/rest/info")).json["authInfo"] == {"isTokenBasedSecurity": False}
    joined = {
        "adminURL": "https://other.example.com:6443/arcgis/admin",
        "username": "siteadmin",
        "password": "simulated",
    }
    refused = await ask(f"{site.url}/admin/joinSite", form={**joined, "password": "no"})
    assert refused.message == "Failed to join the site. Invalid credentials."
    said = (await ask(f"{site.url}/admin/joinSite", form=joined)).json
    assert (said["status"], said["pollAfter"]) == ("success", 1)
    assert (await ask(f"{site.url}/admin/")).code == 499
