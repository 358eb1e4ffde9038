"""Signing in end to end: portals, applications, given tokens, bindings, encrypted logins, and what stands in front."""

from __future__ import annotations

import random
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fleet import admin as ops
from fleet.auth import rsa
from fleet.client.clients import Clients
from fleet.client.settings import ClientSettings, RetryPolicy
from fleet.errors import LoginRefused
from fleet.inventory.load import Source, load
from fleet.inventory.model import Inventory
from fleet.simulator import Simulator
from tests.processes import fleet, outcomes_of
from tests.proxy import LoopbackProxy

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

QUICK = ClientSettings(timeout=5.0, retry=RetryPolicy(base=0.01, cap=0.02))


def with_auth(simulator: Simulator, auth: str) -> str:
    """The simulator's inventory with the line *auth* in its defaults in place of its own."""
    lines = [line for line in simulator.inventory_toml().splitlines() if not line.startswith("auth =")]
    place = lines.index("[defaults]") + 1
    return "\n".join([*lines[:place], auth, *lines[place:]]) + "\n"


def read(text: str, write_inventory: Write) -> Inventory:
    return load([Source(write_inventory(text), trusted=True)])


async def call(path: Path, *more: str, env: dict[str, str] | None = None) -> dict[str, dict[str, object]]:
    done = await fleet("call", "admin/info", "-i", str(path), "-o", "ndjson", *more, env=env)
    assert "Traceback" not in done.stderr
    return outcomes_of(done)


# Applications


async def test_an_application_signs_in_once_for_all_sites_and_anew_when_its_token_ends(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=3, federated=True)
    portal = simulator.portal
    assert portal is not None
    portal.applications["fleet-app"] = "app-secret"
    auth = (
        f'auth = {{ kind = "oauth", portal = "{portal.url}", client_id = "fleet-app", '
        'client_secret = { env = "APP_SECRET" } }'
    )
    path = write_inventory(with_auth(simulator, auth))
    found = await call(path, env={"APP_SECRET": "app-secret"})
    assert {o["outcome"] for o in found.values()} == {"ok"}
    assert portal.count("token") == portal.count() == 1
    assert [e.params["client_secret"] for e in simulator.ledger if e.operation == "token"] == ["***"]
    assert not any(site.count("generateToken") for site in simulator.sites.values())

    now = 1000.0
    inventory = read(
        path.read_text().replace('{ env = "APP_SECRET" }', '"app-secret", allow_plaintext = true'), write_inventory
    )
    async with Clients(clock=lambda: now, rng=random.Random(1)) as clients:
        first, second = (clients[inventory[name]] for name in ("sim-0001", "sim-0002"))
        await first.call(ops.info.admin())
        now += 7200 * 0.59
        await second.call(ops.info.admin())
        assert portal.count("token") == 2
        now += 7200 * 0.22
        await second.call(ops.info.admin())
        assert portal.count("token") == 3, "renewed ahead of its end, by expires_in"
        portal.tokens.expire_all()
        await first.call(ops.info.admin())
        assert portal.count("token") == 4, "and anew where the site says that it has ended"


async def test_a_wrong_client_secret_is_sent_once_and_the_hint_names_it(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=3, federated=True)
    portal = simulator.portal
    assert portal is not None
    portal.applications["fleet-app"] = "app-secret"
    auth = f'auth = {{ kind = "oauth", portal = "{portal.url}", client_id = "fleet-app", client_secret = {{ env = "S" }} }}'
    found = await call(write_inventory(with_auth(simulator, auth)), env={"S": "wrong"})
    assert {(o["outcome"], o["error"]["kind"]) for o in found.values()} == {("auth_failed", "auth")}  # type: ignore[index]
    error = found["sim-0003"]["error"]
    assert error["message"] == "the account was refused: Invalid client_secret"  # type: ignore[index]
    assert "check client_id and client_secret" in error["hint"]  # type: ignore[index]
    assert portal.count("token") == 1


# Tokens that are given


