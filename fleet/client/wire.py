"""What goes over the wire to one site: requests, redirects, the ways there, and answers from which secrets are taken."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import anyio.to_thread
from msgspec.structs import replace

from fleet.admin.operation import Operation
from fleet.auth.choose import portal_of, secrets_of
from fleet.client.masking import Masker
from fleet.client.redirects import HOPS, next_request
from fleet.client.settings import DEFAULT_TIMEOUT
from fleet.client.trace import Exchange
from fleet.client.transport import Way
from fleet.errors import RedirectRefused, SiteError
from fleet.inventory.model import Site
from fleet.inventory.secrets import CredentialRef, Secret
from fleet.inventory.tables import origin_of
from fleet.protocol.envelope import decipher
from fleet.protocol.message import Request, Response
from fleet.protocol.release import Release

if TYPE_CHECKING:
    from fleet.client.clients import Clients

__all__ = ["Wire"]

T = TypeVar("T")

DECIPHERED_AT_ONCE = 1024 * 1024
"""Bytes of an answer that are deciphered where they arrive; a larger one is, in a thread, beside the other sites."""


class Wire:
    """The wire to *site* in one run. What the site says of itself on the way, `about` and `release`, is kept."""

    def __init__(self, site: Site, run: Clients) -> None:
        self._site = site
        self._run = run
        self._way: Way | None = None
        self._portal_way: Way | None = None
        self._ended: float | None = None
        self._asked = False
        self._shown: Secret | None = None
        self._masks: Masker | None = None
        self._lent: set[Secret] = set()
        """Secrets that changes sent, beside those of signing in."""
        self.about: dict[str, Any] | None = None
        """`rest/info`, once that was read."""
        self.release: Release | None = None

    @property
    def limit(self) -> float:
        """Seconds that one request may take, unless its operation wants more."""
        return self._run.settings.timeout or self._site.timeout or DEFAULT_TIMEOUT

    async def answer(self, operation: Operation[T], request: Request, token: Secret | None) -> T:
        """What the site answers to *request*, which asks for *operation* and shows *token*; raises its `SiteError`."""
        settings = self._run.settings
        limit = settings.timeout or max(self._site.timeout or DEFAULT_TIMEOUT, operation.limit or 0.0)
        response = await self.follow(request, limit, read=not operation.changes)
        read = partial(_read, response, operation, self._masker_for(operation, token), self._note_odd)
        try:
            if len(response.body) <= DECIPHERED_AT_ONCE:
                value = read()
            else:
                value = await anyio.to_thread.run_sync(read, abandon_on_cancel=True)
        finally:
            self._run.transport.done_with(response)
        if operation.name == "rest.info" and isinstance(value, dict):
            self.about = value
        if self.release is None and operation.name in ("rest.info", "info", "root") and isinstance(value, dict):
            self.release = Release.of(value)
        return value

    def _note_odd(self) -> None:
        message = "an answer is no strict JSON, and was read leniently: a character of it may be lost"
        self._run.notes[self._site.name, "odd_answer"] = message

    def _masker_for(self, operation: Operation[Any], token: Secret | None) -> Masker | None:
        """The same, with the secrets that *operation* itself carries, such as the password of a file."""
        own = [operation.parameters[name] for name in operation.secrets]
        if not any(own):
            return self._masker(token)
        known = [*self._run.known_secrets(secrets_of(self._site).values()), *self._lent]
        return Masker([*own, *(secret.reveal() for secret in [*known, *filter(None, [token])])])

    def _masker(self, token: Secret | None) -> Masker | None:
        """What masks the secrets that this site was shown; None while it was shown none."""
        if token is None and not self._asked:
            return None
        if self._masks is None or (token is not None and token is not self._shown):
            known = self._run.known_secrets(secrets_of(self._site).values())
            known.extend(self._lent)
            if token is not None:
                self._shown = token
                known.append(token)
            self._masks = Masker([secret.reveal() for secret in known])
        return self._masks

    async def secrets(self) -> dict[str, Secret]:
        """The secrets that signing in to the site takes, by name, which are masked in what it answers from now on."""
        found = {name: await self._run.secret(reference) for name, reference in secrets_of(self._site).items()}
        self._asked = True
        return found

    async def lend(self, reference: CredentialRef) -> Secret:
        """The secret that *reference* names, for a change that sends it; from now on it is masked as well."""
        found = await self._run.secret(reference)
        self._lent.add(found)
        self._masks = None
        return found

    def done_with(self, response: Response) -> None:
        """Nothing more is read of *response*."""
        self._run.transport.done_with(response)

    async def way(self) -> Way:
        """How the site is reached; raises `ConfigFailed`."""
        if self._way is None:
            self._way = await self._run.way(self._site)
        return self._way

    async def follow(self, request: Request, limit: float, *, read: bool) -> Response:
        """Send *request*, and again where a redirect leads on the same origin; the answer says whether one did."""
        response = await self._send(request, limit)
        if response.status < 300 or response.status >= 400:
            return response
        for _ in range(HOPS):
            following = next_request(request, response, read=read)
            if following is None:
                return replace(response, redirected=True)
            self._run.transport.done_with(response)
            request = following
            response = await self._send(request, limit)
            if not 300 <= response.status < 400:
                return replace(response, redirected=True)
        self._run.transport.done_with(response)
        raise RedirectRefused(f"the site redirects more than {HOPS} times")

    async def _way_of(self, request: Request) -> Way:
        """How the site is reached, or its portal, which the requests of a login may go to."""
        way = await self.way()
        if self._site.auth.portal is None or request.url.startswith(f"{self._site.url}/"):
            return way
        if origin_of(request.url) == origin_of(self._site.url):
            return way
        if self._portal_way is None:
            self._portal_way = await self._run.way(portal_of(self._site))
        return self._portal_way

    async def _send(self, request: Request, limit: float) -> Response:
        run = self._run
        way = self._way
        if way is None or self._site.auth.portal is not None:
            way = await self._way_of(request)
        # Behind a request that says "close" nothing more may be sent on its connection (RFC 9112, 9.6), which the
        # pool would do for as long as it keeps idle ones.
        fresh = self._ended is not None and run.clock() - self._ended < run.settings.keepalive + 1.0
        if request.last:
            self._ended = run.clock()
        watch = run.settings.on_exchange
        if watch is None:
            return await run.transport.send(request, way=way, limit=limit, fresh=fresh)
        started = run.clock()
        try:
            response = await run.transport.send(request, way=way, limit=limit, fresh=fresh)
        except SiteError as error:
            watch(_traced(self._site, request, None, error.message, run.clock() - started))
            raise
        watch(_traced(self._site, request, response, None, run.clock() - started))
        return response


def _read(response: Response, operation: Operation[T], masker: Masker | None, on_odd: Callable[[], None]) -> T:
    """The value in *response*, from which every secret that the site echoes is taken before anything is read."""
    value: T = decipher(
        response if masker is None else masker.response(response),
        operation.answer,
        binary=operation.binary,
        status_is_data=operation.status_is_data,
        success_is_data=operation.success_is_data,
        on_odd=on_odd,
    )
    return value


def _traced(site: Site, request: Request, response: Response | None, error: str | None, elapsed: float) -> Exchange:
    return Exchange(site=site.name, request=request, response=response, error=error, elapsed=elapsed)
