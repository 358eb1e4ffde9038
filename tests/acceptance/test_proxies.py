"""Proxies: forwarded and tunnelled, with an account and without, and never one that only the environment names."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from fleet.errors import InventoryError
from fleet.inventory.load import Source, load
from fleet.inventory.schema import schema
from fleet.simulator import Simulator
from tests.processes import fleet, outcomes_of
from tests.proxy import LoopbackProxy

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

ACCOUNT = '{{ url = "{}", username = "gis", password = {{ env = "PROXY_PASSWORD" }} }}'


def behind(simulator: Simulator, proxy: str) -> str:
    """The simulator's inventory with *proxy* in its defaults."""
    return simulator.inventory_toml().replace("[defaults]\n", f"[defaults]\nproxy = {proxy}\n")


async def call(path: Path, *more: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    done = await fleet("call", "admin/info", "-i", str(path), "-o", "ndjson", *more, env=env)
    assert "Traceback" not in done.stderr
    return outcomes_of(done)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("tls", [False, True])
async def test_http_sites_are_forwarded_to_and_https_sites_tunnelled_to(
    simulate: Simulate, write_inventory: Write, tls: bool, loop: str
) -> None:
    simulator = await simulate(sites=2, tls=tls)
    async with LoopbackProxy(account=("gis", "pröxy secret")) as proxy:
        path = write_inventory(behind(simulator, ACCOUNT.format(proxy.url)))
        found = await call(path, env={"PROXY_PASSWORD": "pröxy secret", "FLEET_LOOP": loop})
    assert {o["outcome"] for o in found.values()} == {"ok"}
    if tls:
        hosts = {site.url.removeprefix("https://").removesuffix("/arcgis") for site in simulator.sites.values()}
        assert {(seen.method, seen.target) for seen in proxy.seen} == {("CONNECT", host) for host in hosts}
        assert not any("referer" in seen.headers or "x-esri-authorization" in seen.headers for seen in proxy.seen)
    else:
        assert {seen.method for seen in proxy.seen} == {"GET", "POST"}
        assert all(seen.target.startswith("http://127.0.0.1:") for seen in proxy.seen)
        assert not any("token" in seen.target for seen in proxy.seen)
    assert all(site.count() == 2 for site in simulator.sites.values())


@pytest.mark.parametrize("tls", [False, True])
async def test_what_goes_wrong_at_the_proxy_is_told_as_the_proxy_s(
    simulate: Simulate, write_inventory: Write, tls: bool
) -> None:
    simulator = await simulate(sites=12, tls=tls)

    async def told(proxy: str, **env: str) -> dict[str, Any]:
        found = await call(write_inventory(behind(simulator, proxy)), "--width", "12", env=env)
        outcome = found["sim-0001"]
        assert {o["error"]["message"] for o in found.values()} == {outcome["error"]["message"]}
        assert (outcome["outcome"], outcome["error"]["kind"]) == ("unreachable", "connect")
        return dict(outcome["error"])

    async with LoopbackProxy(account=("gis", "right")) as proxy:
        nobody = await told(f'"{proxy.url}"')
        assert nobody["message"] == f"the proxy {proxy.url} asks for an account (HTTP 407)"
        assert "username = …, password = {" in nobody["hint"]
        asked = len(proxy.seen)
        wrong = await told(ACCOUNT.format(proxy.url), PROXY_PASSWORD="wrong secret")
        assert wrong["message"] == f"the proxy {proxy.url} does not take the account of the inventory (HTTP 407)"
        assert "wrong secret" not in json.dumps(wrong)
        assert len(proxy.seen) - asked == 1, "an account that was refused is shown no more, for any site"
    gone = await told(f'"{proxy.url}"')
    assert gone["message"].startswith(f"the proxy {proxy.url} can't be reached")
    if tls:
        async with LoopbackProxy(refusal=403) as proxy:
            refused = await told(f'"{proxy.url}"')
            assert refused["message"] == f"the proxy {proxy.url} refused with HTTP 403"
            assert len(proxy.seen) == 12, "a refusal for good is not asked for again"
    missing = (await call(write_inventory(behind(simulator, ACCOUNT.format("http://127.0.0.1:9")))))["sim-0001"]
    assert (missing["outcome"], missing["error"]["kind"]) == ("auth_failed", "config")
    assert missing["error"]["message"] == "the variable PROXY_PASSWORD is not set"
    assert simulator.ledger == []


async def test_the_portal_is_reached_through_the_proxy_too(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2, federated=True, tls=True)
    assert simulator.portal is not None
    async with LoopbackProxy() as proxy:
        found = await call(write_inventory(behind(simulator, f'"{proxy.url}"')))
    assert {o["outcome"] for o in found.values()} == {"ok"}
    assert len({seen.target for seen in proxy.seen}) == 3


async def test_a_trace_shows_no_password_of_a_proxy(simulator: Simulator, write_inventory: Write) -> None:
    async with LoopbackProxy(account=("gis", "proxy secret")) as proxy:
        path = write_inventory(behind(simulator, ACCOUNT.format(proxy.url)))
        done = await fleet(
            "call", "admin/info", "-i", str(path), "--trace", "-vv", env={"PROXY_PASSWORD": "proxy secret"}
        )
    assert done.returncode == 0
    told = proxy.seen[0].headers["proxy-authorization"].removeprefix("Basic ")
    assert "proxy secret" not in done.stdout + done.stderr
    assert told not in done.stdout + done.stderr


async def test_where_a_proxy_s_password_lies_is_shown_and_it_is_not(write_inventory: Write) -> None:
    path = write_inventory(
        '[sites.a]\nurl = "https://a.example.com"\n'
        'proxy = { url = "http://p:1", username = "gis", password = "hunter22", allow_plaintext = true }\n'
        f'[sites.b]\nurl = "https://b.example.com"\nproxy = {ACCOUNT.format("http://p:1")}\n'
    )
    plain = await fleet("inventory", "show", "a", "-i", str(path), "-o", "csv")
    assert "url = http://p:1, username = gis, password = written in the inventory" in plain.stdout
    assert "hunter22" not in plain.stdout + plain.stderr
    named = await fleet("inventory", "show", "b", "-i", str(path), "-o", "csv")
    assert "password = env PROXY_PASSWORD" in named.stdout
    check = await fleet("inventory", "check", "--secrets", "-i", str(path))
    assert (check.returncode, "b: the variable PROXY_PASSWORD is not set" in check.stderr) == (2, True)


async def test_rule_n3_a_proxy_that_only_the_environment_names_is_not_used(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    plain, encrypted = await simulate(sites=1), await simulate(sites=1, tls=True)
    (tmp_path / ".netrc").write_text("default login netrc password netrc\n")
    (tmp_path / ".netrc").chmod(0o600)
    async with LoopbackProxy() as proxy:
        names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
        environment = {**dict.fromkeys(names, proxy.url), "HOME": str(tmp_path)}
        for simulator in (plain, encrypted):
            found = await call(write_inventory(simulator), env=environment)
            assert found["sim-0001"]["outcome"] == "ok"
    assert proxy.seen == []


async def test_a_sweep_says_that_it_does_not_look_at_a_certificate_through_a_proxy(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=2, tls=True, faults={"sim-0002": "cert-expired"})
    async with LoopbackProxy() as proxy:
        done = await fleet("health", "-i", str(write_inventory(behind(simulator, f'"{proxy.url}"'))), "-o", "json")
    good, expired = json.loads(done.stdout)["outcomes"]
    assert good["outcome"] == "ok"
    check = good["value"]["checks"][0]
    assert (check["check"], check["status"]) == ("tls", "skipped")
    assert check["saw"] == "the certificate is not looked at through a proxy"
    assert expired["error"]["kind"] == "tls", "that it has expired is seen all the same"
    assert "the certificate has expired" in expired["error"]["message"]


def test_the_inventory_takes_no_account_in_a_proxy_s_address(write_inventory: Write) -> None:
    import tomllib

    import jsonschema

    validator = jsonschema.Draft202012Validator(schema())
    site = '[sites.a]\nurl = "https://a.example.com"\nproxy = '
    wrong = {
        '"http://gis:hunter22@proxy:3128"': "an address holds no account: write { url = …, username = …",
        '"https://proxy:3128"': "a proxy is spoken to over http://",
        '"http://proxy:3128/path"': "the address of a proxy ends with its port",
        '{ url = "http://p:1", username = "gis" }': "an account both username and password",
        '{ url = "http://p:1", username = "g:s", password = { env = "X" } }': "has no colon",
        '{ url = "http://p:1", username = "gis", password = "hunter22" }': "a secret is not written here in clear",
        '{ username = "gis", password = { env = "X" } }': "a proxy needs its url",
        '{ url = "http://p:1", pass = { env = "X" } }': "unknown key",
        "7": "must be an address",
    }
    for text, sentence in wrong.items():
        with pytest.raises(InventoryError) as caught:
            load([Source(write_inventory(f"{site}{text}\n"), trusted=True)])
        assert sentence in str(caught.value), text
        assert "hunter22" not in str(caught.value)
    for text in ('"http://proxy:3128"', '{ url = "http://p:1", username = "gis", password = { env = "X" } }'):
        load([Source(write_inventory(f"{site}{text}\n"), trusted=True)])
        assert list(validator.iter_errors(tomllib.loads(f"{site}{text}\n"))) == []
    assert list(validator.iter_errors(tomllib.loads(f'{site}"http://gis:hunter22@proxy:3128"\n'))) != []
