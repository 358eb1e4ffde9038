"""What can go wrong, as one tree: each error says which site, whether it may pass, and what to do.

FleetError
├── UsageError            the command, or an argument, is wrong: nothing was sent
│   ├── InventoryError    the inventory holds mistakes (all of them, each with its place)
│   └── SelectorError     the selector matches nothing, or can't be read
├── CoverageError         fewer sites answered than were required
├── AuditFailed           a change can't be put on record, and is therefore not sent
├── StoreFailed           a local store can't be read or written
├── LockHeld              another process holds what this one needs; the command line ends with status 5
├── PlanStale             sites have changed since they were planned: nothing was sent; the command line ends with status 6
└── SiteError             one site could not be asked, or said no; `kind` is stable and public
    ├── ConnectFailed TlsFailed CircuitOpen           the site was not reached
    ├── LoginRefused TokenRefused ConfigFailed        it was not possible to sign in
    ├── TimedOut DeadlinePassed Cancelled             time ran out, or somebody stopped the run
    ├── Forbidden NotFound Locked ServerFailed        the site answered no
    ├── LeaseLost                                     our own lease on the site is somebody else's now
    ├── Unhealthy VerifyFailed                        the site answered, and its state is not what it should be
    ├── BadAnswer TooLarge RedirectRefused            the answer is not one that this API gives
    └── FateUnknown                                   a change was sent, and what became of it can't be told
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

__all__ = [
    "AuditFailed",
    "BadAnswer",
    "Cancelled",
    "CircuitOpen",
    "ConfigFailed",
    "ConnectFailed",
    "CoverageError",
    "DeadlinePassed",
    "FateUnknown",
    "FleetError",
    "Forbidden",
    "InventoryError",
    "Kind",
    "LeaseLost",
    "LockHeld",
    "Locked",
    "LoginRefused",
    "NotFound",
    "PlanStale",
    "Problem",
    "RedirectRefused",
    "SelectorError",
    "ServerFailed",
    "SiteError",
    "StoreFailed",
    "TimedOut",
    "TlsFailed",
    "TokenRefused",
    "TooLarge",
    "Unhealthy",
    "UsageError",
    "VerifyFailed",
]

Kind = Literal[
    "connect",
    "tls",
    "timeout",
    "auth",
    "forbidden",
    "not_found",
    "locked",
    "server",
    "unhealthy",
    "verify",
    "protocol",
    "too_large",
    "redirect",
    "circuit_open",
    "cancelled",
    "deadline",
    "unknown_outcome",
    "config",
]


class FleetError(Exception):
    """The root of everything that this package raises on purpose."""


class UsageError(FleetError):
    """The request itself is wrong, and nothing was sent; the command line ends with status 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake in an inventory: where it stands, what it is, and the nearest thing that would be right."""

    file: str
    line: int | None
    key: str
    message: str
    suggestion: str | None = None

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        hint = f" (did you mean {self.suggestion}?)" if self.suggestion else ""
        return f"{place}: {self.key}: {self.message}{hint}" if self.key else f"{place}: {self.message}{hint}"


class InventoryError(UsageError):
    """The inventory holds mistakes; `problems` has every one of them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"{count} mistake{'' if count == 1 else 's'} in the inventory; nothing was sent\n{lines}")


class SelectorError(UsageError):
    """A selector can't be read, names something that is not there, or matches no site."""


class CoverageError(FleetError):
    """Fewer sites answered than the caller required."""


class AuditFailed(FleetError):
    """The record of a change can't be written; the change was not sent."""


class StoreFailed(FleetError):
    """A store on this machine can't be read or written; what was in it before is as it was."""


class LockHeld(FleetError):
    """Another process holds what this one needs: the text says who, and since when."""


class PlanStale(FleetError):
    """Sites differ from what a plan saw of them, and nothing was sent; `sites` says of each what differs."""

    def __init__(self, message: str, sites: Mapping[str, str]) -> None:
        super().__init__(message)
        self.sites = dict(sites)


