"""The simulator's Administrator Directory, asked by HTTP: what is a page, who sees it, and what its forms do."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from html import unescape
from html.parser import HTMLParser
from urllib.parse import quote

import pytest

from fleet.admin.catalogue import Entry, catalogue
from fleet.protocol.release import Release
from fleet.simulator import SimulatedSite, Simulator
from fleet.simulator.gpjobs import new_job
from tests.wire import Answer, ask, first_service, sign_in
from tools.directory_data import DATA, generated

Simulate = Callable[..., Awaitable[Simulator]]
HOSTILE = '<script>alert("x")</script>&\'{{7331*3}}'


class Page(HTMLParser):
    """What tests read of a page: links, inputs, failures, and every tag."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.links: dict[str, str] = {}
        self.inputs: dict[str, dict[str, str | None]] = {}
        self.values: dict[str, str] = {}
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.action = ""
        self._href: str | None = None
        self._area: str | None = None
        self._select: str | None = None
        self.text = answer.body.decode()
        assert answer.headers["content-type"] == "text/html;charset=UTF-8", answer.body[:200]
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.tags.append(tag)
        self.attributes |= told.keys()
        if tag == "a":
            self._href = told["href"]
        if tag == "form":
            self.action = told.get("action") or ""
        if tag in ("input", "select", "textarea"):
            name = told.get("name") or ""
            if told.get("type") != "hidden":
                self.inputs[name] = {"tag": tag, **told}
            self.values[name] = told.get("value") or ""
            self._area = name if tag == "textarea" else None
            self._select = name if tag == "select" else None
        if tag == "option" and "selected" in told and self._select:
            self.values[self._select] = told.get("value") or ""

    def handle_data(self, data: str) -> None:
        if self._href is not None:
            self.links[data] = self._href
        if self._area is not None:
            self.values[self._area] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._href = None
        if tag == "textarea":
            self._area = None

    @property
    def title(self) -> str:
        found = re.search(r"<h1>(.*?)</h1>", self.text)
        assert found is not None
        return unescape(found[1])

    @property
    def failures(self) -> list[str]:
        block = self.text.partition('<ul class="failures"')[2].partition("</ul>")[0]
        return [unescape(one) for one in re.findall(r"<li>(.*?)</li>", block, re.DOTALL)]

    @property
    def done(self) -> bool:
        return '<p class="done" role="status">Success</p>' in self.text


async def one(simulate: Simulate, **options: object) -> SimulatedSite:
    return (await simulate(sites=1, **options)).sites["sim-0001"]


async def signed_in(site: SimulatedSite) -> dict[str, str]:
    """The header of a browser that is signed in."""
    return {"Cookie": f"agstoken={await sign_in(site)}"}


async def look(site: SimulatedSite, path: str, cookie: dict[str, str], query: dict[str, str] | None = None) -> Page:
    return Page(await ask(f"{site.url}/{quote(path)}", query, headers=cookie, json=False))


async def submit(site: SimulatedSite, path: str, cookie: dict[str, str], form: dict[str, str]) -> Page:
    return Page(await ask(f"{site.url}/{quote(path)}", form=form, headers=cookie, json=False))


# Who gets a page, and who gets in


def test_the_pages_know_the_operations_of_the_catalogue() -> None:
    assert DATA.read_text(encoding="utf-8") == generated(), "make pages"


@pytest.mark.parametrize("asked", [{}, {"f": "html"}, {"f": "HTML"}, {"f": ""}, {"f": "kmz"}])
async def test_whoever_does_not_ask_for_json_gets_a_page(simulate: Simulate, asked: dict[str, str]) -> None:
    site = await one(simulate)
    cookie = await signed_in(site)
    page = await look(site, "admin/services", cookie, asked)
    assert page.title == "services"
    for wanted in ("json", "pjson"):
        said = await ask(f"{site.url}/admin/services", {"f": wanted}, headers=cookie, json=False)
        assert said.json["folderName"] == "/"


