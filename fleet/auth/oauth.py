"""Signing in as an application that is registered with a portal: client credentials for a token."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from fleet.auth.provider import Flow, read_token
from fleet.inventory.secrets import Secret
from fleet.protocol.headers import HEADERS
from fleet.protocol.message import Request

__all__ = ["ApplicationLogin"]


@dataclass(frozen=True, slots=True)
class ApplicationLogin:
    """An application at a portal, known there by its `client_id`."""

    portal: str
    client_id: str

    @property
    def identity(self) -> Hashable:
        return ("oauth", self.portal, self.client_id)

    @property
    def base(self) -> str:
        return self.portal

    def sign_in(self, secrets: Mapping[str, Secret]) -> Flow:
        """Requests of the login; *secrets* holds `client_secret`."""
        form = {
            "client_id": self.client_id,
            "client_secret": secrets["client_secret"].reveal(),
            "grant_type": "client_credentials",
            "f": "json",
        }
        response = yield Request(
            method="POST",
            url=f"{self.portal}/sharing/rest/oauth2/token",
            form=form,
            headers=HEADERS,
        )
        return read_token(response, member="access_token", account="client_id and client_secret")
