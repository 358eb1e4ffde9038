"""Signing in to one site: at the site itself or at its portal, and which token the site is to be shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

from fleet.admin import info
from fleet.admin.operation import Operation
from fleet.auth.choose import provider_for
from fleet.auth.portal import Exchange, federation_refusal
from fleet.auth.provider import Flow, Provider, Token
from fleet.client.calls import LOGIN, Watched
from fleet.client.masking import Masker
from fleet.client.tokens import TokenSource
from fleet.client.wire import Wire
from fleet.errors import LoginRefused, RedirectRefused, SiteError, TokenRefused
from fleet.inventory.model import Site
from fleet.inventory.secrets import Secret

if TYPE_CHECKING:
    from fleet.client.clients import Clients

__all__ = ["SigningIn"]


class SigningIn:
    """The token of *site* in one run; *ask* asks the site something without any token."""

    def __init__(
        self, site: Site, run: Clients, wire: Wire, ask: Callable[[Operation[Any]], Awaitable[dict[str, Any]]]
    ) -> None:
        self._site = site
        self._run = run
        self._wire = wire
        self._ask = ask
        self._tokens: TokenSource | None = None
        # A portal is asked with its own token, and is federated with nobody.
        self._federated = site.auth.kind in ("portal", "oauth") and site.url != site.auth.portal
        self._exchanging = self._federated and site.auth.exchange
        self._taken = False
        self._federation_seen = not self._federated

    async def token(self) -> Token:
        """A token for the site; signs in where there is none. Raises `LoginRefused`, or what stood in the way."""
        if not self._federation_seen:
            await self._check_federation()
        if self._tokens is None:
            self._tokens = self._token_source()
        return await self._tokens.token()

    async def ahead(self) -> None:
        """Sign in before the site is known to name the portal as its own: it is shown nothing of it yet."""
        self._tokens = self._tokens or self._token_source()
        await self._tokens.token()

    def taken(self) -> None:
        """The site has taken a token."""
        self._taken = True

    def turn_to_exchange(self) -> bool:
        """Have the portal's token exchanged from now on, if this site has never taken it; False where that is no way."""
        if not self._federated or self._exchanging or self._taken:
            return False
        self._exchanging, self._tokens = True, None
        return True

    def reject(self, token: Token) -> None:
        """The site no longer takes *token*."""
        assert self._tokens is not None
        self._tokens.reject(token)

    def _token_source(self) -> TokenSource:
        provider = provider_for(self._site)
        portal = self._site.auth.portal
        if self._exchanging and portal is not None:
            of_portal = self._run.token_source(provider.identity, lambda: self._sign_in(provider))
            exchange = Exchange(portal, self._site)

            async def exchanged() -> Token:
                for last in (False, True):
                    token = await of_portal.token()
                    secrets = {"token": token.value}
                    try:
                        return await self._drive(exchange.sign_in(secrets), exchange.base, secrets.values())
                    except TokenRefused:
                        # The portal itself no longer takes its token.
                        of_portal.reject(token)
                        if last:
                            raise
                    except LoginRefused as refusal:
                        refusal.message = f"the portal gives no token for this site: {refusal.message}"
                        refusal.hint = (
                            "`url` must be the address under which the site is federated: "
                            "fleet call portal:portaladmin/federation/servers shows it"
                        )
                        raise
                raise AssertionError("the loop ends with a token or an error")

            return self._run.token_source(exchange.identity, exchanged)
        return self._run.token_source(provider.identity, lambda: self._sign_in(provider))

    async def _sign_in(self, provider: Provider) -> Token:
        if self._run.on_call is None:
            return await self._sign_in_unwatched(provider)
        watched = Watched(self._run, self._site.name, LOGIN)
        try:
            token = await watched.attempt(lambda: self._sign_in_unwatched(provider), 1)
        except SiteError as error:
            watched.ended(1, error)
            raise
        watched.ended(1, None)
        return token

    async def _sign_in_unwatched(self, provider: Provider) -> Token:
        secrets = await self._wire.secrets()
        try:
            return await self._drive(provider.sign_in(secrets), provider.base, secrets.values())
        except LoginRefused as refusal:
            if self._site.auth.kind == "server" and refusal.final:
                await self._explain_refusal()
            raise refusal

    async def _explain_refusal(self) -> None:
        """Where a refused account turns out to belong to a portal, say so; raises `LoginRefused` with the line to add."""
        try:
            told = await self._ask(info.rest())
        except SiteError:
            return
        refusal = federation_refusal(self._site, told)
        if refusal is not None:
            raise refusal

    async def _check_federation(self) -> None:
        """A portal's token is shown only to a site that names this very portal as its own."""
        told = self._wire.about
        if told is None:
            told = await self._ask(info.rest())
        owner = told.get("owningSystemUrl")
        if not isinstance(owner, str) or not owner:
            raise LoginRefused(
                "the site is not federated, and the inventory signs in at a portal",
                hint='write auth = { kind = "server" } for this site',
            )
        refusal = federation_refusal(self._site, told)
        if refusal is not None:
            raise refusal
        self._federation_seen = True

    async def _drive(self, flow: Flow, base: str, secrets: Iterable[Secret]) -> Token:
        """Send the requests of a login; every one must go below *base*, which the inventory names for this site.

        No error that comes of it holds one of *secrets*, whatever an end point echoes.
        """
        try:
            request = next(flow)
            while True:
                if not request.url.startswith(f"{base}/"):
                    raise RedirectRefused("a login went to an address that is not listed for this site")
                response = await self._wire.follow(request, self._wire.limit, read=True)
                self._wire.done_with(response)
                try:
                    request = flow.send(response)
                except SiteError as error:
                    masker = Masker(secret.reveal() for secret in secrets)
                    if masker.response(response) is not response:
                        # The words may have been cut in the middle of a secret, which is then not found in them.
                        refused = "the account was refused: " if isinstance(error, LoginRefused) else ""
                        error.reword(f"{refused}what the token end point says holds a secret, and is not shown")
                    raise
        except StopIteration as end:
            token: Token = end.value
            self._run.remember(token.value)
            return token
        finally:
            flow.close()
