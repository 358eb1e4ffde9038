"""Request in, Response out, over aiohttp: caps and time limits are applied here, and the HTTP library's errors end here."""

from __future__ import annotations

import asyncio
import math
import ssl
import time
import zlib
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self, TypeGuard
from urllib.parse import urlsplit

import aiohttp
import anyio
from yarl import URL

from fleet.client.bodies import body_of, encoded
from fleet.client.downloads import is_file, saved
from fleet.client.handshake import refusal_of_ours
from fleet.client.holding import Holding
from fleet.client.names import AT_ONCE, Names
from fleet.client.reaching import BROKE_HINT, RUNS_HINT, connect_failure, name_unknown, reason_of
from fleet.client.settings import CONNECT_LIMIT, ClientSettings
from fleet.client.sockets import NoDescriptor, Sockets, sockets_allowed
from fleet.client.tls import CERTIFICATE_ALERTS, explain_certificate, explain_handshake
from fleet.client.wary import WaryHandler
from fleet.errors import (
    BadAnswer,
    ConnectFailed,
    SiteError,
    TimedOut,
    TlsFailed,
    TooLarge,
)
from fleet.inventory.secrets import Secret
from fleet.inventory.tables import origin_of
from fleet.protocol.message import REPORT_CAP, Request, Response

__all__ = ["DIRECT", "Transport", "Way"]

SMALL = 64 * 1024
"""A body of known length up to this many bytes is read in one go and not counted as held."""

MOST_HELD = REPORT_CAP
"""Bytes of one answer that are ever held in memory; a file of more goes to the disk."""

CLOCK_GRAIN = 0.001
"""Seconds by which a timer may go off early."""

PROXY_REFUSAL = 407

