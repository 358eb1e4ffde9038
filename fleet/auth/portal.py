"""Signing in at the portal that a site is federated with, and exchanging its token for one of the site's own."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from fleet.auth.provider import ASKED_MINUTES, Flow, read_token
from fleet.errors import LoginRefused
from fleet.inventory.model import Site
from fleet.inventory.secrets import Secret
from fleet.inventory.tables import origin_of
from fleet.protocol.headers import HEADERS, REFERER
from fleet.protocol.message import Request

__all__ = ["Exchange", "PortalLogin", "federation_refusal"]


@dataclass(frozen=True, slots=True)
class PortalLogin:
    """One account at one portal: its token is good for every federated site that it is shown to."""

    portal: str
    username: str

    @property
    def identity(self) -> Hashable:
        return ("portal", self.portal, self.username)

    @property
    def base(self) -> str:
        return self.portal

    def sign_in(self, secrets: Mapping[str, Secret]) -> Flow:
        """Requests of the login; *secrets* holds `password`. Federated sites take tokens bound to a referer only."""
        form = {
            "username": self.username,
            "password": secrets["password"].reveal(),
            "client": "referer",
            "referer": REFERER,
            "expiration": str(ASKED_MINUTES),
            "f": "json",
        }
        response = yield Request(
            method="POST",
            url=f"{self.portal}/sharing/rest/generateToken",
            form=form,
            headers=HEADERS,
        )
        return read_token(response)


@dataclass(frozen=True, slots=True)
class Exchange:
    """The portal's token for one of its sites: asked for with the portal's own token."""

    portal: str
    site: Site

    @property
    def identity(self) -> Hashable:
        return (
            "exchange",
            self.portal,
            self.site.url,
            self.site.username,
            self.site.auth.client_id,
        )

    @property
    def base(self) -> str:
        return self.portal

    def sign_in(self, secrets: Mapping[str, Secret]) -> Flow:
        """Requests of the exchange; *secrets* holds `token`, the portal's."""
        form = {
            "token": secrets["token"].reveal(),
            "serverURL": f"{self.site.url}/rest/services",
            "request": "getToken",
            "referer": REFERER,
            "expiration": str(ASKED_MINUTES),
            "f": "json",
        }
        response = yield Request(
            method="POST",
            url=f"{self.portal}/sharing/rest/generateToken",
            form=form,
            headers=HEADERS,
        )
        return read_token(response)


def federation_refusal(site: Site, info: Mapping[str, Any]) -> LoginRefused | None:
    """Why an account was refused at a site whose `rest/info` names a portal that the inventory does not.

    Nothing is sent to a portal that only the site names; the error says which line would allow it.
    """
    owner = info.get("owningSystemUrl")
    if not isinstance(owner, str) or not owner:
        return None
    listed = site.auth.portal
    if listed is not None and origin_of(listed) == origin_of(owner):
        return None
    shown = "".join(c for c in owner if c.isprintable() and c not in "\"'\\")[:200].rstrip("/")
    found = "the inventory names no portal" if listed is None else f"the inventory names {listed}"
    line = f'auth = {{ kind = "portal", portal = "{shown}" }}'
    if site.auth.kind == "oauth":
        line = f'portal = "{shown}" in its auth'
    return LoginRefused(
        f"the site is federated with {shown}, and {found}",
        hint=f"if that is its portal, write: {line}",
    )
