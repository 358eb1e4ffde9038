"""The client of one site: retry around breaker around token around transport, and one change at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import anyio
import anyio.to_thread
from msgspec.structs import replace

from fleet.admin import info
from fleet.admin.catalogue import operation_for, resource_of
from fleet.admin.operation import Effect, Operation, ReadBack
from fleet.admin.request import Placement, build_request
from fleet.auth.choose import portal_of, provider_for, secrets_of
from fleet.auth.portal import Exchange, federation_refusal
from fleet.auth.provider import Flow, Provider, Token
from fleet.client.breaker import Breaker, counts_against_site
from fleet.client.calls import LOGIN, CallEvent
from fleet.client.handshake import PeerCertificate, peer_certificate
from fleet.client.masking import Masker
from fleet.client.redirects import HOPS, next_request
from fleet.client.retry import RetryBudget, Retrying
from fleet.client.settings import DEFAULT_READS, DEFAULT_TIMEOUT
from fleet.client.tokens import TokenSource
from fleet.client.trace import Exchange as TracedExchange
from fleet.client.transport import Way
from fleet.errors import (
    CircuitOpen,
    FateUnknown,
    Locked,
    LoginRefused,
    RedirectRefused,
    SiteError,
    TimedOut,
    TokenRefused,
    VerifyFailed,
)
from fleet.inventory.model import Site
from fleet.inventory.secrets import CredentialRef, Secret
from fleet.inventory.tables import origin_of
from fleet.outcome import outcome_of
from fleet.protocol.envelope import decipher
from fleet.protocol.message import Request, Response
from fleet.protocol.release import Release

if TYPE_CHECKING:
    from fleet.client.clients import Clients

__all__ = ["Answer", "SiteClient"]

T = TypeVar("T")

DECIPHERED_AT_ONCE = 1024 * 1024
"""Bytes of an answer that are deciphered where they arrive; a larger one is, in a thread, beside the other sites."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Generic[T]):
    """What a call came to: its value, what it did, and whether that was seen in the site's state.

    `verified` is False for a change whose effect could not be read back, otherwise None. `after` is what was read back.
    """

    value: T
    outcome: Literal["ok", "changed", "noop"] = "ok"
    verified: bool | None = None
    after: Any = None


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
        self._way: Way | None = None
        self._portal_way: Way | None = None
        self._tokens: TokenSource | None = None
        # A portal is asked with its own token, and is federated with nobody.
        self._is_portal = site.url == site.auth.portal
        self._federated = site.auth.kind in ("portal", "oauth") and not self._is_portal
        self._exchanging = self._federated and site.auth.exchange
        self._token_taken = False
        self._placement: Placement = "header"
        self._header_worked = False
        self._federation_seen = not self._federated
        self.release: Release | None = None
        self.change_in_flight: str | None = None
        self.first_attempt: float | None = None
        self.most_attempts = 0
        self.finishing = False
        self.partial: Callable[[SiteError], Any] | None = None
        """What work that takes many calls has learnt so far: asked for when it is broken off, by the error given."""
        self._about: dict[str, Any] | None = None
        self._ended: float | None = None
        self._asked = False
        self._shown: Secret | None = None
        self._masks: Masker | None = None
        self._lent: set[Secret] = set()
        """Secrets that changes sent, beside those of signing in."""

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
                return await self._retried(_Change(self, operation, before=before).attempt, operation)
        if self.finishing:
            # The only call of its work: there is nobody to wait for.
            return Answer(value=await self._retried(lambda: self._attempt(operation), operation))
        reads = self._reads
        if reads is None:
            reads = self._reads = anyio.Semaphore(self.site.reads or DEFAULT_READS, fast_acquire=True)
        try:
            # Most reads need not wait, and to find that out costs less than to wait for nothing.
            reads.acquire_nowait()
        except anyio.WouldBlock:
            await reads.acquire()
        try:
            return Answer(value=await self._retried(lambda: self._attempt(operation), operation))
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

        async def ahead() -> None:
            self._tokens = self._tokens or self._token_source()
            await self._tokens.token()

        await self._retried(ahead, None)

    async def certificate(self, *, sent: bool = False) -> PeerCertificate | None:
        """The certificate that the site shows, from a TLS handshake of its own without any request.

        None over http, and through a proxy, where there is no such handshake. It is judged as every other connection's
        is, and with *sent* has what the server sent along; raises `TlsFailed` or `ConnectFailed`.
        """
        if self._way is None:
            self._way = await self._run.way(self.site)
        if self._way.tls is None or self._way.proxy is not None:
            return None
        transport = self._run.transport
        return await peer_certificate(self.site.url, self._way.tls, transport.names, transport.sockets, sent=sent)

    async def secret(self, reference: CredentialRef) -> Secret:
        """The secret that *reference* names, for a change that sends it; from now on it is masked in what is shown.

        Raises `ConfigFailed` where it can't be had.
        """
        found = await self._run.secret(reference)
        self._lent.add(found)
        self._masks = None
        return found

    def with_password(self, password: Secret) -> SiteClient:
        """Another client of this site, which signs in with *password* by itself: whether the site takes it."""
        reference = CredentialRef(kind="plain", plain=password)
        return SiteClient(dataclasses.replace(self.site, password=reference), self._run)

    def note(self, kind: str, message: str) -> None:
        """Have *message* stand among the warnings of the report, under *kind*."""
        self._run.notes[self.site.name, kind] = message

    # Retry and breaker

    async def _retried(self, attempt: Callable[[], Awaitable[T]], operation: Operation[Any] | None) -> T:
        attempts = 0
        watched = None
        if self._run.on_call is not None and operation is not None:
            watched = _Watched(self._run, self.site.name, operation.name)

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

    async def _attempt(self, operation: Operation[T]) -> T:
        """One attempt: the breaker lets it through, a token is presented, the answer is deciphered."""
        return await self._let_through(lambda: self._with_token(operation))

    async def _signed_in(self) -> None:
        await self._let_through(self._token)

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
                if refusal.code != 499:
                    raise
                # This site wants a token where most want none.
        renewed = False
        while True:
            token = await self._token()
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
                if self._federated and not self._exchanging and not self._token_taken:
                    # A portal's token that this site has never taken: the portal may have one for it.
                    self._exchanging, self._tokens = True, None
                    continue
                assert self._tokens is not None
                self._tokens.reject(token)
                if not renewed:
                    renewed = True
                    continue
                refusal.hint = (
                    refusal.hint or "a fresh token was refused at once: look at the site's clock and token settings"
                )
                raise
            self._header_worked = self._header_worked or in_header
            self._token_taken = True
            return value

    async def _token(self) -> Token:
        if not self._federation_seen:
            await self._check_federation()
        if self._tokens is None:
            self._tokens = self._token_source()
        return await self._tokens.token()

    def _token_source(self) -> TokenSource:
        provider = provider_for(self.site)
        portal = self.site.auth.portal
        if self._exchanging and portal is not None:
            of_portal = self._run.token_source(provider.identity, lambda: self._sign_in(provider))
            exchange = Exchange(portal, self.site)

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
        watched = _Watched(self._run, self.site.name, LOGIN)
        try:
            token = await watched.attempt(lambda: self._sign_in_unwatched(provider), 1)
        except SiteError as error:
            watched.ended(1, error)
            raise
        watched.ended(1, None)
        return token

    async def _sign_in_unwatched(self, provider: Provider) -> Token:
        references = secrets_of(self.site)
        secrets = {name: await self._run.secret(reference) for name, reference in references.items()}
        self._asked = True
        try:
            return await self._drive(provider.sign_in(secrets), provider.base, secrets.values())
        except LoginRefused as refusal:
            if self.site.auth.kind == "server" and refusal.final:
                await self._explain_refusal()
            raise refusal

    async def _explain_refusal(self) -> None:
        """Where a refused account turns out to belong to a portal, say so; raises `LoginRefused` with the line to add."""
        try:
            told = await self._exchange(info.rest(), None)
        except SiteError:
            return
        refusal = federation_refusal(self.site, told)
        if refusal is not None:
            raise refusal

    async def _check_federation(self) -> None:
        """A portal's token is shown only to a site that names this very portal as its own."""
        told = self._about
        if told is None:
            told = await self._exchange(info.rest(), None)
        owner = told.get("owningSystemUrl")
        if not isinstance(owner, str) or not owner:
            raise LoginRefused(
                "the site is not federated, and the inventory signs in at a portal",
                hint='write auth = { kind = "server" } for this site',
            )
        refusal = federation_refusal(self.site, told)
        if refusal is not None:
            raise refusal
        self._federation_seen = True

    async def _drive(self, flow: Flow, base: str, secrets: Iterable[Secret]) -> Token:
        """Send the requests of a login; every one must go below *base*, which the inventory names for this site.

        No error that comes of it holds one of *secrets*, whatever an end point echoes.
        """
        limit = self._run.settings.timeout or self.site.timeout or DEFAULT_TIMEOUT
        try:
            request = next(flow)
            while True:
                if not request.url.startswith(f"{base}/"):
                    raise RedirectRefused("a login went to an address that is not listed for this site")
                response = await self._follow(request, limit, read=True)
                self._run.transport.done_with(response)
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

    # Transport

    async def _exchange(self, operation: Operation[T], token: Secret | None) -> T:
        text = None if token is None else token.reveal()
        request = build_request(operation, self.site.url, token=text, placement=self._placement, last=self.finishing)
        if operation.changes:
            self.change_in_flight = operation.name
        settings = self._run.settings
        limit = settings.timeout or max(self.site.timeout or DEFAULT_TIMEOUT, operation.limit or 0.0)
        response = await self._follow(request, limit, read=not operation.changes)
        read = partial(_read, response, operation, self._masker_for(operation, token), self._note_odd)
        try:
            if len(response.body) <= DECIPHERED_AT_ONCE:
                value = read()
            else:
                value = await anyio.to_thread.run_sync(read, abandon_on_cancel=True)
        finally:
            self._run.transport.done_with(response)
        if operation.name == "rest.info" and isinstance(value, dict):
            self._about = value
        if self.release is None and operation.name in ("rest.info", "info", "root") and isinstance(value, dict):
            self.release = Release.of(value)
        return value

    def _note_odd(self) -> None:
        message = "an answer is no strict JSON, and was read leniently: a character of it may be lost"
        self._run.notes[self.site.name, "odd_answer"] = message

    def _masker_for(self, operation: Operation[Any], token: Secret | None) -> Masker | None:
        """The same, with the secrets that *operation* itself carries, such as the password of a file."""
        own = [operation.parameters[name] for name in operation.secrets]
        if not any(own):
            return self._masker(token)
        known = [*self._run.known_secrets(secrets_of(self.site).values()), *self._lent]
        return Masker([*own, *(secret.reveal() for secret in [*known, *filter(None, [token])])])

    def _masker(self, token: Secret | None) -> Masker | None:
        """What masks the secrets that this site was shown; None while it was shown none."""
        if token is None and not self._asked:
            return None
        if self._masks is None or (token is not None and token is not self._shown):
            known = self._run.known_secrets(secrets_of(self.site).values())
            known.extend(self._lent)
            if token is not None:
                self._shown = token
                known.append(token)
            self._masks = Masker([secret.reveal() for secret in known])
        return self._masks

    async def _follow(self, request: Request, limit: float, *, read: bool) -> Response:
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
        if self._way is None:
            self._way = await self._run.way(self.site)
        if self.site.auth.portal is None or request.url.startswith(f"{self.site.url}/"):
            return self._way
        if origin_of(request.url) == origin_of(self.site.url):
            return self._way
        if self._portal_way is None:
            self._portal_way = await self._run.way(portal_of(self.site))
        return self._portal_way

    async def _send(self, request: Request, limit: float) -> Response:
        run = self._run
        way = self._way
        if way is None or self.site.auth.portal is not None:
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
            watch(_traced(self.site, request, None, error.message, run.clock() - started))
            raise
        watch(_traced(self.site, request, response, None, run.clock() - started))
        return response


