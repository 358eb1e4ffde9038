"""The simulated portal as a browser or a script sees it: signing in by OAuth2, the organization, its servers."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from fleet.simulator import RELEASES, Simulator
from fleet.simulator.portal import PORTAL_VERSIONS, SimulatedPortal

Simulate = Callable[..., Awaitable[Simulator]]

OUT_OF_BAND = "urn:ietf:wg:oauth:2.0:oob"


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


class Clock:
    """A clock that a test moves."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


async def portal_of(simulate: Simulate, **options: Any) -> tuple[Simulator, SimulatedPortal]:
    simulator = await simulate(sites=2, federated=True, **options)
    assert simulator.portal is not None
    return simulator, simulator.portal


async def page_of(browser: ClientSession, portal: SimulatedPortal, **changes: str) -> str:
    parts = urlsplit(portal.url)
    asked = {
        "client_id": "pythonapi",
        "response_type": "token",
        "redirect_uri": f"{parts.scheme}://{parts.netloc}",
        "state": "a state & more",
        **changes,
    }
    async with browser.get(f"{portal.url}/sharing/rest/oauth2/authorize", params=asked) as response:
        assert response.content_type == "text/html"
        return await response.text()


def told_by(page: str) -> dict[str, Any]:
    """What the login page's script holds; it stands alone on its line."""
    found = re.search(r"var oAuthInfo = (.*)\n", page)
    assert found is not None, page
    told: dict[str, Any] = json.loads(found[1])
    return told


async def sign_in(
    browser: ClientSession, portal: SimulatedPortal, page: str, password: str = "simulated"
) -> tuple[int, str, str]:
    form = {"oauth_state": told_by(page)["oauth_state"], "username": "siteadmin", "password": password}
    async with browser.post(f"{portal.url}/sharing/oauth2/signin", data=form, allow_redirects=False) as response:
        return response.status, response.headers.get("Location", ""), await response.text()


async def ask(browser: ClientSession, address: str, token: str | None = None) -> dict[str, Any]:
    headers = {} if token is None else {"X-Esri-Authorization": f"Bearer {token}"}
    async with browser.get(address, params={"f": "json"}, headers=headers) as response:
        answer: dict[str, Any] = json.loads(await response.text())
        return answer


async def grant(browser: ClientSession, portal: SimulatedPortal, **form: str) -> dict[str, Any]:
    async with browser.post(f"{portal.url}/sharing/rest/oauth2/token", data=form) as response:
        answer: dict[str, Any] = json.loads(await response.text())
        return answer


async def test_the_login_page_leads_back_with_a_token_that_portal_and_sites_take(
    simulate: Simulate, browser: ClientSession
) -> None:
    simulator, portal = await portal_of(simulate)
    status, address, _ = await sign_in(browser, portal, await page_of(browser, portal))
    assert status == 302
    assert address.startswith(portal.url.removesuffix("/portal") + "#")
    given = dict(parse_qsl(urlsplit(address).fragment))
    assert given["state"] == "a state & more"
    assert given["username"] == "siteadmin"
    assert 0 < int(given["expires_in"]) <= 20_160 * 60
    token = given["access_token"]
    assert (await ask(browser, f"{portal.url}/sharing/rest/community/self", token))["username"] == "siteadmin"
    for site in simulator.sites.values():
        assert (await ask(browser, f"{site.url}/admin/info", token))["loggedInUser"] == "siteadmin"


async def test_a_login_page_is_good_for_one_login(simulate: Simulate, browser: ClientSession) -> None:
    _, portal = await portal_of(simulate)
    page = await page_of(browser, portal)
    assert (await sign_in(browser, portal, page))[0] == 302
    status, _, text = await sign_in(browser, portal, page)
    assert status == 200
    assert "Error: Invalid oauth_state" in text


async def test_a_login_page_grows_old(simulate: Simulate, browser: ClientSession) -> None:
    clock = Clock()
    _, portal = await portal_of(simulate, clock=clock)
    page = await page_of(browser, portal)
    clock.now += 601
    assert "Error: Invalid oauth_state" in (await sign_in(browser, portal, page))[2]


