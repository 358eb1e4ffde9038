"""What simulated sites have gathered over the years, as administrators look for it: uses, owners, idleness, ends."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from fleet.simulator import SimulatedSite, Simulator
from tests.wire import admin, ask, sign_in

Simulate = Callable[..., Awaitable[Simulator]]
DAY = 86_400.0


async def one(simulate: Simulate, **options: object) -> SimulatedSite:
    return (await simulate(sites=1, **{"services": 60, "machines": 3, **options})).sites["sim-0001"]


async def manifests(site: SimulatedSite, token: str) -> dict[str, Any]:
    """The manifest of every service that has one."""
    found = {}
    for key in site.services:
        answer = await admin(site, f"services/{key}/iteminfo/manifest/manifest.json", token)
        if answer.code != 404:
            found[key] = answer.json
    return found


async def test_which_services_use_a_database_is_answered_by_manifests_and_counts_agree(simulate: Simulate) -> None:
    site = await one(simulate)
    token = await sign_in(site)
    told = await manifests(site, token)
    assert 40 < len(told) < len(site.services), "some services were published without a manifest"
    texts = {key: told[key]["databases"][0]["onServerConnectionString"] for key in told}
    users = [key for key, text in texts.items() if "DATABASE=gisprod" in text]
    assert 5 < len(users) < len(told)
    form = {"token": token, "path": "/enterpriseDatabases/gisprod"}
    counted = (await ask(f"{site.url}/admin/data/computeTotalRefCount", form=form)).json["totalRefCount"]
    assert counted >= len(users), "services without a manifest may use it as well"
    item = (await admin(site, "data/items/enterpriseDatabases/gisprod", token)).json
    assert item["totalRefCount"] == counted
    assert item["info"]["connectionString"] in texts.values()
    as_xml = await admin(site, f"services/{users[0]}/iteminfo/manifest/manifest.xml", token)
    assert b"DATABASE=gisprod" in as_xml.body

    refused = await admin(site, "data/unregisterItem", token, itempath="/enterpriseDatabases/gisprod")
    assert refused.json["success"] is False
    forced = await admin(site, "data/unregisterItem", token, itempath="/enterpriseDatabases/gisprod", force="true")
    assert forced.json["success"] is True
    assert (await admin(site, "data/items/enterpriseDatabases/gisprod", token)).code == 404


async def test_services_differ_in_owners_permissions_instances_and_extensions(simulate: Simulate) -> None:
    site = await one(simulate)
    token = await sign_in(site)
    listed = json.dumps(
        [{"folderName": one.folder, "serviceName": one.name, "type": one.type} for one in site.services.values()]
    )
    parts = json.dumps(["permissions", "instances"])
    reports = (await admin(site, "services/report", token, services=listed, parameters=parts)).json["reports"]
    shared = [one for one in reports if one["provider"] == "DMaps"]
    assert 0 < len(shared) < len(reports)
    assert all(one["type"] == "MapServer" and one["instances"]["max"] == 0 for one in shared)
    closed = [one for one in reports if not one["permissions"][0]["permission"]["isAllowed"]]
    assert 0 < len(closed) < len(reports)
    owners = {
        (await admin(site, f"services/{key}/lifecycleinfos", token)).json["services"][0]["createdBy"]
        for key in site.services
    }
    assert len(owners) == 3
    enabled = {
        extension["typeName"]
        for key, service in site.services.items()
        if service.type == "MapServer"
        for extension in (await admin(site, f"services/{key}", token)).json["extensions"]
        if extension["enabled"] == "true"
    }
    assert enabled == {"KmlServer", "WMSServer", "FeatureServer"}


async def test_a_map_service_moves_between_shared_and_dedicated_instances(simulate: Simulate) -> None:
    site = await one(simulate)
    site.switches.set("start-time", "0")
    token = await sign_in(site)
    key = next(key for key, one in site.services.items() if one.definition["provider"] == "DMaps")
    for provider, most in (("ArcObjects11", 2), ("DMaps", 0)):
        await admin(site, f"services/{key}/changeProvider", token, provider=provider)
        told = (await admin(site, f"services/{key}", token)).json
        assert (told["provider"], told["maxInstancesPerNode"]) == (provider, most)
        assert site.services[key].real == "STARTED"
    assert (await admin(site, f"services/{key}/changeProvider", token, provider="Nothing")).code == 500


async def test_idle_services_are_idle_in_usage_reports_too(simulate: Simulate) -> None:
    site = await one(simulate)
    token = await sign_in(site)
    idle = {key for key, service in site.services.items() if service.rate == 0}
    assert 0 < len(idle) < len(site.services)
    query = {"resourceURIs": [f"services/{key}" for key in site.services], "metrics": ["RequestCount"]}
    report = json.dumps({"reportname": "r", "since": "LAST_DAY", "queries": [query]})
    await admin(site, "usagereports/add", token, usagereport=report)
    rows = (await admin(site, "usagereports/r/data", token)).json["report"]["report-data"][0]
    silent = {row["resourceURI"].removeprefix("services/") for row in rows if not any(row["data"])}
    assert silent == idle


async def test_a_site_has_as_many_requests_in_usage_reports_as_its_services_together(simulate: Simulate) -> None:
    site = await one(simulate, folders=1)
    token = await sign_in(site)
    folder = next(name for name in site.state.folder_names if name != "System")

    async def total(*places: str) -> int:
        report = {"reportname": "r", "since": "LAST_DAY"}
        report |= {"queries": [{"resourceURIs": list(places), "metrics": ["RequestCount"]}]}  # type: ignore[dict-item]
        await admin(site, "usagereports/add", token, usagereport=json.dumps(report))
        rows = (await admin(site, "usagereports/r/data", token)).json["report"]["report-data"][0]
        await admin(site, "usagereports/r/delete", token)
        return sum(number for row in rows for number in row["data"] if number is not None)

    everything, alone = await total("services/"), await total(*(f"services/{key}" for key in site.services))
    assert everything > 10_000
    assert abs(everything - alone) < 0.05 * everything
    below = [f"services/{key}" for key in site.services if key.startswith(f"{folder}/")]
    assert 0 < await total(f"services/{folder}/") < everything
    assert abs(await total(f"services/{folder}/") - await total(*below)) < 0.05 * everything
    assert await total("services/Nowhere.MapServer") == 0


async def test_worn_sites_have_near_ends_open_doors_and_things_that_are_gone(simulate: Simulate) -> None:
    site = await one(simulate, switches={"estate": "worn"})
    token, now = await sign_in(site), time.time()
    feature = (await admin(site, "system/licenses", token)).json["features"][0]
    assert 0 < feature["expiration"] / 1000 - now < 26 * DAY
    machine = next(iter(site.machines))
    keys = f"machines/{machine}/sslcertificates"
    ends = {
        alias: (await admin(site, f"{keys}/{alias}", token)).json["validUntilEpoch"] / 1000 - now
        for alias in (await admin(site, keys, token)).json["certificates"]
    }
    assert ends["former-wildcard"] < 0 < ends["selfsignedcertificate"] < 21 * DAY < ends["gis-wildcard"]
    adaptors = (await admin(site, "system/webadaptors", token)).json["webAdaptors"]
    assert [one["machineName"].endswith("-RETIRED.SIMULATED.EXAMPLE") for one in adaptors] == [False, True]
    assert (await admin(site, "data/validateAllDataItems", token)).code == 500
    missing = next(iter(site.switches.missing_directories))
    assert (await admin(site, f"system/directories/{missing}/clean", token)).code == 500
    tokens = (await admin(site, "security/tokens", token)).json["properties"]
    assert tokens["allowHttpGet"] == "true"
    site.switches.validation_details = True
    rows = (await admin(site, "data/validateAllDataItems", token)).json["machines"]
    failed = [
        (row["machine"], one["path"]) for row in rows for one in row["dataItems"] if one["validationState"] != "PASSED"
    ]
    assert failed == [(list(site.machines)[-1], site.state.kept["broken_items"][0])]


async def test_accounts_of_the_estate_sign_in_with_the_password_of_all_simulated_sites(simulate: Simulate) -> None:
    site = await one(simulate)
    place = f"{site.url}/admin/generateToken"
    token = (await ask(place, form={"username": "planning-editor", "password": "simulated"})).json["token"]
    assert "code" not in (await admin(site, "services", token)).json
    assert (await admin(site, "security/config", token)).code == 403


async def test_records_of_several_machines_share_milliseconds_at_page_borders(simulate: Simulate) -> None:
    site = await one(simulate, switches={"log-pages": "equal-times"})
    token = await sign_in(site)
    newest, seen, pages = "", [], 0
    while True:
        border = {"startTime": newest} if newest else {}
        page = (await admin(site, "logs/query", token, level="DEBUG", pageSize="310", **border)).json
        seen += page["logMessages"]
        pages += 1
        if not page["hasMore"]:
            break
        newest = str(page["endTime"])
    distinct = {json.dumps(record, sort_keys=True) for record in seen}
    assert pages > 3
    assert len(seen) > len(distinct), "records at a border come on both pages"
    at_border = {record["machine"] for record in seen if str(record["time"]) == newest}
    assert len(at_border) == 3


async def test_error_reports_are_counted_by_machine_up_to_what_is_kept_and_cleaned_with_the_logs(
    simulate: Simulate,
) -> None:
    site = await one(simulate, switches={"estate": "bare"})
    site.state.log_records.clear()
    first, second, _ = site.machines
    for machine, count in ((first, 4), (second, 2)):
        for _ in range(count):
            site.state.log("SEVERE", (8254, "The containing process for a service has crashed."), machine=machine)
    token = await sign_in(site)
    form = {"logLevel": "INFO", "logDir": "/l", "maxLogFileAge": "9", "maxErrorReportsCount": "3"}
    await admin(site, "logs/settings/edit", token, **form)

    async def count(**where: str) -> int:
        return int((await admin(site, "logs/countErrorReports", token, **where)).json["reportCount"])

    assert (await count(), await count(machine=first), await count(machine=second)) == (5, 3, 2)
    await admin(site, "logs/clean", token)
    assert await count() == 0


async def test_what_is_done_is_in_the_logs_with_user_source_and_machine_and_failures_are_severe(
    simulate: Simulate,
) -> None:
    site = await one(simulate, folders=0)
    token, key = await sign_in(site), next(iter(site.services))
    await admin(site, f"services/{key}/iteminfo/edit", token, serviceItemInfo="{}")
    machine = list(site.machines)[1]
    await admin(site, f"machines/{machine}/edit", token, socMaxHeapSize="96")
    site.fault("start-fails")
    assert (await admin(site, f"services/{key}/start", token)).json["status"] == "error"
    records = (await admin(site, "logs/query", token, level="INFO", pageSize="10")).json["logMessages"]
    done = {(record["type"], record["source"], record["machine"], record["user"]) for record in records}
    assert ("INFO", key, next(iter(site.machines)), "siteadmin") in done
    assert ("INFO", "Admin", machine, "siteadmin") in done
    severe = next(record for record in records if record["type"] == "SEVERE")
    assert (severe["source"], severe["code"]) == (key, 8252)


async def test_a_site_of_twenty_thousand_services_reports_them_in_reasonable_time(simulate: Simulate) -> None:
    begun = time.perf_counter()
    site = await one(simulate, services=20_000, folders=3)
    made = time.perf_counter() - begun
    token = await sign_in(site)
    begun = time.perf_counter()
    found = 0
    for folder in ("", *(f"{name}/" for name in site.state.folder_names)):
        found += len((await admin(site, f"services/{folder}report", token)).json["reports"])
    took = time.perf_counter() - begun
    assert found == 20_000
    assert made < 15
    assert took < 15, "a few seconds on a quiet machine"