class _Change(Generic[T]):
    """One change on its way: sent, and where its fate is open, decided by reading the state back."""

    def __init__(self, client: SiteClient, operation: Operation[T], *, before: bool) -> None:
        self._client = client
        self._operation = operation
        self._before = before
        self._resent = False
        self._seen: Any = None

    async def attempt(self) -> Answer[T]:
        """Send it once. An error that leaves here with `may_have_arrived` False may be sent again."""
        client, operation = self._client, self._operation
        try:
            value = await client._attempt(operation)
        except SiteError as error:
            answer = await self._judge(error)
        else:
            answer = await self._verify(value)
        client.change_in_flight = None
        return answer

    async def _judge(self, error: SiteError) -> Answer[T]:
        """What became of a change that ended in *error*: done all the same, not done, or not to be told."""
        look = self._operation.read_back
        locked = isinstance(error, Locked)
        if not locked and not (error.fate_open and error.may_have_arrived):
            self._client.change_in_flight = None
            raise error
        if look is None:
            if locked:
                self._client.change_in_flight = None
                raise error
            raise self._unknown(error, "nothing that can be read tells")
        done = await self._look(look, wait=not locked)
        if done:
            return Answer(value=None, outcome="changed", after=self._seen)  # type: ignore[arg-type]
        if done is None and not locked:
            raise self._unknown(error, "its state can't be read, or is still on its way")
        if locked:
            # The lock kept it out: it may be sent again as soon as the lock is gone.
            error.may_have_arrived = False
            self._client.change_in_flight = None
            raise error
        if isinstance(error, TimedOut):
            raise self._unknown(error, "it was not done when we looked, and the site may still be at it")
        if self._operation.idempotent and not self._resent:
            self._resent = True
            error.may_have_arrived = False
            error.passing = True
            raise error
        raise self._unknown(error, "it is not done, and must not be sent again")

    async def _verify(self, value: T) -> Answer[T]:
        look = self._operation.read_back
        if look is None:
            return Answer(value=value, outcome="changed", verified=False)
        done = await self._look(look, wait=True)
        if done is None:
            return Answer(value=value, outcome="changed", verified=False, after=self._seen)
        if not done:
            self._client.change_in_flight = None
            raise VerifyFailed(
                "the site said that it is done, and its state says that it is not",
                hint="look at the site's log, and at its state a little later",
            )
        return Answer(value=value, outcome="changed", after=self._seen)

    async def _look(self, look: ReadBack, *, wait: bool) -> bool | None:
        """Whether it is done; with *wait*, what the state says once it has had time to settle.

        What restarts a web server makes the site unreachable for a while, and that tells nothing: it settles from then
        on when it answers again.
        """
        run = self._client._run
        policy = run.settings.retry
        end = run.clock() + policy.settle
        back_by = run.clock() + (policy.restart if self._operation.effect is Effect.DISRUPT else 0.0)
        pause = 0.1
        while True:
            try:
                self._seen = await self._client._retried(lambda: self._client._attempt(look.look), look.look)
                done = look.done(self._seen)
                if done and self._before:
                    # It looked so before as well: the part of it that can be read tells nothing of the rest.
                    return None
            except SiteError as error:
                done = None
                if counts_against_site(error) or isinstance(error, CircuitOpen):
                    end = max(end, min(run.clock() + pause + policy.settle, back_by))
            if done or not wait or run.clock() + pause > end:
                return done
            await anyio.sleep(pause)
            pause = min(pause * 2, 2.0)

    def _unknown(self, cause: SiteError, why: str) -> FateUnknown:
        return FateUnknown(
            f"{self._operation.name} was sent, and its fate is unknown: {cause.message}; {why}",
            code=cause.code,
            hint="look at the site before you send it again",
        )


class _Watched:
    """One call for whoever keeps a log: its attempts and its end, under one name."""

    def __init__(self, run: Clients, site: str, operation: str) -> None:
        self._run = run
        self._site = site
        self._operation = operation
        self._request = run.next_request()
        self._began = run.clock()

    async def attempt(self, attempt: Callable[[], Awaitable[T]], number: int) -> T:
        began = self._run.clock()
        try:
            value = await attempt()
        except SiteError as error:
            self._tell(number, began, error)
            raise
        self._tell(number, began, None)
        return value

    def ended(self, attempts: int, error: SiteError | None) -> None:
        self._tell(attempts, self._began, error, ended=True)

    def _tell(self, number: int, since: float, error: SiteError | None, *, ended: bool = False) -> None:
        watch = self._run.on_call
        if watch is not None:
            watch(
                CallEvent(
                    site=self._site,
                    operation=self._operation,
                    request=self._request,
                    attempt=number,
                    seconds=self._run.clock() - since,
                    error=error,
                    ended=ended,
                )
            )


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


def _traced(
    site: Site, request: Request, response: Response | None, error: str | None, elapsed: float
) -> TracedExchange:
    return TracedExchange(site=site.name, request=request, response=response, error=error, elapsed=elapsed)
