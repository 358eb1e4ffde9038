"""Who is signed in at the pages: the cookie `agstoken`, which may hold tokens of several sites of one host.

Browsers don't tell ports apart when they send cookies, and simulated sites differ in nothing else. So that one may be
signed in at several of them, the cookie holds the tokens of all, the newest first, with `~` between them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fleet.simulator.portal import SimulatedPortal
    from fleet.simulator.site import SimulatedSite
    from fleet.simulator.tokens import TokenBook

__all__ = ["COOKIE", "cookie_with", "cookie_without", "own_token", "safe_place"]

COOKIE = "agstoken"
MOST = 16
"""How many tokens one cookie holds, so that it stays shorter than browsers allow."""


def own_token(value: str, *books: TokenBook | None) -> str:
    """The token in the cookie's *value* that one of *books* gave out; the first, if none did."""
    tokens = value.strip('"').split("~")
    for token in tokens:
        if any(book is not None and book.user_of(token) is not None for book in books):
            return token
    return tokens[0]


def cookie_with(site: SimulatedSite | SimulatedPortal, token: str, before: str, *, secure: bool) -> str:
    """The header that signs in with *token*, beside what the cookie held *before*."""
    return _header(site, [token, *_others(site, before)][:MOST], secure=secure)


def cookie_without(site: SimulatedSite | SimulatedPortal, before: str, *, secure: bool) -> str:
    """The header that signs out of *site*, and of no other."""
    return _header(site, _others(site, before), secure=secure)


def _others(site: SimulatedSite | SimulatedPortal, before: str) -> list[str]:
    tokens = [token for token in before.strip('"').split("~") if re.fullmatch(r"[\w-]{8,200}", token, re.ASCII)]
    return [token for token in tokens if site.tokens.user_of(token) is None]


def _header(site: SimulatedSite | SimulatedPortal, tokens: list[str], *, secure: bool) -> str:
    end = "" if tokens else "; Max-Age=0"
    return (
        f"{COOKIE}={'~'.join(tokens)}; Path={site.context}; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}{end}"
    )


def safe_place(context: str, asked: str | None, *, portal: bool = False) -> str:
    """Where a login goes on to: *asked* if it is a page of the place at *context*, else its first page."""
    roots = ("portaladmin", "sharing") if portal else ("admin", "rest")
    first = f"{context}/{roots[0]}/"
    if not asked or not re.fullmatch(r"[!-~]{1,2000}", asked):
        return first
    path = asked.partition("?")[0].partition("#")[0]
    # What a browser makes another path of, or another host, is no page of this place.
    if "\\" in asked or "//" in path or re.search(r"/(?:\.|%2e){1,2}(?:/|$)", path, re.IGNORECASE):
        return first
    return asked if path.startswith(tuple(f"{context}/{root}" for root in roots)) else first
