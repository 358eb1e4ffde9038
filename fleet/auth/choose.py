"""Which way of signing in a site's inventory entry asks for, and which secrets that way needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fleet.auth.oauth import ApplicationLogin
from fleet.auth.portal import PortalLogin
from fleet.auth.provider import Provider
from fleet.auth.server import ServerLogin
from fleet.auth.static import GivenToken
from fleet.errors import ConfigFailed
from fleet.inventory.model import Site
from fleet.inventory.secrets import CredentialRef
from fleet.inventory.tables import origin_of

__all__ = ["needed_secrets", "portal_of", "provider_for", "secrets_of"]


def provider_for(site: Site) -> Provider:
    """The provider that *site* asks for; raises `ConfigFailed` where the account's name is missing."""
    auth = site.auth
    match auth.kind:
        case "token":
            return GivenToken(site)
        case "oauth":
            assert auth.portal is not None
            assert auth.client_id is not None
            return ApplicationLogin(auth.portal, auth.client_id)
        case "portal":
            assert auth.portal is not None
            return PortalLogin(auth.portal, _account(site))
        case _:
            _account(site)
            return ServerLogin(site)


def secrets_of(site: Site) -> Mapping[str, CredentialRef]:
    """References of the secrets that the site's way of signing in needs; raises `ConfigFailed` if one is missing."""
    auth = site.auth
    match auth.kind:
        case "token":
            assert auth.token is not None
            return {"token": auth.token}
        case "oauth":
            assert auth.client_secret is not None
            return {"client_secret": auth.client_secret}
        case _:
            if site.password is None:
                raise ConfigFailed(
                    "the inventory names no password for this site",
                    hint='say where it lies, as in password = { env = "FLEET_PASSWORD" }',
                )
            return {"password": site.password}


def needed_secrets(site: Site) -> tuple[CredentialRef, ...]:
    """Every secret that a run on *site* looks up: to sign in, for our own certificate's key, and for the proxy."""
    try:
        sign_in = tuple(secrets_of(site).values())
    except ConfigFailed:
        sign_in = ()
    others = (site.tls.key_password, None if site.proxy is None else site.proxy.password)
    return (*sign_in, *(reference for reference in others if reference is not None))


def portal_of(site: Site) -> Site:
    """The portal that the inventory names for *site*, as something to ask: same account, proxy and trust.

    A pin is of the site's own certificate, and holds for the portal only where both have one origin. Raises
    `ConfigFailed` where no portal is named.
    """
    portal = site.auth.portal
    if portal is None:
        raise ConfigFailed(
            "the inventory names no portal for this site",
            hint='if it has one, write: auth = { kind = "portal", portal = "https://…" }',
        )
    auth = replace(site.auth, kind="portal") if site.auth.kind == "server" else site.auth
    tls = site.tls if origin_of(portal) == origin_of(site.url) else replace(site.tls, pin=None)
    return replace(site, url=portal, auth=auth, tls=tls)


def _account(site: Site) -> str:
    if not site.username:
        raise ConfigFailed(
            "the inventory names no username for this site",
            hint="set username for it, or in [defaults]",
        )
    return site.username
