"""Sections 8 and 9 of the page about the wire: what surprises, and the types of members."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aioresponses import CallbackResult, aioresponses

from fleet import Fleet, ops
from fleet.admin.catalogue import operation_for
from fleet.admin.readback import log_settings_are, state_is
from fleet.client.settings import RetryPolicy
from fleet.client.trace import Exchange, render_exchange
from fleet.health import HealthOptions, sweep
from fleet.protocol.envelope import decipher
from fleet.protocol.fields import ServiceId, as_bool, as_epoch, as_int, unreached_items
from fleet.protocol.message import Request, Response
from fleet.report import Report
from fleet.simulator import SimulatedSite, Simulator
from tests import aioresponses_compat
from tests.wire import admin, ask, first_service, sign_in

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

PATIENCE = RetryPolicy(base=0.02, cap=0.1, settle=0.5, lock_patience=0.5)
DONE = {"status": "success"}


async def one(simulate: Simulate, **options: object) -> SimulatedSite:
    return (await simulate(sites=1, **options)).sites["sim-0001"]


async def run(inventory: Path, *operations: Any) -> list[Any]:
    """The outcome of each of *operations* at the first site."""
    async with Fleet.from_inventory(inventory, timeout="2s", retry=PATIENCE) as fleet:
        return [(await fleet.select("sim-0001").run(operation)).outcomes[0] for operation in operations]


async def swept(inventory: Path, check: str) -> dict[str, Any]:
    """What *check* finds at the first site."""
    async with Fleet.from_inventory(inventory, timeout="2s", retry=PATIENCE) as fleet:
        report: Report = await sweep(fleet.select("sim-0001"), HealthOptions(only=(check,)))
    value: Any = report.outcomes[0].value  # type: ignore[union-attr]
    found: dict[str, Any] = value["checks"][0]
    return found


# 8. Semantics that surprise


async def test_wire_8_1_registering_a_known_directory_fails_and_removes_it(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    form = {"name": "arcgisoutput", "physicalPath": "/srv/out", "directoryType": "OUTPUT", "cleanupMode": "NONE"}
    register, entry = operation_for(
        "admin/system/directories/register", method="POST", parameters={**form, "maxFileAge": "0"}
    )
    assert entry is not None
    assert not register.idempotent
    first, second = await run(write_inventory(simulator), register, register)
    assert (first.outcome, first.error.kind) == ("failed", "server")
    assert "already registered" in first.error.message
    assert second.outcome == "changed"
    assert [entry.code for entry in site.requests("register")] == [500, None], "it is never sent again by itself"
    assert site.requests("register")[0].changed


async def test_wire_8_2_edits_replace_what_was_there(simulate: Simulate) -> None:
    site = await one(simulate)
    token, key = await sign_in(site), first_service(site)
    before = (await admin(site, f"services/{key}", token)).json
    thin = {"description": "thin", "configuredState": "STARTED", "properties": {"maxRecordCount": "5"}}
    assert (await admin(site, f"services/{key}/edit", token, service=json.dumps(thin))).json == DONE
    after = (await admin(site, f"services/{key}", token)).json
    assert after["serviceName"] == before["serviceName"], "names may be left out"
    assert {"maxInstancesPerNode", "extensions", "maxWaitTime"} <= before.keys() - after.keys(), "the rest is lost"
    directory = {"name": "arcgisoutput", "physicalPath": "/srv/out"}
    refused = await admin(site, "system/directories/arcgisoutput/edit", token, **directory)
    assert refused.message == "java.lang.NullPointerException"
    assert (await admin(site, "logs/settings/edit", token, logLevel="FINE")).code == 500
    assert (await admin(site, "logs/settings", token)).json["settings"]["logLevel"] == "INFO", (
        "and nothing is half done"
    )


async def test_wire_8_3_settings_of_a_new_site_must_be_flat(simulate: Simulate) -> None:
    for settings, level in (({"logLevel": "FINE"}, "FINE"), ({"settings": {"logLevel": "FINE"}}, "INFO")):
        site = await one(simulate, faults={"sim-0001": "no-site"})
        form = {"username": "siteadmin", "password": "simulated", "settings": json.dumps(settings)}
        assert (await ask(f"{site.url}/admin/createNewSite", form=form)).json == DONE
        assert (await admin(site, "logs/settings")).json["settings"]["logLevel"] == level


async def test_wire_8_4_paths_come_back_normalised_and_are_compared_so(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    form = {"logLevel": "FINE", "logDir": "/srv/logs", "maxLogFileAge": "9", "maxErrorReportsCount": "1"}
    edit, _ = operation_for("admin/logs/settings/edit", method="POST", parameters=form)
    [outcome] = await run(write_inventory(simulator), edit)
    assert (outcome.outcome, outcome.verified) == ("changed", None)
    assert outcome.value["settings"]["logDir"] == "/srv/logs/"
    assert log_settings_are(form).done(outcome.value) is True


async def test_wire_8_5_usage_metering_is_sent_as_on_and_read_as_true(simulate: Simulate) -> None:
    site = await one(simulate)
    token = await sign_in(site)
    form = {"logLevel": "INFO", "logDir": "/srv/logs/", "maxLogFileAge": "9", "maxErrorReportsCount": "1"}
    for word, value in (("on", True), ("off", False)):
        assert (await admin(site, "logs/settings/edit", token, **form, usageMeteringEnabled=word)).json["status"]
        assert (await admin(site, "logs/settings", token)).json["settings"]["usageMeteringEnabled"] is value
    assert as_bool("on") is True


async def test_wire_8_6_bulk_operations_want_an_object_and_a_report_a_list(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    token, key = await sign_in(site), ServiceId.parse(first_service(site))
    listed = json.dumps([key.to_parameter()])
    assert (await admin(site, "services/stopServices", token, services=listed)).code == 500
    stop, _ = operation_for(
        "admin/services/stopServices", method="POST", parameters={"services": f'{{"services":{listed}}}'}
    )
    stopped, reported = await run(write_inventory(simulator), stop, ops.services.report(services=[key]))
    assert stopped.outcome == "changed"
    assert reported.value["reports"][0]["status"]["realTimeState"] == "STOPPED"
    sent = site.requests("report")[-1]
    assert isinstance(json.loads(sent.params["services"]), list)


async def test_wire_8_7_the_configured_state_is_a_wish_and_other_words_occur(simulate: Simulate) -> None:
    site = await one(simulate, machines=1, faults={"sim-0001": "machine-down"})
    token, key = await sign_in(site), first_service(site)
    machine = next(iter(site.machines))
    for path in (f"machines/{machine}", f"services/{key}"):
        assert (await admin(site, f"{path}/status", token)).json == {
            "configuredState": "STARTED",
            "realTimeState": "STOPPED",
        }
    done = state_is("x", "STOPPED").done
    assert done({"configuredState": "STOPPED", "realTimeState": "STOPPED"}) is True
    assert done({"configuredState": "STARTED", "realTimeState": "STARTED"}) is False
    for word in ("STARTING", "STOPPING", "FAILED", "FAILURE", "STOPPPED", "", None):
        assert done({"configuredState": "STOPPED", "realTimeState": word}) is None, "it can't be told"


async def test_wire_8_8_hosted_services_are_not_stopped_one_by_one(simulate: Simulate) -> None:
    site = await one(simulate)
    token = await sign_in(site)
    hosted = json.dumps({"serviceName": "Hosted", "type": "FeatureServer", "provider": "SDS"})
    assert (await admin(site, "services/createService", token, service=hosted)).json == DONE
    said = await admin(site, "services/Hosted.FeatureServer/stop", token)
    assert (said.code, "cannot be started or stopped" in said.message) == (500, True)
    assert (await admin(site, "services/Hosted.FeatureServer/status", token)).json["realTimeState"] == "STARTED"


async def test_wire_8_9_a_new_service_may_stay_stopped(simulate: Simulate) -> None:
    site = await one(simulate)
    token = await sign_in(site)
    custom = json.dumps({"serviceName": "Own", "type": "FeatureServer", "provider": "CUSTOMDATA"})
    assert (await admin(site, "services/createService", token, service=custom)).json == DONE
    assert (await admin(site, "services/Own.FeatureServer/status", token)).json == {
        "configuredState": "STARTED",
        "realTimeState": "STOPPED",
    }


async def test_wire_8_10_a_post_to_some_resources_falls_into_their_operation(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    token = await sign_in(site)
    assert (await admin(site, "security/psa", token)).message == "java.lang.NullPointerException"
    assert (await ask(f"{site.url}/admin/security/psa", {"token": token})).json == {"disabled": "false"}
    for path in ("machines", "services", "mode", "system/licenses", "security/config"):
        assert "code" not in (await admin(site, path, token)).json, "most take both"
    read, _ = operation_for("admin/security/psa")
    [outcome] = await run(write_inventory(simulator), read)
    assert outcome.ok
    assert site.requests("psa")[-1].method == "GET"
    site.switches.set("header-token", "ignored")
    [outcome] = await run(write_inventory(simulator), read)
    assert "without a token in the URL" in outcome.error.message
    assert not any(entry.method == "POST" for entry in site.requests("psa")[2:]), "it is never sent as a POST"


async def test_wire_8_11_a_federation_that_fails_its_check_is_an_answer(simulate: Simulate) -> None:
    simulator = await simulate(sites=2, federated=True, faults={"sim-0002": "refused"})
    assert simulator.portal is not None
    place = simulator.portal.url
    account = {"username": "siteadmin", "password": "simulated", "client": "referer", "referer": "here"}
    token = (await ask(f"{place}/sharing/rest/generateToken", form=account)).json["token"]
    validate = f"{place}/portaladmin/federation/servers/validate"
    said = await ask(validate, {"token": token}, headers={"Referer": "here"})
    assert (said.status, said.json["status"]) == (200, "failure")
    dead = said.json["serversStatus"][1]
    assert (dead["status"], dead["messages"][0].startswith("java.net.")) == ("failure", True)
    operation, _ = operation_for("portaladmin/federation/servers/validate", portal=True)
    response = Response(status=200, headers=said.headers, body=said.body)
    assert decipher(response, dict, status_is_data=operation.status_is_data)["status"] == "failure"
    for word in ("success with warnings", "undetermined"):
        body = json.dumps({"status": word, "serversStatus": []}).encode()
        assert decipher(Response(status=200, headers={}, body=body), dict, status_is_data=True)["status"] == word


@pytest.mark.parametrize("details", ["false", "true"])
async def test_wire_8_12_a_failed_data_item_is_a_failure_or_a_list_without_a_verdict(
    simulate: Simulate, write_inventory: Write, details: str
) -> None:
    simulator = await simulate(sites=1, machines=2, switches={"validation-details": details})
    site = simulator.sites["sim-0001"]
    token = await sign_in(site)
    inventory = write_inventory(simulator)
    assert (await swept(inventory, "datastores"))["status"] == "ok"
    site.fault("data-broken")
    item = json.dumps({"path": "/fileShares/maps", "type": "folder"})
    said = (await admin(site, "data/validateDataItem", token, item=item)).json
    assert ("code" in said) is (details == "false")
    last = list(site.machines)[-1]
    assert last in json.dumps(said)
    found = await swept(inventory, "datastores")
    assert found["status"] == "critical"
    if details == "true":
        assert unreached_items(said) == [
            f"/fileShares/maps from {last}: The data item is not accessible from server machine '{last}'."
        ]
    unknown = await admin(site, "data/items/fileShares/maps/validate", token)
    assert unknown.message == "Could not find resource or operation 'validate' on the system."


async def test_wire_8_13_a_usage_report_is_made_read_and_deleted_and_quiet_slices_are_null(simulate: Simulate) -> None:
    site = await one(simulate)
    token = await sign_in(site)
    report = {
        "reportname": "once-1",
        "since": "LAST_DAY",
        "aggregationInterval": 30,
        "queries": [{"resourceURIs": ["services/"], "metrics": ["RequestCount", "RequestAvgResponseTime"]}],
        "metadata": json.dumps({"temp": True}),
    }
    made = await admin(site, "usagereports/add", token, usagereport=json.dumps(report))
    assert made.json == DONE
    data = (await admin(site, "usagereports/once-1/data", token, filter='{"machines":"*"}')).json["report"]
    slices, rows = data["time-slices"], data["report-data"][0]
    assert 48 <= len(slices) <= 49
    assert [row["metric-type"] for row in rows] == ["RequestCount", "RequestAvgResponseTime"]
    assert all(len(row["data"]) == len(slices) for row in rows)
    quiet = [place for place, value in enumerate(rows[0]["data"]) if value is None]
    assert quiet
    assert quiet == [place for place, value in enumerate(rows[1]["data"]) if value is None]
    again = (await admin(site, "usagereports/once-1/data", token)).json["report"]["report-data"]
    assert again == data["report-data"], "the past does not change"
    site.switches.set("lacking", "delete")
    assert (await admin(site, "usagereports/once-1/delete", token)).code == 404
    assert (await admin(site, "usagereports/once-1", token)).json["metadata"] == {"temp": True}, "it stays behind"
    site.switches.set("lacking", "")
    assert (await admin(site, "usagereports/once-1/delete", token)).json == DONE
    assert (await admin(site, "usagereports/once-1", token)).code == 404


async def test_wire_8_14_secrets_in_answers_are_masked_before_they_are_shown(simulate: Simulate) -> None:
    simulator = await simulate(sites=1, federated=True)
    assert simulator.portal is not None
    site = simulator.sites["sim-0001"]
    config = await admin(site, "security/config")
    assert config.json["portalProperties"]["portalSecretKey"] == "simulated-secret-key"
    account = {"username": "siteadmin", "password": "simulated", "client": "referer", "referer": "here"}
    token = (await ask(f"{simulator.portal.url}/sharing/rest/generateToken", form=account)).json["token"]
    servers = await ask(
        f"{simulator.portal.url}/portaladmin/federation/servers", {"token": token}, headers={"Referer": "here"}
    )
    assert servers.json["servers"][0]["webgisServerTrustKey"] == "simulated-trust-key"
    inner = json.dumps({"connectionString": 'AccountKey="simulated-key"', "type": "cloudStore"})
    directory = json.dumps({"directoryType": "CONTENT", "physicalPath": inner}).encode()
    for body in (config.body, servers.body, directory):
        exchange = Exchange(
            site="sim-0001",
            request=Request(method="GET", url=site.url),
            response=Response(status=200, headers={}, body=body),
            error=None,
            elapsed=0.1,
        )
        shown = render_exchange(exchange)
        assert "***" in shown
        assert not re.search(r"simulated-(secret-key|trust-key|key)", shown)


# 9. Data types


@pytest.mark.parametrize(("release", "epochs"), [("10.9.1", False), ("11.1", True)])
async def test_wire_9_1_certificates_tell_java_dates_and_epochs_from_11_1_on(
    simulate: Simulate, release: str, epochs: bool
) -> None:
    site = await one(simulate, release=release)
    machine = next(iter(site.machines))
    told = (await admin(site, f"machines/{machine}/sslcertificates/selfsignedcertificate")).json
    end = as_epoch(told["validUntil"])
    assert end == pytest.approx(site.machines[machine].certificates["selfsignedcertificate"], abs=1.0)
    assert ("validUntilEpoch" in told) is epochs
    if epochs:
        assert as_epoch(told["validUntilEpoch"]) == pytest.approx(end, abs=1.0)
    definition = site.services[first_service(site)].definition
    assert re.fullmatch(r"\d\d:\d\d", definition["recycleStartTime"])


async def test_wire_9_2_properties_and_extensions_hold_texts(simulate: Simulate) -> None:
    site = await one(simulate, services=14)
    token = await sign_in(site)
    seen = set()
    for key in site.services:
        told = (await admin(site, f"services/{key}", token)).json
        assert all(isinstance(value, str) for value in told["properties"].values())
        assert {extension["enabled"] for extension in told["extensions"]} <= {"true", "false"}
        seen.add(told["capabilities"])
    assert "null" in seen, "as a text"


async def test_wire_9_3_numbers_and_truth_values_stand_as_texts(simulate: Simulate) -> None:
    site = await one(simulate)
    token = await sign_in(site)
    tokens = (await admin(site, "security/tokens", token)).json["properties"]
    assert (as_int(tokens["shortTimeout"]), as_int(tokens["longTimeout"])) == (60, 1440)
    assert isinstance(tokens["shortTimeout"], str)
    directory = (await admin(site, "system/directories/arcgisoutput", token)).json
    assert directory["useLocalDir"] == "false"
    assert (await admin(site, "", token)).json["isServerLicensed"] == "true"
    disabled = (await ask(f"{site.url}/admin/security/psa", {"token": token})).json["disabled"]
    assert (disabled, as_bool(disabled)) == ("false", False)


async def test_wire_9_4_log_records_have_texts_where_numbers_would_be(simulate: Simulate) -> None:
    site = await one(simulate)
    records = (await admin(site, "logs/query")).json["logMessages"]
    assert records
    for record in records:
        assert all(isinstance(record[name], str) for name in ("elapsed", "process", "thread"))
        assert isinstance(record["code"], int)
        assert isinstance(record["time"], int)


async def test_wire_9_5_text_beyond_ascii_comes_as_utf_8_and_is_read_back(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, services=14)
    site = simulator.sites["sim-0001"]
    key = first_service(site)
    text = "Büro für Straßen – 道路 🗺"
    definition = {**site.services[key].definition, "description": text}
    edited, read = await run(
        write_inventory(simulator),
        ops.services.edit(ServiceId.parse(key), definition),
        ops.services.get(ServiceId.parse(key)),
    )
    assert edited.outcome == "changed"
    assert read.value["description"] == text
    body = (await admin(site, f"services/{key}")).body
    assert text.encode("utf-8") in body, "not escaped"
    descriptions = [service.definition["description"] for service in site.services.values()]
    assert any(not one.isascii() for one in descriptions), "simulated sites have such texts by themselves"


async def test_wire_9_6_usage_reports_are_listed_under_metrics(simulate: Simulate) -> None:
    site = await one(simulate)
    token = await sign_in(site)
    assert (await admin(site, "usagereports", token)).json == {"metrics": []}
    report = json.dumps({"reportname": "a", "since": "LAST_WEEK", "queries": []})
    await admin(site, "usagereports/add", token, usagereport=report)
    assert [one["reportname"] for one in (await admin(site, "usagereports", token)).json["metrics"]] == ["a"]


async def test_wire_9_7_certificates_in_the_words_of_old_releases_are_no_valid_ones(
    simulate: Simulate, write_inventory: Write
) -> None:
    old = {"Alias name": "web", "Entry type": "PrivateKeyEntry", "Owner": "CN=gis", "Creation date": "Aug 30, 2018"}
    text = """
[sites.sim-0001]
url = "http://127.0.0.1:9/arcgis"
username = "siteadmin"
password = "simulated"
allow_plaintext = true
"""
    aioresponses_compat.apply()
    with aioresponses() as network:
        base = "http://127.0.0.1:9/arcgis/admin"
        network.post(
            f"{base}/generateToken", body=json.dumps({"token": "t" * 20, "expires": time.time() * 1000 + 3.6e6})
        )
        for path, value in (
            ("machines", {"machines": [{"machineName": "M"}]}),
            ("machines/M/sslcertificates", {"certificates": ["web"]}),
            ("machines/M/sslcertificates/web", old),
        ):
            told = json.dumps(value)
            network.get(
                re.compile(rf"{re.escape(f'{base}/{path}')}\?.*"),
                callback=lambda url, told=told, **_: CallbackResult(body=told),
            )
        found = await swept(write_inventory(text), "machine_certificates")
    assert (found["status"], found["saw"]) == ("unknown", "1 of 1 certificate can't be read")
