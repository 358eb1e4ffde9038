"""What the clients of one run share: transport, tokens, secrets, TLS contexts and the retry budget."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Hashable, Iterable
from types import TracebackType
from typing import Self

import aiohttp
import anyio
import anyio.to_thread

from fleet.auth.choose import portal_of
from fleet.auth.provider import Token
from fleet.client.calls import CallWatch
from fleet.client.masking import Net
from fleet.client.retry import RetryBudget
from fleet.client.settings import ClientSettings
from fleet.client.site import SiteClient
from fleet.client.tls import TlsContexts
from fleet.client.tokens import TokenSource
from fleet.client.transport import DIRECT, Transport, Way
from fleet.inventory.model import Site
from fleet.inventory.secrets import CredentialRef, Secret, SecretStore

__all__ = ["Clients"]


class Clients:
    """An async context that makes the client of any site, and closes every connection at its end.

    *keep* holds on to each site's client, so that a later call in the same context finds its token again; without it
    nothing of a finished site stays in memory.
    """

    def __init__(
        self,
        settings: ClientSettings | None = None,
        *,
        secrets: SecretStore | None = None,
        keep: bool = True,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
        on_call: CallWatch | None = None,
    ) -> None:
        self.settings = settings or ClientSettings()
        self.clock = clock
        self.rng = rng or random.Random()
        self.transport = Transport(self.settings)
        self.budget = RetryBudget(self.settings.retry.budget_floor, self.settings.retry.budget_share)
        self.on_call = on_call
        self.notes: dict[tuple[str, str], str] = {}
        """What readers of a report must know: site and kind -> message."""
        self._calls = 0
        self._secrets = secrets or SecretStore()
        self.tls = TlsContexts()
        self._looking: dict[CredentialRef, anyio.Lock] = {}
        self._keep = keep
        self._clients: dict[str, SiteClient] = {}
        self._sources: dict[Hashable, TokenSource] = {}
        self._net = Net()
        self._looked_up = 0

    async def __aenter__(self) -> Self:
        await self.transport.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._secrets.stop()
        await self.transport.__aexit__(kind, error, trace)
        self._clients.clear()
        self._sources.clear()

    def __getitem__(self, site: Site) -> SiteClient:
        """The client of *site*."""
        known = self._clients.get(site.name)
        if known is None:
            known = SiteClient(site, self)
            if self._keep:
                self._clients[site.name] = known
        return known

    def leave(self, site: Site) -> None:
        """Nothing more is asked of *site* for now: its idle encrypted connections are not kept."""
        if not site.in_clear:
            self.transport.leave(site.url)

    def portal(self, site: Site) -> SiteClient:
        """A client of the portal that the inventory names for *site*; raises `ConfigFailed` where it names none."""
        return SiteClient(portal_of(site), self)

    def token_source(self, identity: Hashable, sign_in: Callable[[], Awaitable[Token]]) -> TokenSource:
        """The source of *identity*'s token. Sites that share a portal share it; a site's own lives with its client."""
        shared = isinstance(identity, tuple) and bool(identity) and identity[0] in ("portal", "oauth")
        if not shared:
            return TokenSource(sign_in, self.clock, self.rng)
        known = self._sources.get(identity)
        if known is None:
            known = self._sources[identity] = TokenSource(sign_in, self.clock, self.rng)
        return known

    async def secret(self, reference: CredentialRef) -> Secret:
        """The secret that *reference* names; files, key rings and commands are asked in a worker thread.

        However many sites name it, one thread looks, and a run that is cancelled does not wait for that thread.
        """
        if self._secrets.cheap(reference):
            return self._secrets.resolve(reference)
        async with self._looking.setdefault(reference, anyio.Lock()):
            if self._secrets.cheap(reference):
                return self._secrets.resolve(reference)
            return await anyio.to_thread.run_sync(self._secrets.resolve, reference, abandon_on_cancel=True)

    def known_secrets(self, references: Iterable[CredentialRef]) -> list[Secret]:
        """Those of *references* that were looked up and found."""
        return [secret for one in references if (secret := self._secrets.known(one)) is not None]

    async def way(self, site: Site) -> Way:
        """How *site* is reached: what judges its certificate, and the proxy between; raises `ConfigFailed`."""
        if site.proxy is None and site.in_clear:
            return DIRECT
        password = site.tls.key_password
        tls = None
        if not site.in_clear:
            tls = self.tls.context(site.tls, None if password is None else await self.secret(password))
        if site.proxy is None:
            return Way(tls=tls)
        account = None
        if site.proxy.password is not None:
            told = (site.proxy.username or "", (await self.secret(site.proxy.password)).reveal())
            account = Secret(aiohttp.encode_basic_auth(*told, encoding="utf-8"))
        return Way(tls=tls, proxy=site.proxy.url, account=account)

    def next_request(self) -> str:
        """The name of one more call of this run: `r000001`."""
        self._calls += 1
        return f"r{self._calls:06d}"

    def remember(self, secret: Secret) -> None:
        """Note a token, for the net that masks live secrets in logs; only while somebody asks for it."""
        if self.settings.on_exchange is not None or self.on_call is not None:
            self._net.add(secret.reveal())

    def masked(self, text: str) -> str:
        """*text* with every secret masked that this run has looked up, and with a trace or log also every token."""
        found, self._looked_up = self._secrets.live_since(self._looked_up)
        for secret in found:
            self._net.add(secret.reveal())
        return self._net.text(text)
