"""Sections 10 to 12 of the page about the wire: log pages, federation, publishing."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from fleet import Fleet, ops
from fleet.health import HealthOptions, sweep
from fleet.simulator import SimulatedSite, Simulator
from tests.publish import publish, upload
from tests.wire import admin, ask, sign_in

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

TYPICAL = "No instances for 'PublishingTools/GPServer' were available for 60.013 seconds. Wait timeout exceeded."
NOW = 1_800_000_000.0


async def one(simulate: Simulate, **options: object) -> SimulatedSite:
    return (await simulate(sites=1, **options)).sites["sim-0001"]


async def page(site: SimulatedSite, token: str, **form: str) -> dict[str, Any]:
    told: dict[str, Any] = (await admin(site, "logs/query", token, **form)).json
    return told


async def read_all(site: SimulatedSite, token: str, size: int, most: int = 400) -> tuple[list[Any], str]:
    """Every record once, read as a careful reader does, and why it ended: `end`, `stuck` or `many`."""
    seen: dict[str, Any] = {}
    newest: str | None = None
    for _ in range(most):
        form = {"pageSize": str(size), **({} if newest is None else {"startTime": newest})}
        told = await page(site, token, **form)
        fresh = [record for record in told["logMessages"] if json.dumps(record) not in seen]
        seen.update((json.dumps(record), record) for record in fresh)
        if not told["hasMore"]:
            return list(seen.values()), "end"
        moved = newest is None or told["endTime"] < int(newest)
        if not moved:
            return list(seen.values()), "stuck"
        newest = str(told["endTime"])
    return list(seen.values()), "many"


def refill(site: SimulatedSite, times: list[float]) -> None:
    """Let the site have one WARNING record at each of *times*, epoch seconds, and no other."""
    site.state.log_records[:] = [
        site.state.record("WARNING", (1000 + place, f"record {place}"), at=at) for place, at in enumerate(times)
    ]


async def test_wire_10_1_newest_first_and_start_time_is_the_newer_end(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, clock=lambda: NOW)
    site = simulator.sites["sim-0001"]
    token = await sign_in(site)
    refill(site, [NOW - age for age in (50, 10, 30, 20, 40)])
    told = await page(site, token)
    assert [round(NOW - record["time"] / 1000) for record in told["logMessages"]] == [10, 20, 30, 40, 50]
    newer, older = str(round((NOW - 15) * 1000)), str(round((NOW - 45) * 1000))
    told = await page(site, token, startTime=newer, endTime=older)
    assert [round(NOW - record["time"] / 1000) for record in told["logMessages"]] == [20, 30, 40]
    assert (told["startTime"], told["endTime"]) == (int(newer), int(older))
    swapped = await page(site, token, startTime=older, endTime=newer)
    assert (swapped["logMessages"], swapped["hasMore"]) == ([], False)
    query = ops.logs.query(newest=int(newer), oldest=int(older))
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        report = await fleet.select().run(query)
    assert len(report.outcomes[0].value["logMessages"]) == 3  # type: ignore[union-attr]
    text = await page(site, token, startTime="2027-01-15T08:00:00,000", endTime="2027-01-15T07:59:20,000")
    assert [round(NOW - record["time"] / 1000) for record in text["logMessages"]] == [10, 20, 30, 40]


async def test_wire_10_2_a_page_has_1000_records_or_what_was_asked_for_up_to_10000(simulate: Simulate) -> None:
    site = await one(simulate, clock=lambda: NOW)
    token = await sign_in(site)
    refill(site, [NOW - age for age in range(11_000)])
    sizes = [
        len((await page(site, token, **form))["logMessages"]) for form in ({}, {"pageSize": "7"}, {"pageSize": "99999"})
    ]
    assert sizes == [1000, 7, 10_000]
    first = await page(site, token, pageSize="10")
    assert first["hasMore"]
    assert first["endTime"] == first["logMessages"][-1]["time"]
    second = await page(site, token, pageSize="10", startTime=str(first["endTime"]))
    assert second["startTime"] == first["endTime"]
    refill(site, [NOW - age for age in range(10)])
    assert not (await page(site, token, pageSize="10"))["hasMore"]


async def test_wire_10_2_every_record_is_read_once_over_many_pages(simulate: Simulate) -> None:
    site = await one(simulate, clock=lambda: NOW, switches={"log-pages": "many"})
    token = await sign_in(site)
    records, why = await read_all(site, token, 1000)
    assert why == "end"
    assert len(records) == len(site.state.log_records) > 12_500
    assert all(newer["time"] >= older["time"] for newer, older in pairwise(records))


async def test_wire_10_2_pages_that_do_not_move_on_are_told_by_their_older_end(simulate: Simulate) -> None:
    site = await one(simulate, clock=lambda: NOW, switches={"log-pages": "equal-times"})
    token = await sign_in(site)
    records, why = await read_all(site, token, 40)
    assert why == "end", "pages that are longer than a burst move on"
    assert len(records) == len(site.state.log_records)
    _, why = await read_all(site, token, 10)
    assert why == "stuck", "25 records of one millisecond don't fit a page of 10"
    site = await one(simulate, clock=lambda: NOW, switches={"log-pages": "stuck-page"})
    refill(site, [NOW - age for age in range(100)])
    records, why = await read_all(site, await sign_in(site), 10)
    assert (why, len(records)) == ("stuck", 10)


async def test_wire_10_2_an_empty_page_may_say_that_there_is_more(simulate: Simulate) -> None:
    site = await one(simulate, clock=lambda: NOW, switches={"log-pages": "empty-page"})
    token = await sign_in(site)
    refill(site, [NOW - age / 7 for age in range(100)])
    pages = [await page(site, token, pageSize="10") for _ in range(2)]
    assert (len(pages[0]["logMessages"]), len(pages[1]["logMessages"])) == (10, 0)
    assert pages[1]["hasMore"]
    site.state.kept["log_queries"] = 0
    records, why = await read_all(site, token, 10)
    assert why == "end"
    assert [record["message"] for record in records] == [f"record {place}" for place in range(100)]


async def test_wire_10_3_logs_are_queried_by_get_and_post_and_the_client_posts(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    token = await sign_in(site)
    by_get = (await ask(f"{site.url}/admin/logs/query", {"token": token})).json
    assert by_get["logMessages"] == (await page(site, token))["logMessages"]
    site.switches.set("log-methods", "POST")
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        assert (await fleet.select().run(ops.logs.query())).ok
    assert site.requests("query")[-1].method == "POST"


@pytest.mark.parametrize("name", ["sinceServerStart", "sinceLastStart"])
async def test_wire_10_4_two_names_for_since_the_start(simulate: Simulate, name: str) -> None:
    site = await one(simulate, clock=lambda: NOW, machines=1)
    token = await sign_in(site)
    refill(site, [NOW - age for age in (10, 100, 1000)])
    next(iter(site.machines.values())).started = NOW - 200
    assert len((await page(site, token))["logMessages"]) == 3, "not by default"
    assert len((await page(site, token, **{name: "true"}))["logMessages"]) == 2


async def test_wire_10_5_the_typical_record_is_there(simulate: Simulate) -> None:
    simulator = await simulate(sites=5)
    found = []
    for site in simulator.sites.values():
        told = await page(site, await sign_in(site), level="SEVERE")
        assert {record["type"] for record in told["logMessages"]} <= {"SEVERE"}
        found += [record for record in told["logMessages"] if record["code"] == 9511]
    assert found
    assert {record["message"] for record in found} == {TYPICAL}
    assert "requestID" in found[0]


async def test_wire_10_6_the_record_at_the_border_is_on_both_pages(simulate: Simulate) -> None:
    site = await one(simulate, clock=lambda: NOW)
    token = await sign_in(site)
    refill(site, [NOW - age for age in (1, 2, 3, 3, 3, 4, 5)])
    first = await page(site, token, pageSize="4")
    second = await page(site, token, pageSize="4", startTime=str(first["endTime"]))
    both = [record["message"] for record in first["logMessages"] if record in second["logMessages"]]
    assert both == ["record 2", "record 3"]
    joined = {json.dumps(record) for told in (first, second) for record in told["logMessages"]}
    assert len(joined) == 6
    last = await page(site, token, pageSize="4", startTime=str(second["endTime"]))
    assert {json.dumps(record) for record in last["logMessages"]} | joined == {
        json.dumps(record) for record in site.state.log_records
    }


@pytest.mark.parametrize(
    "filter",
    [{}, {"services": "*", "machines": "*"}, {"services": ["*"], "machines": ["*"]}, {"machines": "*"}, {"codes": []}],
)
async def test_wire_10_6_filters_take_everything_in_several_spellings(simulate: Simulate, filter: Any) -> None:
    site = await one(simulate, clock=lambda: NOW)
    token = await sign_in(site)
    refill(site, [NOW - 1, NOW - 2])
    assert len((await page(site, token, filter=json.dumps(filter)))["logMessages"]) == 2


async def test_wire_10_6_filters_pick_by_code_machine_service_and_user(simulate: Simulate) -> None:
    site = await one(simulate, clock=lambda: NOW, machines=2)
    token = await sign_in(site)
    first, second = site.machines
    site.state.log_records[:] = [
        site.state.record("WARNING", (1, "a"), at=NOW - 1, source="Roads.MapServer", machine=first, user="x"),
        site.state.record("WARNING", (2, "b"), at=NOW - 2, source="Trees.MapServer", machine=second, user="y"),
    ]

    async def texts(**given: Any) -> list[str]:
        told = await page(site, token, filter=json.dumps(given))
        return [record["message"] for record in told["logMessages"]]

    assert await texts(codes=[1]) == ["a"]
    assert await texts(machines=[second]) == ["b"]
    assert await texts(services=["Roads.MapServer", "Trees.MapServer"]) == ["a", "b"]
    assert await texts(services="Trees.MapServer") == ["b"]
    assert await texts(users=["x"], codes=[2]) == []


async def test_wire_10_2_the_log_check_says_or_more_where_there_is_more_than_a_page(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    now = site.state.clock()
    site.state.log_records[:] = [site.state.record("SEVERE", (9511, TYPICAL), at=now - 5) for _ in range(1001)]
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        report = await sweep(fleet.select(), HealthOptions(only=("log_errors",)))
    value: Any = report.outcomes[0].value  # type: ignore[union-attr]
    assert value["checks"][0]["saw"].startswith("1000 or more SEVERE records")


# 11. Federation


async def test_wire_11_the_four_steps_of_a_federated_login(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, federated=True)
    site = simulator.sites["sim-0001"]
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        assert (await fleet.select().run(ops.info.admin())).ok
    steps = [(entry.site, entry.operation, entry.token_in) for entry in simulator.ledger]
    assert steps == [
        ("sim-0001", "info", "none"),
        ("portal", "generateToken", "none"),
        ("sim-0001", "info", "header"),
    ]
    # The primary site administrator still signs in at the site itself.
    assert (await admin(site, "info", await sign_in(site))).json["loggedInUser"] == "siteadmin"


async def test_wire_11_a_portal_token_that_a_site_refuses_is_exchanged(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, federated=True)
    assert simulator.portal is not None
    site = simulator.sites["sim-0001"]
    assert site.portal_tokens is not None
    site.portal_tokens = None  # from now on the site does not know what its portal gave out
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        report = await fleet.select().run(ops.info.admin())
    assert report.ok
    exchanges = [entry for entry in simulator.ledger if "serverURL" in entry.params]
    assert len(exchanges) == 1
    assert exchanges[0].token_in == "body"


# 12. Publishing


async def test_wire_12_a_definition_is_uploaded_published_by_a_job_and_becomes_a_service(simulate: Simulate) -> None:
    site = await one(simulate)
    token = await sign_in(site)
    states, messages = await publish(site, "Harbour Chart.sd")
    assert states == ["esriJobSubmitted", "esriJobExecuting", "esriJobSucceeded"]
    assert messages[-1]["description"] == "Succeeded."
    assert (await admin(site, "services/Harbour_Chart.MapServer/status", token)).json["realTimeState"] == "STARTED"


async def test_wire_12_a_job_whose_definition_is_gone_fails(simulate: Simulate) -> None:
    site = await one(simulate)
    token = await sign_in(site)
    item = await upload(site, "Gone.sd", token)
    assert (await admin(site, "uploads", token)).json["items"] == [item]
    told = (await admin(site, f"uploads/{item['itemID']}/serviceconfiguration.json", token)).json
    assert told["service"]["serviceName"] == "Gone"
    tool = f"{site.url}/rest/services/System/PublishingTools/GPServer/Publish%20Service%20Definition"
    nothing = await ask(f"{tool}/submitJob", form={"token": token, "in_sdp_id": "i0"})
    assert nothing.code == 400
    job = (await ask(f"{tool}/submitJob", form={"token": token, "in_sdp_id": item["itemID"]})).json
    assert (await admin(site, f"uploads/{item['itemID']}/delete", token)).json == {"status": "success"}
    site.state.kept["publishing"][job["jobId"]]["at"] -= 5.0
    told = (await ask(f"{tool}/jobs/{job['jobId']}", {"token": token})).json
    assert told["jobStatus"] == "esriJobFailed"
    assert told["messages"][-1]["type"] == "esriJobMessageTypeError"
