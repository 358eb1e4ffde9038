"""A token that was made elsewhere and is used as it is."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from fleet.auth.provider import CEILING, TOKEN, Flow, Token
from fleet.errors import ConfigFailed, LoginRefused
from fleet.inventory.model import Site
from fleet.inventory.secrets import Secret
from fleet.protocol.headers import REFERER

__all__ = ["GivenToken"]


@dataclass(slots=True)
class GivenToken:
    """The token of one site; it can't be renewed, so the second sign-in of a run is a refusal."""

    site: Site
    used: bool = False

    @property
    def identity(self) -> Hashable:
        return ("token", self.site.url, self.site.name)

    @property
    def base(self) -> str:
        return self.site.url

    def sign_in(self, secrets: Mapping[str, Secret]) -> Flow:
        """No requests at all; *secrets* holds `token`."""
        if not TOKEN.fullmatch(secrets["token"].reveal()):
            raise ConfigFailed(
                "the given token is none",
                hint="a token has 8 to 4,096 visible characters and no blank; look at where it lies",
            )
        if self.used:
            raise LoginRefused(
                "the given token is not accepted, or no longer",
                hint=f"make a new one, bound to the referer {REFERER} or to this machine's address, and put it in its place",
            )
        self.used = True
        yield from ()
        return Token(value=secrets["token"], lifetime=CEILING)
