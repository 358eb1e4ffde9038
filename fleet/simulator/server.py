"""Many simulated sites in one process: listeners on loopback, and HTTP on top of what the sites answer."""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import ssl
import struct
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl

import anyio
from aiohttp import web

from fleet.simulator.call import Call
from fleet.simulator.certificates import Details, shows_from_the_start
from fleet.simulator.directory import foreign_form, own_token, page, wants_page
from fleet.simulator.front import answer_in_front, gateway_page
from fleet.simulator.ledger import Entry, Ledger, LedgerLost
from fleet.simulator.portal import SimulatedPortal
from fleet.simulator.site import FAULTS, SimulatedSite
from fleet.simulator.state import RELEASES, SiteState
from fleet.simulator.switches import Switches
from fleet.simulator.tls import Authority
from fleet.simulator.tokens import TokenBook
from fleet.simulator.wire import Reply, html_page
from fleet.toml_text import quoted

__all__ = ["PortTaken", "Simulator"]

HOST = "127.0.0.1"
HUGE = 80 * 1024 * 1024
UPLOAD_CAP = 64 * 1024 * 1024
FORM = "application/x-www-form-urlencoded"
ELSEWHERE = "http://127.0.0.1:9/arcgis"


class PortTaken(Exception):
    """A port that a site should listen on can't be had."""

    def __init__(self, port: int, error: OSError) -> None:
        reason = "is taken" if error.errno == errno.EADDRINUSE else f"can't be had: {error.strerror or error}"
        super().__init__(f"port {port} {reason}; choose another base with --port")


