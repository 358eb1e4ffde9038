"""Signing in at the site itself: POST `admin/generateToken` with the account, bound to referer or address."""

from __future__ import annotations

from collections.abc import Generator, Hashable, Mapping
from dataclasses import dataclass

from fleet.auth import rsa
from fleet.auth.provider import ASKED_MINUTES, Flow, read_token
from fleet.errors import BadAnswer, SiteError
from fleet.inventory.model import Site
from fleet.inventory.secrets import Secret
from fleet.inventory.tables import host_of, is_loopback
from fleet.protocol.envelope import decipher
from fleet.protocol.headers import HEADERS, REFERER
from fleet.protocol.message import Request, Response

__all__ = ["ServerLogin", "binding"]


def binding(client: str, ip: str | None) -> dict[str, str]:
    """The form fields that say what the token is bound to."""
    match client:
        case "requestip":
            return {"client": "requestip"}
        case "ip":
            return {"client": "ip", "ip": ip or ""}
        case _:
            return {"client": "referer", "referer": REFERER}


@dataclass(frozen=True, slots=True)
class ServerLogin:
    """The account of a stand-alone site, or the primary site administrator of a federated one."""

    site: Site

    @property
    def identity(self) -> Hashable:
        return (self.site.url, self.site.username)

    @property
    def base(self) -> str:
        return self.site.url

    @property
    def encrypts(self) -> bool:
        """Whether the login travels encrypted although the connection is not: on plain HTTP beyond this machine."""
        return self.site.in_clear and not is_loopback(host_of(self.site.url)) and rsa.available()

    def sign_in(self, secrets: Mapping[str, Secret]) -> Flow:
        """Requests of the login; *secrets* holds `password`. Source: server/generatetoken of the admin API's help."""
        form = {
            "username": self.site.username or "",
            "password": secrets["password"].reveal(),
            **binding(self.site.auth.client, self.site.auth.ip),
            "expiration": str(ASKED_MINUTES),
            "f": "json",
        }
        if self.encrypts:
            form = yield from _encrypted(self.site.url, form)
        response = yield Request(
            method="POST",
            url=f"{self.site.url}/admin/generateToken",
            form=form,
            headers=HEADERS,
        )
        return read_token(response)


def _encrypted(url: str, form: dict[str, str]) -> Generator[Request, Response, dict[str, str]]:
    """The form encrypted with the site's key; as it is where the site offers none."""
    response = yield Request(method="GET", url=f"{url}/admin/publicKey", query={"f": "json"}, headers=HEADERS)
    try:
        key = decipher(response, dict)
    except SiteError as error:
        if error.kind == "not_found" or error.code == 499:
            # It has no such resource, or says so in the way of all unknown paths: that it wants a token first.
            return form
        raise
    if "modulus" not in key:
        raise BadAnswer("the site's public key has no modulus")
    return rsa.encrypt_form(form, key)
