"""Redirects by hand: same origin only, three at the most, and a POST stays a POST."""

from __future__ import annotations

from urllib.parse import parse_qsl, urljoin, urlsplit

from msgspec.structs import replace

from fleet.errors import RedirectRefused
from fleet.inventory.tables import origin_of
from fleet.protocol.message import NOTHING, Request, Response

__all__ = ["HOPS", "next_request"]

HOPS = 3

SAME = frozenset({301, 302, 307, 308})


def next_request(request: Request, response: Response, *, read: bool) -> Request | None:
    """The request that a redirect in *response* asks for; None where it is none.

    301, 302, 307 and 308 repeat method, body and headers: servers of this kind answer 302 for a missing slash, also to
    a POST, and expect the same again. 303 becomes a GET for a read, and is an error for a change. Raises
    `RedirectRefused` for another scheme, host or port, to which nothing is sent.
    """
    if response.status not in SAME and response.status != 303:
        return None
    location = response.headers.get("location", "").strip()
    if not location or len(location) > 8000:
        raise RedirectRefused("the site redirects to nowhere")
    try:
        target = urljoin(request.url, location)
        here, there = origin_of(request.url), origin_of(target)
        parts = urlsplit(target)
    except ValueError:
        raise RedirectRefused("the site redirects to an address that can't be read") from None
    if "@" in parts.netloc or here != there:
        shown = "".join(c for c in there if c.isprintable())[:200]
        hint = f"if that is the site, change its `url` to {shown}…"
        if here.startswith("http:") and there.startswith("https:") and _host(here) == _host(there):
            hint = f"the site wants https: change its `url` to begin with {shown.removesuffix(':443')}"
        raise RedirectRefused(f"the site redirects to another origin, {shown}; nothing was sent there", hint=hint)
    url = f"{parts.scheme}://{parts.netloc}{parts.path}"
    if response.status == 303:
        if not read:
            raise RedirectRefused("the site answers a change with a redirect to a page (303)")
        return replace(
            request, method="GET", url=url, query=_query(parts.query) or {"f": "json"}, form=NOTHING, files=NOTHING
        )
    if request.method == "POST":
        return replace(request, url=url)
    return replace(request, url=url, query={**request.query, **_query(parts.query)})


def _query(text: str) -> dict[str, str]:
    return {key: value for key, value in parse_qsl(text, keep_blank_values=True) if key.lower() != "token"}


def _host(origin: str) -> str:
    return origin.partition("://")[2].rpartition(":")[0]