MAX_HEADERS = 128
MAX_HEADER = 8190


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a site is reached: *tls* judges it (None over http), and *proxy* stands between, with what it asks for.

    `account` is the value of the header in which the proxy is told who asks.
    """

    tls: ssl.SSLContext | None = None
    proxy: str | None = None
    account: Secret | None = None


DIRECT = Way()


class Transport:
    """One HTTP session for a whole run, with a pool that keeps an idle connection for a few seconds only.

    The library's limit on connections is off: the engine and each site's client bound what is under way. Cookies,
    redirects, proxies from the environment and decompression are off too; what of it is wanted is done here.
    """

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings
        self._holding = Holding(settings.answers_in_flight)
        self._limits: dict[float, aiohttp.ClientTimeout] = {}
        self._session: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None
        self._patient: set[str] = set()
        self._accounts: dict[tuple[str | None, Secret], bool] = {}
        self._introducing: dict[tuple[str | None, Secret], anyio.Lock] = {}
        self.sockets = Sockets(sockets_allowed())
        self.names = Names(min(AT_ONCE, max(2, self.sockets.allowed // 8)))
        self.requests = 0

    async def __aenter__(self) -> Self:
        self._session = self._open(keep=True)
        return self

    def _open(self, *, keep: bool) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=0,
            happy_eyeballs_delay=None,
            ttl_dns_cache=300,
            dns_cache_max_size=20_000,
            resolver=self.names,
            socket_factory=self.sockets.make,
            **({"keepalive_timeout": self._settings.keepalive} if keep else {"force_close": True}),
        )
        connector._factory = partial(WaryHandler, loop=asyncio.get_running_loop())  # type: ignore[assignment]
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            requote_redirect_url=False,
            max_line_size=MAX_HEADER,
            max_field_size=MAX_HEADER,
            max_headers=MAX_HEADERS,
            read_bufsize=SMALL,
        )

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        sessions = (self._session, self._fresh)
        self._session = self._fresh = None
        with anyio.CancelScope(shield=True):
            for session in sessions:
                if session is not None:
                    await session.close()

    def leave(self, url: str) -> None:
        """Close the idle connections to the host of *url*, of which nothing more is asked.

        The event loop keeps 0.29 MB for an encrypted one, so that thousands can't wait for their time to run out. The
        library has no public way to close those of one host; without the private one they are closed a little later.
        """
        idle = getattr(self._session and self._session.connector, "_conns", None)
        if not idle:
            return
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 443
        for key in [key for key in idle if key.port == port and key.host == host]:
            for protocol, _ in idle.pop(key):
                protocol.close()

    async def send(
        self,
        request: Request,
        *,
        way: Way = DIRECT,
        limit: float,
        fresh: bool = False,
    ) -> Response:
        """Send *request* on *way* and read the whole answer within *limit* seconds.

        With *fresh* it goes on a connection of its own.

        Raises `ConnectFailed`, `TlsFailed`, `TimedOut`, `TooLarge` or `BadAnswer`; whether the site may have acted on
        the request is said by the error's `may_have_arrived`. Call `done_with` once the response is deciphered.
        """
        if way.account is None:
            return await self._sent(request, way, limit, fresh)
        # The account at a proxy serves many sites: until the proxy has seen it once nobody else shows it.
        account = (way.proxy, way.account)
        if account not in self._accounts:
            async with self._introducing.setdefault(account, anyio.Lock()):
                if account not in self._accounts:
                    try:
                        response = await self._sent(request, way, limit, fresh)
                    except SiteError as error:
                        self._accounts[account] = error.code != PROXY_REFUSAL
                        raise
                    self._accounts[account] = True
                    return response
        if not self._accounts[account]:
            raise _proxy_refused(PROXY_REFUSAL, way)
        return await self._sent(request, way, limit, fresh)

    @property
    def held(self) -> int:
        """Bytes of answers that are being read, or are not yet deciphered."""
        return self._holding.total

    def done_with(self, response: Response) -> None:
        """The body of *response* is deciphered or dropped: it no longer counts as held."""
        if response.held is not None:
            self._holding.leave(response.held)

    async def _sent(self, request: Request, way: Way, limit: float, fresh: bool) -> Response:
        if self.sockets.crowded:
            await self.sockets.room()
        while True:
            started = time.monotonic()
            try:
                with self.sockets:
                    return await self._exchange(request, way, started, limit, fresh)
            except NoDescriptor:
                # Outside of the time limit: a site that waits for a descriptor of ours has not been asked yet.
                await self.sockets.room()
                continue
            except SiteError:
                raise
            except (aiohttp.ClientError, OSError, ValueError) as error:
                if isinstance(error, TimeoutError) and time.monotonic() - started >= limit - CLOCK_GRAIN:
                    raise TimedOut(
                        f"no answer in {limit:g} s", hint="raise --timeout if the site is only slow"
                    ) from None
                broken = error
            raise await self._explained(broken, request, way) from None

    async def _explained(self, error: Exception, request: Request, way: Way) -> SiteError:
        """The error of ours for *error*. A first answer that did not come may have been a handshake that was refused."""
        translated = _translate(error, request, way)
        disconnected = isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError)
        if not disconnected or isinstance(error, aiohttp.ClientConnectorError) or isinstance(translated, TlsFailed):
            return translated
        origin = origin_of(request.url)
        if way.tls is None or way.proxy is not None or origin in self._patient:
            return translated
        refusal = await refusal_of_ours(request.url, way.tls, self.names, self.sockets)
        if refusal is None:
            # It waits for requests: what broke was something else, and is not asked about again.
            self._patient.add(origin)
            return translated
        # What became of a change stays open: the server may have come to this only after it had got the request.
        refusal.may_have_arrived, refusal.fate_open = translated.may_have_arrived, translated.fate_open
        return refusal

    async def _exchange(self, request: Request, way: Way, started: float, limit: float, fresh: bool) -> Response:
        session = self._session
        if session is None:
            raise RuntimeError("open the fleet first: async with Fleet.from_inventory(…) as fleet:")
        if fresh or self.sockets.tight:
            session = self._fresh = self._fresh or self._open(keep=False)
        headers = dict(request.headers)
        if request.last:
            headers["Connection"] = "close"
        told_proxy: dict[str, str] | None = None
        if way.account is not None:
            # On the way to an https:// site it is told when the tunnel is made, and nothing of it goes through.
            told_proxy = {"Proxy-Authorization": way.account.reveal()}
            if way.tls is None:
                headers |= told_proxy
        address = f"{request.url}?{encoded(request.query)}" if request.query else request.url
        timeout = self._limits.get(limit)
        if timeout is None:
            # The library's own timer is the cheapest one; by default it would round up to whole seconds.
            timeout = self._limits[limit] = aiohttp.ClientTimeout(
                total=limit, sock_connect=CONNECT_LIMIT, ceil_threshold=math.inf
            )
        with body_of(request) as (data, about):
            self.requests += 1
            response = await session.request(
                request.method,
                URL(address, encoded=True),
                data=data,
                headers=headers | about,
                timeout=timeout,
                allow_redirects=False,
                ssl=way.tls or True,
                proxy=way.proxy,
                proxy_headers=told_proxy,
            )
        if response.status == PROXY_REFUSAL and way.proxy is not None:
            response.close()
            raise _proxy_refused(PROXY_REFUSAL, way)
        try:
            length = response.content_length
            encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
            if length is not None and length > request.cap:
                raise _too_large(request.cap)
            if encoding not in ("identity", "", "gzip", "x-gzip"):
                raise BadAnswer(f"the answer is encoded as {encoding[:40]!r}, which was not asked for")
            begin = b""
            if request.into is not None:
                with anyio.fail_after(limit - (time.monotonic() - started)):
                    begin = await response.content.readany()
                    if is_file(response, begin):
                        size = await saved(
                            response, begin, request.into, request.cap, inflate=encoding in ("gzip", "x-gzip")
                        )
                        return Response(status=response.status, headers=response.headers, body=b"", saved=size)
            if length is not None and length <= SMALL and encoding in ("identity", ""):
                body, held = begin + await response.content.read(), None
            else:
                with anyio.fail_after(limit - (time.monotonic() - started)):
                    body, held = await self._read_counted(
                        response, min(request.cap, MOST_HELD), begin, encoding in ("gzip", "x-gzip")
                    )
        except BaseException:
            response.close()
            raise
        return Response(status=response.status, headers=response.headers, body=body, held=held)

    async def _read_counted(
        self, response: aiohttp.ClientResponse, cap: int, begin: bytes, inflate: bool
    ) -> tuple[bytes, int | None]:
        """Read as a stream, with the count of what was sent and of what it inflates to kept below *cap*.

        *begin* was read already. The body, and the number under which it is held.
        """
        parts = bytearray()
        sent = 0
        inflater = zlib.decompressobj(wbits=31) if inflate else None
        ticket = self._holding.enter()
        try:
            chunk = begin or await response.content.readany()
            while chunk:
                sent += len(chunk)
                if sent > cap:
                    raise _too_large(cap)
                if inflater is None:
                    piece = chunk
                else:
                    piece = inflater.decompress(chunk, cap + 1 - len(parts))
                    if inflater.unconsumed_tail or len(parts) + len(piece) > cap:
                        raise _too_large(cap)
                await self._holding.take(ticket, len(piece))
                parts += piece
                chunk = await response.content.readany()
            if inflater is not None and not inflater.eof and sent:
                raise ConnectFailed("the compressed answer broke off", may_have_arrived=True, fate_open=True)
        except BaseException as error:
            self._holding.leave(ticket)
            if isinstance(error, zlib.error):
                raise BadAnswer("the answer says gzip and is none") from None
            raise
        return bytes(parts), ticket


def _too_large(cap: int) -> TooLarge:
    return TooLarge(
        f"the answer passes {cap // (1024 * 1024)} MiB",
        hint="ask for less: one folder, fewer rows",
    )


def _proxy_refused(status: int, way: Way) -> ConnectFailed:
    """What a proxy's own refusal comes to; one for good is not asked again, since it may lock the account."""
    if status == PROXY_REFUSAL:
        known = way.account is not None
        return ConnectFailed(
            f"the proxy {way.proxy} {'does not take the account of the inventory' if known else 'asks for an account'}"
            " (HTTP 407)",
            hint="check username and password under proxy in the inventory"
            if known
            else 'write proxy = { url = …, username = …, password = { env = "…" } } in the inventory',
            code=PROXY_REFUSAL,
            passing=False,
        )
    return ConnectFailed(f"the proxy {way.proxy} refused with HTTP {status}", code=status, passing=status >= 500)