async def test_a_given_token_is_used_as_it_is_and_its_end_is_told(simulator: Simulator, write_inventory: Write) -> None:
    text = with_auth(simulator, 'auth = { kind = "token", token = { env = "GIVEN" } }')
    path = write_inventory(text)
    site = simulator.sites["sim-0001"]
    given, _ = site.tokens.issue("siteadmin", 60, referer="arcgis-fleet")
    good = await call(path, "-s", "sim-0001", env={"GIVEN": given})
    assert good["sim-0001"]["outcome"] == "ok"
    site.tokens.expire_all()
    foreign, _ = site.tokens.issue("siteadmin", 60, referer="somebody-else")
    cases = {
        given: (
            "auth",
            "the given token is not accepted, or no longer",
            "make a new one, bound to the referer arcgis-fleet",
        ),
        foreign: ("auth", "Invalid token, ClientID does not match.", "bound to another referer or address"),
        "short": ("config", "the given token is none", "8 to 4,096 visible characters"),
    }
    for token, (kind, message, hint) in cases.items():
        found = (await call(path, "-s", "sim-0001", env={"GIVEN": token}))["sim-0001"]
        error = found["error"]
        assert (found["outcome"], error["kind"], error["message"]) == ("auth_failed", kind, message)  # type: ignore[index]
        assert hint in error["hint"]  # type: ignore[index]
    assert site.count("generateToken") == 0
    assert [entry.code for entry in site.requests("info")] == [None, 498, 498]


# Portals


async def test_one_portal_login_serves_all_sites_and_no_password_goes_to_any(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=8, federated=True)
    assert simulator.portal is not None
    found = await call(write_inventory(simulator))
    assert {o["outcome"] for o in found.values()} == {"ok"}
    assert simulator.portal.count() == 1
    assert [entry.site for entry in simulator.ledger if "password" in entry.params] == ["portal"]


async def test_wire_5_16_a_site_that_refuses_the_portal_s_token_gets_an_exchanged_one(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=4, federated=True)
    assert simulator.portal is not None
    for name in ("sim-0002", "sim-0003"):
        simulator.sites[name].switches.portal_token = "refused"
    found = await call(write_inventory(simulator))
    assert {o["outcome"] for o in found.values()} == {"ok"}
    asked = [entry.params for entry in simulator.ledger if entry.site == "portal"]
    assert sum("password" in params for params in asked) == 1, "one login, however many sites refuse its token"
    assert sorted(params["serverURL"] for params in asked if "serverURL" in params) == sorted(
        f"{simulator.sites[name].url}/rest/services" for name in ("sim-0002", "sim-0003")
    )


async def test_an_exchange_that_the_portal_refuses_says_why(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2, federated=True)
    assert simulator.portal is not None
    simulator.sites["sim-0001"].switches.portal_token = "refused"
    simulator.portal.sites.pop(0)
    found = await call(write_inventory(simulator))
    assert found["sim-0002"]["outcome"] == "ok"
    error = found["sim-0001"]["error"]
    assert "the portal gives no token for this site" in error["message"]  # type: ignore[index]
    assert "not federated with this portal" in error["message"]  # type: ignore[index]
    assert "portal:portaladmin/federation/servers" in error["hint"]  # type: ignore[index]


async def test_an_exchange_goes_on_where_the_portal_has_forgotten_its_own_token(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=2, federated=True)
    assert simulator.portal is not None
    text = simulator.inventory_toml().replace('kind = "portal",', 'kind = "portal", exchange = true,')
    inventory = read(text, write_inventory)
    async with Clients(QUICK) as clients:
        await clients[inventory["sim-0001"]].call(ops.info.admin())
        simulator.portal.tokens.forget_all()
        await clients[inventory["sim-0002"]].call(ops.info.admin())
    asked = [("password" in entry.params, entry.code) for entry in simulator.ledger if entry.site == "portal"]
    assert asked == [(True, None), (False, None), (False, 498), (True, None), (False, None)]
    shown = [
        entry.token_in for entry in simulator.ledger if entry.operation == "info" and entry.path.endswith("admin/info")
    ]
    assert shown == ["header", "header"]


async def test_rule_t8_the_line_that_the_hint_prints_is_the_one_that_helps(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=2, federated=True)
    assert simulator.portal is not None
    for site in simulator.sites.values():
        # A portal's user has no account at the sites themselves.
        site.tokens.accounts.clear()
    path = write_inventory(with_auth(simulator, ""))
    found = await call(path, "-s", "sim-0001")
    assert found["sim-0001"]["outcome"] == "auth_failed"
    error: dict[str, str] = found["sim-0001"]["error"]  # type: ignore[assignment]
    assert f"the site is federated with {simulator.portal.url}, and the inventory names no portal" == error["message"]
    assert simulator.portal.count() == 0, "a portal that only the site names gets nothing"
    [line] = re.findall(r"auth = \{.*\}", error["hint"])
    path = write_inventory(with_auth(simulator, line))
    assert (await call(path, "-s", "sim-0001"))["sim-0001"]["outcome"] == "ok"
    other = line.replace(simulator.portal.url, "http://127.0.0.1:9/portal")
    wrong = (await call(write_inventory(with_auth(simulator, other)), "-s", "sim-0002"))["sim-0002"]["error"]
    assert f"the inventory names {'http://127.0.0.1:9/portal'}" in wrong["message"]  # type: ignore[index]
    assert line in wrong["hint"]  # type: ignore[index]
    assert simulator.portal.count("generateToken") == 1


