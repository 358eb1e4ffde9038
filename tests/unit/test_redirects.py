"""Where a redirect may lead, and what is sent there."""

from __future__ import annotations

import pytest

from fleet.client.redirects import HOPS, next_request
from fleet.errors import LoginRefused, RedirectRefused
from fleet.protocol.envelope import decipher
from fleet.protocol.message import Request, Response

BASE = "https://gis.example.com/arcgis"
GET = Request(method="GET", url=f"{BASE}/admin", query={"f": "json"}, headers={"X-Esri-Authorization": "Bearer t"})
POST = Request(
    method="POST", url=f"{BASE}/admin", form={"f": "json", "token": "t"}, headers={"Referer": "arcgis-fleet"}
)


def redirect(status: int, location: str | None) -> Response:
    return Response(status=status, headers={} if location is None else {"location": location}, body=b"")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("request_", [GET, POST], ids=["GET", "POST"])
def test_the_same_is_sent_again_on_the_same_origin(status: int, request_: Request) -> None:
    for location in (
        f"{BASE}/admin/?f=json",
        "/arcgis/admin/?f=json",
        "admin/",
        "https://GIS.example.com:443/arcgis/admin/",
    ):
        again = next_request(request_, redirect(status, location), read=True)
        assert again is not None
        assert (again.method, again.form, again.headers) == (request_.method, request_.form, request_.headers)
        assert again.url.lower().removesuffix("/").replace(":443", "") == f"{BASE}/admin"
        assert "token" not in again.query


def test_303_becomes_a_get_for_a_read_and_is_refused_for_a_change() -> None:
    again = next_request(POST, redirect(303, f"{BASE}/admin/jobs?id=1&f=json"), read=True)
    assert again is not None
    assert (again.method, again.url, dict(again.query), dict(again.form)) == (
        "GET",
        f"{BASE}/admin/jobs",
        {"id": "1", "f": "json"},
        {},
    )
    with pytest.raises(RedirectRefused, match="303"):
        next_request(POST, redirect(303, f"{BASE}/admin/jobs"), read=False)


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://other.example.com/arcgis/admin/", "https://other.example.com"),
        ("https://gis.example.com:6443/arcgis/admin/", "https://gis.example.com:6443"),
        ("http://gis.example.com/arcgis/admin/", "http://gis.example.com"),
        ("//other.example.com/arcgis", "https://other.example.com"),
        ("https://user@gis.example.com/arcgis", "https://gis.example.com"),
    ],
)
def test_another_origin_is_refused_and_named(location: str, shown: str) -> None:
    for request_ in (GET, POST):
        with pytest.raises(RedirectRefused) as caught:
            next_request(request_, redirect(302, location), read=True)
        assert shown in caught.value.message
        assert not caught.value.may_have_arrived, "nothing was sent there"


def test_a_site_that_wants_https_says_so_in_the_hint() -> None:
    request_ = Request(method="GET", url="http://gis.example.com/arcgis/rest/info")
    with pytest.raises(RedirectRefused) as caught:
        next_request(request_, redirect(301, "https://gis.example.com/arcgis/rest/info"), read=True)
    assert caught.value.hint is not None
    assert "change its `url` to begin with https://gis.example.com" in caught.value.hint


@pytest.mark.parametrize("location", [None, "", "x" * 9000, "https://[bad", "https://gis.example.com:99999/x"])
def test_a_redirect_that_leads_nowhere_is_refused(location: str | None) -> None:
    with pytest.raises(RedirectRefused):
        next_request(GET, redirect(302, location), read=True)


@pytest.mark.parametrize("status", [200, 204, 300, 304, 305, 306, 400, 500])
def test_other_statuses_are_no_redirects(status: int) -> None:
    assert next_request(GET, redirect(status, f"{BASE}/admin/"), read=True) is None


def test_a_redirect_that_ends_at_a_login_page_is_auth() -> None:
    body = b"<html><body>Please sign in</body></html>"
    page = Response(status=200, headers={"content-type": "text/html"}, body=body, redirected=True)
    with pytest.raises(LoginRefused):
        decipher(page)
    assert HOPS == 3
