"""What every way of signing in has in common: a token, whom it belongs to, and which origins may see the secrets."""

from __future__ import annotations

import re
from collections.abc import Generator, Hashable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Protocol, TypeAlias

from fleet.errors import BadAnswer, LoginRefused, SiteError
from fleet.inventory.secrets import Secret
from fleet.protocol.envelope import NO_SITE_TEXTS, UPGRADE_TEXT, decipher
from fleet.protocol.fields import as_int
from fleet.protocol.message import Request, Response

__all__ = ["TOKEN", "Flow", "Provider", "Token", "read_token"]

ASKED_MINUTES = 60
FLOOR = 60.0
"""Seconds that a token is believed to live at least: a shorter life is a wrong clock, not a short token."""

CEILING = 14 * 86_400.0

TOKEN = re.compile(r"[\x21-\x7e]{8,4096}")
"""What a token looks like; anything else is no token, whoever says so."""

_CREDENTIALS = re.compile(
    r"invalid (?:user|credential|login)|credentials? (?:is|are) invalid|incorrect|invalid username|"
    r"not authorized|locked|too many|password",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token and how long it lives from the moment it was asked for, in seconds."""

    value: Secret
    lifetime: float


Flow: TypeAlias = Generator[Request, Response, Token]
"""A login as a generator: it yields requests, is sent their responses, and returns the token."""


class Provider(Protocol):
    """A way to sign in. `identity` is equal for sites that share one token, `base` is where secrets may go."""

    @property
    def identity(self) -> Hashable: ...

    @property
    def base(self) -> str: ...

    def sign_in(self, secrets: Mapping[str, Secret]) -> Flow: ...


def read_token(response: Response, *, member: str = "token", account: str = "username and password") -> Token:
    """The token in the answer of a token end point; *account* is what the hint says to check.

    A refusal is final (`LoginRefused`) when the end point says so: code 400, 401 or 403, or words about the account.
    Everything else that goes wrong there (no site yet, a page, 5xx) may pass, and is the error that it is.
    """
    try:
        answer = decipher(response, dict)
    except SiteError as error:
        raise _judged(error, response, account) from None
    value = answer.get(member)
    if not isinstance(value, str) or not TOKEN.fullmatch(value):
        if "ssl" in answer and value is None:
            raise LoginRefused(
                "the token end point saw no account",
                hint="set username and password for this site in the inventory",
            )
        raise BadAnswer("the token end point answered without a token")
    return Token(value=Secret(value), lifetime=_lifetime(answer, response))


def _judged(error: SiteError, response: Response, account: str) -> SiteError:
    if isinstance(error, LoginRefused):
        return error
    told = error.message
    if any(text in told.lower() for text in (*NO_SITE_TEXTS, UPGRADE_TEXT)):
        return error
    refused = error.code in (400, 401, 403) and error.kind in (
        "forbidden",
        "server",
        "auth",
        "not_found",
    )
    if refused or (error.kind in ("server", "forbidden") and _CREDENTIALS.search(told) and response.status < 500):
        return LoginRefused(
            f"the account was refused: {told}",
            code=error.code,
            hint=f"check {account}; nothing of it is sent again in this run, since accounts get locked",
        )
    return error


def _lifetime(answer: Mapping[str, Any], response: Response) -> float:
    """How long the token lives: what was asked for, or less where the answer says so.

    `expires` is epoch milliseconds by the server's clock, so it is compared with the server's own `Date`: then neither
    our clock nor any time zone matters. Without a `Date`, or with an absurd difference, what was asked for holds.
    """
    asked = ASKED_MINUTES * 60.0
    seconds = answer.get("expires_in")
    if (given := as_int(seconds)) is not None:
        return min(max(float(given), FLOOR), CEILING)
    expires = as_int(answer.get("expires"))
    date = response.headers.get("date")
    if expires is None or date is None:
        return asked
    try:
        now = parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return asked
    left = expires / 1000 - now
    return left if FLOOR <= left <= asked else asked
