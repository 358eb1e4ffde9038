"""Every switch of a simulated site, seen from outside: the rows of section 13 of the page about the wire, and the rest."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import fields
from pathlib import Path

import pytest

from fleet import Fleet, ops
from fleet.client.settings import RetryPolicy
from fleet.protocol.fields import ServiceId
from fleet.simulator import RELEASES, SWITCHES, SimulatedSite, Simulator, Switches
from tests.wire import admin, ask, first_service, sign_in, until

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

NOW = 1_800_000_000.0
PATIENCE = RetryPolicy(base=0.02, cap=0.1, settle=1.0, lock_patience=1.0)


async def one(simulate: Simulate, **options: object) -> SimulatedSite:
    """The only site of a simulator with *options*."""
    return (await simulate(sites=1, **options)).sites["sim-0001"]


# Section 13, row by row


@pytest.mark.parametrize(
    ("release", "number", "text", "epochs", "request_id"),
    [("10.5.1", 10.51, True, False, False), ("10.9.1", 10.91, True, False, True), ("11.1", 11.1, False, True, True),
     ("11.3", 11.3, False, True, True)],
)  # fmt: skip
async def test_wire_13_1_release_sets_numbers_members_and_resources(
    simulate: Simulate, release: str, number: float, text: bool, epochs: bool, request_id: bool
) -> None:
    site = await one(simulate, release=release)
    answer = await ask(f"{site.url}/admin/generateToken", form={"username": "siteadmin", "password": "simulated"})
    assert isinstance(answer.json["expires"], str) is text
    token = answer.json["token"]
    assert (await ask(f"{site.url}/rest/info")).json["currentVersion"] == number
    root = (await admin(site, "", token)).json
    assert root["currentVersion"] == number
    assert ("isServerLicensed" in root) is (number > 10.6)
    machine = next(iter(site.machines))
    certificate = (await admin(site, f"machines/{machine}/sslcertificates/selfsignedcertificate", token)).json
    assert ("validUntilEpoch" in certificate) is epochs
    records = (await admin(site, "logs/query", token)).json["logMessages"]
    assert all(("requestID" in record) is request_id for record in records)
    assert ((await admin(site, "clusters", token)).code == 404) is (number > 10.6)
    assert ((await admin(site, f"machines/{machine}/hardware", token)).code == 404) is (number < 10.61)


async def test_wire_13_2_switch_content_type(simulate: Simulate) -> None:
    site = await one(simulate)
    for wanted in ("text/plain;charset=UTF-8", "application/json"):
        site.switches.set("content-type", wanted)
        assert (await ask(f"{site.url}/admin/info")).headers["content-type"] == wanted


async def test_wire_13_3_switch_failure_transport(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    place = f"{site.url}/admin/info"
    said = await ask(place)
    assert (said.status, said.code) == (200, 499)
    assert (await ask(place, json=False)).status == 200, "a page, and no failure"
    site.switches.set("failure-transport", "status")
    assert (await ask(place)).status == 200, "with f=json the failure stays in the body"
    assert (await ask(place, json=False)).status == 499
    assert (await ask(place, {"token": "x" * 20}, json=False)).status == 498
    site.switches.set("failure-transport", "always-status")
    said = await ask(place)
    assert (said.status, said.code) == (499, 499)
    site.switches.set("failure-transport", "page")
    said = await ask(place)
    assert (said.status, said.headers["content-type"][:9]) == (200, "text/html")
    site.switches.set("failure-transport", "xml")
    assert (await ask(place)).body.startswith(b"<?xml")
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        for transport, kind in (("always-status", "not_found"), ("page", "protocol"), ("xml", "protocol")):
            site.switches.set("failure-transport", transport)
            report = await fleet.select().run(ops.services.listing("Nowhere"))
            assert report.outcomes[0].error.kind == kind  # type: ignore[union-attr]


async def test_wire_13_4_switch_missing_slash(simulate: Simulate) -> None:
    site = await one(simulate)
    for status in (302, 301):
        site.switches.set("missing-slash", str(status))
        said = await ask(f"{site.url}/admin")
        assert (said.status, said.headers["location"]) == (status, f"{site.url}/admin/?f=json")
        assert said.body == b""


async def test_wire_13_5_switch_token_check_and_switch_token_life(simulate: Simulate) -> None:
    now = NOW
    site = await one(simulate, clock=lambda: now)
    place = f"{site.url}/admin/info"
    bound = await sign_in(site, client="referer", referer="here")
    here = await sign_in(site, client="requestip")
    mismatch = "Invalid token, ClientID does not match."
    assert (await ask(place, {"token": bound}, headers={"Referer": "here"})).json["loggedInUser"] == "siteadmin"
    assert (await ask(place, {"token": bound}, headers={"Referer": "there"})).message == mismatch
    assert (await ask(place, {"token": bound})).message == mismatch
    assert (await ask(place, {"token": here})).json["loggedInUser"] == "siteadmin"
    assert (await ask(place, {"token": here}, source="127.0.0.2")).message == mismatch
    site.switches.set("token-check", "unbound")
    assert (await ask(place, {"token": bound})).json["loggedInUser"] == "siteadmin"
    site.switches.set("token-check", "foreign")
    assert (await ask(place, {"token": bound})).message == "Could not decrypt token. Token may not be valid."
    site.switches.set("token-check", "bound")
    site.switches.set("token-life", "200ms")
    short = await sign_in(site)
    assert (await ask(place, {"token": short})).json["loggedInUser"] == "siteadmin"
    now += 0.25
    assert (await ask(place, {"token": short})).message == "Token Expired."


async def test_wire_13_6_switch_get_generate_token(simulate: Simulate) -> None:
    site = await one(simulate)
    account = {"username": "siteadmin", "password": "simulated"}
    for path in ("admin/generateToken", "tokens/generateToken"):
        assert (await ask(f"{site.url}/{path}", account)).code == 405
    site.switches.set("get-generate-token", "true")
    for path in ("admin/generateToken", "tokens/generateToken"):
        assert "token" in (await ask(f"{site.url}/{path}", account)).json


async def test_wire_13_7_switch_web_adaptor(simulate: Simulate) -> None:
    site = await one(simulate)
    token = await sign_in(site)
    site.switches.set("web-adaptor", "open")
    assert (await admin(site, "info", token)).json["loggedInUser"] == "siteadmin"
    site.switches.set("web-adaptor", "admin-blocked")
    for path in ("admin/info", "manager"):
        said = await ask(f"{site.url}/{path}")
        assert said.body.startswith(b"\r\n\r\n<!DOCTYPE html>")
    assert (await ask(f"{site.url}/rest/info")).json["currentVersion"] == 11.3
    site.switches.set("web-adaptor", "dead-back-end")
    for path in ("admin/info", "rest/info"):
        said = await ask(f"{site.url}/{path}")
        assert b"Could not access any server machines. Please contact your system administrator." in said.body


async def test_wire_13_7_switch_gateway_limit_and_switch_gateway_status(simulate: Simulate) -> None:
    site = await one(simulate)
    token, key = await sign_in(site), first_service(site)
    site.switches.set("web-adaptor", "time-out")
    site.switches.set("gateway-limit", "200ms")
    for place, status in enumerate((504, 502), start=1):
        site.switches.set("gateway-status", str(status))
        site.services[key].real = "STARTED"
        with site.paused("services.stop"):
            said = await admin(site, f"services/{key}/stop", token)
            assert (said.status, said.headers["content-type"][:9]) == (status, "text/html")
            assert site.services[key].real == "STOPPING", "the work goes on"
        await until(lambda: site.services[key].real == "STOPPED")
        await until(lambda place=place: site.count("stop") == place)  # type: ignore[misc]
    done = site.requests("stop")
    assert [(entry.status, entry.changed) for entry in done] == [(504, True), (502, True)]


async def test_wire_13_8_switch_durations_switch_lost_answers_and_switch_cut_connections(simulate: Simulate) -> None:
    now = NOW
    site = await one(simulate, clock=lambda: now)
    token, key = await sign_in(site), first_service(site)
    site.switches.set("durations", "createFolder:300ms,machines.stop:2s")
    begun = time.monotonic()
    assert (await admin(site, "services/createFolder", token, folderName="Slow")).json == {"status": "success"}
    assert time.monotonic() - begun >= 0.3
    site.switches.set("lost-answers", "createFolder")
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await admin(site, "services/createFolder", token, folderName="Lost")
    assert "Lost" in site.state.folder_names, "it was done all the same"
    machine = next(iter(site.machines))
    site.switches.set("cut-connections", "machines.edit")
    site.switches.set("restart-time", "30s")
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await admin(site, f"machines/{machine}/edit", token, socMaxHeapSize="777")
    assert site.machines[machine].heap == 777
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await ask(f"{site.url}/rest/info")
    now += 31.0
    assert (await admin(site, f"services/{key}/status", token)).json["realTimeState"] == "STARTED"


async def test_wire_13_9_switch_stuck_locks_and_locks_per_service_machine_and_store(simulate: Simulate) -> None:
    site = await one(simulate, machines=2)
    token = await sign_in(site)
    first, second = list(site.services)[:2]
    one_machine, other_machine = site.machines

    async def while_it_works(path: str, *meanwhile: str, **form: str) -> list[str | None]:
        """The first failure texts of *meanwhile*, asked while *path* is under way."""
        resource, _, operation = path.partition("/")
        with site.paused(f"{resource}.{operation.rpartition('/')[2]}"):
            work = asyncio.create_task(admin(site, path, token, **form))
            await until(lambda: bool(site.locks.held))
            answers = [await admin(site, other, token, folderName="Also") for other in meanwhile]
        assert (await work).json == {"status": "success"}
        return [answer.message if "code" in answer.json else None for answer in answers]

    said = await while_it_works(f"services/{first}/stop", f"services/{first}/start", f"services/{second}/status")
    assert said[0] is not None
    assert said[0].startswith("Service '")
    assert said[0].endswith(
        "is currently being configured by another administrative operation. Please try again later."
    )
    assert said[1] is None
    assert await while_it_works(f"services/{first}/start", f"services/{second}/stop") == [None], (
        "another service is free"
    )
    said = await while_it_works(f"machines/{one_machine}/stop", f"machines/{one_machine}/start")
    assert said[0] is not None
    assert said[0].startswith(f"Server machine '{one_machine}' is currently being configured")
    said = await while_it_works("services/createFolder", "services/createFolder", folderName="New")
    store = "Another administrative operation is currently accessing the store. Please try again later."
    assert said == [store]
    site.switches.set("stuck-locks", f"machine:{other_machine},store")
    assert "is currently being configured" in (await admin(site, f"machines/{other_machine}/stop", token)).message
    said_one = await admin(site, f"machines/{one_machine}/start", token)
    assert (
        said_one.message
        == f"Failed to start the server machine. Configuration store error. File system put failed. {store}"
    )
    site.switches.set("stuck-locks", "service:*")
    for _ in range(3):
        assert "is currently being configured" in (await admin(site, f"services/{first}/stop", token)).message
    await admin(site, f"machines/{one_machine}/start", token)
    assert (await admin(site, f"services/{first}/stop", token)).json == {"status": "success"}, "a restart helped"


async def test_wire_13_10_service_faults(simulate: Simulate) -> None:
    site = await one(simulate, machines=1)
    token, key = await sign_in(site), first_service(site)
    site.fault("start-fails")
    said = (await admin(site, f"services/{key}/start", token)).json
    assert "code" not in said
    assert said["detail"]["machines"][0]["reports"][0]["state"] == "FAILED"
    site.clear_faults()
    site.fault("start-hangs")
    site.services[key].definition["maxStartupTime"] = 1
    hanging = asyncio.create_task(admin(site, f"services/{key}/start", token))
    await until(lambda: site.services[key].real == "STARTING")
    assert "code" not in (await hanging).json
    assert (await admin(site, f"services/{key}/status", token)).json["realTimeState"] == "STARTING", "it stays so"
    site.clear_faults()
    site.fault("service-down")
    assert (await admin(site, f"services/{key}/status", token)).json == {
        "configuredState": "STARTED",
        "realTimeState": "STOPPED",
    }
    site.clear_faults()
    site.fault("machine-down")
    machine = next(iter(site.machines))
    assert (await admin(site, f"machines/{machine}/status", token)).json == {
        "configuredState": "STARTED",
        "realTimeState": "STOPPED",
    }
    assert (await admin(site, f"services/{key}/status", token)).json["realTimeState"] == "STOPPED"


async def test_wire_13_11_site_mode(simulate: Simulate) -> None:
    site = await one(simulate)
    token, key = await sign_in(site), first_service(site)
    assert (await admin(site, "mode", token)).json["siteMode"] == "EDITABLE"
    assert (await admin(site, "mode/update", token, siteMode="READ_ONLY")).json == {"status": "success"}
    for refused in (
        f"services/{key}/stop", f"services/{key}/start", f"services/{key}/edit", "services/createFolder", "deleteSite",
        "importSite", f"machines/{next(iter(site.machines))}/edit", "system/properties/update", "security/users/add",
        "services/types/extensions/register",
    ):  # fmt: skip
        said = await admin(site, refused, token, service="{}", folderName="New", properties="{}")
        assert said.code in (403, 500), refused
        assert "read-only" in said.message or said.code == 500, refused
    machine = next(iter(site.machines))
    for allowed in (
        f"machines/{machine}/stop", f"machines/{machine}/start", "exportSite", "logs/clean", "logs/countErrorReports",
        "security/users/getUsers", "security/roles/search", "system/handlers/rest/cache/clear", "data/findItems",
        "data/validateAllDataItems", "system/platformservices", "usagereports",
    ):  # fmt: skip
        assert "code" not in (await admin(site, allowed, token)).json, allowed
    assert (await admin(site, "mode/update", token, siteMode="EDITABLE")).json == {"status": "success"}
    assert (await admin(site, "services/createFolder", token, folderName="New")).json == {"status": "success"}


async def test_wire_13_12_switch_list_parameter(simulate: Simulate) -> None:
    site = await one(simulate)
    token, key = await sign_in(site), first_service(site)
    folder, _, own = key.rpartition("/")
    entry = {"folderName": folder, "serviceName": own.partition(".")[0], "type": own.partition(".")[2]}
    bare, wrapped = json.dumps([entry]), json.dumps({"services": [entry]})
    said = await admin(site, "services/stopServices", token, services=bare)
    assert (said.code, said.message[:40]) == (500, "A JSONObject text must begin with '{' at")
    assert (await admin(site, "services/stopServices", token, services=wrapped)).json == {"status": "success"}
    assert site.services[key].real == "STOPPED"
    site.switches.set("list-parameter", "true")
    assert (await admin(site, "services/startServices", token, services=bare)).json == {"status": "success"}
    assert site.services[key].real == "STARTED"
    reports = (await admin(site, "services/report", token, services=bare)).json["reports"]
    assert [report["serviceName"] for report in reports] == [entry["serviceName"]], "a report takes the list itself"
    assert (await admin(site, "services/report", token, services=wrapped)).code == 500


async def test_wire_13_13_federation(simulate: Simulate) -> None:
    simulator = await simulate(sites=2, federated=True, faults={"sim-0002": "refused"})
    site, portal = simulator.sites["sim-0001"], simulator.portal
    assert portal is not None
    assert (await ask(f"{site.url}/rest/info")).json["owningSystemUrl"] == portal.url
    place = f"{portal.url}/sharing/rest/generateToken"
    account = {"username": "siteadmin", "password": "simulated", "client": "referer", "referer": "here"}
    token = (await ask(place, form=account)).json["token"]
    here = {"Referer": "here"}
    assert (await ask(f"{site.url}/admin/info", {"token": token}, headers=here)).json["loggedInUser"] == "siteadmin"
    exchanged = (await ask(place, form={"token": token, "serverURL": site.url.upper()}, headers=here)).json
    assert 1439 <= (exchanged["expires"] / 1000 - time.time()) / 60 <= 1441
    assert (await ask(f"{site.url}/admin/info", {"token": exchanged["token"]}, headers=here)).json["loggedInUser"]
    states = (await ask(f"{portal.url}/portaladmin/federation/servers/validate", {"token": token}, headers=here)).json
    assert states["status"] == "failure"
    assert [one["status"] for one in states["serversStatus"]] == ["success", "failure"]
    alone = await one(simulate)
    assert "owningSystemUrl" not in (await ask(f"{alone.url}/rest/info")).json


async def test_wire_13_14_switch_log_pages(simulate: Simulate) -> None:
    site = await one(simulate)
    token = await sign_in(site)
    site.switches.set("log-pages", "many")
    page = (await admin(site, "logs/query", token, pageSize="20000")).json
    assert (len(page["logMessages"]), page["hasMore"]) == (10_000, True)
    site = await one(simulate)
    token = await sign_in(site)
    site.switches.set("log-pages", "equal-times")
    page = (await admin(site, "logs/query", token, pageSize="40")).json
    times = [record["time"] for record in page["logMessages"]]
    assert times[-1] == times[-2] == page["endTime"], "the border falls among records of one millisecond"
    site.switches.set("log-pages", "empty-page")
    pages = [(await admin(site, "logs/query", token, pageSize="40")).json for _ in range(2)]
    assert [] in [page["logMessages"] for page in pages]
    assert all(page["hasMore"] for page in pages)


async def test_wire_13_15_certificate(simulate: Simulate, write_inventory: Write) -> None:
    kinds = ("cert-self-signed", "cert-expired", "cert-name")
    simulator = await simulate(sites=4, tls=True, faults={f"sim-000{n}": kind for n, kind in enumerate(kinds, 2)})
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        report = await fleet.select().run(ops.info.rest())
    assert [outcome.outcome for outcome in report.outcomes] == ["ok", *["unreachable"] * 3]
    for outcome, words in zip(report.outcomes[1:], ("not trusted", "expired", "another name"), strict=True):
        assert words in outcome.error.message  # type: ignore[union-attr]


# The rest


async def test_switch_layout_and_switch_chunked(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    assert b'"currentVersion":11.3' in (await ask(f"{site.url}/rest/info")).body
    site.switches.set("layout", "spaced")
    site.switches.set("chunked", "on")
    said = await ask(f"{site.url}/rest/info")
    assert b'"currentVersion" : 11.3' in said.body
    assert said.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in said.headers
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        assert (await fleet.select().run(ops.info.admin())).ok


async def test_switch_failure_word(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    token = await sign_in(site)
    for word in ("error", "failed", "failure"):
        site.switches.set("failure-word", word)
        said = (await admin(site, "services/Nowhere", token)).json
        assert (said["status"], said["code"]) == (word, 404)
    assert said["message"].startswith("Could not find resource")
    assert said["details"] is None
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        report = await fleet.select().run(ops.services.listing("Nowhere"))
    assert report.outcomes[0].error.kind == "not_found"  # type: ignore[union-attr]


async def test_switch_expires_as_text_and_switch_clock_offset(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    account = {"username": "siteadmin", "password": "simulated"}
    for text, kind in (("true", str), ("false", int)):
        site.switches.set("expires-as-text", text)
        assert isinstance((await ask(f"{site.url}/admin/generateToken", form=account)).json["expires"], kind)
    for hours in ("-7h", "9h"):
        site.switches.set("clock-offset", hours)
        before = site.count("generateToken")
        async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
            for _ in range(3):
                assert (await fleet.select().run(ops.info.admin())).ok
        assert site.count("generateToken") - before == 1, "one login, whatever the site's clock says"


async def test_switch_header_token(simulate: Simulate) -> None:
    site = await one(simulate)
    header = {"X-Esri-Authorization": f"Bearer {await sign_in(site)}"}
    assert (await ask(f"{site.url}/admin/info", headers=header)).json["loggedInUser"] == "siteadmin"
    site.switches.set("header-token", "ignored")
    assert (await ask(f"{site.url}/admin/info", headers=header)).code == 499


async def test_switch_portal_token(simulate: Simulate) -> None:
    simulator = await simulate(sites=1, federated=True)
    assert simulator.portal is not None
    site = simulator.sites["sim-0001"]
    token, _ = simulator.portal.tokens.issue("siteadmin", 60, referer="tests")
    header = {"X-Esri-Authorization": f"Bearer {token}", "Referer": "tests"}
    assert (await ask(f"{site.url}/admin/info", headers=header)).json["loggedInUser"] == "siteadmin"
    site.switches.set("portal-token", "refused")
    assert (await ask(f"{site.url}/admin/info", headers=header)).code == 498
    form = {"token": token, "serverURL": f"{site.url}/rest/services", "referer": "tests", "f": "json"}
    exchanged = (await ask(f"{simulator.portal.url}/sharing/rest/generateToken", form=form, headers=header)).json
    header["X-Esri-Authorization"] = f"Bearer {exchanged['token']}"
    assert (await ask(f"{site.url}/admin/info", headers=header)).json["loggedInUser"] == "siteadmin"


async def test_switch_post_token_in_query(simulate: Simulate) -> None:
    site = await one(simulate)
    token = {"token": await sign_in(site)}
    assert (await ask(f"{site.url}/admin/machines", {**token}, form=b"f=json")).json["machines"]
    site.switches.set("post-token-in-query", "false")
    assert (await ask(f"{site.url}/admin/machines", {**token}, form=b"f=json")).code == 499
    assert (await ask(f"{site.url}/admin/machines", token)).json["machines"], "a GET may have it there"


async def test_switch_token_delay_and_switch_registration_recheck(simulate: Simulate, write_inventory: Write) -> None:
    now = NOW
    simulator = await simulate(sites=1, clock=lambda: now)
    site = simulator.sites["sim-0001"]
    site.switches.set("token-delay", "30s")
    site.restart()
    account = {"username": "siteadmin", "password": "simulated"}
    assert (await ask(f"{site.url}/admin/generateToken", form=account)).code == 500
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        report = await fleet.select().run(ops.info.admin())
        assert report.outcomes[0].error.kind == "server", "and the login is not given up for good"  # type: ignore[union-attr]
        now += 31.0
        assert (await fleet.select().run(ops.info.admin())).ok
    site.switches.set("registration-recheck", "60s")
    site.restart()
    assert (await ask(f"{site.url}/rest/info")).status == 500
    now += 61.0
    assert (await ask(f"{site.url}/rest/info")).status == 200


async def test_switch_address_pool(simulate: Simulate) -> None:
    site = await one(simulate)
    site.switches.set("address-pool", "4")
    token = await sign_in(site, client="requestip")
    seen = [(await ask(f"{site.url}/admin/info", {"token": token})).json.get("code") for _ in range(8)]
    assert seen.count(None) == 2, "one caller of four addresses is taken for the one that signed in"
    assert set(seen) == {None, 498}


async def test_switch_user_store(simulate: Simulate) -> None:
    site = await one(simulate)
    site.switches.set("user-store", "broken")
    account = {"username": "siteadmin", "password": "simulated"}
    assert (await ask(f"{site.url}/tokens/generateToken", form={})).code == 500
    assert (await ask(f"{site.url}/tokens/generateToken", form=account)).code == 500
    assert "token" in (await ask(f"{site.url}/admin/generateToken", form=account)).json


async def test_switch_web_tier(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        for kind in ("challenge", "login-page"):
            site.switches.set("web-tier", kind)
            report = await fleet.select().run(ops.info.rest())
            assert report.outcomes[0].error.kind == "auth"  # type: ignore[union-attr]
    site.switches.set("web-tier", "challenge")
    said = await ask(f"{site.url}/rest/info")
    assert (said.status, said.headers["www-authenticate"]) == (401, "Negotiate")


async def test_switch_latency(simulate: Simulate) -> None:
    site = await one(simulate)
    site.switches.set("latency", "300ms")
    begun = time.monotonic()
    await ask(f"{site.url}/rest/info")
    assert time.monotonic() - begun >= 0.3


async def test_switch_start_time_switch_stop_time_and_those_of_machines(simulate: Simulate) -> None:
    site = await one(simulate, machines=2)
    token, key = await sign_in(site), first_service(site)
    machine = next(iter(site.machines))
    for name in ("start-time", "stop-time", "machine-start-time", "machine-stop-time"):
        site.switches.set(name, "300ms")
    assert site.switches.machine_start_time == site.switches.machine_stop_time == 0.3
    for path, thing in ((f"services/{key}", site.services[key]), (f"machines/{machine}", site.machines[machine])):
        for verb, between, after in (("stop", "STOPPING", "STOPPED"), ("start", "STARTING", "STARTED")):
            begun = time.monotonic()
            work = asyncio.create_task(admin(site, f"{path}/{verb}", token))
            await until(lambda thing=thing, between=between: thing.real == between)  # type: ignore[misc]
            await work
            assert time.monotonic() - begun >= 0.3
            assert (await admin(site, f"{path}/status", token)).json["realTimeState"] == after


@pytest.mark.parametrize(("release", "blocks"), [("11.1", True), ("11.3", False)])
async def test_switch_upgrade_required_and_switch_upgrade_time(simulate: Simulate, release: str, blocks: bool) -> None:
    site = await one(simulate, release=release)
    site.switches.set("upgrade-time", "50ms")
    place = f"{site.url}/admin/upgrade"
    assert (await ask(place)).code == 404
    site.switches.set("upgrade-required", "true")
    assert (await ask(place)).json == {"upgradeStatus": "UPGRADE_REQUIRED"}
    with site.paused("upgrade.run"):
        work = asyncio.create_task(ask(place, form={"runAsync": "true"}))
        await until(lambda: "upgrading" in site.faults)
        assert (await ask(place)).json == {"upgradeStatus": "IN_PROGRESS"}
        assert (await ask(f"{site.url}/admin/info")).message == "Upgrade in progress."
        if blocks:
            assert not work.done(), "runAsync is known from 11.3 on"
        else:
            assert (await work).json == {"status": "success"}
    assert (await work).json == {"status": "success"}
    await until(lambda: "upgrading" not in site.faults)
    assert (await ask(place)).code == 404, "when it is over the resource is gone"


async def test_switch_locked_but_done(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    token, key = await sign_in(site), first_service(site)
    site.switches.set("locked-but-done", "true")
    assert "accessing the store" in (await admin(site, f"services/{key}/stop", token)).message
    assert site.services[key].real == "STOPPED"
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        report = await fleet.select().run(ops.services.start(ServiceId.parse(key)))
    assert report.outcomes[0].outcome == "changed"
    assert site.count("start") == 1, "the state was looked at, and the change not sent again"


async def test_switch_created_stopped(simulate: Simulate) -> None:
    site = await one(simulate)
    token = await sign_in(site)
    for name, stays in (("Alpha", "false"), ("Beta", "true")):
        site.switches.set("created-stopped", stays)
        service = json.dumps({"serviceName": name, "type": "MapServer", "configuredState": "STARTED"})
        assert (await admin(site, "services/createService", token, service=service)).json == {"status": "success"}
        status = (await admin(site, f"services/{name}.MapServer/status", token)).json
        assert status == {"configuredState": "STARTED", "realTimeState": "STOPPED" if stays == "true" else "STARTED"}


async def test_switch_validation_details(simulate: Simulate) -> None:
    site = await one(simulate, machines=2)
    token = await sign_in(site)
    site.fault("data-broken")
    assert (await admin(site, "data/validateAllDataItems", token)).code == 500
    site.switches.set("validation-details", "true")
    said = (await admin(site, "data/validateAllDataItems", token)).json
    states = [one["dataItems"][0]["validationState"] for one in said["machines"]]
    assert states == ["PASSED", "FAILED"]


async def test_estate_says_what_a_site_has_at_the_start(simulate: Simulate) -> None:
    async def told(estate: str) -> tuple[int, int, int, int]:
        site = await one(simulate, switches={"estate": estate}, machines=1, services=40)
        token = await sign_in(site)
        items = (await admin(site, "data/findItems", token)).json["items"]
        users = (await admin(site, "security/users/getUsers", token)).json["users"]
        adaptors = (await admin(site, "system/webadaptors", token)).json["webAdaptors"]
        keys = (await admin(site, f"machines/{next(iter(site.machines))}/sslcertificates", token)).json["certificates"]
        return len(items), len(users), len(adaptors), len(keys)

    assert await told("bare") == (1, 0, 0, 1)
    assert await told("usual") == (6, 4, 1, 2)
    assert await told("worn") == (6, 4, 2, 3)


async def test_missing_directories_cannot_be_cleaned_until_they_are_recovered(simulate: Simulate) -> None:
    site = await one(simulate, switches={"missing-directories": "arcgisjobs"})
    token = await sign_in(site)
    refused = await admin(site, "system/directories/arcgisjobs/clean", token)
    assert refused.code == 500
    assert "is not accessible" in refused.message
    assert site.state.log_records[-1]["type"] == "SEVERE"
    assert "code" not in (await admin(site, "system/directories/arcgisoutput/clean", token)).json
    await admin(site, "system/directories/recover", token)
    assert "code" not in (await admin(site, "system/directories/arcgisjobs/clean", token)).json


async def test_switch_lacking(simulate: Simulate) -> None:
    site = await one(simulate)
    token = await sign_in(site)
    site.switches.set("lacking", "report, getAvailableTimeZones")
    for path in ("services/report", "info/getAvailableTimeZones"):
        said = await admin(site, path, token)
        assert said.code == 404
        assert said.message == f"Could not find resource or operation '{path.rpartition('/')[2]}' on the system."


async def test_switch_log_methods(simulate: Simulate) -> None:
    site = await one(simulate)
    token = await sign_in(site)
    assert "logMessages" in (await ask(f"{site.url}/admin/logs/query", {"token": token})).json
    site.switches.set("log-methods", "POST")
    assert (await ask(f"{site.url}/admin/logs/query", {"token": token})).code == 405
    assert "logMessages" in (await admin(site, "logs/query", token)).json


async def test_switch_traffic(simulate: Simulate) -> None:
    now = NOW
    site = await one(simulate, clock=lambda: now)
    token, key = await sign_in(site), first_service(site)
    site.services[key].rate = 2.0

    async def count() -> int:
        return int((await admin(site, f"services/{key}/statistics", token)).json["summary"]["transactions"])

    site.switches.set("traffic", "0")
    before = await count()
    now += 100.0
    assert await count() == before
    site.switches.set("traffic", "1.5")
    assert await count() == before + 300


# What they are made of


def test_every_switch_has_a_default_that_is_listed_first_and_text_that_sets_it() -> None:
    assert len(SWITCHES) == len(fields(Switches))
    for release in RELEASES:
        assert release
    with pytest.raises(ValueError, match="there is no switch 'colour'"):
        Switches().set("colour", "red")


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("layout", "wide", "compact, spaced"),
        ("chunked", "perhaps", "true or false"),
        ("address-pool", "-1", "whole number"),
        ("latency", "soon", "500ms or 2s"),
        ("durations", "stop", "OPERATION:SECONDS"),
        ("missing-slash", "404", "302, 301"),
    ],
)
def test_a_wrong_value_says_what_would_be_right(name: str, text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Switches().set(name, text)


async def test_switches_are_set_for_all_sites_or_for_some(simulate: Simulate) -> None:
    simulator = await simulate(sites=3, switches=[("layout", "spaced"), ("sim-000[23]:header-token", "ignored")])
    assert [site.switches.layout for site in simulator.sites.values()] == ["spaced"] * 3
    assert [site.switches.header_token for site in simulator.sites.values()] == ["accepted", "ignored", "ignored"]
    with pytest.raises(ValueError, match="no simulated site is called so"):
        Simulator(1, switches={"nobody:layout": "spaced"})