async def test_a_wrong_password_brings_the_page_again_and_many_lock_the_account(
    simulate: Simulate, browser: ClientSession
) -> None:
    _, portal = await portal_of(simulate)
    page = await page_of(browser, portal)
    for _ in range(5):
        status, address, page = await sign_in(browser, portal, page, password="wrong")
        assert (status, address) == (200, "")
        assert told_by(page)["messages"] == ["Invalid username or password."]
        assert "OAUTH_0015" in page
    status, _, page = await sign_in(browser, portal, page)
    assert status == 200, "the right one comes too late"
    assert told_by(page)["messages"] == ["Too many invalid attempts. Please try again later."]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"client_id": "nobody"}, "Invalid client_id"),
        ({"redirect_uri": "https://elsewhere.example"}, "Invalid redirect_uri"),
        ({"redirect_uri": ""}, "Invalid redirect_uri"),
        ({"redirect_uri": OUT_OF_BAND}, "Invalid redirect_uri"),
        ({"response_type": "password"}, "Invalid response_type"),
    ],
)
async def test_a_mistake_of_the_application_is_a_page_and_leads_nowhere(
    simulate: Simulate, browser: ClientSession, changes: dict[str, str], text: str
) -> None:
    _, portal = await portal_of(simulate)
    page = await page_of(browser, portal, **changes)
    assert f"Error: {text}" in page
    assert "oauth_state" not in page


async def test_nothing_gets_into_a_header_by_way_of_the_redirect_address(
    simulate: Simulate, browser: ClientSession
) -> None:
    _, portal = await portal_of(simulate)
    own = portal.url.removesuffix("/portal")
    page = await page_of(browser, portal, redirect_uri=f"{own}/\r\nSet-Cookie: a=b")
    assert "Error: Invalid redirect_uri" in page


async def test_out_of_band_a_code_is_shown_and_good_for_one_token_and_its_renewals(
    simulate: Simulate, browser: ClientSession
) -> None:
    clock = Clock()
    _, portal = await portal_of(simulate, clock=clock)
    page = await page_of(browser, portal, response_type="code", redirect_uri=OUT_OF_BAND, expiration="120")
    status, address, _ = await sign_in(browser, portal, page)
    assert status == 302
    assert urlsplit(address).path == "/portal/sharing/oauth2/approval"
    async with browser.get(address) as response:
        shown = re.search(r"<title>SUCCESS code=(.*?)</title>", await response.text())
    assert shown is not None
    form = {"client_id": "pythonapi", "code": shown[1], "redirect_uri": OUT_OF_BAND}
    given = await grant(browser, portal, grant_type="authorization_code", **form)
    assert given["username"] == "siteadmin"
    assert given["refresh_token_expires_in"] == 120 * 60
    again = await grant(browser, portal, grant_type="authorization_code", **form)
    assert again["error"]["message"] == "Invalid code"
    home = f"{portal.url}/sharing/rest/community/self"
    assert (await ask(browser, home, given["access_token"]))["username"] == "siteadmin"
    clock.now += 1801
    assert (await ask(browser, home, given["access_token"]))["error"]["code"] == 498
    renew = {"grant_type": "refresh_token", "client_id": "pythonapi", "refresh_token": given["refresh_token"]}
    renewed = await grant(browser, portal, **renew)
    assert (await ask(browser, home, renewed["access_token"]))["username"] == "siteadmin"
    clock.now += 120 * 60
    late = await grant(browser, portal, **renew)
    assert (late["error"]["code"], late["error"]["error_description"]) == (498, "Invalid refresh_token")