# What a token is bound to


async def test_a_token_is_bound_to_what_the_inventory_asks_for(simulator: Simulator, write_inventory: Write) -> None:
    cases = {
        'client = "requestip"': {"client": "requestip"},
        'client = "ip", ip = "127.0.0.1"': {"client": "ip", "ip": "127.0.0.1"},
        'client = "referer"': {"client": "referer", "referer": "arcgis-fleet"},
    }
    for words, sent in cases.items():
        before = len(simulator.ledger)
        path = write_inventory(with_auth(simulator, f'auth = {{ kind = "server", {words} }}'))
        assert (await call(path, "-s", "sim-0001"))["sim-0001"]["outcome"] == "ok"
        login = simulator.ledger[before]
        assert {key: login.params[key] for key in ("client", "ip", "referer") if key in login.params} == sent
    path = write_inventory(with_auth(simulator, 'auth = { kind = "server", client = "ip", ip = "127.0.0.2" }'))
    before = len(simulator.ledger)
    error = (await call(path, "-s", "sim-0001"))["sim-0001"]["error"]
    assert (error["kind"], error["code"]) == ("auth", 498)  # type: ignore[index]
    assert "set client under auth" in error["hint"]  # type: ignore[index]
    assert [entry.operation for entry in simulator.ledger[before:]] == ["generateToken", "info"], "no loop"


async def test_wire_5_9_a_token_bound_to_an_address_breaks_where_requests_leave_from_another(
    simulator: Simulator, write_inventory: Write
) -> None:
    async with LoopbackProxy(sources=["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.4"]) as proxy:
        text = with_auth(simulator, f'auth = {{ client = "requestip" }}\nproxy = "{proxy.url}"')
        path = write_inventory(text)
        bound = (await call(path, "-s", "sim-0001"))["sim-0001"]["error"]
        assert "ClientID does not match" in bound["message"]  # type: ignore[index]
        assert (await call(path, "-s", "sim-0002"))["sim-0002"]["outcome"] == "ok", "both from one address"


# Encrypted logins, on a name that is not this machine's: the proxy leads it to a simulated site


async def test_wire_5_15_over_plain_http_the_login_is_encrypted(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, password="simulated with ümlauts, 40 characters all")
    site = simulator.sites["sim-0001"]
    port = int(site.url.split(":")[2].split("/")[0])
    async with LoopbackProxy({"gis.example.com:80": port}) as proxy:
        path = write_inventory(
            f'[sites.plain]\nurl = "http://gis.example.com/arcgis"\nallow_http = true\nproxy = "{proxy.url}"\n'
            'username = "siteadmin"\npassword = { env = "FLEET_PASSWORD" }\n'
        )
        done = await fleet(
            "call", "admin/info", "-i", str(path), "-o", "json", env={"FLEET_PASSWORD": simulator.password}
        )
        assert done.returncode == 0, done.stdout
        assert '"kind": "in_clear"' in done.stdout
        assert "tokens travel in clear over http" in done.stdout
        assert "install arcgis-fleet[crypto]" not in done.stdout
        long = await fleet("call", "admin/info", "-i", str(path), "-o", "ndjson", env={"FLEET_PASSWORD": "x" * 54})
    assert [entry.operation for entry in simulator.ledger][:3] == ["publicKey", "generateToken", "info"]
    assert simulator.ledger[1].params == {
        **dict.fromkeys(("username", "password", "client", "referer", "expiration"), "***"),
        "encrypted": "***",
        "f": "***",
    }
    error = outcomes_of(long)["plain"]["error"]
    assert error["kind"] == "protocol", "real keys are as short as that"
    assert "512 bits carry 53 bytes" in error["hint"]


