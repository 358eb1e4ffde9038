"""One simulated site: it takes a parsed request, judges token, faults and mode, and lets a handler answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import isawaitable

from fleet.simulator import administration, services
from fleet.simulator.call import Call, Route
from fleet.simulator.catchall import catch_all
from fleet.simulator.keys import LoginKey
from fleet.simulator.ledger import Entry, Ledger
from fleet.simulator.state import Machine, Service, SiteState, Switches
from fleet.simulator.tokens import TokenBook
from fleet.simulator.wire import REST_TYPE, Failure, Reply, admin_failure, html_page, rest_failure

__all__ = ["FAULTS", "SimulatedSite"]

FAULTS: dict[str, str] = {
    "refused": "nothing listens on the port",
    "hang": "the connection is accepted and nothing is ever answered",
    "slow": "every answer takes three seconds longer",
    "reset": "the connection is reset as soon as a request has come",
    "truncated": "the body ends before its announced length",
    "html": "every answer is an HTML page",
    "http-503": "every answer is HTTP 503 with an HTML page",
    "huge": "every answer that needs a token is larger than any client should take",
    "wrong-password": "every password is wrong",
    "expired-token": "the first token is expired when it is first shown",
    "clientid": "every token is bound to somebody else",
    "no-site": "the machine belongs to no site",
    "upgrading": "an upgrade is in progress",
    "locked": "another operation holds the site for a second and a half after the first change is tried",
    "locked-forever": "another operation holds the site and never lets go",
    "read-only": "the site is in read-only mode",
    "admin-blocked": "a web adaptor in front blocks admin and lets rest through",
    "unhealthy": "the health check fails",
    "machine-down": "the last machine should run and does not",
    "service-down": "two services should run and do not",
    "start-fails": "a service that is started fails with a report by each machine",
    "lost-answer": "a change is carried out, and the connection breaks before the answer",
    "redirect-away": "every request is redirected to another origin",
    "cert-expired": "the certificate has expired (with TLS)",
    "cert-name": "the certificate is for another name (with TLS)",
}
"""Every kind of fault, and what it looks like from outside."""

_ROUTES: tuple[Route, ...] = (*administration.ROUTES, *services.ROUTES)


class SimulatedSite:
    """A site with its state, its tokens, its switches and its faults; `url` is its base URL."""

    def __init__(
        self,
        name: str,
        *,
        url: str,
        context: str,
        state: SiteState,
        tokens: TokenBook,
        ledger: Ledger,
        switches: Switches | None = None,
        portal_url: str | None = None,
        portal_tokens: TokenBook | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self.url = url
        self.context = context
        self.state = state
        self.tokens = tokens
        self.switches = switches or Switches()
        self.portal_url = portal_url
        self.portal_tokens = portal_tokens
        self.faults: set[str] = set()
        self._ledger = ledger
        self._clock = clock
        self._locks: set[str] = set()
        self._lock_since: float | None = None
        self._first_token_shown = False
        self._login_key: LoginKey | None = None
        self.on_fault: Callable[[str, bool], None] = lambda kind, on: None

    # What tests ask and set

    @property
    def services(self) -> dict[str, Service]:
        """Service by `Folder/Name.Type`."""
        return self.state.services

    @property
    def machines(self) -> dict[str, Machine]:
        """Machine by name."""
        return self.state.machines

    def fault(self, kind: str) -> None:
        """Let the site suffer from *kind*, one of `FAULTS`, from now on."""
        if kind not in FAULTS:
            raise ValueError(f"there is no fault {kind!r}; there are {', '.join(FAULTS)}")
        self.faults.add(kind)
        if kind == "read-only":
            self.state.mode = "READ_ONLY"
        elif kind == "machine-down":
            list(self.state.machines.values())[-1].real = "STOPPED"
        elif kind == "service-down":
            for service in list(self.state.services.values())[:2]:
                service.real = "STOPPED"
        self.on_fault(kind, True)

    def clear_faults(self) -> None:
        """End every fault; what it left in the state is put right too."""
        for kind in list(self.faults):
            self.faults.discard(kind)
            self.on_fault(kind, False)
        self.state.mode = "EDITABLE"
        self._lock_since = None
        for machine in self.state.machines.values():
            machine.real = machine.configured
        for service in self.state.services.values():
            service.real = service.configured

    def forget_tokens(self) -> None:
        """Forget every token that was given out."""
        self.tokens.forget_all()

    def requests(self, operation: str | None = None) -> list[Entry]:
        """What the site was asked, in order; *operation* is the last part of a path."""
        return self._ledger.of(self.name, operation)

    def count(self, operation: str | None = None) -> int:
        """How many requests there were."""
        return len(self.requests(operation))

    @contextmanager
    def lock(self, subject: str) -> Iterator[None]:
        """Hold the lock of *subject* while something changes; whoever comes second is told so at once."""
        held = subject in self._locks or "locked-forever" in self.faults
        if "locked" in self.faults:
            now = self._clock()
            self._lock_since = self._lock_since or now
            held = held or now - self._lock_since < 1.5
        if held:
            raise admin_failure(
                500,
                f"{subject} is currently being configured by another administrative operation. Please try again later.",
            )
        self._locks.add(subject)
        try:
            yield
        finally:
            self._locks.discard(subject)

    # Answering

    async def answer(self, call: Call, token: str | None) -> tuple[Reply, str]:
        """The reply to *call*, and the name of the operation for the ledger."""
        path = call.path.rstrip("/")
        operation = path.rsplit("/", 1)[-1] or "admin"
        try:
            if path.lower() in ("admin/generatetoken", "tokens", "tokens/generatetoken"):
                return self._generate_token(call, rest=path.lower().startswith("tokens")), "generateToken"
            if path.lower() == "admin/publickey":
                return Reply(self._key().public()), "publicKey"
            self._refuse_as_a_whole(path)
            found = self._route(call, path)
            if found is None:
                return self._unrouted(call, path, token), operation
            route, args = found
            operation = route.operation
            call.args = args
            if operation in self.switches.lacking:
                raise admin_failure(404, f"Could not find resource or operation '{operation}' on the system.")
            if route.token:
                self._admit(call, token, rest=path.lower().startswith("rest"))
            if call.method not in route.methods:
                raise admin_failure(405, f"HTTP {call.method} is not supported.")
            if route.changes and self.state.mode == "READ_ONLY" and not route.read_only_ok:
                raise admin_failure(403, "The site is in read-only mode. This operation is not supported in this mode.")
            reply = route.handler(call)
            return (await reply if isawaitable(reply) else reply), operation
        except Failure as failure:
            return failure.reply, operation

    def _refuse_as_a_whole(self, path: str) -> None:
        lower = path.lower()
        if "no-site" in self.faults and lower.startswith("admin"):
            machine = next(iter(self.state.machines))
            raise admin_failure(
                404,
                f"Server machine '{machine}' does not participate in any Site. Create a new Site or join an existing "
                "Site.",
                acceptLanguage=None,
            )
        if "upgrading" in self.faults and lower.startswith("admin") and lower != "admin/upgrade":
            raise admin_failure(403, "Upgrade in progress.")

    def _route(self, call: Call, path: str) -> tuple[Route, dict[str, str]] | None:
        first: tuple[Route, dict[str, str]] | None = None
        for route in _ROUTES:
            match = route.pattern.fullmatch(path)
            if match is not None:
                args = {key: value for key, value in match.groupdict().items() if value is not None}
                if call.method in route.methods:
                    return route, args
                first = first or (route, args)
        return first

    def _unrouted(self, call: Call, path: str, token: str | None) -> Reply:
        if path.lower().startswith("admin"):
            self._admit(call, token, rest=False)
        return catch_all(call, path, self.state)

    def _admit(self, call: Call, token: str | None, *, rest: bool) -> None:
        """Let the caller in, or say in which way the token is no good."""
        if token is None:
            if rest:
                raise rest_failure(499, "Token Required")
            raise admin_failure(
                499,
                "Unauthorized access. Token not found. You can generate a token using the 'generateToken' operation.",
            )
        referer = call.headers.get("Referer")
        told = self.tokens.judge(token, referer, call.address)
        call.user = self.tokens.user_of(token)
        if told is not None and call.user is None and self.portal_tokens is not None:
            told = self.portal_tokens.judge(token, referer, call.address)
            call.user = self.portal_tokens.user_of(token)
        if told is None and "clientid" in self.faults:
            told = "Invalid token, ClientID does not match."
        if told is None and "expired-token" in self.faults and not self._first_token_shown:
            self._first_token_shown = True
            self.tokens.expire_all()
            told = "Token Expired."
        if told is not None:
            raise rest_failure(498, "Invalid token.") if rest else admin_failure(498, told)

    def _key(self) -> LoginKey:
        if self._login_key is None:
            self._login_key = LoginKey()
        return self._login_key

    def _generate_token(self, call: Call, *, rest: bool) -> Reply:
        if "no-site" in self.faults:
            machine = next(iter(self.state.machines))
            raise admin_failure(
                500,
                f"Local machine '{machine}' is not participating in any Site. Please create a new Site or join an "
                "existing Site.",
            )
        if "upgrading" in self.faults:
            raise admin_failure(403, "Upgrade in progress.")
        if call.method == "GET" and not self.switches.get_generate_token:
            if rest:
                raise rest_failure(405, "HTTP GET is not supported.")
            raise admin_failure(405, "HTTP GET is not supported.")
        params = call
        if call.flag("encrypted"):
            plain = {
                key: self._key().decrypt(value) for key, value in call.params.items() if key not in ("f", "encrypted")
            }
            params = Call(self, call.method, call.path, plain)
        user, password = params.get("username"), params.get("password")
        if user is None or password is None:
            if self.state.number < 10.7:
                return Reply({"ssl": {"supportsSSL": True, "sslPort": 6443}})
            raise admin_failure(400, "Unable to generate token.")
        refusal = self.tokens.check_password(user, password)
        if refusal is None and "wrong-password" in self.faults:
            refusal = "Invalid username or password"
        if refusal is not None:
            if rest:
                raise rest_failure(401, "You are not authorized to access this information", "Invalid credentials")
            raise admin_failure(401, refusal)
        return self._issue(params, call, user, rest=rest)

    def _issue(self, params: Call, call: Call, user: str, *, rest: bool) -> Reply:
        client = (params.get("client") or "").lower()
        try:
            minutes = float(params.get("expiration") or self.switches.token_minutes)
        except ValueError:
            raise admin_failure(500, f'For input string: "{(params.get("expiration") or "")[:20]}"') from None
        if rest and minutes > 60 and not client:
            raise rest_failure(400, "Unable to generate token.", ("Client ID is required for long expiration tokens.",))
        minutes = min(minutes, self.switches.token_minutes if self.switches.token_minutes < 60 else 1440.0)
        referer = (params.get("referer") or params.get("referrer") or "") if client == "referer" else None
        address = params.get("ip") if client == "ip" else call.address if client == "requestip" else None
        token, expires = self.tokens.issue(user, minutes, referer=referer, address=address)
        as_text = self.switches.expires_as_text
        end = round(expires * 1000)
        if as_text if as_text is not None else self.state.number < 11:
            return Reply({"token": token, "expires": str(end)})
        return Reply({"token": token, "expires": end}, content_type=REST_TYPE if rest else self.switches.content_type)

    def page_instead(self, path: str) -> Reply | None:
        """The page that stands in front of the answer where a fault puts one there."""
        if "http-503" in self.faults:
            return html_page("Service Unavailable", "The service is unavailable.", status=503)
        if "html" in self.faults:
            return html_page("ArcGIS Server Administrator Directory", "Home")
        if "admin-blocked" in self.faults and path.lower().startswith("admin"):
            return html_page(
                "ArcGIS Web Adaptor", "Administrative access is disabled for this web adaptor.", blank_lines=2
            )
        return None
