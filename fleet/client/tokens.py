"""One token per identity, shared by everybody who waits for it, renewed ahead of its end by our own clock."""

from __future__ import annotations

import copy
import random
from collections.abc import Awaitable, Callable

import anyio

from fleet.auth.provider import Token
from fleet.errors import LoginRefused, SiteError, TimedOut

__all__ = ["TokenSource"]

LOGIN_TRIES = 3
"""How often a login that failed for a passing reason is tried in one run."""

SILENT_FOR = 60.0
"""Seconds for which a login that used up its time is not tried again."""


class TokenSource:
    """The token of one identity (one account at one token end point).

    However many calls wait, one of them signs in, and the others share its token, or its failure. A refusal by the
    token end point is final for the run: built-in user stores lock an account after a few wrong passwords.
    """

    def __init__(
        self,
        sign_in: Callable[[], Awaitable[Token]],
        clock: Callable[[], float],
        rng: random.Random,
    ) -> None:
        self._sign_in = sign_in
        self._clock = clock
        self._random = rng
        self._signing_in = False
        self._over: anyio.Event | None = None
        self._token: Token | None = None
        self._renew_at = 0.0
        self._refused: LoginRefused | None = None
        self._failure: tuple[int, SiteError] | None = None
        self._round = 0
        self._failures = 0
        self._failed_at = 0.0
        self.logins = 0

    @property
    def refused(self) -> LoginRefused | None:
        """The refusal that is final for this run, if there was one."""
        return self._refused

    async def token(self) -> Token:
        """A token with life left; raises `LoginRefused`, or what stood in the way of the login."""
        token = self._token
        if token is not None and self._clock() < self._renew_at:
            return token
        waited_for = self._round
        while self._signing_in:
            # Made by the first who waits: most logins are waited for by nobody.
            over = self._over = self._over or anyio.Event()
            await over.wait()
        if self._token is not None and self._clock() < self._renew_at:
            return self._token
        if self._refused is not None:
            raise copy.copy(self._refused)
        if self._failure is not None and self._shares(waited_for, self._failure[1]):
            # A copy: each caller writes its own site and attempts into the error.
            raise copy.copy(self._failure[1])
        self._signing_in = True
        try:
            return await self._renew()
        finally:
            self._signing_in = False
            if self._over is not None:
                self._over.set()
                self._over = None

    def _shares(self, waited_for: int, failure: SiteError) -> bool:
        """Whether the last failure is this caller's too, instead of a reason to try once more.

        It is, for those who waited while it happened, after too many tries, and for a while where the login used up
        its time: what did not answer in thirty seconds is not asked again by the next caller at once.
        """
        if self._round > waited_for or self._failures >= LOGIN_TRIES:
            return True
        return isinstance(failure, TimedOut) and self._clock() - self._failed_at < SILENT_FOR

    async def _renew(self) -> Token:
        self.logins += 1
        self._round += 1
        try:
            # The clock is read before the request: the life of a token begins when the site makes it, not when the
            # answer has arrived.
            asked_at = self._clock()
            token = await self._sign_in()
        except SiteError as error:
            if isinstance(error, LoginRefused) and error.final:
                self._refused = error
                raise
            self._failures += 1
            self._failure = (self._round, error)
            self._failed_at = self._clock()
            raise
        self._failures = 0
        self._failure = None
        self._token = token
        self._renew_at = asked_at + token.lifetime * self._random.uniform(0.6, 0.8)
        return token

    def reject(self, token: Token) -> None:
        """The site did not take *token*: the next caller signs in, unless somebody already has."""
        if self._token is token:
            self._token = None