async def test_where_no_key_is_published_the_login_is_in_clear(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, switches={"lacking": "publicKey"})
    port = int(simulator.sites["sim-0001"].url.split(":")[2].split("/")[0])
    async with LoopbackProxy({"gis.example.com:80": port}) as proxy:
        path = write_inventory(
            f'[sites.plain]\nurl = "http://gis.example.com/arcgis"\nallow_http = true\nproxy = "{proxy.url}"\n'
            'username = "siteadmin"\npassword = { env = "FLEET_PASSWORD" }\n'
        )
        assert (await call(path, env={"FLEET_PASSWORD": "simulated"}))["plain"]["outcome"] == "ok"
    assert [(entry.operation, "encrypted" in entry.params) for entry in simulator.ledger][:2] == [
        ("publicKey", False),
        ("generateToken", False),
    ]


async def test_without_the_extra_the_login_is_in_clear_and_every_report_says_so(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=1)
    port = int(simulator.sites["sim-0001"].url.split(":")[2].split("/")[0])
    (tmp_path / "cryptography").mkdir()
    (tmp_path / "cryptography" / "__init__.py").write_text("raise ImportError('not installed')\n")
    environment = {"FLEET_PASSWORD": "simulated", "PYTHONPATH": str(tmp_path)}
    async with LoopbackProxy({"gis.example.com:80": port}) as proxy:
        path = write_inventory(
            f'[sites.plain]\nurl = "http://gis.example.com/arcgis"\nallow_http = true\nproxy = "{proxy.url}"\n'
            'username = "siteadmin"\npassword = { env = "FLEET_PASSWORD" }\n'
        )
        done = await fleet("call", "admin/info", "-i", str(path), "-o", "ndjson", env=environment)
    assert outcomes_of(done)["plain"]["outcome"] == "ok"
    assert (
        "warning: tokens travel in clear over http, and so does the password (install arcgis-fleet[crypto]): plain"
        in " ".join(done.stderr.split())
    )
    assert [entry.operation for entry in simulator.ledger] == ["generateToken", "info"]


def test_wire_5_15_a_key_is_read_with_any_number_of_digits() -> None:
    odd = {"publicKey": "10001", "modulus": f"{0xC0FFEE:x}".zfill(6) + "1" * 121}
    assert len(odd["modulus"]) == 127
    sealed = rsa.encrypt_form({"username": "a", "f": "json"}, odd)
    assert len(sealed["username"]) == 128
    assert rsa.encrypt_form({"username": "a"}, {**odd, "modulus": "0" + odd["modulus"]})["encrypted"] == "true"


# What stands in front


async def test_wire_2_10_the_web_tier_s_challenge_is_not_the_account_s_refusal(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    site.switches.web_tier = "challenge"
    path = write_inventory(simulator)
    error = (await call(path))["sim-0001"]["error"]
    assert (error["kind"], error["code"]) == ("auth", 401)  # type: ignore[index]
    assert "asks for a sign-on of its own (Negotiate)" in error["message"]  # type: ignore[index]
    assert len(simulator.ledger) == 1, "it is not asked again"
    inventory = load([Source(path, trusted=True)])
    async with Clients(QUICK) as clients:
        client = clients[inventory["sim-0001"]]
        for _ in range(5):
            with pytest.raises(LoginRefused, match="sign-on of its own"):
                await client.call(ops.info.admin())
        assert len(simulator.ledger) == 1 + 3, "a login that may pass is tried three times a run"
    async with Clients(QUICK) as clients:
        client = clients[inventory["sim-0001"]]
        with pytest.raises(LoginRefused):
            await client.call(ops.info.admin())
        site.switches.web_tier = "none"
        await client.call(ops.info.admin())


@pytest.mark.parametrize("after_login", [False, True])
async def test_wire_2_10_a_login_page_behind_a_redirect_is_auth(
    simulate: Simulate, write_inventory: Write, after_login: bool
) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    inventory = load([Source(write_inventory(simulator), trusted=True)])
    async with Clients(QUICK) as clients:
        client = clients[inventory["sim-0001"]]
        if after_login:
            await client.call(ops.info.admin())
        site.switches.web_tier = "login-page"
        with pytest.raises(LoginRefused, match="the site sent us to a login page") as caught:
            await client.call(ops.machines.listing())
        assert caught.value.kind == "auth"
        site.switches.web_tier = "none"
        await client.call(ops.machines.listing())
    path = write_inventory(simulator)
    site.switches.web_tier = "login-page"
    found = (await call(path))["sim-0001"]
    assert (found["outcome"], found["error"]["kind"]) == ("auth_failed", "auth")  # type: ignore[index]
