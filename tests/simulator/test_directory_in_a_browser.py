"""The simulator's Administrator Directory in a real browser, without scripts: what somebody does who learns the API."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Page, expect

from fleet.simulator import SimulatedSite, Simulator
from tests.browser import browser, needs_chromium

Simulate = Callable[..., Awaitable[Simulator]]
pytestmark = needs_chromium


async def one(simulate: Simulate) -> tuple[SimulatedSite, str, str]:
    """A site, and a folder and the name of a service in it."""
    site = (await simulate(sites=1)).sites["sim-0001"]
    key = next(key for key, service in site.services.items() if service.folder and service.real == "STARTED")
    folder, name = key.split("/")
    return site, folder, name


async def sign_in(page: Page, password: str = "simulated") -> None:
    await page.get_by_label("User name").fill("siteadmin")
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Login").click()


async def follow(page: Page, *links: str) -> None:
    for link in links:
        await page.get_by_role("main").get_by_role("link", name=link, exact=True).click()
        await expect(page.get_by_role("heading", level=1)).to_be_visible()


async def test_somebody_signs_in_stops_a_service_and_sees_that_it_is_stopped(simulate: Simulate) -> None:
    site, folder, name = await one(simulate)
    key = f"{folder}/{name}"
    async with browser() as context:
        page = await context.new_page()
        await page.goto(f"{site.url}/admin")
        await sign_in(page, "wrong")
        await expect(page.get_by_role("alert")).to_have_text("Invalid username or password")
        await expect(page.get_by_text("Signed in as")).to_have_count(0)
        await sign_in(page)
        await expect(page.get_by_text("Signed in as siteadmin")).to_be_visible()
        cookie = next(one for one in await context.cookies() if one["name"] == "agstoken")  # type: ignore[typeddict-item]
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")  # type: ignore[typeddict-item]
        await follow(page, "services", folder, name, "stop")
        assert site.services[key].real == "STARTED", "a page that is looked at does nothing"
        await page.get_by_role("button", name="Stop").click()
        await expect(page.get_by_role("status")).to_have_text("Success")
        await follow(page, name, "status")
        await expect(page.get_by_role("row", name="realTimeState")).to_contain_text("STOPPED")
        assert site.services[key].real == "STOPPED"
        await page.get_by_role("link", name="Logout").click()
        await page.goto(f"{site.url}/admin/services")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Login")
        await sign_in(page)
        await expect(page.get_by_role("heading", level=1)).to_have_text("services")


async def test_somebody_edits_a_service_wrongly_and_then_well(simulate: Simulate) -> None:
    site, folder, name = await one(simulate)
    async with browser() as context:
        page = await context.new_page()
        await page.goto(f"{site.url}/admin/services/{folder}/{name}/edit")
        await sign_in(page)
        field = page.get_by_label("service")
        definition = json.loads(await field.input_value())
        assert definition == site.services[f"{folder}/{name}"].definition
        await field.fill("{half")
        await page.get_by_role("button", name="Save Edits").click()
        await expect(page.get_by_role("alert")).to_contain_text("A JSONObject text must begin with '{'")
        await expect(field).to_have_value("{half")
        await field.fill(json.dumps({**definition, "maxInstancesPerNode": 9}))
        await page.get_by_role("button", name="Save Edits").click()
        await expect(page.get_by_role("status")).to_have_text("Success")
        await follow(page, name)
        await expect(page.get_by_role("row", name="maxInstancesPerNode")).to_contain_text("9")


async def test_boxes_files_and_lists_are_sent_as_they_were_set(simulate: Simulate) -> None:
    site, _, _ = await one(simulate)
    async with browser() as context:
        page = await context.new_page()
        await page.goto(f"{site.url}/admin/services/createFolder")
        await sign_in(page)
        await page.get_by_label("folderName").fill("Näw <b>& 100%")
        await page.get_by_role("button", name="Create Folder").click()
        await expect(page.get_by_role("status")).to_have_text("Success")
        await follow(page, "services", "Näw <b>& 100%")
        await expect(page.get_by_role("row", name="folderName").first).to_contain_text("Näw <b>& 100%")
        assert "Näw <b>& 100%" in site.state.folder_names
        await page.goto(f"{site.url}/admin/uploads/upload")
        await page.get_by_label("itemFile").set_input_files(
            {"name": "a.sd", "mimeType": "application/octet-stream", "buffer": b"definition"}
        )
        await page.get_by_role("button", name="Upload").click()
        await expect(page.get_by_role("status")).to_have_text("Success")
        await page.goto(f"{site.url}/admin/logs/settings/edit")
        await page.get_by_label("logLevel").select_option("VERBOSE")
        await page.get_by_role("button", name="Save Edits").click()
        await expect(page.get_by_role("status")).to_have_text("Success")
        await page.goto(f"{site.url}/admin/system/handlers/rest/servicesdirectory/edit")
        await page.get_by_label("servicesDirEnabled").uncheck()
        await page.get_by_role("button", name="Save Edits").click()
        await expect(page.get_by_role("status")).to_have_text("Success")
        said = await page.goto(f"{site.url}/rest/services")
        assert said is not None
        assert said.status == 403
        await expect(page.get_by_role("alert")).to_have_text("Services Directory has been disabled.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_pages_load_nothing_from_elsewhere_break_no_policy_and_can_be_read(
    simulate: Simulate, scheme: str
) -> None:
    site, folder, name = await one(simulate)
    asked: list[str] = []
    said: list[str] = []
    async with browser(scheme=scheme) as context:
        page = await context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        await page.goto(f"{site.url}/admin/services/{folder}/{name}")
        await sign_in(page)
        for path in ("admin/", "admin/logs/query", "admin/machines/register", "rest/services"):
            await page.goto(f"{site.url}/{path}")
            assert await _contrast(page, "h1") > 7
            assert await _contrast(page, "main a, main label") > 4.5
    assert {one.removeprefix(site.url)[:6] for one in asked} == {"/admin", "/rest/"}
    assert any(one.endswith("directory.css") for one in asked)
    assert said == []


async def test_pages_fit_a_narrow_window(simulate: Simulate) -> None:
    site, folder, name = await one(simulate)
    async with browser() as context:
        page = await context.new_page()
        await page.set_viewport_size({"width": 400, "height": 800})
        await page.goto(f"{site.url}/admin/services/{folder}/{name}")
        await sign_in(page)
        for path in (f"services/{folder}/{name}", f"services/{folder}/{name}/edit", "services/report", "logs/query"):
            await page.goto(f"{site.url}/admin/{path}")
            assert await page.evaluate("document.documentElement.scrollWidth") <= 400, path


async def _contrast(page: Page, selector: str) -> float:
    """The contrast of a text with the page behind it, as WCAG reckons it."""
    colours: list[Any] = [
        await page.locator(place).first.evaluate(f"one => getComputedStyle(one).{what}")
        for place, what in ((selector, "color"), ("body", "backgroundColor"))
    ]
    light, dark = sorted((_luminance(one) for one in colours), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(one) / 255 for one in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