class SiteError(FleetError):
    """One site could not be asked, or said no.

    `kind` is the stable public name of the cause. `code` is the site's own code where it gave one. `passing` says
    whether the same request may succeed a moment later, `may_have_arrived` whether the site may have acted on it, and
    `fate_open` whether it is open what the site did, since no answer of its own came back. `retry_after` is the pause in
    seconds that the site asked for. `site` and `attempts` are filled in by the client. `value` is what was learnt all the
    same (the health checks that did run), if anything was.
    The message and the hint never hold a secret, a query string, a header or a body.
    """

    kind: ClassVar[Kind] = "server"
    passing: bool = False
    may_have_arrived: bool = True
    fate_open: bool = False

    def __init__(
        self,
        message: str,
        *,
        code: int | None = None,
        hint: str | None = None,
        site: str | None = None,
        passing: bool | None = None,
        may_have_arrived: bool | None = None,
        fate_open: bool | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint
        self.site = site
        self.attempts = 0
        self.retry_after = retry_after
        self.value: Any = None
        if passing is not None:
            self.passing = passing
        if may_have_arrived is not None:
            self.may_have_arrived = may_have_arrived
        if fate_open is not None:
            self.fate_open = fate_open

    def reword(self, message: str) -> None:
        """Say *message* in place of what was said: nothing of that is kept."""
        self.message = message
        self.args = (message,)

    def __str__(self) -> str:
        return self.message if self.site is None else f"{self.site}: {self.message}"


class ConnectFailed(SiteError):
    """No connection came about, or it broke before an answer was complete."""

    kind = "connect"
    passing = True
    may_have_arrived = False


class TlsFailed(SiteError):
    """The site's certificate, or the handshake, was not acceptable; nothing was sent."""

    kind = "tls"
    may_have_arrived = False


class CircuitOpen(SiteError):
    """The site failed so often in a row that it is left alone for a while; nothing was sent."""

    kind = "circuit_open"
    may_have_arrived = False


class LoginRefused(SiteError):
    """A token end point refused the account; the password is not sent a second time in this run.

    It is not `final` where something in front of the end point refused, which has not judged the account at all.
    """

    kind = "auth"
    may_have_arrived = False
    final: bool = True


class TokenRefused(SiteError):
    """The site did not accept our token (code 498 or 499): it looked at nothing else of the request."""

    kind = "auth"
    may_have_arrived = False


class ConfigFailed(SiteError):
    """Something that this site needs is missing on our side (a secret, an extra); nothing was sent."""

    kind = "config"
    may_have_arrived = False


class TimedOut(SiteError):
    """One attempt used up its time limit."""

    kind = "timeout"
    fate_open = True


class DeadlinePassed(SiteError):
    """The whole run used up its time."""

    kind = "deadline"


class Cancelled(SiteError):
    """Somebody stopped the run."""

    kind = "cancelled"


class Forbidden(SiteError):
    """The account lacks the privilege (code 403)."""

    kind = "forbidden"


class NotFound(SiteError):
    """The site has no such resource or operation (code 404)."""

    kind = "not_found"


class Locked(SiteError):
    """Another administrative operation, or an upgrade, holds the site."""

    kind = "locked"
    passing = True


class LeaseLost(SiteError):
    """Our lease on the site ran out and was taken by somebody else; nothing more is sent to it."""

    kind = "locked"
    may_have_arrived = False


class ServerFailed(SiteError):
    """The site, or something in front of it, says that it failed."""

    kind = "server"


class Unhealthy(SiteError):
    """The site answered every question, and its state is critical."""

    kind = "unhealthy"


class VerifyFailed(SiteError):
    """The site said yes to a change, and its state says no."""

    kind = "verify"


class BadAnswer(SiteError):
    """The answer is not the JSON that this API gives."""

    kind = "protocol"
    fate_open = True


class TooLarge(SiteError):
    """The answer passes the cap for its kind."""

    kind = "too_large"
    fate_open = True


class RedirectRefused(SiteError):
    """The site sent us to another origin, or round in a circle; nothing was sent there."""

    kind = "redirect"
    may_have_arrived = False


class FateUnknown(SiteError):
    """A change was sent and its fate can't be told, not even by reading the state back."""

    kind = "unknown_outcome"
