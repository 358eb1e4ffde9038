"""One simulated site: it takes a parsed request, judges token, faults and mode, and lets a handler answer."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from inspect import isawaitable
from typing import Any

import anyio

from fleet.simulator import (
    administration,
    certificates,
    clusters,
    definitions,
    estate,
    gpjobs,
    items,
    kinds,
    kml,
    lifecycle,
    logs,
    permissions,
    public,
    publishing,
    records,
    security,
    services,
    storemachines,
    stores,
    system,
    usage,
    webadaptors,
)
from fleet.simulator.call import SUCCESS, Call, Route, missing
from fleet.simulator.keys import LoginKey
from fleet.simulator.ledger import Entry, Ledger
from fleet.simulator.locks import STORE, Locks, lock_failure
from fleet.simulator.privileges import refuses
from fleet.simulator.state import Machine, Service, SiteState
from fleet.simulator.switches import Switches
from fleet.simulator.tokens import TokenBook
from fleet.simulator.wire import REST_TYPE, Failure, Reply, admin_failure, carried, rest_failure

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
    "start-hangs": "a service that is started stays STARTING until its maxStartupTime has passed, and fails",
    "lost-answer": "a change is carried out, and the connection breaks before the answer",
    "data-broken": "a registered data item can't be reached from one machine",
    "redirect-away": "every request is redirected to another origin",
    "cert-expired": "the certificate has expired (with TLS)",
    "cert-self-signed": "the certificate is signed by itself (with TLS)",
    "cert-name": "the certificate is for another name (with TLS)",
    "cert-incomplete": "the certificate of the authority between is not sent (with TLS)",
    "cert-issuer-ending": "the authority between ends in five days (with TLS)",
}
"""Every kind of fault, and what it looks like from outside."""

_ROUTES: tuple[Route, ...] = (
    *administration.ROUTES,
    *lifecycle.ROUTES,
    *logs.ROUTES,
    *security.ROUTES,
    *stores.ROUTES,
    *system.ROUTES,
    *usage.ROUTES,
    *publishing.ROUTES,
    *certificates.ROUTES,
    *webadaptors.ROUTES,
    *storemachines.ROUTES,
    *clusters.ROUTES,
    *kml.ROUTES,
    *kinds.ROUTES,
    *definitions.ROUTES,
    *permissions.ROUTES,
    *items.ROUTES,
    *gpjobs.ROUTES,
    *services.ROUTES,
    *public.ROUTES,
)

_SERVICE = re.compile(r"rest/services/(?:([^/]+)/)?([^/]+)/([A-Za-z]+Server)(?:/.*)?", re.IGNORECASE)
"""A request to a service itself, which its statistics count."""


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
        self.locks = Locks()
        self._lock_since: float | None = None
        self._back_at = 0.0
        self._requests = 0
        self._first_token_shown = False
        self._login_key: LoginKey | None = None
        self.on_fault: Callable[[str, bool], None] = lambda kind, on: None
        self.on_certificate: Callable[[certificates.Details | None, float], None] = lambda details, ends: None
        """Told which certificate the web server shows from now on, and when it ends; None for that of the start."""
        self._pauses: dict[str, anyio.Event] = {}
        self.background: set[asyncio.Task[None]] = set()
        """Work of operations that were asked to run on by themselves."""
        estate.furnish(self, self.tokens.accounts.get(self.tokens.primary, ""))

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

    def write_log(
        self,
        count: int = 1,
        *,
        level: str = "SEVERE",
        code: int = 9003,
        message: str = "Failed to construct instance of service.",
        over: float = 0.0,
    ) -> None:
        """Write *count* log records, spread evenly over the last *over* seconds by the site's own clock.

        A level that the log settings leave out is not written.
        """
        now = self.state.clock()
        for place in range(count):
            self.state.log(level, (code, message), at=now - over * (count - 1 - place) / count)

    def requests(self, operation: str | None = None) -> list[Entry]:
        """What the site was asked, in order; *operation* is the last part of a path."""
        return self._ledger.of(self.name, operation)

    def count(self, operation: str | None = None) -> int:
        """How many requests there were."""
        return len(self.requests(operation))

    @contextmanager
    def hold(self, subject: str, around: str = "") -> Iterator[None]:
        """Hold the lock of *subject* (see `Locks`) while something changes; whoever comes second is told so at once."""
        taken = self._is_stuck(subject) or "locked-forever" in self.faults
        if "locked" in self.faults:
            now = self._clock()
            self._lock_since = self._lock_since or now
            taken = taken or now - self._lock_since < 1.5
        with self.locks.hold(subject, taken=taken, around=around):
            yield

    def _is_stuck(self, subject: str) -> bool:
        return any(fnmatchcase(subject, pattern) for pattern in self.switches.stuck_locks)

    def lose_stuck_locks(self) -> None:
        """What only the restart of a machine does."""
        self.switches.stuck_locks = frozenset()

    # Restarts

    def restart(self) -> None:
        """Let the web server restart: connections are reset for a while, and what comes afterwards begins anew."""
        self._back_at = self._clock() + self.switches.restart_time

    def restarting(self) -> bool:
        """Whether the web server is on its way back."""
        return self._clock() < self._back_at

    def unregistered(self) -> bool:
        """Whether the web adaptor has not yet looked again after a restart."""
        return bool(self._back_at) and self._clock() < self._back_at + self.switches.registration_recheck

    def _no_token_yet(self) -> bool:
        return bool(self._back_at) and self._clock() < self._back_at + self.switches.token_delay

    # Answering

    async def answer(self, call: Call, token: str | None) -> tuple[Reply, str]:
        """The reply to *call*, and the name of the operation for the ledger."""
        path = call.path.rstrip("/")
        call.operation = path.rsplit("/", 1)[-1] or "admin"
        self._requests += 1
        if self.switches.address_pool:
            call.address = f"10.0.0.{1 + self._requests % self.switches.address_pool}"
        try:
            reply = await self._answer(call, path, token)
        except Failure as failure:
            reply = failure.reply
            if reply.code == 500:
                self.state.log("SEVERE", (6550, _first_message(reply)), user=call.user or "", method=call.operation)
        return carried(reply, self.switches.failure_transport, self.switches.failure_word), call.operation

    async def _answer(self, call: Call, path: str, token: str | None) -> Reply:
        lower = path.lower()
        if lower in ("admin/generatetoken", "tokens", "tokens/generatetoken"):
            call.operation = "generateToken"
            return self._generate_token(call, rest=lower.startswith("tokens"))
        if lower == "admin/publickey" and "publicKey" not in self.switches.lacking:
            call.operation = "publicKey"
            return Reply(self._key().public())
        self._refuse_as_a_whole(lower)
        self._count_use(path)
        found = self._route(call, path)
        if found is None:
            return self._unrouted(call, path, token)
        route, call.args = found
        call.operation = route.operation
        if route.operation in self.switches.lacking or self.state.number < route.since:
            raise admin_failure(404, f"Could not find resource or operation '{route.operation}' on the system.")
        if route.token:
            self._admit(call, token, rest=lower.startswith("rest"))
            self._refuse_without_privilege(call, lower)
        if call.method not in route.methods:
            raise admin_failure(405, f"HTTP {call.method} is not supported.")
        if route.changes:
            self._refuse_change(read_only_ok=route.read_only_ok)
        if route.run_async and call.flag("runAsync"):
            return self._in_background(route, call)
        return await self._carry_out(route, call)

    async def _carry_out(self, route: Route, call: Call) -> Reply:
        if not route.changes:
            await self.work(route.operation, route.resource)
            return await _handled(route, call)
        if route.lock:
            with self.hold(route.lock):
                await self.work(route.operation, route.resource)
                reply = await _handled(route, call)
        else:
            reply = await _handled(route, call)
        if reply.changed:
            records.note(route, call)
        if self.switches.locked_but_done and reply.changed:
            raise admin_failure(500, STORE, changed=True)
        return reply

    async def work(self, operation: str, resource: str, usual: float = 0.0) -> None:
        """Take the time of *operation*: what the switch `durations` says, else *usual* seconds; and as long as it is paused."""
        told = self.switches.per_operation(self.switches.durations, operation, resource)
        seconds = usual if told is None else float(told)
        if seconds:
            await anyio.sleep(seconds)
        pause = self._pauses.get(f"{resource}.{operation}") or self._pauses.get(operation)
        if pause is not None:
            await pause.wait()

    @contextmanager
    def paused(self, operation: str) -> Iterator[None]:
        """While this context is open *operation* (`stop`, `machines.stop`) works, with its locks held, and does not end."""
        pause = self._pauses[operation] = anyio.Event()
        try:
            yield
        finally:
            del self._pauses[operation]
            pause.set()

    def loses(self, call: Call) -> bool:
        """Whether the answer to *call* gets lost on its way."""
        return "lost-answer" in self.faults or self._listed(self.switches.lost_answers, call)

    def cuts(self, call: Call) -> bool:
        """Whether *call* restarts the web server, which cuts the connection in place of an answer."""
        return self._listed(self.switches.cut_connections, call)

    def _listed(self, names: frozenset[str], call: Call) -> bool:
        parts = call.path.strip("/").split("/")
        resource = parts[1] if len(parts) > 1 else ""
        return bool(self.switches.per_operation(names, call.operation, resource))

    def _in_background(self, route: Route, call: Call) -> Reply:
        """Begin, and answer at once: what `runAsync` asks for where it is known."""
        jobs = self.state.kept.setdefault("jobs", {})
        job = {"id": f"j{len(jobs) + 1:08x}", "operation": route.operation, "status": "IN_PROGRESS", "messages": []}
        jobs[job["id"]] = job

        async def work() -> None:
            try:
                reply = await self._carry_out(route, call)
                job["status"] = "FAILED" if reply.code else "COMPLETED"
            except Failure as failure:
                job["status"], job["messages"] = "FAILED", [_first_message(failure.reply)]

        self.spawn(work())
        return Reply({**SUCCESS, "jobid": job["id"]}, changed=True)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Let *work* go on by itself, until it is done or the simulator closes."""
        task = asyncio.ensure_future(work)
        self.background.add(task)
        task.add_done_callback(self.background.discard)

    def _count_use(self, path: str) -> None:
        match = _SERVICE.fullmatch(path)
        service = self.state.find(match[1] or "", match[2], match[3]) if match else None
        if service is not None and self.state.real_of(service) == "STARTED":
            service.transactions += 1

    def _refuse_change(self, *, read_only_ok: bool) -> None:
        if self.state.mode == "READ_ONLY" and not read_only_ok:
            raise admin_failure(403, "The site is in read-only mode. This operation is not supported in this mode.")
        if "site" in self.locks.held or self._is_stuck("site"):
            raise lock_failure("site", "")

    def _refuse_without_privilege(self, call: Call, path: str) -> None:
        told = refuses(self, call.user or "", path)
        if told is not None:
            raise admin_failure(403, told)

    def _refuse_as_a_whole(self, lower: str) -> None:
        if "no-site" in self.faults and lower.startswith("admin") and lower not in lifecycle.WITHOUT_SITE:
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
                if route.operation == "folder" and args["folder"] not in self.state.folder_names:
                    # An operation that no handler owns is no folder.
                    continue
                if call.method in route.methods:
                    return route, args
                first = first or (route, args)
        return first

    def _unrouted(self, call: Call, path: str, token: str | None) -> Reply:
        """A path that nothing owns; strangers are not told so."""
        lower = path.lower()
        if lower.startswith("admin"):
            self._admit(call, token, rest=False)
            self._refuse_without_privilege(call, lower)
        raise missing(call)

    def refusal_code(self, call: Call, token: str | None) -> int | None:
        """498 or 499 where *token* would be refused, else None."""
        try:
            self._admit(call, token, rest=False)
        except Failure as failure:
            return failure.reply.code
        return None

    def _admit(self, call: Call, token: str | None, *, rest: bool) -> None:
        """Let the caller in, or say in which way the token is no good."""
        if token is None:
            if rest:
                raise rest_failure(499, "Token Required")
            raise admin_failure(
                499,
                "Unauthorized access. Token not found. You can generate a token using the 'generateToken' operation.",
            )
        told = self._judged(call, token)
        if told is None and "clientid" in self.faults:
            told = "Invalid token, ClientID does not match."
        if told is None and "expired-token" in self.faults and not self._first_token_shown:
            self._first_token_shown = True
            self.tokens.expire_all()
            told = "Token Expired."
        if told is not None:
            raise rest_failure(498, "Invalid token.") if rest else admin_failure(498, told)

    def _judged(self, call: Call, token: str) -> str | None:
        """None for a good token, else the text of code 498; `call.user` is set to whom it was given to."""
        if self.switches.token_check == "foreign":
            return "Could not decrypt token. Token may not be valid."
        referer, address = call.headers.get("Referer"), call.address
        bound = self.switches.token_check == "bound"
        told = self.tokens.judge(token, referer, address, bound=bound)
        call.user = self.tokens.user_of(token)
        shown_the_portal_s = told is not None and call.user is None and self.switches.portal_token == "accepted"
        if shown_the_portal_s and self.portal_tokens is not None:
            told = self.portal_tokens.judge(token, referer, address, bound=bound)
            call.user = self.portal_tokens.user_of(token)
            if told is None and bound and self.portal_tokens.bound_to_address(token):
                # Federated sites take tokens of the portal that are bound to a referer only.
                told = "Invalid token, ClientID does not match."
        return told

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
        if self._no_token_yet():
            raise admin_failure(500, "The server is starting, and does not give tokens yet.")
        shape = rest_failure if rest else admin_failure
        settings = security.token_settings_of(self.state)
        if call.method == "GET" and not (self.switches.get_generate_token or settings.get("allowHttpGet") == "true"):
            raise shape(405, "HTTP GET is not supported.")
        if rest and self.switches.user_store == "broken":
            raise rest_failure(500, "The user store could not be reached.")
        params = call
        if call.flag("encrypted"):
            plain = {
                key: self._key().decrypt(value) for key, value in call.params.items() if key not in ("f", "encrypted")
            }
            params = Call(self, call.method, call.path, plain)
        user, password = params.get("username"), params.get("password")
        if call.method == "POST" and {"username", "password"} & call.query:
            # Credentials in the address of a POST are not looked at unless the token settings say so.
            if settings.get("allowHttpPostQueryParams") != "true":
                user = password = None
        if user is None or password is None:
            if self.state.number < 10.7:
                return Reply({"ssl": {"supportsSSL": True, "sslPort": 6443}})
            raise shape(400, "Unable to generate token.")
        refusal = self._refused_account(user, password)
        if refusal is not None:
            self.state.log(
                "WARNING", (7123, f"Login failed for user '{user[:60]}'."), user=user[:60], method="generateToken"
            )
            if rest:
                raise rest_failure(401, "You are not authorized to access this information", "Invalid credentials")
            raise admin_failure(401, refusal)
        call.user = user
        return self._issue(params, call, user, rest=rest)

    def _refused_account(self, user: str, password: str) -> str | None:
        """Why the account is refused, or None. A broken user store leaves the primary administrator only."""
        primary = user == self.tokens.primary
        if self.switches.user_store == "broken" and not primary:
            return "Invalid username or password"
        refusal = self.tokens.check_password(user, password)
        if refusal is None and ("wrong-password" in self.faults or (primary and self.state.psa_disabled)):
            return "Invalid username or password"
        return refusal

    def _issue(self, params: Call, call: Call, user: str, *, rest: bool) -> Reply:
        client = (params.get("client") or "").lower()
        life = self.switches.token_life / 60
        try:
            minutes = float(params.get("expiration") or life)
        except ValueError:
            raise admin_failure(500, f'For input string: "{(params.get("expiration") or "")[:20]}"') from None
        settings = security.token_settings_of(self.state)
        short, long = float(settings["shortTimeout"]), float(settings["longTimeout"])
        if rest and minutes > short and not client:
            raise rest_failure(400, "Unable to generate token.", ("Client ID is required for long expiration tokens.",))
        minutes = min(minutes, life if life < short else long)
        referer = (params.get("referer") or params.get("referrer") or "") if client == "referer" else None
        address = params.get("ip") if client == "ip" else call.address if client == "requestip" else None
        token, expires = self.tokens.issue(user, minutes, referer=referer, address=address)
        as_text = self.switches.expires_as_text
        end = round((expires + self.switches.clock_offset) * 1000)
        as_text = as_text if as_text is not None else self.state.number < 11
        reply = Reply({"token": token, "expires": str(end) if as_text else end})
        if rest:
            reply.content_type = REST_TYPE
        return reply


async def _handled(route: Route, call: Call) -> Reply:
    reply = route.handler(call)
    return await reply if isawaitable(reply) else reply


def _first_message(reply: Reply) -> str:
    value = reply.value if isinstance(reply.value, dict) else {}
    messages = value.get("messages")
    error = value.get("error")
    if isinstance(messages, list) and messages:
        return str(messages[0])
    return str(error.get("message", "")) if isinstance(error, dict) else "failed"