async def test_a_code_is_only_for_the_application_and_the_address_that_asked(
    simulate: Simulate, browser: ClientSession
) -> None:
    _, portal = await portal_of(simulate)
    own = portal.url.removesuffix("/portal")
    for changes, text in (({"client_id": "arcgispro"}, "code"), ({"redirect_uri": OUT_OF_BAND}, "redirect_uri")):
        page = await page_of(browser, portal, response_type="code")
        _, address, _ = await sign_in(browser, portal, page)
        given = dict(parse_qsl(urlsplit(address).query))
        assert given["state"] == "a state & more"
        form = {"client_id": "pythonapi", "redirect_uri": own, "code": given["code"], **changes}
        answer = await grant(browser, portal, grant_type="authorization_code", **form)
        assert answer["error"]["message"] == f"Invalid {text}"


async def test_the_ledger_keeps_no_secret_of_a_login(simulate: Simulate, browser: ClientSession) -> None:
    simulator, portal = await portal_of(simulate)
    page = await page_of(browser, portal, response_type="code", redirect_uri=OUT_OF_BAND)
    _, address, _ = await sign_in(browser, portal, page)
    code = dict(parse_qsl(urlsplit(address).query))["code"]
    async with browser.get(address) as response:
        assert code in await response.text()
    form = {"client_id": "pythonapi", "code": code, "redirect_uri": OUT_OF_BAND}
    given = await grant(browser, portal, grant_type="authorization_code", **form)
    await grant(
        browser, portal, grant_type="refresh_token", client_id="pythonapi", refresh_token=given["refresh_token"]
    )
    kept = json.dumps([entry.params for entry in simulator.ledger])
    secrets = (code, told_by(page)["oauth_state"], given["refresh_token"], given["access_token"], "simulated")
    assert [secret for secret in secrets if secret in kept] == []


@pytest.mark.parametrize(("release", "version"), [("10.9.1", "9.2"), ("11.3", "2024.1")])
async def test_the_organization_is_seen_from_outside_and_by_its_members(
    simulate: Simulate, browser: ClientSession, release: str, version: str
) -> None:
    simulator, portal = await portal_of(simulate, release=release)
    outside = await ask(browser, f"{portal.url}/sharing/rest/portals/self")
    assert outside["isPortal"] is True
    assert outside["currentVersion"] == version
    assert ("enterpriseVersion" in outside) == (release == "11.3")
    assert f"http://{outside['portalHostname']}" == portal.url
    assert "user" not in outside
    _, address, _ = await sign_in(browser, portal, await page_of(browser, portal))
    token = dict(parse_qsl(urlsplit(address).fragment))["access_token"]
    inside = await ask(browser, f"{portal.url}/sharing/rest/portals/{outside['id']}", token)
    user = inside.pop("user")
    assert inside == outside
    assert user == await ask(browser, f"{portal.url}/sharing/rest/community/users/SiteAdmin", token)
    assert any(privilege.startswith("portal:admin:") for privilege in user["privileges"])
    servers = (await ask(browser, f"{portal.url}/sharing/rest/portals/self/servers", token))["servers"]
    assert [server["adminUrl"] for server in servers] == [site.url for site in simulator.sites.values()]
    root = await ask(browser, f"{portal.url}/portaladmin/", token)
    assert "federation" in root["resources"]


def test_the_portal_of_every_release_has_a_version_of_its_own() -> None:
    assert set(PORTAL_VERSIONS) == set(RELEASES)


@pytest.mark.parametrize("path", ["sharing/rest/community/self", "portaladmin", "sharing/rest/portals/self/servers"])
async def test_what_is_for_members_needs_a_token(simulate: Simulate, browser: ClientSession, path: str) -> None:
    _, portal = await portal_of(simulate)
    assert (await ask(browser, f"{portal.url}/{path}"))["error"]["code"] == 499
    assert (await ask(browser, f"{portal.url}/{path}", "made-up"))["error"]["code"] == 498


async def test_nobody_else_is_a_member(simulate: Simulate, browser: ClientSession) -> None:
    _, portal = await portal_of(simulate)
    _, address, _ = await sign_in(browser, portal, await page_of(browser, portal))
    token = dict(parse_qsl(urlsplit(address).fragment))["access_token"]
    answer = await ask(browser, f"{portal.url}/sharing/rest/community/users/nobody", token)
    assert answer["error"]["message"] == "User does not exist or is inaccessible."