def _translate(error: Exception, request: Request, way: Way) -> SiteError:
    """The error of ours for one of the library's; its text is ours too, since theirs holds whole addresses."""
    host = URL(request.url).host or ""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            cause = error.certificate_error
            if isinstance(cause, ssl.SSLCertVerificationError):
                return explain_certificate(cause, host)
            return TlsFailed("the certificate is not for this host")
        case aiohttp.ClientSSLError():
            cause = error.os_error
            return explain_handshake(cause if isinstance(cause, ssl.SSLError) else ssl.SSLError())
        case aiohttp.ClientConnectorDNSError():
            if way.proxy is not None:
                return ConnectFailed(
                    f"the name of the proxy {way.proxy} is not known", hint="check proxy in the inventory"
                )
            return name_unknown(host)
        case aiohttp.ClientProxyConnectionError():
            return ConnectFailed(
                f"the proxy {way.proxy} can't be reached: {reason_of(error.os_error)}",
                hint="check proxy in the inventory",
            )
        case aiohttp.ClientHttpProxyError():
            return _proxy_refused(error.status, way)
        case aiohttp.ClientConnectorError():
            return connect_failure(error.os_error, host)
        case aiohttp.ConnectionTimeoutError():
            return ConnectFailed(f"no connection in {CONNECT_LIMIT:g} s", hint=RUNS_HINT)
        case aiohttp.ServerTimeoutError() | TimeoutError():
            return TimedOut("the connection fell silent")
        case aiohttp.ServerDisconnectedError():
            return _broken("the connection was closed before the answer")
        case aiohttp.ClientPayloadError():
            return _broken("the answer broke off")
        case aiohttp.ClientResponseError():
            return BadAnswer(f"the answer is not HTTP: {_first_words(error.message)}")
        case aiohttp.ClientOSError() if _about_certificate(error.__cause__):
            return explain_handshake(error.__cause__)
        case aiohttp.ClientOSError() | OSError():
            return _broken(f"the connection broke: {reason_of(error)}")
        case aiohttp.InvalidURL() | ValueError():
            return BadAnswer("the address, or a header of the answer, is not one that HTTP allows")
        case _:
            return _broken(f"the connection broke ({type(error).__name__})")


def _broken(sentence: str) -> ConnectFailed:
    """A connection that came about, and did not last until the answer was there."""
    return ConnectFailed(sentence, hint=BROKE_HINT, may_have_arrived=True, fate_open=True)


def _about_certificate(error: BaseException | None) -> TypeGuard[ssl.SSLError]:
    """Whether *error* is the alert of a server that did not take our certificate, or got none: nothing was asked yet."""
    return isinstance(error, ssl.SSLError) and any(alert in reason_of(error) for alert in CERTIFICATE_ALERTS)


def _first_words(text: str) -> str:
    line = text.strip().splitlines()[0] if text.strip() else "unreadable"
    return "".join(c if c.isprintable() else "?" for c in line)[:80]