class Simulator:
    """Local ArcGIS Server sites that speak the real wire protocol; an async context manager.

    *port* is the base: site *i* (from 1) listens on base + *i*; 0 takes free ports. With *paths* all sites share the
    base port and are told apart by the first part of the path. *faults* maps a site's name, or a pattern such as
    `sim-00*`, to one of `FAULTS`; pairs are taken too. *switches* maps the name of a switch, or `SITE:NAME` with a
    pattern, to its value as text (see `Switches`); the attributes of `sites[…].switches` are the same switches.
    *federated* puts a portal on the base port. *mutual_tls* lets in only clients that show the certificate in
    `client_file`.
    """

    def __init__(
        self,
        sites: int = 5,
        *,
        port: int = 0,
        username: str = "siteadmin",
        password: str = "simulated",
        release: str = "11.3",
        seed: int = 1,
        faults: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        switches: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        tls: bool = False,
        mutual_tls: bool = False,
        latency: float = 0.0,
        federated: bool = False,
        paths: bool = False,
        ledger: Path | None = None,
        machines: int | None = None,
        services: int | None = None,
        folders: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if release not in RELEASES:
            raise ValueError(f"there is no release {release!r} here; there are {', '.join(RELEASES)}")
        if not username:
            raise ValueError("the administrator needs a name")
        last = port if paths else port + sites
        if port and last > 65_535:
            raise ValueError(
                f"{sites} sites from port {port + 1} on would pass 65535, the last there is; the base may be "
                f"{65_535 - sites} at most"
            )
        self.username = username
        self.password = password
        self.release = release
        self.sites: dict[str, SimulatedSite] = {}
        self.portal: SimulatedPortal | None = None
        self.ca_file: Path | None = None
        self.client_file: Path | None = None
        self._count = sites
        self._port = port
        self._seed = seed
        self._faults = list(faults.items() if isinstance(faults, Mapping) else faults)
        self._switches = list(switches.items() if isinstance(switches, Mapping) else switches)
        self._tls = tls or mutual_tls
        self._mutual = mutual_tls
        self._latency = latency
        self._federated = federated
        self._paths = paths
        self._shape = {"machines": machines, "services": services, "folders": folders}
        self._clock = clock
        self._by_port: dict[int, SimulatedSite | SimulatedPortal] = {}
        self._by_context: dict[str, SimulatedSite | SimulatedPortal] = {}
        self._sockets: dict[str, socket.socket] = {}
        self._listeners: dict[str, asyncio.Server] = {}
        self._server: web.Server | None = None
        self._working: set[asyncio.Future[Reply | None]] = set()
        self._authority: Authority | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        width = len(str(sites)) if sites > 9999 else 4
        self._names = [f"sim-{number:0{width}d}" for number in range(1, sites + 1)]
        for pattern, kind in self._faults:
            if kind not in FAULTS:
                raise ValueError(f"there is no fault {kind!r}; there are {', '.join(FAULTS)}")
            if not any(fnmatchcase(name, pattern) for name in self._names):
                raise ValueError(f"the fault {kind} is for {pattern!r}, and no simulated site is called so")
            if kind.startswith("cert-") and not self._tls:
                raise ValueError(f"the fault {kind} needs certificates: give --tls (tls=True) too")
        for name in self._names:
            self._switches_of(name)
        self.ledger_book = Ledger(ledger)

    def _switches_of(self, site: str) -> Switches:
        """The switches of *site*; raises `ValueError` for a name or a value that there is not."""
        switches = Switches(latency=self._latency)
        for key, text in self._switches:
            pattern, colon, name = key.rpartition(":")
            if not colon or fnmatchcase(site, pattern):
                switches.set(name, text)
            elif not any(fnmatchcase(one, pattern) for one in self._names):
                raise ValueError(f"the switch {name} is for {pattern!r}, and no simulated site is called so")
        return switches

    # What tests ask

    @property
    def ledger(self) -> list[Entry]:
        """Every request so far."""
        return self.ledger_book.entries

    @property
    def connections(self) -> int:
        """How many connections are open at this moment."""
        return 0 if self._server is None else len(self._server.connections)

    def inventory_toml(self, *, password_from_environment: bool = False) -> str:
        """The inventory that matches: every site with its address, and the account for all of them."""
        lines = ["# Simulated ArcGIS Server sites.", "", "[defaults]", f"username = {quoted(self.username)}"]
        if password_from_environment:
            lines.append('password = { env = "FLEET_PASSWORD" }')
        else:
            lines += [f"password = {quoted(self.password)}", "allow_plaintext = true  # it protects nothing real"]
        if self.portal is not None:
            lines.append(f'auth = {{ kind = "portal", portal = "{self.portal.url}" }}')
        if self.ca_file is not None:
            ours = "" if self.client_file is None else f', cert = "{self.client_file.as_posix()}"'
            lines.append(f'tls = {{ ca = "{self.ca_file.as_posix()}"{ours} }}')
        for name, site in self.sites.items():
            lines += ["", f"[sites.{name}]", f'url = "{site.url}"']
        return "\n".join(lines) + "\n"

    # Coming and going

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):
            await self._close()

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        if self._tls:
            self._folder = tempfile.TemporaryDirectory(prefix="fleet-simulator-")
            self._authority = Authority(Path(self._folder.name))
            self.ca_file = self._authority.ca_file
            if self._mutual:
                self._authority.demands_certificate = True
                self.client_file = self._authority.client_file()
        self._server = web.Server(self._handle, handler_cancellation=True, request_factory=_request_factory)
        self._make_places()
        for name, kind in (
            (name, kind) for pattern, kind in self._faults for name in self._names if fnmatchcase(name, pattern)
        ):
            self.sites[name].fault(kind)
        for name, listening in self._sockets.items():
            place = self.sites.get(name)
            if place is not None and "refused" in place.faults and not self._paths:
                continue
            await self._listen(loop, name, listening)

    def _make_places(self) -> None:
        book = TokenBook({self.username: self.password}, self._clock)
        if self._federated or self._paths:
            shared = self._bind("base", self._port)
        if self._federated:
            url = f"{self._scheme}://{self._host}:{shared}/portal"
            self.portal = SimulatedPortal(
                url=url,
                context="/portal",
                tokens=book,
                ledger=self.ledger_book,
                release=self.release,
                clock=self._clock,
            )
            self._by_port[shared] = self.portal
            self._by_context["portal"] = self.portal
        for number, name in enumerate(self._names, start=1):
            if self._paths:
                port, context = shared, f"/{name}"
            else:
                port, context = self._bind(name, self._port and self._port + number), "/arcgis"
            site = SimulatedSite(
                name,
                url=f"{self._scheme}://{self._host}:{port}{context}",
                context=context,
                state=SiteState(name, release=self.release, seed=self._seed, clock=self._clock, **self._shape),
                tokens=TokenBook({self.username: self.password}, self._clock),
                ledger=self.ledger_book,
                switches=self._switches_of(name),
                portal_url=None if self.portal is None else self.portal.url,
                portal_tokens=None if self.portal is None else book,
                clock=self._clock,
            )
            site.on_fault = self._watch(name)
            self.sites[name] = site
            if self.portal is not None:
                self.portal.sites.append(site)
            if self._paths:
                self._by_context[name] = site
            else:
                self._by_port[port] = site

    @property
    def _scheme(self) -> str:
        return "https" if self._tls else "http"

    @property
    def _host(self) -> str:
        return "localhost" if self._tls else HOST

    def _bind(self, name: str, port: int) -> int:
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((HOST, port))
        except OSError as error:
            listening.close()
            raise PortTaken(port, error) from None
        listening.setblocking(False)
        self._sockets[name] = listening
        bound: int = listening.getsockname()[1]
        return bound

    async def _listen(self, loop: asyncio.AbstractEventLoop, name: str, listening: socket.socket) -> None:
        assert self._server is not None
        context: ssl.SSLContext | None = None
        if self._authority is not None:
            faults = self.sites[name].faults if name in self.sites else set()
            kind = next((kind for kind in FAULTS if kind.startswith("cert-") and kind in faults), "good")
            context = self._context_of(name, kind)
        try:
            self._listeners[name] = await loop.create_server(self._server, sock=listening, ssl=context, backlog=512)
        except OSError as error:
            raise PortTaken(listening.getsockname()[1], error) from None

    def _context_of(self, name: str, kind: str) -> ssl.SSLContext:
        """The context of a listener; a site with one of its own shows the certificate that it was switched to."""
        authority = self._authority
        assert authority is not None
        site = self.sites.get(name)
        if site is None or self._paths:
            return authority.context(kind)
        shown: list[ssl.SSLContext] = []

        def switched(details: Details | None, ends: float) -> None:
            shown[:] = [] if details is None else [authority.made_for(details, ends)]

        site.on_certificate = switched
        context = authority.showing(kind, lambda: shown[0] if shown else None)
        shows_from_the_start(next(iter(site.state.machines.values())), authority.pair(kind))
        return context

    def _watch(self, name: str) -> Callable[[str, bool], None]:
        """`refused` set on a running site closes its listener for good."""

        def changed(kind: str, on: bool) -> None:
            if kind == "refused" and on and (listener := self._listeners.pop(name, None)) is not None:
                listener.close()

        return changed

    async def _close(self) -> None:
        for listener in self._listeners.values():
            listener.close()
        if self._server is not None:
            await self._server.shutdown(0.1)
        working: list[asyncio.Future[Any]] = list(self._working)
        for site in self.sites.values():
            working += site.background
        for work in working:
            work.cancel()
        await asyncio.gather(*working, return_exceptions=True)
        for listening in self._sockets.values():
            listening.close()
        self.ledger_book.close()
        if self._folder is not None:
            self._folder.cleanup()

    # HTTP

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except LedgerLost:
            return _reset(request)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        place, path = self._place(request)
        if place is None:
            return web.Response(status=404, text="nothing is here", headers={"Server": ""})
        call, token, token_in = await _parse(request, place, path)
        faults = place.faults
        site = place if isinstance(place, SimulatedSite) else None
        asked = path.rstrip("/").rsplit("/", 1)[-1] or "admin"
        if "hang" in faults:
            self._note(place, call, asked, token_in, 0, Reply())
            await anyio.sleep(3600)
        try:
            if "slow" in faults:
                await anyio.sleep(3.0)
            if site is not None and site.switches.latency:
                await anyio.sleep(site.switches.latency)
        except asyncio.CancelledError:
            # The caller has left before anything was done: a request all the same.
            self._note(place, call, asked, token_in, 0, Reply())
            raise
        if "reset" in faults or "refused" in faults or (site is not None and site.restarting()):
            self._note(place, call, "reset", token_in, 0, Reply())
            return _reset(request)
        early = self._early(place, call, request)
        if early is not None:
            reply = early
            self._note(place, call, asked, token_in, reply.status, reply)
        else:
            # What a site has begun it finishes, also when the caller hangs up meanwhile.
            waited = _Waited()
            work = asyncio.ensure_future(self._work(place, call, token, token_in, waited))
            self._working.add(work)
            work.add_done_callback(self._working.discard)
            limit = site.switches.gateway_limit if site and site.switches.web_adaptor == "time-out" else None
            done, _ = await asyncio.wait({work}, timeout=limit)
            if not done:
                assert site is not None
                page = gateway_page(site)
                waited.status = page.status
                return await self._respond(request, call, page, truncated=False)
            found = work.result()
            if found is None:
                return _reset(request)
            reply = found
        if site is not None and reply.changed and site.loses(call):
            return _reset(request)
        if site is not None and reply.code is None and site.cuts(call):
            site.restart()
            return _reset(request)
        if "huge" in faults and early is None and reply.code is None and token is not None:
            return await _huge(request)
        return await self._respond(request, call, reply, truncated="truncated" in faults)

    async def _work(
        self,
        place: SimulatedSite | SimulatedPortal,
        call: Call,
        token: str | None,
        token_in: str,
        waited: _Waited,
    ) -> Reply | None:
        """The site's reply; None where it must not go out, since the ledger can't tell of it."""
        refused = foreign_form(call, token_in)
        if refused is not None:
            reply, operation = refused, call.path.rstrip("/").rsplit("/", 1)[-1]
        elif wants_page(call):
            reply, operation = await page(place, call, token)
        else:
            reply, operation = await place.answer(call, token)
        try:
            self._note(place, call, operation, token_in, waited.status or reply.status, reply)
        except LedgerLost:
            return None
        return reply

    def _place(self, request: web.BaseRequest) -> tuple[SimulatedSite | SimulatedPortal | None, str]:
        """Which site the request is for, and the path below its context."""
        # Real servers take several slashes for one; clients that name the root folder "/" count on it.
        path = re.sub("/{2,}", "/", request.path)
        parts = path.lstrip("/").split("/", 1)
        rest = parts[1] if len(parts) > 1 else ""
        if self._paths:
            return self._by_context.get(parts[0]), rest
        transport = request.transport
        port = None if transport is None else transport.get_extra_info("sockname")[1]
        place = self._by_port.get(port) if port is not None else None
        if place is None or f"/{parts[0]}" != place.context:
            return None, rest
        return place, rest

    def _early(self, place: SimulatedSite | SimulatedPortal, call: Call, request: web.BaseRequest) -> Reply | None:
        """What stands before the API itself: redirects, and pages of others."""
        if "redirect-away" in place.faults:
            return Reply(body=b"", status=302, headers={"Location": f"{ELSEWHERE}/{call.path}?f=json"})
        if isinstance(place, SimulatedPortal):
            return _portal_front(place, call)
        return answer_in_front(place, call, slash=request.path.endswith("/"))

    def _note(
        self,
        place: SimulatedSite | SimulatedPortal,
        call: Call,
        operation: str,
        token_in: str,
        status: int,
        reply: Reply,
    ) -> None:
        self.ledger_book.note(
            site=place.name,
            method=call.method,
            path=f"{place.context}/{call.path}",
            operation=operation,
            params=call.params,
            token_in=token_in,
            status=status,
            code=reply.code,
            changed=reply.changed,
        )

    async def _respond(
        self, request: web.BaseRequest, call: Call, reply: Reply, *, truncated: bool
    ) -> web.StreamResponse:
        switches = call.site.switches if isinstance(call.site, SimulatedSite) else Switches()
        body = reply.encoded((call.get("f") or "").lower() == "pjson", switches.layout == "spaced")
        headers = {"Server": "", "Content-Type": self._content_type(call, reply), **reply.headers}
        if not truncated:
            answer = web.Response(status=reply.status, body=body, headers=headers)
            if switches.chunked:
                answer.enable_chunked_encoding()
            return answer
        response = web.StreamResponse(status=reply.status, headers=headers)
        response.content_length = len(body) + 100
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        if request.transport is not None:
            request.transport.close()
        return response

    def _content_type(self, call: Call, reply: Reply) -> str:
        if (
            reply.body is None
            and isinstance(call.site, SimulatedSite)
            and call.site.switches.content_type != Switches().content_type
        ):
            return call.site.switches.content_type
        return reply.content_type


