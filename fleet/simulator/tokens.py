"""Tokens of a simulated site: made, bound, expired, forgotten, and judged with the texts of real servers."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Issued", "TokenBook"]


@dataclass(frozen=True, slots=True)
class Issued:
    """A token that was given out: to whom, until when (epoch seconds), and what it is bound to."""

    user: str
    expires: float
    referer: str | None = None
    address: str | None = None


class TokenBook:
    """The tokens of one token realm, and the accounts that get some."""

    def __init__(self, accounts: dict[str, str], clock: Callable[[], float] = time.time) -> None:
        self.accounts = accounts
        self.primary = next(iter(accounts), "")
        """The primary administrator's name."""
        self._clock = clock
        self._tokens: dict[str, Issued] = {}
        self._wrong: dict[str, list[float]] = {}
        self.given = 0

    def check_password(self, user: str, password: str) -> str | None:
        """None for the right password, else the sentence that refuses it; five wrong ones lock the account."""
        now = self._clock()
        recent = [moment for moment in self._wrong.get(user, []) if now - moment < 900]
        if len(recent) >= 5:
            return "Too many failed attempts. The account is locked."
        known = self.accounts.get(user)
        if known is None or not hmac.compare_digest(known.encode(), password.encode()):
            self._wrong[user] = [*recent, now]
            return "Invalid username or password"
        self._wrong.pop(user, None)
        return None

    def become(self, user: str, password: str) -> None:
        """Let *user* be the primary administrator in place of the present one."""
        self.accounts.pop(self.primary, None)
        self.primary = user
        self.accounts[user] = password

    def issue(
        self, user: str, minutes: float, *, referer: str | None = None, address: str | None = None
    ) -> tuple[str, float]:
        """A new token and its end in epoch seconds."""
        self.given += 1
        token = secrets.token_urlsafe(48)
        expires = self._clock() + minutes * 60
        self._tokens[token] = Issued(user, expires, referer, address)
        return token, expires

    def judge(self, token: str, referer: str | None, address: str | None, *, bound: bool = True) -> str | None:
        """None for a token that is good, else the text of code 498; without *bound* its binding is not looked at."""
        issued = self._tokens.get(token)
        if issued is None:
            return "Could not decrypt token. Token may not be valid."
        if issued.expires <= self._clock():
            return "Token Expired."
        if not bound:
            return None
        if issued.referer is not None and issued.referer != referer:
            return "Invalid token, ClientID does not match."
        if issued.address is not None and issued.address != address:
            return "Invalid token, ClientID does not match."
        return None

    def bound_to_address(self, token: str) -> bool:
        """Whether *token* is bound to an address."""
        issued = self._tokens.get(token)
        return issued is not None and issued.address is not None

    def user_of(self, token: str) -> str | None:
        """Whom *token* was given to."""
        issued = self._tokens.get(token)
        return None if issued is None else issued.user

    def expire_all(self) -> None:
        """Let every token given so far be expired."""
        self._tokens = {
            token: Issued(issued.user, 0.0, issued.referer, issued.address) for token, issued in self._tokens.items()
        }

    def forget_all(self) -> None:
        """Forget every token given so far, as after a change of the shared key."""
        self._tokens.clear()
