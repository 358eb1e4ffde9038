"""Reports as pages, in a real browser: they sort, they ask for nothing, and nothing that a site supplies does anything."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from fleet.errors import ServerFailed
from fleet.outcome import Answered, Failed
from fleet.render.html import Heading, as_html
from fleet.report import Report, ReportWarning
from fleet.simulator import Simulator
from tests.browser import browser, needs_chromium
from tests.processes import fleet

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]
pytestmark = needs_chromium

MARK = "window.pwned = 1"
HOSTILE = [
    f"<script>{MARK}</script>",
    f'"><img src=x onerror="{MARK}">',
    f"</td></tr></table><svg onload='{MARK}'>",
    "<img src=http://127.0.0.1:9/leak>",
    f"</title><script>{MARK}</script>",
    f"</style><script>{MARK}</script>",
    "' onmouseover='alert(1)",
    "<base href=http://127.0.0.1:9/>",
    "{{ 7 * 7 }}",
]


@asynccontextmanager
async def shown(text: str, folder: Path, *, scripts: bool = True, scheme: str = "light") -> AsyncIterator[Page]:
    """*text* as a file in a browser; at the end it has asked for nothing but itself, and opened no dialog."""
    path = folder / "report.html"
    path.write_text(text, encoding="utf-8")
    async with browser(scripts=scripts, scheme=scheme) as context:
        page = await context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("dialog", lambda dialog: asked.append(dialog.message))
        await page.goto(path.as_uri())
        yield page
        assert asked == [path.as_uri()]


async def column(page: Page, name: str) -> list[str]:
    """The cells below the heading *name* that are seen."""
    names = [text.strip() for text in await page.locator("thead th").all_inner_texts()]
    rows = page.locator("tbody tr:visible")
    return [text.strip() for text in await rows.locator(f"td:nth-child({names.index(name) + 1})").all_inner_texts()]


def report_of(sites: list[str]) -> Report:
    error = ServerFailed(HOSTILE[0], hint=HOSTILE[1], code=500)
    return Report(
        command=HOSTILE[4],
        started=1_790_000_000.0,
        elapsed=1.5,
        outcomes=[Failed(site=site, error=error, outcome="failed") for site in sites] + [Answered(site="a", value=1)],
        warnings=[ReportWarning(site=site, kind="odd", message=HOSTILE[2]) for site in sites],
    )


async def test_a_click_on_a_heading_sorts_by_it_and_a_second_one_downwards(tmp_path: Path) -> None:
    rows = [["sim-10", "9", "x"], ["sim-2", "10", ""], ["sim-1", "-1.5", "b"], ["sim-3", "", "A"]]
    text = as_html(["site", "busy", "note"], rows, Heading(title="fleet services report", when=0.0))
    async with shown(text, tmp_path) as page:
        assert await column(page, "site") == ["sim-10", "sim-2", "sim-1", "sim-3"]
        busy = page.get_by_role("button", name="busy")
        await busy.click()
        assert await column(page, "busy") == ["-1.5", "9", "10", ""]
        await busy.click()
        assert await column(page, "busy") == ["10", "9", "-1.5", ""]
        await expect(page.get_by_role("columnheader", name="busy")).to_have_attribute("aria-sort", "descending")
        await page.get_by_role("button", name="site").click()
        assert await column(page, "site") == ["sim-1", "sim-2", "sim-3", "sim-10"]
        await expect(page.get_by_role("columnheader", name="busy")).not_to_have_attribute("aria-sort", re.compile(""))
        await page.get_by_role("button", name="note").click()
        assert await column(page, "note") == ["A", "b", "x", ""]


async def test_rows_are_filtered_by_the_words_that_are_typed(tmp_path: Path) -> None:
    rows = [["oslo", "Roads.MapServer"], ["oslo", "Flood.MapServer"], ["bergen", "Roads.MapServer"]]
    text = as_html(["site", "service"], rows, Heading(title="fleet", when=0.0))
    async with shown(text, tmp_path) as page:
        await page.get_by_role("searchbox").fill("roads OSLO")
        assert await column(page, "service") == ["Roads.MapServer"]
        await expect(page.get_by_role("status")).to_have_text("1 of 3 rows")
        await page.get_by_role("searchbox").fill("")
        assert len(await column(page, "site")) == 3


async def test_a_long_table_shows_its_first_rows_and_finds_all_of_them(tmp_path: Path) -> None:
    rows = [[f"sim-{number:04d}", str(number)] for number in range(2500)]
    text = as_html(["site", "n"], rows, Heading(title="fleet", when=0.0))
    async with shown(text, tmp_path) as page:
        await expect(page.get_by_role("status")).to_have_text("the first 2000 of 2500 rows")
        assert len(await column(page, "n")) == 2000
        await page.get_by_role("button", name="n", exact=True).click()
        await page.get_by_role("button", name="n", exact=True).click()
        assert (await column(page, "n"))[:2] == ["2499", "2498"]
        await page.get_by_role("searchbox").fill("sim-0003")
        assert await column(page, "n") == ["3"]
        await page.get_by_role("searchbox").fill("sim")
        await expect(page.get_by_role("status")).to_have_text("the first 2000 of 2500 rows")
    async with shown(text, tmp_path, scripts=False) as page:
        assert len(await column(page, "n")) == 2500


@pytest.mark.parametrize("scripts", [True, False])
async def test_what_a_site_supplies_is_text_and_does_nothing(tmp_path: Path, scripts: bool) -> None:
    header = ["site", "outcome", HOSTILE[5]]
    rows = [[name, name, name] for name in HOSTILE]
    heading = Heading(title=HOSTILE[4], when=0.0, selection=HOSTILE[3], remarks=HOSTILE)
    text = as_html(header, rows, heading, report_of(HOSTILE))
    async with shown(text, tmp_path, scripts=scripts) as page:
        assert await column(page, "site") == HOSTILE
        assert await page.title() == f"{HOSTILE[4]}, 1970-01-01 00:00:00"
        await expect(page.get_by_text(HOSTILE[0], exact=False).first).to_be_visible()
        assert await page.locator("img, base, iframe, object, embed, link, form").count() == 0
        assert await page.locator("script").count() == 1
        await page.locator("tbody td").first.hover()
        if scripts:
            await page.get_by_role("button", name="outcome").click()
            assert await page.evaluate("window.pwned") is None


async def test_no_other_script_would_run_even_if_one_got_in(tmp_path: Path) -> None:
    text = as_html(["site"], [["here"]], Heading(title="fleet", when=0.0))
    smuggled = f"<script>{MARK}</script><img src=x onerror='{MARK}'><p style='display:none' id=p>p</p>"
    bad = text.replace("here", smuggled)
    path = tmp_path / "bad.html"
    path.write_text(bad, encoding="utf-8")
    async with browser(scripts=True) as context:
        page = await context.new_page()
        told: list[str] = []
        page.on("console", lambda message: told.append(message.text))
        await page.goto(path.as_uri())
        assert await page.evaluate("window.pwned") is None
        await expect(page.locator("#p")).to_be_visible()
        assert len([line for line in told if "Content Security Policy" in line]) >= 3, told
        await expect(page.get_by_role("searchbox")).to_be_visible()


async def test_a_cell_that_a_spreadsheet_takes_for_a_formula_is_text(tmp_path: Path) -> None:
    text = as_html(["site", "n"], [["=cmd|'/C calc'!A0", "-5"], ["@SUM(1)", "+1"]], Heading(title="fleet", when=0.0))
    async with shown(text, tmp_path) as page:
        assert await column(page, "site") == ["'=cmd|'/C calc'!A0", "'@SUM(1)"]
        assert await column(page, "n") == ["-5", "+1"]


async def test_services_of_many_sites_are_a_page_with_a_chart(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=3, faults={"sim-0002": "service-down", "sim-0003": "refused"})
    result = await fleet("services", "report", "-i", str(write_inventory(simulator)), "-s", "all", "-o", "html")

    assert result.returncode == 1
    assert result.stderr == ""
    services = [service for name in ("sim-0001", "sim-0002") for service in simulator.sites[name].services.values()]
    stopped = [service for service in services if service.real == "STOPPED"]
    for scheme in ("light", "dark"):
        async with shown(result.stdout, tmp_path, scheme=scheme) as page:
            states = await column(page, "realTimeState")
            assert (len(states), states.count("STOPPED")) == (len(services), len(stopped))
            await expect(page.get_by_role("heading", level=1)).to_have_text("fleet services report")
            await expect(page.get_by_text("2 of 3 sites answered, missing: 1 unreachable")).to_be_visible()
            await expect(page.get_by_text("1 × unreachable: connection refused")).to_be_visible()
            await expect(page.get_by_text("sites: all")).to_be_visible()
            chart = page.get_by_role("img", name="realTimeState by site")
            titles = await chart.locator("rect title").all_text_contents()
            assert f"STOPPED: {len(stopped)}" in titles
            red = page.locator("td", has_text="STOPPED").first
            assert await red.evaluate("cell => getComputedStyle(cell).color") != await page.locator(
                "td"
            ).first.evaluate("cell => getComputedStyle(cell).color")


@pytest.mark.parametrize(
    ("arguments", "title", "heading"),
    [
        (["health"], "fleet health", "status"),
        (["call", "admin/machines", "--merge", "union"], "fleet call", "machineName"),
        (["services", "stop", "-s", "all", "--dry-run"], "fleet services stop", "change"),
        (["logs", "top"], "fleet logs top", "count"),
        (["logs", "query", "--limit", "30"], "fleet logs query", "message"),
        (["certificates", "list"], "fleet certificates list", "aliasName"),
        (["services", "stop", "-s", "all", "--dry-run", "--columns", "site,old,new"], "fleet services stop", "new"),
        (["sql", "select site, count(*) as services from services group by site"], "fleet sql", "services"),
        (["diff", "services"], "fleet diff", "item"),
        (["inventory", "list"], "fleet inventory", "url"),
        (["audit", "list"], "fleet audit list", None),
    ],
)
async def test_every_command_with_rows_has_a_page(
    simulate: Simulate, write_inventory: Write, tmp_path: Path, arguments: list[str], title: str, heading: str | None
) -> None:
    inventory = str(write_inventory(await simulate(sites=2)))
    result = await fleet(*arguments, "-i", inventory, "-o", "html")

    assert result.returncode in (0, 1), result.stderr
    async with shown(result.stdout, tmp_path) as page:
        await expect(page.get_by_role("heading", level=1)).to_have_text(title)
        if heading is not None:
            assert heading in [text.strip() for text in await page.locator("thead th").all_inner_texts()]
            assert await page.locator("tbody tr").count() > 0