async def test_a_stranger_gets_the_login_form_which_leads_to_the_page_asked_for(simulate: Simulate) -> None:
    site = await one(simulate)
    page = await look(site, "admin/services/System", {}, {"detail": "true"})
    assert (page.title, page.values["redirect"]) == ("Login", "/arcgis/admin/services/System?detail=true")
    said = await ask(
        f"{site.url}/admin/login",
        form={"username": "siteadmin", "password": "simulated", "redirect": page.values["redirect"]},
        json=False,
    )
    assert (said.status, said.headers["location"]) == (303, "/arcgis/admin/services/System?detail=true")
    name, _, rest = said.headers["set-cookie"].partition("=")
    assert (name, rest.partition("; ")[2]) == ("agstoken", "Path=/arcgis; HttpOnly; SameSite=Lax")
    token = rest.partition(";")[0]
    assert site.tokens.user_of(token) == "siteadmin"
    inside = await look(site, "admin/services/System", {"Cookie": f"agstoken={token}"})
    assert inside.title == "System"


async def test_a_wrong_password_says_so_and_five_lock_the_account(simulate: Simulate) -> None:
    site = await one(simulate)
    for told in 5 * ["Invalid username or password"] + ["Too many failed attempts. The account is locked."]:
        page = await submit(site, "admin/login", {}, {"username": "siteadmin", "password": "no"})
        assert (page.failures, page.values["username"], page.values["password"]) == ([told], "siteadmin", "")


async def test_a_login_never_leads_away_from_the_site(simulate: Simulate) -> None:
    site = await one(simulate)
    given = {"username": "siteadmin", "password": "simulated"}
    for away in (
        "https://x.example",
        "//x.example",
        "/arcgis/admin//x",
        "/\\x.example",
        "/arcgis/../x",
        "/arcgis/admin\r\nX: y",
    ):
        said = await ask(f"{site.url}/admin/login", form={**given, "redirect": away}, json=False)
        assert (said.status, said.headers["location"]) == (303, "/arcgis/admin/"), away


async def test_one_browser_is_signed_in_at_several_sites_and_signs_out_of_one(simulate: Simulate) -> None:
    simulator = await simulate(sites=2)
    given = {"username": "siteadmin", "password": "simulated"}
    cookie = ""
    for site in simulator.sites.values():
        said = await ask(f"{site.url}/admin/login", form=given, headers={"Cookie": cookie}, json=False)
        cookie = said.headers["set-cookie"].partition(";")[0]
    first, second = simulator.sites.values()
    for site in (first, second):
        assert (await look(site, "admin/info", {"Cookie": cookie})).title == "info"
        assert (await ask(f"{site.url}/admin/info", headers={"Cookie": cookie})).json["loggedInUser"] == "siteadmin"
    said = await ask(f"{first.url}/admin/logout", headers={"Cookie": cookie}, json=False)
    assert (said.status, said.headers["location"]) == (303, "/arcgis/admin/login")
    cookie = said.headers["set-cookie"].partition(";")[0]
    assert (await look(first, "admin/info", {"Cookie": cookie})).title == "Login"
    assert (await look(second, "admin/info", {"Cookie": cookie})).title == "info"
    said = await ask(f"{second.url}/admin/logout", headers={"Cookie": cookie}, json=False)
    assert "Max-Age=0" in said.headers["set-cookie"]


async def test_a_token_that_has_expired_is_told_at_the_login_form(simulate: Simulate) -> None:
    site = await one(simulate)
    cookie = await signed_in(site)
    site.tokens.expire_all()
    page = await look(site, "admin/machines", cookie)
    assert (page.title, page.failures) == ("Login", ["Token Expired."])
    page = await look(site, "admin/machines/register", cookie)
    assert (page.title, page.values["redirect"]) == ("Login", "/arcgis/admin/machines/register")


