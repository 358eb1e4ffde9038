"""Sections 1 to 3 of the page about the wire: how answers and failures look, seen in the bytes of a simulated site."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fleet import Fleet, ops
from fleet.admin.catalogue import operation_for
from fleet.admin.operation import Operation
from fleet.client.settings import RetryPolicy
from fleet.errors import SiteError
from fleet.simulator import SimulatedSite, Simulator
from tests.publish import publish
from tests.wire import admin, ask, first_service, sign_in, until

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

PATIENCE = RetryPolicy(base=0.02, cap=0.1, settle=0.5, lock_patience=0.5)


async def one(simulate: Simulate, **options: object) -> SimulatedSite:
    return (await simulate(sites=1, **options)).sites["sim-0001"]


async def error_of(simulator: Simulator, write_inventory: Write, operation: Operation[object]) -> SiteError:
    """The error that *operation* comes to at the first site."""
    async with Fleet.from_inventory(write_inventory(simulator), timeout="2s", retry=PATIENCE) as fleet:
        report = await fleet.select("sim-0001").run(operation)
    error: SiteError = report.outcomes[0].error  # type: ignore[union-attr]
    return error


# 1. The envelope


async def test_wire_1_1_every_json_answer_is_http_200_failures_included(simulate: Simulate) -> None:
    site = await one(simulate)
    token = await sign_in(site)
    failures = [
        await ask(f"{site.url}/admin/info"),
        await ask(f"{site.url}/admin/info", {"token": "x" * 30}),
        await admin(site, "services/Nowhere", token),
        await admin(site, "services/startServices", token, services="[]"),
        await admin(site, "security/psa", token),
        await ask(f"{site.url}/tokens/generateToken", form={"username": "siteadmin", "password": "wrong"}),
    ]
    assert [answer.status for answer in failures] == [200] * 6
    assert [answer.code for answer in failures] == [499, 498, 404, 500, 500, 401]


async def test_wire_1_2_json_is_sent_as_text_plain(simulate: Simulate) -> None:
    site = await one(simulate)
    assert (await ask(f"{site.url}/admin/info")).headers["content-type"] == "text/plain;charset=UTF-8"
    info = await ask(f"{site.url}/rest/info")
    assert info.headers["content-type"] == "text/plain;charset=utf-8"
    assert info.headers["vary"] == "Origin"


async def test_wire_1_3_server_is_empty_and_lengths_are_those_of_compact_json(simulate: Simulate) -> None:
    site = await one(simulate)
    refused = await ask(f"{site.url}/admin/info")
    assert refused.headers["server"] == ""
    assert (int(refused.headers["content-length"]), len(refused.body)) == (144, 144)
    token = await sign_in(site)
    done = await admin(site, "services/createFolder", token, folderName="New")
    assert done.body == b'{"status":"success"}'
    assert done.headers["content-length"] == "20"
    site.fault("no-site")
    machine = next(iter(site.machines))
    nowhere = await ask(f"{site.url}/admin/")
    assert len(nowhere.body) == 183 - 21 + len(machine), "183 for a machine whose name has 21 letters"
    assert nowhere.json["acceptLanguage"] is None


async def test_wire_1_4_admin_without_its_slash_is_a_redirect_before_there_is_a_site_too(simulate: Simulate) -> None:
    site = await one(simulate, faults={"sim-0001": "no-site"})
    said = await ask(f"{site.url}/admin")
    assert (said.status, said.body) == (302, b"")
    assert said.headers["location"] == f"{site.url}/admin/?f=json"


async def test_wire_1_5_a_redirected_post_is_sent_again_as_a_post_with_its_body(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    for status in (302, 301):
        site.switches.set("missing-slash", str(status))
        said = await ask(f"{site.url}/admin", form={"token": "secret-token-in-the-body"})
        assert said.status == status
        assert "secret" not in said.headers["location"]
    operation = Operation(name="root", path="admin", method="POST", parameters={"mark": "kept"})
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        report = await fleet.select().run(operation)
    assert report.outcomes[0].value["fullVersion"] == "11.3.0"  # type: ignore[union-attr]
    sent = [entry for entry in site.requests("admin") if entry.params.get("mark") == "kept"]
    assert [(entry.method, entry.status, entry.token_in) for entry in sent] == [
        ("POST", 301, "body"),
        ("POST", 200, "body"),
    ]


async def test_wire_1_6_a_body_that_is_not_read_has_no_token(simulate: Simulate) -> None:
    site = await one(simulate)
    token = await sign_in(site)
    place = f"{site.url}/admin/machines"
    assert (await ask(place, form={"token": token})).json["machines"]
    for kind in ("application/json", "text/plain", "application/octet-stream"):
        assert (await ask(place, form={"token": token}, headers={"Content-Type": kind}, json=True)).status == 200
        mistyped = await ask(place, {"f": "json"}, form=f"token={token}".encode(), headers={"Content-Type": kind})
        assert mistyped.code == 499
    short = await ask(place, {"f": "json"}, form=f"mark=1&token={token}".encode(), length=len("mark=1"))
    assert short.code == 499


async def test_wire_1_7_a_real_status_498_or_499_is_a_refused_token_and_costs_one_login(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, switches={"failure-transport": "always-status"})
    site = simulator.sites["sim-0001"]
    assert (await ask(f"{site.url}/admin/info")).status == 499
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        assert (await fleet.select().run(ops.info.admin())).ok
        site.tokens.expire_all()
        assert (await fleet.select().run(ops.info.admin())).ok
    assert [entry.code for entry in site.requests("info")] == [499, None, 498, None]
    assert site.count("generateToken") == 2
    site.switches.set("failure-transport", "status")
    assert (await ask(f"{site.url}/admin/info", {"token": "x" * 30}, json=False)).status == 498
    assert (await ask(f"{site.url}/admin/info", {"token": "x" * 30})).status == 200


async def test_wire_1_8_a_failure_in_xml_is_a_protocol_error(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, switches={"failure-transport": "xml"})
    error = await error_of(simulator, write_inventory, ops.services.listing("Nowhere"))
    assert (error.kind, "XML" in error.message) == ("protocol", True)


async def test_wire_1_9_blanks_in_json_change_nothing(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, switches={"layout": "spaced"})
    site = simulator.sites["sim-0001"]
    assert b'"code" : 499' in (await ask(f"{site.url}/admin/info")).body
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        assert (await fleet.select().run(ops.info.admin())).ok
        site.tokens.expire_all()
        assert (await fleet.select().run(ops.info.admin())).ok


async def test_wire_1_10_the_simulator_sends_no_byte_order_mark_and_blank_lines_only_before_pages(
    simulate: Simulate,
) -> None:
    site = await one(simulate)
    assert (await ask(f"{site.url}/rest/info")).body.startswith(b"{")
    site.fault("admin-blocked")
    assert (await ask(f"{site.url}/admin/info")).body.startswith(b"\r\n\r\n<!DOCTYPE")


# 2. Pages


async def test_wire_2_1_without_f_json_a_page_comes_and_the_client_always_asks_for_json(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    for path in ("admin/info", "admin/services", "rest/info", "rest/services"):
        said = await ask(f"{site.url}/{path}", json=False)
        assert (said.status, said.headers["content-type"][:9]) == (200, "text/html")
        assert (await ask(f"{site.url}/{path}")).headers["content-type"].startswith("text/plain")
    before = site.count()
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        await fleet.select().run(ops.services.report())
        await fleet.select().run(ops.site.set_mode("READ_ONLY"))
    asked = site.requests()[before:]
    assert len(asked) > 3
    assert all(entry.params["f"] == "json" for entry in asked)


async def test_wire_2_2_an_unhealthy_portal_sends_a_page_and_a_status_although_json_was_asked_for(
    simulate: Simulate,
) -> None:
    simulator = await simulate(sites=1, federated=True)
    assert simulator.portal is not None
    place = f"{simulator.portal.url}/portaladmin/healthCheck"
    assert (await ask(place)).json == {"status": "success"}
    simulator.portal.faults.add("unhealthy")
    said = await ask(place)
    assert (said.status, said.headers["content-type"][:9]) == (503, "text/html")


async def test_wire_2_3_health_checks_are_told_by_status_in_both_spellings_and_forms(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    for spelling in ("healthCheck", "healthcheck"):
        place = f"{site.url}/rest/info/{spelling}"
        assert (await ask(place)).json == {"success": True}
        assert (await ask(place, json=False)).status == 200
    site.fault("unhealthy")
    for spelling in ("healthCheck", "healthcheck"):
        place = f"{site.url}/rest/info/{spelling}"
        assert (await ask(place)).status == 503
        assert (await ask(place, json=False)).status == 503
    error = await error_of(simulator, write_inventory, ops.info.healthcheck())
    assert (error.kind, error.code) == ("server", 503)


async def test_wire_2_4_a_web_adaptor_without_machines_is_named(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, switches={"web-adaptor": "dead-back-end"})
    error = await error_of(simulator, write_inventory, ops.info.rest())
    assert error.kind == "protocol"
    assert "a web adaptor that reaches no server machine" in error.message
    assert error.hint is not None
    assert "6443" in error.hint


async def test_wire_2_5_a_web_adaptor_blocks_admin_and_manager_and_lets_rest_through(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, faults={"sim-0001": "admin-blocked"})
    site = simulator.sites["sim-0001"]
    for path in ("admin/info", "admin", "manager", "manager/index.html"):
        assert b"<html>" in (await ask(f"{site.url}/{path}")).body
    assert (await ask(f"{site.url}/rest/info")).json["currentVersion"] == 11.3
    assert (await ask(f"{site.url}/rest/info/healthCheck")).json == {"success": True}
    error = await error_of(simulator, write_inventory, ops.info.admin())
    assert error.hint is not None
    assert "administrative access through the web adaptor is off" in error.hint


async def test_wire_2_6_the_blocked_answer_breaks_json_readers_at_line_3_column_1(simulate: Simulate) -> None:
    site = await one(simulate, faults={"sim-0001": "admin-blocked"})
    with pytest.raises(json.JSONDecodeError, match=r"line 3 column 1 \(char 4\)"):
        json.loads((await ask(f"{site.url}/admin/info")).body)


async def test_wire_2_7_a_site_is_not_imported_through_a_web_adaptor(simulate: Simulate) -> None:
    site = await one(simulate)
    token = await sign_in(site)
    place = (await admin(site, "exportSite", token, location="/srv/exports")).json["location"]
    site.switches.set("web-adaptor", "open")
    assert (await admin(site, "importSite", token, location=place)).code == 500
    site.switches.set("web-adaptor", "none")
    assert (await admin(site, "importSite", token, location=place)).json["status"] == "success"


@pytest.mark.parametrize("status", [502, 504])
async def test_wire_2_8_a_balancer_s_502_to_504_may_pass(
    simulate: Simulate, write_inventory: Write, status: int
) -> None:
    simulator = await simulate(sites=1, switches={"web-adaptor": "time-out", "gateway-status": str(status)})
    site = simulator.sites["sim-0001"]
    site.switches.set("gateway-limit", "100ms")
    with site.paused("info"):
        error = await error_of(simulator, write_inventory, ops.info.admin())
    assert (error.kind, error.code, error.passing) == ("server", status, True)
    await until(lambda: site.count("info") > 1)  # a read is asked again


async def test_wire_2_9_http_500_after_a_restart_lasts_until_the_web_adaptor_looks_again(
    simulate: Simulate, write_inventory: Write
) -> None:
    now = 1_800_000_000.0
    simulator = await simulate(sites=1, switches={"registration-recheck": "60s"}, clock=lambda: now)
    site = simulator.sites["sim-0001"]
    site.restart()
    assert (await ask(f"{site.url}/rest/info")).status == 500
    error = await error_of(simulator, write_inventory, ops.info.rest())
    assert (error.kind, error.code) == ("server", 500)
    now += 61.0
    assert (await ask(f"{site.url}/rest/info")).status == 200


@pytest.mark.parametrize("kind", ["challenge", "login-page"])
async def test_wire_2_10_a_sign_on_in_front_is_auth_and_no_password_is_sent_to_it(
    simulate: Simulate, write_inventory: Write, kind: str
) -> None:
    simulator = await simulate(sites=1, switches={"web-tier": kind})
    error = await error_of(simulator, write_inventory, ops.info.rest())
    assert error.kind == "auth"
    assert not any("password" in entry.params for entry in simulator.ledger)


# 3. Failure bodies


async def test_wire_3_1_admin_failures_have_status_messages_and_code_and_at_times_more(simulate: Simulate) -> None:
    site = await one(simulate)
    assert (await ask(f"{site.url}/admin/info")).json.keys() == {"status", "messages", "code"}
    site.fault("no-site")
    said = (await ask(f"{site.url}/admin/")).json
    assert said.keys() == {"status", "messages", "code", "acceptLanguage"}
    assert (said["status"], said["code"]) == ("error", 404)


async def test_wire_3_3_rest_failures_have_an_error_object_and_details_may_be_a_text(simulate: Simulate) -> None:
    site = await one(simulate)
    said = (await ask(f"{site.url}/tokens/generateToken", form={"username": "siteadmin", "password": "no"})).json
    assert said == {
        "error": {
            "code": 401,
            "message": "You are not authorized to access this information",
            "details": "Invalid credentials",
        }
    }


async def test_wire_3_5_a_failure_where_a_resource_was_expected_is_a_failure(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        assert (await fleet.select().run(ops.services.listing())).ok
        site.fault("upgrading")
        report = await fleet.select().run(ops.services.listing(), merge="union")
    assert report.outcomes[0].error.kind == "locked"  # type: ignore[union-attr]
    assert report.merged["rows"] == [], "nothing of a failure is taken for rows"


async def test_wire_3_6_bare_java_texts_come_for_missing_and_malformed_parameters(simulate: Simulate) -> None:
    site = await one(simulate)
    token, key = await sign_in(site), first_service(site)
    missing = await admin(site, f"services/{key}/edit", token)
    assert (missing.code, missing.message) == (500, "java.lang.NullPointerException")
    malformed = await admin(site, f"services/{key}/edit", token, service="[1]")
    assert (malformed.code, malformed.message) == (500, "A JSONObject text must begin with '{' at character 1 of [1]")
    number = await admin(site, "logs/query", token, pageSize="many")
    assert (number.code, number.message) == (500, 'For input string: "many"')


async def test_wire_3_7_status_is_data_at_the_configuration_store(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        report = await fleet.select().run(operation_for("admin/system/configstore")[0])
    assert report.outcomes[0].value["status"] == "Ready"  # type: ignore[union-attr]


@pytest.mark.parametrize("release", ["10.5.1", "11.3"])
async def test_wire_3_8_success_has_four_looks(simulate: Simulate, release: str) -> None:
    site = await one(simulate, release=release)
    token = await sign_in(site)
    folder = {"name": "arcgisnew", "physicalPath": "/srv/new/", "directoryType": "OUTPUT", "cleanupMode": "NONE"}
    assert (await admin(site, "services/createFolder", token, folderName="N")).json == {"status": "success"}
    assert (await admin(site, "system/directories/register", token, **folder, maxFileAge="0")).json == {
        "status": "success",
        "messages": [],
    }
    form = {"logLevel": "FINE", "logDir": "/srv/logs", "maxLogFileAge": "9", "maxErrorReportsCount": "1"}
    edited = (await admin(site, "logs/settings/edit", token, **form)).json
    assert (edited["status"], edited["settings"]["logLevel"]) == ("success", "FINE")
    assert "status" not in (await admin(site, "machines", token)).json
    item = json.dumps({"path": "/fileShares/more", "type": "folder", "info": {"path": "/srv/more"}})
    first = (await admin(site, "data/registerItem", token, item=item)).json
    again = (await admin(site, "data/registerItem", token, item=item)).json
    if release == "10.5.1":
        assert (first, again) == ({"success": True}, {"success": False})
    else:
        assert first == {"success": True, "status": "success"}
        assert again["code"] == 500


async def test_wire_3_9_messages_of_jobs_are_objects(simulate: Simulate) -> None:
    site = await one(simulate)
    _, messages = await publish(site, "Harbours.sd")
    assert all(message.keys() == {"type", "description"} for message in messages)
    assert messages


CODES = {
    400: "Unable to generate token.",
    401: "You are not authorized to access this information",
    403: "Upgrade in progress.",
    404: "Could not find resource or operation 'Nowhere' on the system.",
    498: "Could not decrypt token. Token may not be valid.",
    499: "Unauthorized access. Token not found. You can generate a token using the 'generateToken' operation.",
    500: "java.lang.NullPointerException",
}


async def test_wire_3_1_each_code_comes_with_its_text(simulate: Simulate) -> None:
    site = await one(simulate)
    token = await sign_in(site)
    said = {
        400: await ask(f"{site.url}/tokens/generateToken", form={"username": "siteadmin"}),
        401: await ask(f"{site.url}/tokens/generateToken", form={"username": "siteadmin", "password": "no"}),
        404: await admin(site, "services/Nowhere", token),
        498: await ask(f"{site.url}/admin/info", {"token": "x" * 30}),
        499: await ask(f"{site.url}/admin/info"),
        500: await admin(site, "services/createFolder", token),
    }
    site.fault("upgrading")
    said[403] = await admin(site, "info", token)
    assert {code: answer.message for code, answer in sorted(said.items())} == CODES
    assert {code: answer.code for code, answer in said.items()} == {code: code for code in CODES}
    site.clear_faults()
    site.fault("no-site")
    before = await ask(f"{site.url}/admin/generateToken", form={"username": "siteadmin", "password": "simulated"})
    machine = next(iter(site.machines))
    assert before.code == 500
    assert before.message.startswith(f"Local machine '{machine}' is not participating in any Site.")
