"""What scripts use beside the catalogue, and what the walk over it can't see: jobs, parts, permissions, backups, portals."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from fleet.simulator import SimulatedSite, Simulator
from tests.publish import TOOL, upload
from tests.wire import Answer, admin, ask, first_service, sign_in

Simulate = Callable[..., Awaitable[Simulator]]
DONE = {"status": "success"}


async def one(simulate: Simulate, **options: object) -> SimulatedSite:
    return (await simulate(sites=1, **options)).sites["sim-0001"]


async def test_geoprocessing_jobs_come_in_pages_and_are_cancelled_deleted_and_purged(simulate: Simulate) -> None:
    site = await one(simulate, services=30)
    token = await sign_in(site)
    key = next(key for key, service in site.services.items() if service.type == "GPServer")
    place = f"services/{key}/jobs"
    assert (await admin(site, place, token)).json == {"resources": ["query", "statistics"]}

    async def jobs(**asked: str) -> dict[str, str]:
        """Status by id, of every page."""
        found, start = {}, "1"
        while start != "-1":
            page = (await admin(site, f"{place}/query", token, number="2", start=start, **asked)).json
            assert page["num"] == len(page["results"]) <= 2
            found |= {job["jobId"]: job["status"] for job in page["results"]}
            start = str(page["nextStart"])
        assert len(found) == page["total"]
        return found

    before = await jobs()
    running, waiting = (
        next(one for one in before if before[one] == state) for state in ("esriJobExecuting", "esriJobWaiting")
    )
    ended = next(one for one in before if before[one] not in ("esriJobExecuting", "esriJobWaiting"))
    assert (await jobs(jobStatus="esriJobExecuting")) == {running: "esriJobExecuting"}
    owner = (await admin(site, f"{place}/{ended}", token)).json["username"]
    assert ended in await jobs(userName=owner)
    assert await jobs(endTime="1000") == {}
    assert (await admin(site, f"{place}/{ended}/cancel", token)).code == 500, "it has ended"
    assert (await admin(site, f"{place}/purgeQueue", token)).json == DONE
    assert await jobs() == {**before, waiting: "esriJobCancelled"}, "what has begun goes on"
    assert (await admin(site, f"{place}/{running}/cancel", token)).json == DONE
    assert (await admin(site, f"{place}/{running}", token)).json["status"] == "esriJobCancelled"
    assert (await admin(site, f"{place}/{ended}/delete", token)).json == DONE
    assert (await jobs()).keys() == before.keys() - {ended}
    counts = (await admin(site, f"{place}/statistics", token)).json["statistics"]
    assert sum(row["count"] for row in counts) == len(before) - 1
    other = next(key for key, service in site.services.items() if service.type != "GPServer")
    assert (await admin(site, f"services/{other}/jobs", token)).code == 404


async def part(site: SimulatedSite, item: str, number: int, data: bytes, token: str) -> Answer:
    line = "----simulated"
    fields = {"token": token, "f": "json", "partNumber": str(number)}
    text = "".join(f'--{line}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items())
    head = f'--{line}\r\nContent-Disposition: form-data; name="partFile"; filename="p"\r\n\r\n'
    body = text.encode() + head.encode() + data + f"\r\n--{line}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={line}"}
    return await ask(f"{site.url}/admin/uploads/{item}/uploadPart", form=body, headers=kind)


async def test_an_upload_in_parts_is_what_the_parts_make_in_their_order(simulate: Simulate) -> None:
    site = await one(simulate)
    token = await sign_in(site)
    item = (await admin(site, "uploads/register", token, itemName="big.sd")).json["item"]["itemID"]
    assert (await admin(site, f"uploads/{item}/download", token)).code == 500, "not committed"
    for number, data in ((2, b"world"), (1, b"hello ")):
        assert (await part(site, item, number, data, token)).json == DONE
    assert (await admin(site, f"uploads/{item}/commit", token, parts="1,2,3")).message == (
        "The part '3' has not been uploaded."
    )
    told = (await admin(site, f"uploads/{item}/commit", token, parts="1,2")).json["item"]
    assert told["committed"] is True
    assert (await admin(site, f"uploads/{item}/download", token)).body == b"hello world"
    assert (await part(site, item, 3, b"late", token)).code == 500
    await admin(site, f"uploads/{item}/delete", token)
    assert (await admin(site, f"uploads/{item}/download", token)).code == 404


def principals(told: Any) -> dict[str, bool]:
    return {entry["principal"]: entry["permission"]["isAllowed"] for entry in told["permissions"]}


async def test_cleaning_a_principal_at_the_root_takes_it_out_everywhere(simulate: Simulate) -> None:
    site = await one(simulate, folders=1, switches={"estate": "bare"})
    token = await sign_in(site)
    key = next(key for key in site.services if "/" in key)
    folder = key.partition("/")[0]
    conflict = {"principal": "editors", "permission": json.dumps({"isAllowed": False})}
    assert not (await admin(site, f"services/{folder}/hasChildPermissionsConflict", token, **conflict)).json[
        "hasConflicts"
    ]
    for place in ("services", f"services/{folder}", f"services/{key}"):
        form = {"principal": "editors", "isAllowed": "true", "constraint": "x"}
        assert (await admin(site, f"{place}/permissions/add", token, **form)).json == DONE
        assert principals((await admin(site, f"{place}/permissions", token)).json) == {
            "esriEveryone": True,
            "editors": True,
        }
    assert (await admin(site, f"services/{folder}/hasChildPermissionsConflict", token, **conflict)).json["hasConflicts"]
    assert (await admin(site, "services/permissions/clean", token, principal="editors")).json == DONE
    for place in ("services", f"services/{folder}", f"services/{key}"):
        assert principals((await admin(site, f"{place}/permissions", token)).json) == {"esriEveryone": True}


async def test_an_import_brings_back_services_accounts_and_settings_and_takes_away_what_came_later(
    simulate: Simulate,
) -> None:
    site = await one(simulate)
    site.switches.set("start-time", "0")
    token, key = await sign_in(site), first_service(site)
    await admin(site, f"services/{key}/permissions/add", token, principal="map-viewers", isAllowed="false")
    before = [
        (await admin(site, path, token)).json
        for path in (f"services/{key}", f"services/{key}/permissions", "data/findItems", "security/users/getUsers")
    ]
    place = (await admin(site, "exportSite", token)).json["location"]
    await admin(site, f"services/{key}/delete", token)
    await admin(site, "security/users/remove", token, username="web-viewer")
    await admin(site, "security/users/add", token, username="later", password="some-pass")
    await admin(site, "data/unregisterItem", token, itempath="/fileShares/maps", force="true")
    assert (await admin(site, "importSite", token, location=place)).json["status"] == "success"
    after = [
        (await admin(site, path, token)).json
        for path in (f"services/{key}", f"services/{key}/permissions", "data/findItems", "security/users/getUsers")
    ]
    assert after == before
    at = f"{site.url}/admin/generateToken"
    assert "token" in (await ask(at, form={"username": "web-viewer", "password": "simulated"})).json
    assert (await ask(at, form={"username": "later", "password": "some-pass"})).code == 401


async def test_a_site_that_was_deleted_and_made_anew_is_empty(simulate: Simulate) -> None:
    site = await one(simulate, machines=2)
    assert (await admin(site, "deleteSite")).json == DONE
    assert (await admin(site, "services", "no-token")).code == 404
    form = {"username": "chief", "password": "newer-pass"}
    assert (await ask(f"{site.url}/admin/createNewSite", form=form)).json == DONE
    token = await sign_in(site)
    assert (await admin(site, "services", token)).json["services"] == []
    assert (await admin(site, "data/findItems", token)).json["items"] == []
    assert (await admin(site, "security/users/getUsers", token)).json["users"] == []
    assert len((await admin(site, "machines", token)).json["machines"]) == 1
    at = f"{site.url}/admin/generateToken"
    assert (await ask(at, form={"username": "web-viewer", "password": "simulated"})).code == 401


async def test_exported_definitions_make_the_same_services_again(simulate: Simulate) -> None:
    site = await one(simulate)
    token, key = await sign_in(site), first_service(site)
    before = (await admin(site, f"services/{key}", token)).json
    place = (await admin(site, "services/exportServices", token)).json["location"]
    await admin(site, f"services/{key}/delete", token)
    assert (await admin(site, "services/importServices", token, location=place)).json == DONE
    assert (await admin(site, f"services/{key}", token)).json == before
    other = await upload(site, "x.sd", token)
    assert (await admin(site, "services/importServices", token, location=other["itemID"])).code == 500


async def test_a_web_adaptor_is_edited_and_registers_again_in_its_former_place(simulate: Simulate) -> None:
    site = await one(simulate, switches={"estate": "bare"})
    token = await sign_in(site)
    form = {"webAdaptorURL": "https://w/x", "machineName": "W", "machineIP": "10.0.0.9"}
    for address in ("10.0.0.9", "10.0.0.10"):
        await admin(site, "system/webadaptors/register", token, **{**form, "machineIP": address})
    (found,) = (await admin(site, "system/webadaptors", token)).json["webAdaptors"]
    assert found["machineIP"] == "10.0.0.10"
    place = f"system/webadaptors/{found['id']}"
    await admin(site, f"{place}/update", token, isAdminEnabled="true", httpsPort="8443")
    told = (await admin(site, place, token)).json
    assert (told["isAdminEnabled"], told["httpsPort"], told["machineIP"]) == (True, 8443, "10.0.0.10")
    await admin(site, "system/webadaptors/config/update", token, webAdaptorsConfig='{"sharedKey":"another"}')
    assert (await admin(site, "system/webadaptors/config", token)).json == {"sharedKey": "another"}


async def test_a_store_s_machine_takes_over_and_one_that_stands_still_is_unhealthy_and_no_failure(
    simulate: Simulate,
) -> None:
    site = await one(simulate)
    token = await sign_in(site)
    path = next(path for path in site.state.data_items if path.startswith("/enterpriseDatabases/AGSDataStore"))
    place = f"data/items{path}/machines"
    first, second = [one["name"] for one in (await admin(site, place, token)).json["machines"]]
    assert (await admin(site, f"{place}/{first}/remove", token)).code == 500, "the primary one stays"
    await admin(site, f"{place}/{second}/stop", token)
    assert (await admin(site, f"{place}/{second}/makePrimary", token)).code == 500
    told = (await admin(site, f"{place}/{first}/validate", token)).json
    assert (told["status"], told["datastoreStatus"]) == ("success", "Unhealthy")
    await admin(site, f"{place}/{second}/start", token)
    await admin(site, f"{place}/{second}/makePrimary", token)
    assert (await admin(site, f"{place}/{first}/validate", token)).json["datastoreStatus"] == "Healthy"
    await admin(site, f"{place}/{first}/remove", token)
    assert [one["name"] for one in site.state.data_items[path]["info"]["machines"]] == [second]
    assert (await admin(site, "data/items/fileShares/maps/machines", token)).json == {"machines": []}


async def test_two_changes_of_one_thing_at_once_the_second_is_told_of_the_lock(simulate: Simulate) -> None:
    site = await one(simulate)
    token, key = await sign_in(site), first_service(site)
    name = key.rpartition(".")[0].rpartition("/")[2]
    folder, kind = site.services[key].folder, site.services[key].type
    at = f"services/{folder}/renameService" if folder else "services/renameService"
    with site.paused("edit"):
        body = json.dumps(site.services[key].definition)
        first = asyncio.ensure_future(admin(site, f"services/{key}/edit", token, service=body))
        while not any(held.startswith("service:") for held in site.locks.held):
            await asyncio.sleep(0.005)
        form = {"serviceName": name, "serviceType": kind, "serviceNewName": "Renamed"}
        second = await admin(site, at, token, **form)
        assert "currently being configured by another administrative operation" in second.message
    assert (await first).json == DONE
    assert key in site.services
    assert (await admin(site, at, token, **form)).json == DONE
    assert key not in site.services


async def test_a_portal_lets_servers_go_takes_them_back_and_logs_it(simulate: Simulate) -> None:
    simulator = await simulate(sites=2, federated=True)
    portal, site = simulator.portal, simulator.sites["sim-0002"]
    assert portal is not None
    account = {"username": "siteadmin", "password": "simulated", "client": "referer", "referer": "x"}
    token = (await ask(f"{portal.url}/sharing/rest/generateToken", form=account)).json["token"]
    servers, head = f"{portal.url}/portaladmin/federation/servers", {"Referer": "x"}
    assert "owningSystemUrl" in (await ask(f"{site.url}/rest/info")).json
    await ask(f"{servers}/id-sim-0002/unfederate", form={"token": token}, headers=head)
    assert "owningSystemUrl" not in (await ask(f"{site.url}/rest/info")).json
    assert (await ask(f"{servers}/id-sim-0002/validate", {"token": token}, headers=head)).code == 404

    form = {"token": token, "url": site.url, "adminUrl": site.url, "username": "siteadmin", "password": "wrong"}
    assert (await ask(f"{servers}/federate", form=form, headers=head)).code == 500
    form["password"] = "simulated"
    told = await ask(f"{servers}/federate", form=form, headers=head)
    assert told.json == {"status": "success", "serverId": "id-sim-0002"}
    assert (await ask(f"{servers}/federate", form=form, headers=head)).message == "The server is already federated."
    assert (await ask(f"{site.url}/rest/info")).json["owningSystemUrl"] == portal.url

    site.fault("unhealthy")
    found = (await ask(f"{servers}/id-sim-0002/validate", {"token": token}, headers=head)).json
    assert (found["status"], len(found["messages"])) == ("failure", 1)
    query = {"token": token, "level": "DEBUG", "filter": "{}", "federatedServers": ""}
    records = (await ask(f"{portal.url}/portaladmin/logs/query", query, headers=head)).json["logMessages"]
    codes = [record["code"] for record in records]
    assert {207052, 207053, 207055} <= set(codes)
    assert {record["source"] for record in records} == {"Portal Admin"}
    del query["federatedServers"]
    more = (await ask(f"{portal.url}/portaladmin/logs/query", query, headers=head)).json["logMessages"]
    assert len(more) > len(records), "with those of the servers"


async def test_a_definition_is_published_as_it_was_changed_and_again_over_what_is_there(simulate: Simulate) -> None:
    site = await one(simulate)
    token = await sign_in(site)
    item = (await upload(site, "plan.sd", token))["itemID"]
    told = (await admin(site, f"uploads/{item}/serviceconfiguration.json", token)).json

    async def published(least: int) -> dict[str, Any]:
        service = {**told["service"], "serviceName": "Plans", "minInstancesPerNode": least}
        changed = json.dumps({"folderName": "Drafts", "service": service})
        form = {"token": token, "in_sdp_id": item, "in_config_overwrite": changed}
        job = (await ask(f"{site.url}/{TOOL}/submitJob", form=form)).json["jobId"]
        async with asyncio.timeout(20):
            while (await ask(f"{site.url}/{TOOL}/jobs/{job}", {"token": token})).json[
                "jobStatus"
            ] != "esriJobSucceeded":
                await asyncio.sleep(0.05)
        return dict((await admin(site, "services/Drafts/Plans.MapServer", token)).json)

    assert (await published(1))["minInstancesPerNode"] == 1
    place = "services/Drafts/Plans.MapServer/permissions"
    await admin(site, f"{place}/add", token, principal="map-viewers", isAllowed="false")
    assert (await published(2))["minInstancesPerNode"] == 2
    assert "map-viewers" in principals((await admin(site, place, token)).json), "what was granted stays"
