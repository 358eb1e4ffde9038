"""Sections 4 and 5 of the page about the wire: one writer at a time, and tokens."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from fleet import Fleet, ops
from fleet.auth.portal import federation_refusal
from fleet.auth.provider import read_token
from fleet.auth.rsa import encrypt_form
from fleet.client.clients import Clients
from fleet.client.settings import ClientSettings, RetryPolicy
from fleet.errors import LoginRefused
from fleet.inventory.load import Source, load
from fleet.protocol.fields import ServiceId
from fleet.protocol.message import Response
from fleet.simulator import SimulatedSite, Simulator
from tests.wire import admin, ask, first_service, sign_in, until

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

PATIENCE = RetryPolicy(base=0.02, cap=0.1, settle=0.5, lock_patience=0.5)
ACCOUNT = {"username": "siteadmin", "password": "simulated"}
MISMATCH = "Invalid token, ClientID does not match."
STORE = "Another administrative operation is currently accessing the store. Please try again later."


FEDERATED = """
[sites.oslo]
url = "https://gis.example.com/arcgis"
username = "siteadmin"
auth = { kind = "portal", portal = "https://portal.example.com/arcgis" }
"""


def epoch_of(date: str) -> float:
    return parsedate_to_datetime(date).timestamp()


async def one(simulate: Simulate, **options: object) -> SimulatedSite:
    return (await simulate(sites=1, **options)).sites["sim-0001"]


# 4. Locks


async def test_wire_4_1_the_second_operation_on_the_same_thing_fails_at_once(simulate: Simulate) -> None:
    site = await one(simulate)
    token, key = await sign_in(site), first_service(site)
    folder, _, own = key.rpartition("/")
    with site.paused("services.stop"):
        first = asyncio.create_task(admin(site, f"services/{key}/stop", token))
        await until(lambda: f"service:{key}" in site.locks.held)
        second = await admin(site, f"services/{key}/edit", token, service="{}")
        assert not first.done(), "it does not wait"
    assert second.message == (
        f"Service '{own}' in folder '{folder or 'root'}' is currently being configured by another administrative "
        "operation. Please try again later."
    )
    await first
    with site.paused("mode.update"):
        whole = asyncio.create_task(admin(site, "mode/update", token, siteMode="EDITABLE"))
        await until(lambda: "site" in site.locks.held)
        assert (await admin(site, f"services/{key}/start", token)).message.startswith("The site is currently being")
        assert (await admin(site, f"services/{key}/status", token)).json["realTimeState"] == "STOPPED", "reads go on"
    await whole


async def test_wire_4_2_the_store_s_lock_comes_bare_and_wrapped(simulate: Simulate) -> None:
    site = await one(simulate)
    token = await sign_in(site)
    site.switches.set("stuck-locks", "store")
    assert (await admin(site, "services/createFolder", token, folderName="New")).message == STORE
    machine = next(iter(site.machines))
    assert (await admin(site, f"machines/{machine}/start", token)).message == (
        f"Failed to start the server machine. Configuration store error. File system put failed. {STORE}"
    )


async def test_wire_4_3_a_change_that_reported_a_lock_may_be_done_and_is_looked_at_before_it_is_sent_again(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, switches={"locked-but-done": "true"})
    site = simulator.sites["sim-0001"]
    key = first_service(site)
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        report = await fleet.select().run(ops.services.stop(ServiceId.parse(key)))
    assert report.outcomes[0].outcome == "changed"
    assert site.count("stop") == 1
    assert site.services[key].real == "STOPPED"


async def test_wire_4_4_some_locks_stay_until_a_machine_is_restarted(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, switches={"stuck-locks": "service:*"})
    site = simulator.sites["sim-0001"]
    key = first_service(site)
    site.services[key].real = "STOPPING"
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        stop = ops.services.stop(ServiceId.parse(key))
        report = await fleet.select().run(stop)
        assert report.outcomes[0].error.kind == "locked"  # type: ignore[union-attr]
        assert site.services[key].real == "STOPPING", "it shows as stuck on its way"
        machine = next(iter(site.machines))
        for restart in (ops.machines.stop(machine), ops.machines.start(machine)):
            assert (await fleet.select().run(restart)).outcomes[0].outcome == "changed"
        assert (await fleet.select().run(stop)).outcomes[0].outcome == "changed"


async def test_wire_4_5_the_simulator_gives_code_500_beside_lock_texts(simulate: Simulate) -> None:
    site = await one(simulate, faults={"sim-0001": "locked-forever"})
    token, key = await sign_in(site), first_service(site)
    machine = next(iter(site.machines))
    for path in (f"services/{key}/stop", f"machines/{machine}/stop", "services/createFolder", "mode/update"):
        said = await admin(site, path, token, folderName="New", siteMode="EDITABLE")
        assert (said.code, "Please try again later." in said.message) == (500, True)


# 5. Tokens


@pytest.mark.parametrize(("release", "kind"), [("10.5.1", str), ("10.9.1", str), ("11.1", int), ("11.3", int)])
async def test_wire_5_1_expires_is_a_text_or_a_number(simulate: Simulate, release: str, kind: type) -> None:
    site = await one(simulate, release=release)
    for path in ("admin/generateToken", "tokens/generateToken", "tokens", "tokens/"):
        assert isinstance((await ask(f"{site.url}/{path}", form=ACCOUNT)).json["expires"], kind)


@pytest.mark.parametrize("offset", ["-11h", "-1h", "9h"])
async def test_wire_5_2_an_expiry_by_another_clock_neither_wastes_nor_outlives_tokens(
    simulate: Simulate, write_inventory: Write, offset: str
) -> None:
    simulator = await simulate(sites=1, switches={"clock-offset": offset})
    site = simulator.sites["sim-0001"]
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        for _ in range(3):
            assert (await fleet.select().run(ops.info.admin())).ok
        assert site.count("generateToken") == 1
        site.tokens.expire_all()
        assert (await fleet.select().run(ops.info.admin())).ok
    assert site.count("generateToken") == 2, "498 is the signal that counts"


async def test_wire_5_3_get_and_credentials_in_the_address_need_the_token_settings(simulate: Simulate) -> None:
    site = await one(simulate)
    token = await sign_in(site)
    place = f"{site.url}/admin/generateToken"
    assert (await ask(place, ACCOUNT)).code == 405
    assert (await ask(place, ACCOUNT, form=b"f=json")).code == 400
    for name in ("allowHttpGet", "allowHttpPostQueryParams"):
        config = json.dumps({"type": "BUILTIN", "properties": {name: True}})
        assert (await admin(site, "security/tokens/update", token, tokenManagerConfig=config)).json == {
            "status": "success"
        }
    assert (await admin(site, "security/tokens", token)).json["properties"]["allowHttpGet"] == "true"
    assert "token" in (await ask(place, ACCOUNT)).json
    assert "token" in (await ask(place, ACCOUNT, form=b"f=json")).json


async def test_wire_5_4_a_post_with_its_token_in_the_address_is_taken_unless_the_site_is_strict(
    simulate: Simulate,
) -> None:
    site = await one(simulate)
    token, key = await sign_in(site), first_service(site)
    place = f"{site.url}/admin/services/{key}/stop"
    site.switches.set("post-token-in-query", "false")
    assert (await ask(place, {"token": token}, form=b"f=json")).code == 499
    site.switches.set("post-token-in-query", "true")
    assert (await ask(place, {"token": token}, form=b"f=json")).json == {"status": "success"}
    assert [entry.token_in for entry in site.requests("stop")] == ["none", "query"]


async def test_wire_5_5_and_5_6_bearer_headers_are_taken_together_with_the_referer(simulate: Simulate) -> None:
    site = await one(simulate)
    token = await sign_in(site, client="referer", referer="referer")
    for name in ("X-Esri-Authorization", "Authorization"):
        for form in (None, {}):
            header = {name: f"Bearer {token}"}
            place = f"{site.url}/admin/machines"
            assert (await ask(place, form=form, headers={**header, "Referer": "referer"})).json["machines"]
            assert (await ask(place, form=form, headers=header)).message == MISMATCH
    assert (
        await ask(f"{site.url}/admin/machines", headers={"Cookie": f"agstoken={token}", "Referer": "referer"})
    ).json["machines"]
    assert {entry.token_in for entry in site.requests("machines")} == {"header", "cookie"}


async def test_wire_5_6_a_bearer_token_needs_its_referer_beside_it(simulate: Simulate) -> None:
    site = await one(simulate)
    free = {"Authorization": f"Bearer {await sign_in(site)}"}
    assert (await ask(f"{site.url}/admin/machines", headers=free)).json["machines"], "unless it is bound to none"


async def test_wire_5_7_every_request_of_the_client_carries_the_referer_of_its_login(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    key = ServiceId.parse(first_service(site))
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        for operation in (ops.info.admin(), ops.services.report(services=[key]), ops.services.stop(key)):
            assert (await fleet.select().run(operation)).ok
        site.switches.set("header-token", "ignored")
        site.forget_tokens()
        assert (await fleet.select().run(ops.info.admin())).ok
    login = site.requests("generateToken")[0]
    assert (login.params["client"], login.params["referer"]) == ("referer", "arcgis-fleet")
    assert not any(entry.code == 498 and entry.operation != "info" for entry in site.requests())


async def test_wire_5_8_a_mismatch_is_498_with_its_own_text(simulate: Simulate) -> None:
    site = await one(simulate, faults={"sim-0001": "clientid"})
    said = await admin(site, "info", await sign_in(site))
    assert (said.code, said.message) == (498, MISMATCH)


async def test_wire_5_9_tokens_bound_to_an_address_break_behind_pools_and_balancers(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, switches={"address-pool": "4"})
    site = simulator.sites["sim-0001"]
    token = await sign_in(site, client="requestip")
    seen = [(await ask(f"{site.url}/admin/info", {"token": token})).json.get("code") for _ in range(8)]
    assert sorted(seen, key=str) == [498] * 6 + [None] * 2
    own = await sign_in(site, client="ip", ip="127.0.0.2")
    site.switches.set("address-pool", "0")
    assert (await ask(f"{site.url}/admin/info", {"token": own}, source="127.0.0.2")).json["loggedInUser"]
    assert (await ask(f"{site.url}/admin/info", {"token": own})).message == MISMATCH
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        site.switches.set("address-pool", "4")
        for _ in range(6):
            assert (await fleet.select().run(ops.info.admin())).ok, "a token that is bound to a referer does not mind"


async def test_wire_5_10_federated_sites_take_portal_tokens_that_are_bound_to_a_referer_only(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, federated=True)
    assert simulator.portal is not None
    site, place = simulator.sites["sim-0001"], f"{simulator.portal.url}/sharing/rest/generateToken"
    bound = (await ask(place, form={**ACCOUNT, "client": "requestip"})).json["token"]
    assert (await ask(f"{site.url}/admin/info", {"token": bound})).message == MISMATCH
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        assert (await fleet.select().run(ops.info.admin())).ok
    login = [entry for entry in simulator.ledger if entry.site == "portal" and "password" in entry.params][-1]
    assert (login.params["client"], login.params["referer"]) == ("referer", "arcgis-fleet")


async def test_wire_5_11_long_tokens_want_a_binding_at_the_services_end_point(simulate: Simulate) -> None:
    site = await one(simulate)
    place = f"{site.url}/tokens/generateToken"
    said = (await ask(place, form={**ACCOUNT, "expiration": "120"})).json
    assert said["error"]["details"] == ["Client ID is required for long expiration tokens."]
    assert "token" in (await ask(place, form={**ACCOUNT, "expiration": "60"})).json
    assert "token" in (await ask(place, form={**ACCOUNT, "expiration": "120", "client": "requestip"})).json
    assert "token" in (await ask(f"{site.url}/admin/generateToken", form={**ACCOUNT, "expiration": "120"})).json


async def test_wire_5_12_without_credentials_older_releases_tell_about_ssl(simulate: Simulate) -> None:
    old = await one(simulate, release="10.5.1")
    said = (await ask(f"{old.url}/admin/generateToken", form={})).json
    assert said == {"ssl": {"supportsSSL": True, "sslPort": 6443}}
    response = Response(status=200, headers={}, body=json.dumps(said).encode())
    with pytest.raises(LoginRefused, match="saw no account"):
        read_token(response)
    new = await one(simulate, release="11.3")
    assert (await ask(f"{new.url}/admin/generateToken", form={})).code == 400


async def test_wire_5_13_user_names_are_case_sensitive(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, username="SiteAdmin")
    site = simulator.sites["sim-0001"]
    for path in ("admin/generateToken", "tokens/generateToken"):
        assert (await ask(f"{site.url}/{path}", form=ACCOUNT)).code == 401
        assert "token" in (await ask(f"{site.url}/{path}", form={**ACCOUNT, "username": "SiteAdmin"})).json
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        assert (await fleet.select().run(ops.info.admin())).ok
    assert site.requests("generateToken")[-1].params["username"] == "SiteAdmin"


async def test_wire_5_14_with_a_broken_user_store_only_the_primary_administrator_signs_in(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    token = await sign_in(site)
    await admin(site, "security/users/add", token, username="ops", password="simulated")
    site.switches.set("user-store", "broken")
    for account in ({}, ACCOUNT):
        assert (await ask(f"{site.url}/tokens/generateToken", form=account)).code == 500
    place = f"{site.url}/admin/generateToken"
    assert (await ask(place, form={"username": "ops", "password": "simulated"})).code == 401
    async with Fleet.from_inventory(write_inventory(simulator)) as fleet:
        assert (await fleet.select().run(ops.info.admin())).ok


async def test_wire_5_15_an_encrypted_login_with_the_short_key_of_real_servers(simulate: Simulate) -> None:
    site = await one(simulate)
    key = (await ask(f"{site.url}/admin/publicKey")).json
    assert len(key["publicKey"]) % 2 == 1, "an odd number of digits"
    assert int(key["modulus"], 16).bit_length() == 512
    form = encrypt_form({**ACCOUNT, "client": "referer", "referer": "here", "expiration": "60", "f": "json"}, key)
    assert (form["encrypted"], form["f"]) == ("true", "json")
    assert not {"siteadmin", "simulated", "here", "60"} & set(form.values())
    token = (await ask(f"{site.url}/admin/generateToken", form=form)).json["token"]
    assert (await ask(f"{site.url}/admin/info", {"token": token}, headers={"Referer": "here"})).json["loggedInUser"]
    assert site.requests("generateToken")[0].params["password"] == "***"
    broken = {**form, "password": form["password"][:-2] + ("00" if form["password"][-2:] != "00" else "01")}
    assert (await ask(f"{site.url}/admin/generateToken", form=broken)).code == 500


async def test_wire_5_16_an_exchanged_token_lives_a_day_and_addresses_differ_in_case(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1, federated=True)
    assert simulator.portal is not None
    site, place = simulator.sites["sim-0001"], f"{simulator.portal.url}/sharing/rest/generateToken"
    here = {"Referer": "here"}
    token = (await ask(place, form={**ACCOUNT, "client": "referer", "referer": "here"})).json["token"]
    for name, address in (("serverURL", site.url), ("serverUrl", f"{site.url.upper()}/rest/services")):
        form = {"token": token, name: address, "expiration": "60"}
        answer = await ask(place, form=form, headers=here)
        life = answer.json["expires"] / 1000 - epoch_of(answer.headers["date"])
        assert 1439 <= life / 60 <= 1441, "whatever was asked for"
        own = {"token": answer.json["token"]}
        assert (await ask(f"{site.url}/admin/info", own, headers=here)).json["loggedInUser"] == "siteadmin"
    site_of = load([Source(write_inventory(FEDERATED), trusted=True)])["oslo"]
    assert federation_refusal(site_of, {"owningSystemUrl": "https://Portal.Example.COM:443/ArcGIS"}) is None


async def test_wire_5_17_tokens_are_renewed_ahead_of_their_end(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    inventory = load([Source(write_inventory(simulator), trusted=True)])
    now = 0.0
    async with Clients(ClientSettings(), clock=lambda: now, rng=random.Random(7)) as clients:
        client = clients[inventory["sim-0001"]]
        logins = []
        for minute in range(0, 60):
            now = minute * 60.0
            await client.call(ops.info.admin())
            logins.append(site.count("generateToken"))
    assert logins[34] == 1, "not before six tenths of its life"
    assert logins[49] == 2, "and not later than eight tenths: at least ten minutes early"


async def test_wire_5_18_a_site_that_has_just_started_gives_no_token_and_the_login_is_tried_again(
    simulate: Simulate, write_inventory: Write
) -> None:
    now = 1_800_000_000.0
    simulator = await simulate(sites=1, switches={"token-delay": "30s"}, clock=lambda: now)
    site = simulator.sites["sim-0001"]
    site.restart()
    async with Fleet.from_inventory(write_inventory(simulator), retry=PATIENCE) as fleet:
        first = await fleet.select().run(ops.info.admin())
        assert first.outcomes[0].error.kind == "server", "no refusal of the account"  # type: ignore[union-attr]
        now += 31.0
        assert (await fleet.select().run(ops.info.admin())).ok
    assert all(entry.code in (500, None) for entry in site.requests("generateToken"))