@pytest.mark.parametrize("told", [{"Origin": "https://x.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "same-site"}])
async def test_a_form_of_another_site_s_page_is_refused(simulate: Simulate, told: dict[str, str]) -> None:
    site = await one(simulate)
    key = first_service(site)
    cookie = await signed_in(site)
    for form in ({}, {"f": "json"}):
        said = await ask(f"{site.url}/admin/services/{key}/stop", form=form, headers={**cookie, **told}, json=False)
        assert said.status == 403
    given = {"username": "siteadmin", "password": "simulated"}
    said = await ask(f"{site.url}/admin/login", form=given, headers=told, json=False)
    assert (said.status, "set-cookie" in said.headers) == (403, False)
    assert site.services[key].real == "STARTED"
    own = {"Origin": site.url.removesuffix("/arcgis"), "Sec-Fetch-Site": "same-origin"}
    said = await ask(f"{site.url}/admin/services/{key}/stop", form={}, headers={**cookie, **own}, json=False)
    assert Page(said).done


async def test_opening_the_page_of_a_change_changes_nothing(simulate: Simulate) -> None:
    site = await one(simulate)
    key = first_service(site)
    page = await look(site, f"admin/services/{key}/delete", await signed_in(site))
    assert (page.title, page.action.endswith("/delete")) == ("Delete", True)
    assert key in site.services


# Resources


async def test_every_resource_that_a_page_links_to_is_there(simulate: Simulate) -> None:
    site = await one(simulate, services=4, folders=2, machines=2)
    cookie = await signed_in(site)
    waiting, seen, failed = ["/arcgis/admin/"], set[str](), []
    while waiting:
        place = waiting.pop()
        if place in seen or place.endswith(("/logout", "/healthCheck")) or "f=pjson" in place:
            continue
        seen.add(place)
        said = await ask(f"{site.url.removesuffix('/arcgis')}{place}", headers=cookie, json=False)
        if said.headers["content-type"] == "application/octet-stream":
            continue
        page = Page(said)
        if page.failures:
            failed.append((place, page.failures))
        waiting += page.links.values()
    assert failed == [], failed
    assert len(seen) > 200, len(seen)
    assert not [entry for entry in site.requests() if entry.changed and entry.operation != "findItems"]


async def test_a_resource_leads_to_what_is_above_and_below_and_to_its_json(simulate: Simulate) -> None:
    site = await one(simulate)
    key = next(key for key in site.services if "/" in key)
    folder, name = key.split("/")
    page = await look(site, f"admin/services/{key}", await signed_in(site))
    for text, path in {
        "Home": "/",
        "services": "/services",
        folder: f"/services/{folder}",
        "status": f"/services/{key}/status",
        "iteminfo": f"/services/{key}/iteminfo",
        "start": f"/services/{key}/start",
        "edit": f"/services/{key}/edit",
        "JSON": f"/services/{key}?f=pjson",
    }.items():
        assert page.links[text] == f"/arcgis/admin{path}"
    listed = await look(site, f"admin/services/{folder}", await signed_in(site))
    assert listed.links[name] == f"/arcgis/admin/services/{key}"


async def test_data_items_are_found_below_the_items(simulate: Simulate) -> None:
    site = await one(simulate)
    site.state.data_items["/fileShares/own"] = {"path": "/fileShares/own", "type": "folder", "info": {}}
    cookie = await signed_in(site)
    assert (await look(site, "admin/data/items", cookie)).links["fileShares/own"].endswith("items/fileShares/own")
    page = await look(site, "admin/data/items/fileShares/own", cookie)
    assert page.links["edit"] == "/arcgis/admin/data/items/fileShares/own/edit"


async def test_an_older_release_has_fewer_pages_and_clusters(simulate: Simulate) -> None:
    old, new = await one(simulate, release="10.5.1"), await one(simulate)
    machine = next(iter(old.machines))
    before, after = await look(old, "admin/", await signed_in(old)), await look(new, "admin/", await signed_in(new))
    assert ("clusters" in before.links, "clusters" in after.links) == (True, False)
    assert "hardware" not in (await look(old, f"admin/machines/{machine}", await signed_in(old))).links
    place = f"admin/services/{first_service(old)}/changeProvider"
    page = await look(old, place, await signed_in(old))
    assert page.failures == ["Could not find resource or operation 'changeProvider' on the system."]


async def test_a_failure_is_told_in_place_of_the_resource_by_the_status_that_the_switch_says(
    simulate: Simulate,
) -> None:
    site = await one(simulate)
    cookie = await signed_in(site)
    page = await look(site, "admin/services/Nowhere", cookie)
    assert page.failures == ["Could not find resource or operation 'Nowhere' on the system."]
    page = await look(site, "admin/services/Nowhere/A.MapServer/stop", cookie)
    assert page.failures == ["Could not find resource or operation 'A.MapServer' on the system."]
    for transport, status in (("body", 200), ("status", 404), ("always-status", 404)):
        site.switches.set("failure-transport", transport)
        said = await ask(f"{site.url}/admin/services/Nowhere", headers=cookie, json=False)
        assert said.status == status


async def test_where_there_is_no_site_the_page_leads_to_the_operations_that_make_one(simulate: Simulate) -> None:
    site = await one(simulate)
    site.fault("no-site")
    page = await look(site, "admin/", {})
    assert "does not participate in any Site" in page.failures[0]
    assert page.links["createNewSite"] == "/arcgis/admin/createNewSite"
    form = await look(site, "admin/createNewSite", {})
    assert {"username", "password", "configStoreConnection"} <= form.inputs.keys()
    done = await submit(site, "admin/createNewSite", {}, {"username": "siteadmin", "password": "simulated"})
    assert done.done


# Forms

NEWEST = Release((11, 3))
SITES = [entry for entry in catalogue().entries if entry.base != "portal" and not entry.missing_in(NEWEST)]


def concrete(site: SimulatedSite, entry: Entry) -> str:
    names = {
        "machine": next(iter(site.machines)),
        "alias": "selfsignedcertificate",
        "cluster": "default",
        "folder": "Planning",
        "name": "Roads",
        "type": "MapServer",
        "report": "day",
        "path": "fileShares/maps",
        "store": "ds",
        "dir": "arcgisoutput",
        "id": "compute" if "platform" in entry.path else next(iter(site.state.kept["webadaptors"])),
        "jobId": site.services["Planning/Model.GPServer"].jobs[0]["jobId"] if "GPServer/jobs" in entry.path else "j1",
        "itemID": "i1",
    }
    path = entry.full_path.replace("<name>.GPServer", "Model.GPServer")
    for name, value in names.items():
        path = path.replace(f"<{name}>", value)
    return path


async def prepared(simulate: Simulate, release: str) -> SimulatedSite:
    """A site that has what the concrete paths name."""
    site = await one(simulate, release=release, services=2, folders=1)
    site.state.folder_names.setdefault("Planning", "")
    site.state.add_service("Planning", "Roads", "MapServer")
    model = site.state.add_service("Planning", "Model", "GPServer")
    model.jobs.append(new_job(site.state, model, "esriJobExecuting", 5.0, "siteadmin"))
    site.state.data_items["/fileShares/maps"] = {"path": "/fileShares/maps", "type": "folder", "info": {}}
    site.state.kept["jobs"] = {"j1": {"id": "j1", "operation": "edit", "status": "COMPLETED", "messages": []}}
    report = {"reportname": "day", "since": "LAST_DAY", "queries": [{"resourceURIs": [], "metrics": []}]}
    cookie = await signed_in(site)
    assert (await submit(site, "admin/usagereports/add", cookie, {"usagereport": json.dumps(report)})).done
    item = {"itemID": "i1", "itemName": "x.sd", "description": "", "committed": True}
    site.state.uploads["i1"] = {"item": item, "bytes": b"", "parts": {}}
    return site


KINDS = {"file": "file", "int": "number"}


async def test_the_page_of_every_operation_has_an_input_for_every_parameter(simulate: Simulate) -> None:
    sites = {release: await prepared(simulate, release) for release in ("10.5.1", "11.3")}
    cookies = {release: await signed_in(site) for release, site in sites.items()}
    lacking, parameters = [], 0
    for entry in SITES:
        if not entry.params:
            continue
        release = "10.5.1" if entry.path.startswith("clusters") else "11.3"
        site = sites[release]
        page = await look(site, concrete(site, entry), cookies[release])
        for parameter in entry.params:
            parameters += 1
            told = page.inputs.get(parameter.name)
            if told is None:
                lacking.append((entry.name, parameter.name, page.failures))
                continue
            kind = "password" if "password" in parameter.name.lower() else KINDS.get(parameter.type, "text")
            if parameter.type == "boolean":
                kind = "checkbox"
                if entry.name not in EDITED:
                    assert ("checked" in told) is (parameter.default is True), entry.name
            if parameter.type.startswith("json"):
                assert told["tag"] == "textarea", (entry.name, parameter.name)
            elif parameter.type == "enum" and parameter.values:
                assert told["tag"] == "select"
                assert {f'<option value="{value}"' in page.text for value in parameter.values} == {True}
            else:
                assert told.get("type") == kind, (entry.name, parameter.name)
            if parameter.type == "int" and parameter.default is not None and entry.name not in EDITED:
                assert page.values[parameter.name] == str(parameter.default), (entry.name, parameter.name)
    assert lacking == []
    assert parameters > 190


EDITED = {
    "logs.settings.edit",
    "usagereports.settings.edit",
    "machines.edit",
    "security.config.update",
    "system.handlers.rest.servicesdirectory.edit",
}
"""Forms that begin with what is there, and not with defaults."""


async def test_the_page_of_every_operation_renders_also_where_it_has_no_parameter(simulate: Simulate) -> None:
    sites = {release: await prepared(simulate, release) for release in ("10.5.1", "11.3")}
    cookies = {release: await signed_in(site) for release, site in sites.items()}
    wrong = []
    for entry in SITES:
        if entry.binary or entry.name.endswith("healthCheck"):
            continue
        release = "10.5.1" if entry.path.startswith("clusters") else "11.3"
        site = sites[release]
        page = await look(site, concrete(site, entry), cookies[release])
        form = entry.method == "POST"
        if page.title in ("Login", "Error") or (form and not page.action.endswith(entry.full_path.rsplit("/", 1)[-1])):
            wrong.append((entry.name, page.title, page.failures))
    assert wrong == []


async def test_an_edit_begins_with_the_present_definition_and_saves_what_is_sent(simulate: Simulate) -> None:
    site = await one(simulate)
    key, cookie = first_service(site), await signed_in(site)
    page = await look(site, f"admin/services/{key}/edit", cookie)
    now = json.loads(page.values["service"])
    assert now == site.services[key].definition
    now |= {"minInstancesPerNode": 7, "maxInstancesPerNode": 8}
    said = await submit(site, f"admin/services/{key}/edit", cookie, {"service": json.dumps(now), "runAsync": "false"})
    assert said.done
    assert site.services[key].definition["minInstancesPerNode"] == 7
    wrong = await submit(site, f"admin/services/{key}/edit", cookie, {"service": "no json"})
    assert wrong.failures == ["A JSONObject text must begin with '{' at character 1 of no json"]
    assert wrong.values["service"].strip() == "no json", "what was written stands there still"


async def test_what_is_left_blank_is_not_sent_and_a_file_is(simulate: Simulate) -> None:
    site = await one(simulate)
    cookie = await signed_in(site)
    said = await submit(site, "admin/security/users/add", cookie, {"username": "new", "password": "", "email": ""})
    assert said.failures == ["java.lang.NullPointerException"]
    line = "----browser"
    body = (
        f'--{line}\r\nContent-Disposition: form-data; name="itemFile"; filename="a.sd"\r\n\r\nbytes\r\n'
        f'--{line}\r\nContent-Disposition: form-data; name="description"\r\n\r\n\r\n--{line}--\r\n'
    )
    kind = {"Content-Type": f"multipart/form-data; boundary={line}"}
    page = Page(
        await ask(f"{site.url}/admin/uploads/upload", form=body.encode(), headers={**cookie, **kind}, json=False)
    )
    assert page.done
    assert len(site.state.uploads) == 1
    nothing = body.replace('filename="a.sd"', 'filename=""').replace("bytes", "")
    said = await ask(f"{site.url}/admin/uploads/upload", form=nothing.encode(), headers={**cookie, **kind}, json=False)
    assert Page(said).failures
    assert len(site.state.uploads) == 1


async def test_a_form_can_ask_for_json(simulate: Simulate) -> None:
    site = await one(simulate)
    cookie = await signed_in(site)
    said = await ask(f"{site.url}/admin/mode/update", form={"siteMode": "READ_ONLY", "f": "json"}, headers=cookie)
    assert said.json == {"status": "success"}
    page = await submit(site, f"admin/services/{first_service(site)}/stop", cookie, {"f": "html"})
    assert "read-only mode" in page.failures[0]


# Hostile names


async def test_names_that_hold_html_are_text_on_every_page(simulate: Simulate) -> None:
    site = await one(simulate)
    cookie = await signed_in(site)
    name = HOSTILE.replace("/", "|")
    site.state.folder_names[name] = name
    service = site.state.add_service(name, name, "MapServer")
    service.definition["description"] = HOSTILE
    service.definition[HOSTILE] = {HOSTILE: [HOSTILE, {HOSTILE: [[[[[[HOSTILE]]]]]]}]}
    site.state.data_items[f"/fileShares/{name}"] = {"path": f"/fileShares/{name}", "type": HOSTILE, "info": {}}
    for path in (
        "admin/services",
        f"admin/services/{name}",
        f"admin/services/{service.key}",
        f"admin/services/{service.key}/edit",
        f"admin/services/{service.key}/status",
        "admin/services/report",
        "admin/data/items",
        "rest/services",
        f"rest/services/{name}",
        f"admin/services/{name}/nothing-there",
    ):
        page = await look(site, path, cookie, {"folder": HOSTILE, "startTime": HOSTILE})
        assert "script" not in page.tags, path
        assert not [one for one in page.attributes if one.startswith("on")], path
        assert "21993" not in page.text, path
        assert not page.failures or "nothing-there" in path, (path, page.failures)
    page = await look(site, f"admin/services/{name}", cookie)
    assert page.links[f"{name}.MapServer"].startswith("/arcgis/admin/services/%3Cscript%3E")
    said = await submit(site, "admin/login", {}, {"username": HOSTILE, "password": "x", "redirect": '"><script>'})
    assert (said.values["username"], "script" in said.tags) == (HOSTILE, False)


async def test_a_definition_as_deep_as_json_may_be_is_shown(simulate: Simulate) -> None:
    site = await one(simulate)
    key = first_service(site)
    cookie = await signed_in(site)
    site.services[key].definition["deep"] = json.loads("[" * 800 + "]" * 800)
    page = await look(site, f"admin/services/{key}", cookie)
    assert "[[[[[[" in page.text
    form = await look(site, f"admin/services/{key}/edit", cookie)
    assert json.loads(form.values["service"]) == site.services[key].definition


async def test_names_that_no_address_can_hold_are_shown_all_the_same(simulate: Simulate) -> None:
    site = await one(simulate)
    site.state.folder_names["half \ud800"] = ""
    page = await look(site, "admin/services", await signed_in(site))
    assert page.links["half ?"] == "/arcgis/admin/services/half%20%3F"


async def test_a_query_is_asked_with_what_was_written_into_its_form(simulate: Simulate) -> None:
    site = await one(simulate)
    cookie = await signed_in(site)
    form = await look(site, "admin/logs/query", cookie)
    assert (form.values["startTime"], form.values["level"], form.values["pageSize"]) == ("", "WARNING", "1000")
    page = await look(site, "admin/logs/query", cookie, {**form.values, "level": "SEVERE", "f": "html"})
    assert (page.failures, page.values["level"]) == ([], "SEVERE")
    assert page.text.count("<td>SEVERE</td>") > 0
    assert "<td>WARNING</td>" not in page.text
    asked = site.requests("query")[-1]
    assert (asked.params["level"], "startTime" in asked.params) == ("SEVERE", False)


async def test_the_style_sheet_is_the_only_thing_beside_the_pages(simulate: Simulate) -> None:
    site = await one(simulate)
    for root in ("admin", "rest"):
        said = await ask(f"{site.url}/{root}/static/directory.css", json=False)
        assert (said.status, said.headers["content-type"]) == (200, "text/css;charset=UTF-8")
    for path in ("admin/static/../pages.py", "admin/static/pages.py", "admin/static/..%2fpages.py"):
        assert b"import" not in (await ask(f"{site.url}/{path}", json=False)).body


# The Services Directory


async def test_wire_2_11_the_services_directory_has_pages_until_it_is_switched_off(simulate: Simulate) -> None:
    site = await one(simulate)
    cookie = await signed_in(site)
    page = await look(site, "rest/services", {})
    assert "currentVersion" in page.text
    assert page.links["System/"] == "/arcgis/rest/services/System"
    key = next(key for key, service in site.services.items() if not service.folder and service.real == "STARTED")
    name, _, kind = key.rpartition(".")
    assert page.links[f"{name} ({kind})"] == f"/arcgis/rest/services/{name}/{kind}"
    edit = "admin/system/handlers/rest/servicesdirectory/edit"
    form = await look(site, edit, cookie)
    assert "checked" in form.inputs["servicesDirEnabled"]
    assert (await submit(site, edit, cookie, {**form.values, "servicesDirEnabled": "false", "f": "html"})).done
    for path in ("rest/services", "rest/services/System", "rest/info"):
        said = await ask(f"{site.url}/{path}", json=False)
        assert (said.status, Page(said).title) == (403, "Error: Services Directory has been disabled.")
        assert (await ask(f"{site.url}/{path}")).json["currentVersion"] == 11.3
    assert (await submit(site, edit, cookie, {**form.values, "servicesDirEnabled": "true", "f": "html"})).done
    assert (await look(site, "rest/services", {})).title == "services"


async def test_the_ledger_has_the_pages_too_and_no_password(simulate: Simulate) -> None:
    site = await one(simulate)
    cookie = await signed_in(site)
    await look(site, "admin/services", cookie)
    await submit(site, "admin/login", {}, {"username": "siteadmin", "password": "simulated"})
    services, login = site.requests()[-2:]
    assert (services.operation, services.token_in) == ("services", "cookie")
    assert (login.operation, login.params["password"]) == ("login", "***")


# The portal


async def test_a_portal_has_a_login_and_pages_for_its_operations_with_every_parameter(simulate: Simulate) -> None:
    simulator = await simulate(sites=2, federated=True)
    portal = simulator.portal
    assert portal is not None
    page = Page(await ask(f"{portal.url}/portaladmin/federation", json=False))
    assert (page.title, page.action) == ("Login", "/portal/portaladmin/login")
    wrong = await ask(f"{portal.url}/portaladmin/login", form={"username": "siteadmin", "password": "x"}, json=False)
    assert Page(wrong).failures == ["Unable to generate token.", "Invalid username or password."]
    given = {"username": "siteadmin", "password": "simulated", "redirect": page.values["redirect"]}
    said = await ask(f"{portal.url}/portaladmin/login", form=given, json=False)
    assert (said.status, said.headers["location"]) == (303, "/portal/portaladmin/federation")
    cookie = {"Cookie": said.headers["set-cookie"].partition(";")[0]}
    lacking = []
    for entry in (entry for entry in catalogue().entries if entry.base == "portal"):
        if entry.name.endswith("healthCheck"):
            continue
        path = entry.path.replace("<id>", "id-sim-0001").replace("<machine>", "M")
        page = Page(await ask(f"{portal.url}/{path}", headers=cookie, json=False))
        lacking += [(entry.name, one.name, page.failures) for one in entry.params if one.name not in page.inputs]
    assert lacking == []
    servers = Page(await ask(f"{portal.url}/portaladmin/federation/servers", headers=cookie, json=False))
    assert servers.links["id-sim-0002"] == "/portal/portaladmin/federation/servers/id-sim-0002"
    assert servers.links["Home"] == "/portal/portaladmin/"
    path = "portaladmin/federation/servers/id-sim-0002/update"
    form = {"serverRole": "HOSTING_SERVER", "serverFunction": ""}
    assert Page(await ask(f"{portal.url}/{path}", form=form, headers=cookie, json=False)).done
    assert portal.roles == {"sim-0002": "HOSTING_SERVER"}


async def test_a_login_by_oauth2_and_what_the_portal_says_as_json_are_no_pages_of_the_directory(
    simulate: Simulate,
) -> None:
    portal = (await simulate(sites=1, federated=True)).portal
    assert portal is not None
    said = await ask(f"{portal.url}/sharing/rest/oauth2/token", form={"grant_type": "x"}, json=False)
    assert said.json["error"]["code"] == 400
    assert (await ask(f"{portal.url}/sharing/rest/info")).json["owningSystemUrl"] == portal.url
