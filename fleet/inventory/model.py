"""Site, group and inventory: what is known about a fleet before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from fleet.inventory.secrets import CredentialRef

__all__ = [
    "AUTH",
    "NOTHING",
    "TLS",
    "Auth",
    "CheckSettings",
    "Group",
    "Inventory",
    "Proxy",
    "Site",
    "Tls",
]

NOTHING: Mapping[str, Any] = MappingProxyType({})


def _nothing() -> Mapping[str, Any]:
    return NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How a site's certificate is judged, and what we show of ourselves.

    `ca` is a file of authorities in place of the system's, `verify = False` accepts every certificate. `pin` is
    `sha256:HEX` of the one certificate (in DER form) that is accepted: alone it takes the place of authority and name,
    with `ca` both must hold. `cert` and `key` are our own certificate.
    """

    verify: bool = True
    ca: Path | None = None
    pin: str | None = None
    cert: Path | None = None
    key: Path | None = None
    key_password: CredentialRef | None = None


TLS = Tls()


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """How to sign in: at the site itself, at its portal, as an OAuth application, or with a token that is given.

    `client` says what the site binds a token to: the `Referer` of each request, the address that it sees
    (`requestip`), or the address `ip`. `exchange` has a portal token exchanged for one of the site's own.
    """

    kind: Literal["server", "portal", "oauth", "token"] = "server"
    portal: str | None = None
    client_id: str | None = None
    client_secret: CredentialRef | None = None
    token: CredentialRef | None = None
    exchange: bool = False
    client: Literal["referer", "requestip", "ip"] = "referer"
    ip: str | None = None


AUTH = Auth()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A forward proxy, spoken to over plain http: its address, and the account that it asks for, if it does."""

    url: str
    username: str | None = None
    password: CredentialRef | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSettings:
    """What a site, its groups or the defaults say of one health check; None leaves the check's own default."""

    warning: float | None = None
    critical: float | None = None
    severity: Literal["warning", "critical"] | None = None
    enabled: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One ArcGIS Server site, with everything of its groups and the defaults folded in.

    `url` is the base URL without a slash at its end (`https://host/context`). `timeout` is seconds. `reads` is how many
    requests may read from the site at once, None where nothing is said; `retries` is how often a read is sent again.
    """

    name: str
    url: str
    username: str | None = None
    password: CredentialRef | None = None
    auth: Auth = AUTH
    tls: Tls = TLS
    timeout: float | None = None
    reads: int | None = None
    retries: int = 2
    groups: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=_nothing)
    protected: bool = False
    allow_http: bool = False
    proxy: Proxy | None = None
    checks: Mapping[str, CheckSettings] = field(default_factory=_nothing)

    @property
    def in_clear(self) -> bool:
        """Whether tokens travel without encryption."""
        return self.url.startswith("http://")

    @property
    def secrets(self) -> tuple[CredentialRef, ...]:
        """Where every secret lies that the inventory names for this site, whether a run needs it or not."""
        named = (
            self.password,
            self.auth.token,
            self.auth.client_secret,
            self.tls.key_password,
            None if self.proxy is None else self.proxy.password,
        )
        return tuple(reference for reference in named if reference is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A named part of the fleet: its own sites, and the groups that it holds."""

    name: str
    parents: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """All sites, in the order of the files, with the groups, the masked paths, and the files they came from."""

    sites: Mapping[str, Site]
    groups: Mapping[str, Group] = field(default_factory=_nothing)
    mask: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()

    @property
    def secret_variables(self) -> frozenset[str]:
        """The variables that hold secrets of these sites, which no secret command gets to see."""
        references = {reference for site in self.sites.values() for reference in site.secrets}
        return frozenset(reference.where for reference in references if reference.kind == "env")

    @property
    def order(self) -> dict[str, int]:
        """Each site's place in the order of the files."""
        return {name: place for place, name in enumerate(self.sites)}

    def __getitem__(self, name: str) -> Site:
        return self.sites[name]

    def __len__(self) -> int:
        return len(self.sites)
