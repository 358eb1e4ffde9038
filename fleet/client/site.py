"""The client of one site: retry around breaker around token around transport, and one change at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from fleet.admin import info
from fleet.admin.catalogue import operation_for, resource_of
from fleet.admin.operation import Operation, ReadBack
from fleet.admin.request import Placement, build_request
from fleet.client.breaker import Breaker, counts_against_site
from fleet.client.calls import Watched
from fleet.client.changes import Answer, Change
from fleet.client.handshake import PeerCertificate, peer_certificate
from fleet.client.retry import RetryBudget, Retrying
from fleet.client.settings import DEFAULT_READS
from fleet.client.signing_in import SigningIn
from fleet.client.wire import Wire
from fleet.errors import SiteError, TokenRefused
from fleet.inventory.model import Site
from fleet.inventory.secrets import CredentialRef, Secret
from fleet.outcome import outcome_of
from fleet.protocol.release import Release

if TYPE_CHECKING:
    from fleet.client.clients import Clients

__all__ = ["Answer", "SiteClient"]

T = TypeVar("T")


class SiteClient:
    """Everything that one run has with one site. Made by `Clients`; safe for any number of concurrent calls."""

    def __init__(self, site: Site, run: Clients) -> None:
        self.site = site
        self._run = run
        policy = run.settings.retry
        self._breaker = Breaker(policy)
        self._retrying = Retrying(
            policy,
            site.retries + 1,
            (run.budget, RetryBudget(policy.site_floor, policy.budget_share)),
            run.rng,
        )
        self._reads: anyio.Semaphore | None = None
        self._writer: anyio.Lock | None = None
        self._wire = Wire(site, run)
        self._signing = SigningIn(site, run, self._wire, lambda operation: self._exchange(operation, None))
        self._is_portal = site.url == site.auth.portal
        self._placement: Placement = "header"
        self._header_worked = False
        self.change_in_flight: str | None = None
        self.first_attempt: float | None = None
        self.most_attempts = 0
        self.finishing = False
        self.partial: Callable[[SiteError], Any] | None = None
        """What work that takes many calls has learnt so far: asked for when it is broken off, by the error given."""

    @property
    def release(self) -> Release | None:
        """The site's release, once something that tells it was read."""
        return self._wire.release

    # Calls

    async def call(self, operation: Operation[T]) -> T:
        """The answer to *operation*; raises the `SiteError` that it came to."""
        return (await self.ask(operation)).value

    async def ask(self, operation: Operation[T], *, looked: bool = False) -> Answer[T]:
        """The answer to *operation*, with what it did; raises the `SiteError` that it came to.

        A change whose effect can be read back is not sent where the state is so already: that is a `noop`. With
        *looked* the caller has just seen that it is not so.
        """
        if operation.changes:
            if self._writer is None:
                self._writer = anyio.Lock()
            async with self._writer:
                look = operation.read_back
                before = look is not None and (not looked or not look.whole) and await self._already(look)
                if before and look is not None and look.whole:
                    return Answer(value=None, outcome="noop")  # type: ignore[arg-type]
                change = Change(
                    self,
                    operation,
                    before=before,
                    send=self._attempt,
                    read=self._read,
                    clock=self._run.clock,
                    policy=self._run.settings.retry,
                )
                return await self._retried(change.attempt, operation)
        if self.finishing:
            # The only call of its work: there is nobody to wait for.
            return Answer(value=await self._read(operation))
        reads = self._reads
        if reads is None:
            reads = self._reads = anyio.Semaphore(self.site.reads or DEFAULT_READS, fast_acquire=True)
        try:
            # Most reads need not wait, and to find that out costs less than to wait for nothing.
            reads.acquire_nowait()
        except anyio.WouldBlock:
            await reads.acquire()
        try:
            return Answer(value=await self._read(operation))
        finally:
            reads.release()

    async def _already(self, look: ReadBack) -> bool:
        """Whether the state is as wanted before anything is sent; an answer that does not tell is no reason to stop."""
        try:
            return bool(look.done(await self.call(look.look)))
        except SiteError as error:
            if outcome_of(error) in ("failed", "protocol"):
                return False
            raise

    async def preview(self, operation: Operation[T]) -> Answer[Any]:
        """What *operation* would do, told by reading only: `noop` where the state is already so, else `changed`.

        Where no state tells, the resource that it acts on is read all the same: one that is not there, or a site that
        is not reached, fails as it would when the change is sent.
        """
        look = operation.read_back
        if look is None:
            if self._is_portal:
                await self.call(resource_of(operation, portal=True) or operation_for("portaladmin", portal=True)[0])
            else:
                await self.call(resource_of(operation) or info.admin())
            return Answer(value=None, outcome="changed", verified=False)
        already = look.done(await self.call(look.look))
        if already and not look.whole and (resource := resource_of(operation, portal=self._is_portal)) is not None:
            # It may be a name that is nowhere: then the site says so, as it would to the change.
            await self.call(resource)
        return Answer(value=None, outcome="noop" if already and look.whole else "changed")

    @contextmanager
    def wide_reads(self, width: int) -> Iterator[None]:
        """Within it, *width* requests may read from the site at once, unless the inventory says how many."""
        if self.site.reads is not None:
            yield
            return
        before, self._reads = self._reads, anyio.Semaphore(width, fast_acquire=True)
        try:
            yield
        finally:
            self._reads = before

    async def login(self) -> None:
        """Sign in, unless that has been done; raises `LoginRefused`, or what stood in the way."""
        await self._retried(self._signed_in, None)

    async def login_ahead(self) -> None:
        """Sign in at the portal that the inventory names, before the site is known to be one of its own.

        The site is shown nothing of it: `login`, and every call, look at what the site says of its portal first.
        """
        await self._retried(self._signing.ahead, None)

    async def certificate(self, *, sent: bool = False) -> PeerCertificate | None:
        """The certificate that the site shows, from a TLS handshake of its own without any request.

        None over http, and through a proxy, where there is no such handshake. It is judged as every other connection's
        is, and with *sent* has what the server sent along; raises `TlsFailed` or `ConnectFailed`.
        """
        way = await self._wire.way()
        if way.tls is None or way.proxy is not None:
            return None
        transport = self._run.transport
        return await peer_certificate(self.site.url, way.tls, transport.names, transport.sockets, sent=sent)

    async def secret(self, reference: CredentialRef) -> Secret:
        """The secret that *reference* names, for a change that sends it; from now on it is masked in what is shown.

        Raises `ConfigFailed` where it can't be had.
        """
        return await self._wire.lend(reference)

    def with_password(self, password: Secret) -> SiteClient:
        """Another client of this site, which signs in with *password* by itself: whether the site takes it."""
        reference = CredentialRef(kind="plain", plain=password)
        return SiteClient(dataclasses.replace(self.site, password=reference), self._run)

    def beside(self, site: Site) -> SiteClient:
        """The client of *site*, another one of the inventory, in the same run."""
        return self._run[site]

    def masked(self, text: str) -> str:
        """*text* with every secret masked that this run has looked up."""
        return self._run.masked(text)

    def note(self, kind: str, message: str) -> None:
        """Have *message* stand among the warnings of the report, under *kind*."""
        self._run.notes[self.site.name, kind] = message

    # Retry and breaker

    async def _retried(self, attempt: Callable[[], Awaitable[T]], operation: Operation[Any] | None) -> T:
        attempts = 0
        watched = None
        if self._run.on_call is not None and operation is not None:
            watched = Watched(self._run, self.site.name, operation.name)

        async def counted() -> T:
            nonlocal attempts
            attempts += 1
            self.most_attempts = max(attempts, self.most_attempts)
            if self.first_attempt is None:
                self.first_attempt = self._run.clock()
            return await (attempt() if watched is None else watched.attempt(attempt, attempts))

        try:
            value = await self._retrying.run(counted, repeatable=operation is None or operation.repeatable)
        except SiteError as error:
            error.site = self.site.name
            error.attempts = attempts
            if watched is not None:
                watched.ended(attempts, error)
            raise
        if watched is not None:
            watched.ended(attempts, None)
        return value

    def _read(self, operation: Operation[T]) -> Awaitable[T]:
        """The answer to *operation*, a read, with its repeats."""
        return self._retried(lambda: self._attempt(operation), operation)

    async def _attempt(self, operation: Operation[T]) -> T:
        """One attempt: the breaker lets it through, a token is presented, the answer is deciphered."""
        return await self._let_through(lambda: self._with_token(operation))

    async def _signed_in(self) -> None:
        await self._let_through(self._signing.token)

    async def _let_through(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """What *attempt* comes to, if the breaker lets it through, which is told how it ended."""
        breaker = self._breaker
        breaker.check(self._run.clock())
        try:
            value = await attempt()
        except SiteError as error:
            if counts_against_site(error):
                breaker.failed(self._run.clock())
            else:
                breaker.succeeded()
            raise
        except BaseException:
            breaker.abandoned()
            raise
        breaker.succeeded()
        return value

    # Token

    async def _with_token(self, operation: Operation[T]) -> T:
        if not operation.token:
            try:
                return await self._exchange(operation, None)
            except TokenRefused as refusal:
                if refusal.code != 499 or operation.anonymous:
                    raise
                # This site wants a token where most want none.
        renewed = False
        while True:
            token = await self._signing.token()
            in_header = operation.method == "GET" and not operation.secrets and self._placement == "header"
            try:
                value = await self._exchange(operation, token.value)
            except TokenRefused as refusal:
                if "clientid" in refusal.message.lower():
                    # The next token would be bound in the same way: signing in again would only go in circles.
                    raise
                if refusal.code == 499 and in_header and (renewed or not self._header_worked):
                    # A fresh token that "was not found": this site looks for it in the body only.
                    self._placement = "body"
                    continue
                if self._signing.turn_to_exchange():
                    continue
                self._signing.reject(token)
                if not renewed:
                    renewed = True
                    continue
                refusal.hint = (
                    refusal.hint or "a fresh token was refused at once: look at the site's clock and token settings"
                )
                raise
            self._header_worked = self._header_worked or in_header
            self._signing.taken()
            return value

    def _exchange(self, operation: Operation[T], token: Secret | None) -> Awaitable[T]:
        """One request and its answer."""
        text = None if token is None else token.reveal()
        request = build_request(operation, self.site.url, token=text, placement=self._placement, last=self.finishing)
        if operation.changes:
            self.change_in_flight = operation.name
        return self._wire.answer(operation, request, token)