def _portal_front(portal: SimulatedPortal, call: Call) -> Reply | None:
    """What a portal says instead of an answer: not there yet while it starts, or where its token end point has moved."""
    if "http-503" in portal.faults:
        return html_page("Service Unavailable", "The portal is starting.", status=503)
    if "token-redirect" in portal.faults and call.path.lower() == "sharing/rest/generatetoken":
        moved = f"{call.base}{portal.context}/sharing/generateToken"
        return Reply(body=b"", status=302, headers={"Location": moved})
    return None


@dataclass(slots=True)
class _Waited:
    """What somebody in front told the caller who had waited long enough: an HTTP status, or 0."""

    status: int = 0


def _request_factory(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    return web.BaseRequest(
        message, payload, protocol, writer, task, asyncio.get_running_loop(), client_max_size=UPLOAD_CAP
    )


async def _parse(
    request: web.BaseRequest, place: SimulatedSite | SimulatedPortal, path: str
) -> tuple[Call, str | None, str]:
    """The call in *request*, its token, and where that was."""
    query = dict(parse_qsl(request.query_string, keep_blank_values=True))
    form: dict[str, str] = {}
    files: dict[str, tuple[str, bytes]] = {}
    if request.method == "POST":
        kind = request.headers.get("Content-Type", "").split(";")[0].strip().lower()
        if kind == FORM:
            form = dict(parse_qsl((await request.read()).decode("utf-8", "replace"), keep_blank_values=True))
        elif kind == "multipart/form-data":
            for name, part in (await request.post()).items():
                if isinstance(part, web.FileField):
                    files[name] = (part.filename, part.file.read())
                else:
                    form[name] = str(part)
        else:
            # A body of another type is not seen at all: such a request simply lacks its token.
            await request.read()
    lower = {key.lower(): value for key, value in form.items()}
    lower_query = {key.lower(): value for key, value in query.items()}
    token: str | None = None
    token_in = "none"
    if value := lower.get("token"):
        token, token_in = value, "body"
    elif (value := lower_query.get("token")) and _reads_query(request, place):
        token, token_in = value, "query"
    elif value := _bearer(request, place):
        token, token_in = value, "header"
    elif value := request.cookies.get("agstoken"):
        books = (place.tokens, place.portal_tokens if isinstance(place, SimulatedSite) else None)
        token, token_in = own_token(value, *books), "cookie"
    scheme = "https" if request.secure else "http"
    base = f"{scheme}://{request.headers.get('Host', HOST)}"
    call = Call(
        site=place,  # type: ignore[arg-type]
        method=request.method,
        path=path,
        params={**query, **form},
        files=files,
        headers=request.headers,
        address=request.remote or HOST,
        base=base,
        query=frozenset(lower_query.keys() - lower.keys()),
    )
    return call, token, token_in


def _reads_query(request: web.BaseRequest, place: SimulatedSite | SimulatedPortal) -> bool:
    """Whether a token in the address is looked at: strict sites do so for GET only."""
    return request.method == "GET" or not isinstance(place, SimulatedSite) or place.switches.post_token_in_query


def _bearer(request: web.BaseRequest, place: SimulatedSite | SimulatedPortal) -> str | None:
    switch = place.switches.header_token if isinstance(place, SimulatedSite) else place.header_token
    if switch == "ignored":
        return None
    for name in ("X-Esri-Authorization", "Authorization"):
        text = request.headers.get(name, "")
        if text.lower().startswith("bearer "):
            return text[7:].strip()
    return None


def _reset(request: web.BaseRequest) -> web.StreamResponse:
    """Break the connection with a reset."""
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


async def _huge(request: web.BaseRequest) -> web.StreamResponse:
    """An answer without an announced length that goes on and on, up to a bound."""
    response = web.StreamResponse(headers={"Server": "", "Content-Type": "text/plain;charset=UTF-8"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    await response.write(b'{"items":["')
    chunk = b"x" * 262_144
    for _ in range(HUGE // len(chunk)):
        try:
            await response.write(chunk)
        except ConnectionError:
            break
    return response
