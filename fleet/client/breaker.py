"""Circuit breaker: stop calling a site that keeps failing, and let one request through to see whether it is back."""

from __future__ import annotations

from fleet.client.settings import RetryPolicy
from fleet.errors import CircuitOpen, ConnectFailed, ServerFailed, SiteError, TimedOut

__all__ = ["Breaker", "counts_against_site"]


def counts_against_site(error: SiteError) -> bool:
    """Whether *error* is a sign that the site is down: not reached, silent, or failing in front of its own answers."""
    return isinstance(error, ConnectFailed | TimedOut) or (isinstance(error, ServerFailed) and error.passing)


class Breaker:
    """Closed, open, or half-open, for one site; times are monotonic seconds that the caller passes in."""

    __slots__ = ("_failures", "_open_until", "_pause", "_policy", "_probing")

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._failures = 0
        self._open_until: float | None = None
        self._pause = policy.breaker_pause
        self._probing = False

    @property
    def state(self) -> str:
        """`closed`, `open`, or `half-open` while one request finds out."""
        if self._open_until is None:
            return "closed"
        return "half-open" if self._probing else "open"

    def check(self, now: float) -> None:
        """Raise `CircuitOpen` unless a request may go out at *now*."""
        if self._open_until is None:
            return
        if now >= self._open_until and not self._probing:
            self._probing = True
            return
        wait = max(0.0, self._open_until - now)
        raise CircuitOpen(
            f"left alone after {self._failures} failures in a row",
            hint=f"it is tried again in {wait:.0f} s",
            retry_after=wait,
        )

    def succeeded(self) -> None:
        """The site answered: whatever it said, it is there."""
        self._failures = 0
        self._open_until = None
        self._probing = False
        self._pause = self._policy.breaker_pause

    def failed(self, now: float) -> None:
        """The site was not reached, or was silent."""
        self._failures += 1
        if self._probing:
            self._pause = min(self._pause * 2, self._policy.breaker_pause_cap)
        if self._probing or self._failures >= self._policy.breaker_failures:
            self._open_until = now + self._pause
        self._probing = False

    def abandoned(self) -> None:
        """The request that was let through was cancelled, so it told nothing."""
        self._probing = False
