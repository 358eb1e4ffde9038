"""`fleet call portal:PATH`: each portal is asked once, and every selected site has one outcome all the same."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest
import trustme

from fleet import Fleet
from fleet import sync as blocking
from fleet.admin.catalogue import operation_for
from fleet.simulator import Simulator
from tests.processes import FLEET, fleet, outcomes_of
from tests.tlsserver import server

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

SERVERS = "portal:portaladmin/federation/servers"


async def test_a_portal_is_asked_once_and_its_sites_share_the_answer(simulate: Simulate, tmp_path: Path) -> None:
    north, south = await simulate(sites=3, federated=True), await simulate(sites=2, federated=True, seed=2)
    assert north.portal is not None
    assert south.portal is not None
    text = north.inventory_toml().replace("sim-", "north-")
    more = south.inventory_toml().replace("sim-", "south-") + (
        '\n[sites.alone]\nurl = "http://127.0.0.1:9/arcgis"\nauth = { kind = "server" }\n'
    )
    (tmp_path / "a.toml").write_text(text)
    (tmp_path / "b.toml").write_text(more)
    done = await fleet("call", SERVERS, "-i", str(tmp_path), "-o", "json")
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert report["coverage"] == {"selected": 6, "answered": 5, "missing": {"auth_failed": 1}}
    assert [(outcome["site"], outcome["outcome"], outcome["attempts"]) for outcome in report["outcomes"]] == [
        *((f"north-000{n}", "ok", 1) for n in (1, 2, 3)),
        *((f"south-000{n}", "ok", 1) for n in (1, 2)),
        ("alone", "auth_failed", 0),
    ]
    error = report["outcomes"][-1]["error"]
    assert error["kind"] == "config"
    assert error["message"] == "the inventory names no portal for this site"
    assert 'auth = { kind = "portal", portal =' in error["hint"]
    assert [(group["count"], len(group["value"]["servers"])) for group in report["merged"]["groups"][:1]] == [(3, 3)]
    for simulator in (north, south):
        assert simulator.portal is not None
        assert [entry.operation for entry in simulator.ledger] == ["generateToken", "servers"]
        assert {entry.site for entry in simulator.ledger} == {"portal"}, "no site was asked anything"
        assert [entry.token_in for entry in simulator.ledger] == ["none", "header"]


async def test_a_portal_that_ignores_the_header_gets_the_token_in_the_body(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=2, federated=True)
    assert simulator.portal is not None
    simulator.portal.header_token = "ignored"
    done = await fleet("call", SERVERS, "-i", str(write_inventory(simulator)), "-o", "ndjson")
    assert done.returncode == 0, done.stdout
    assert [(entry.method, entry.operation, entry.token_in) for entry in simulator.ledger] == [
        ("POST", "generateToken", "none"),
        ("GET", "servers", "none"),
        ("POST", "servers", "body"),
    ]


async def test_one_refusal_of_a_portal_is_every_sites_and_costs_one_password(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=3, federated=True)
    assert simulator.portal is not None
    simulator.portal.faults.add("wrong-password")
    done = await fleet("call", SERVERS, "-i", str(write_inventory(simulator)), "-o", "ndjson")
    assert {(o["outcome"], o["error"]["kind"]) for o in outcomes_of(done).values()} == {("auth_failed", "auth")}
    assert len(outcomes_of(done)) == 3
    assert [entry.operation for entry in simulator.ledger] == ["generateToken"]


async def test_a_change_of_a_portal_follows_the_rules_for_sites(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=2, federated=True)
    assert simulator.portal is not None
    path = str(write_inventory(simulator.inventory_toml() + "protected = true\n"))
    change = ["call", f"{SERVERS}/id-sim-0001/update", "-i", path, "-o", "ndjson"]
    needed = await fleet(*change, "--change", "-s", "all", "--yes")
    assert (needed.returncode, "needs serverRole" in needed.stderr) == (2, True)
    change += ["-p", "serverRole=HOSTING_SERVER"]
    for more, sentence in (
        ([], "give --change"),
        (["--change"], "needs -s"),
        (["--change", "-s", "all"], "give --yes"),
        (["--method", "GET"], "is sent as POST"),
    ):
        refused = await fleet(*change, *more)
        assert (refused.returncode, sentence in refused.stderr) == (2, True), refused.stderr
    unknown = await fleet("call", "portal:portaladmin/unheard/of", "--method", "POST", "-i", path)
    assert (unknown.returncode, "give --change" in unknown.stderr) == (2, True)
    kept = await fleet(*change, "--change", "-s", "all", "--yes")
    assert {o["outcome"] for o in outcomes_of(kept).values()} == {"skipped"}
    assert "portal is that of sim-0002 too" in outcomes_of(kept)["sim-0001"]["error"]["message"]
    assert simulator.ledger == [], "up to here nothing was sent"
    dry = await fleet(*change, "--change", "-s", "all", "--dry-run")
    assert {o["outcome"] for o in outcomes_of(dry).values()} == {"changed"}
    assert [(entry.method, entry.operation) for entry in simulator.ledger] == [
        ("POST", "generateToken"),
        ("GET", "servers"),
    ], "a dry run reads only"
    done = await fleet(*change, "--change", "-s", "all", "--yes", "--confirm", "sim-0002")
    found = outcomes_of(done)
    assert {(o["outcome"], o.get("verified")) for o in found.values()} == {("changed", None)}, "it was read back"
    assert simulator.portal.roles == {"sim-0001": "HOSTING_SERVER"}
    assert [(entry.operation, entry.token_in) for entry in simulator.ledger if entry.changed] == [("update", "body")]
    records = [json.loads(line) for line in (tmp_path / "state" / "audit.jsonl").read_text().splitlines()]
    assert [(record["event"], record["url"], record["operation"]) for record in records] == [
        (event, simulator.portal.url, "portal.federation.servers.update") for event in ("intent", "result")
    ]


async def test_a_change_on_its_way_to_a_portal_is_unknown_for_every_site_of_it(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=2, federated=True)
    assert simulator.portal is not None
    path = str(write_inventory(simulator))
    # A path that the catalogue does not know is not looked at before: the change is what follows the login.
    change = ["call", "portal:portaladmin/unheard/of", "--method", "POST", "--change", "--yes", "-s", "all"]
    simulator.portal.faults.add("slow")
    running = subprocess.Popen(
        [*FLEET, *change, "-i", path, "-o", "ndjson", "-q"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with anyio.fail_after(30):
        while not any(entry.operation == "generateToken" for entry in simulator.ledger):
            await anyio.sleep(0.05)
        await anyio.sleep(1.0)
        running.send_signal(signal.SIGINT)
        await anyio.sleep(0.2)
        running.send_signal(signal.SIGINT)
        out, _ = await anyio.to_thread.run_sync(running.communicate)
    assert running.returncode == 130
    found = [json.loads(line) for line in out.splitlines()]
    assert [(o["outcome"], o["error"]["kind"]) for o in found] == [("unknown", "unknown_outcome")] * 2
    assert "portaladmin/unheard/of was sent" in found[0]["error"]["message"]


@pytest.mark.parametrize("kind", ["server", "oauth", "token"])
async def test_every_way_of_signing_in_reaches_the_portal(
    simulate: Simulate, write_inventory: Write, kind: str
) -> None:
    simulator = await simulate(sites=2, federated=True)
    assert simulator.portal is not None
    simulator.portal.applications["fleet-app"] = "app-secret"
    given, _ = simulator.portal.tokens.issue("siteadmin", 60, referer="arcgis-fleet")
    more = {
        "server": "",
        "oauth": ', client_id = "fleet-app", client_secret = { env = "APP_SECRET" }',
        "token": ', token = { env = "GIVEN_TOKEN" }',
    }[kind]
    text = simulator.inventory_toml().replace('kind = "portal"', f'kind = "{kind}"{more}')
    done = await fleet(
        "call",
        SERVERS,
        "-i",
        str(write_inventory(text)),
        "-o",
        "ndjson",
        env={"APP_SECRET": "app-secret", "GIVEN_TOKEN": given},
    )
    assert done.returncode == 0, done.stdout
    logins = {"server": ["generateToken"], "oauth": ["token"], "token": []}[kind]
    assert [entry.operation for entry in simulator.ledger] == [*logins, "servers"]


async def test_a_pin_is_the_site_s_and_its_portal_is_judged_by_the_authority(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, tls=True, federated=True)
    assert simulator.portal is not None
    authority = trustme.CA()
    with server(authority) as port:
        tls = f'tls = {{ ca = "{simulator.ca_file}", pin = "sha256:{"0" * 64}" }}'
        text = re.sub(r"^tls = .*$", lambda _: tls, simulator.inventory_toml(), flags=re.MULTILINE)
        text = text.replace(simulator.sites["sim-0001"].url, f"https://localhost:{port}/arcgis")
        portal = await fleet("call", "portal:portaladmin/healthCheck", "-i", str(write_inventory(text)), "-o", "ndjson")
        assert outcomes_of(portal)["sim-0001"]["outcome"] == "ok", "the site's pin does not hold for its portal"
        site = await fleet("call", "rest/info", "-i", str(write_inventory(text)), "-o", "ndjson")
        assert outcomes_of(site)["sim-0001"]["error"]["kind"] == "tls"


async def test_from_python_a_portal_is_work_like_any_other(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=3, federated=True)
    assert simulator.portal is not None
    path = write_inventory(simulator)
    operation, _ = operation_for("portaladmin/federation/servers", portal=True)
    async with Fleet.from_inventory(path) as opened:
        chosen = opened.select("sim-000[1-2]")
        report = await chosen.run(chosen.portals(operation), merge="union", query="servers[].name")
    assert report.coverage.answered == 2
    assert simulator.portal.count("servers") == 1

    def script() -> int:
        with blocking.Fleet.from_inventory(path) as opened:
            chosen = opened.select()
            return chosen.run(chosen.portals(operation)).coverage.answered

    assert await anyio.to_thread.run_sync(script) == 3
    assert simulator.portal.count("servers") == 2
