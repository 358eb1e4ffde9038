"""The one place that sends a request again: which errors, how often, after what pause, and until when."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from fleet.client.settings import RetryPolicy
from fleet.errors import Locked, SiteError

__all__ = ["RetryBudget", "Retrying", "may_repeat"]

T = TypeVar("T")


def may_repeat(error: SiteError, *, repeatable: bool) -> bool:
    """Whether a request that ended in *error* may be sent again as it is.

    A read may whenever the error can pass. A change may only when it can't have arrived; what became of one that may
    have arrived is found out by reading the state, not by sending it again.
    """
    return error.passing and (repeatable or not error.may_have_arrived)


class RetryBudget:
    """How many repetitions are still allowed: a floor, plus a share of the first attempts made so far.

    A fleet in which everything fails would otherwise be sent several times the load that made it fail.
    """

    __slots__ = ("_allowed", "_share", "spent")

    def __init__(self, floor: int, share: float) -> None:
        self._allowed = float(floor)
        self._share = share
        self.spent = 0

    def earn(self) -> None:
        """A first attempt was made."""
        self._allowed += self._share

    def spend(self) -> bool:
        """Take one repetition out of the budget; False where none is left."""
        if self._allowed < 1.0:
            return False
        self._allowed -= 1.0
        self.spent += 1
        return True


class Retrying:
    """The policy of one site in one run, given to tenacity.

    Locks have a patience of their own and don't count as attempts: a site is a single writer, and waiting for its
    turn is no failure. Everything else is bounded by the attempts, the budgets of site and run, and the deadline.
    """

    __slots__ = ("_attempts", "_budgets", "_policy", "_random")

    def __init__(
        self,
        policy: RetryPolicy,
        attempts: int,
        budgets: tuple[RetryBudget, ...],
        rng: random.Random,
    ) -> None:
        self._policy = policy
        self._attempts = attempts
        self._budgets = budgets
        self._random = rng

    async def run(
        self,
        attempt: Callable[[], Awaitable[T]],
        *,
        repeatable: bool,
    ) -> T:
        """Await *attempt* until it returns, or its error may not be repeated, or patience ends; raises the last error.

        *repeatable* says whether the request may be sent again although it may have arrived.
        """
        for budget in self._budgets:
            budget.earn()
        try:
            return await attempt()
        except SiteError as error:
            if not may_repeat(error, repeatable=repeatable):
                raise
            first: SiteError | None = error
        # Most requests succeed at once and never come here: tenacity's bookkeeping is paid by those that fail.
        patience = _Patience(
            self._policy,
            self._attempts,
            self._budgets,
            self._random,
            repeatable,
        )

        async def again() -> T:
            nonlocal first
            if first is not None:
                known, first = first, None
                raise known
            return await attempt()

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(SiteError),
            stop=patience.stop,
            wait=patience.wait,
            sleep=anyio.sleep,
            reraise=True,
        )
        return await retrying(again)


class _Patience:
    """What one request has used up of the limits, in the two questions that tenacity asks: stop? and how long to wait?"""

    def __init__(
        self,
        policy: RetryPolicy,
        attempts: int,
        budgets: tuple[RetryBudget, ...],
        rng: random.Random,
        repeatable: bool,
    ) -> None:
        self._policy = policy
        self._attempts = attempts
        self._budgets = budgets
        self._random = rng
        self._repeatable = repeatable
        self._failures = 0
        self._locks = 0
        self._locked_for = 0.0
        self._pause = 0.0
        self._weighed = 0

    def wait(self, state: RetryCallState) -> float:
        """The pause after an attempt that failed, in seconds."""
        self._weigh(state)
        return self._pause

    def _weigh(self, state: RetryCallState) -> None:
        """Count the failure and settle the pause after it, once, whichever of the two questions comes first."""
        if state.attempt_number == self._weighed:
            return
        self._weighed = state.attempt_number
        error = _error_of(state)
        if isinstance(error, Locked):
            self._locks += 1
            self._pause = max(self._jitter(self._locks), self._policy.base / 2)
            self._locked_for += self._pause
        else:
            self._failures += 1
            asked_for = error.retry_after if error is not None else None
            self._pause = max(self._jitter(self._failures), asked_for or 0.0)

    def stop(self, state: RetryCallState) -> bool:
        """Whether it ends with that failure, rather than with one more attempt after the pause."""
        self._weigh(state)
        error = _error_of(state)
        if error is None or not may_repeat(error, repeatable=self._repeatable) or self._past_deadline():
            return True
        if isinstance(error, Locked):
            return self._locked_for > self._policy.lock_patience
        if self._failures >= self._attempts:
            return True
        return not all(budget.spend() for budget in self._budgets)

    def _jitter(self, times: int) -> float:
        """A random time between nothing and a bound that doubles each time (full jitter)."""
        return self._random.uniform(0.0, min(self._policy.cap, self._policy.base * 2.0 ** min(times - 1, 16)))

    def _past_deadline(self) -> bool:
        """Whether the pause would end after the run's deadline, which every enclosing scope knows."""
        return anyio.current_time() + self._pause >= anyio.current_effective_deadline()


def _error_of(state: RetryCallState) -> SiteError | None:
    error = state.outcome.exception() if state.outcome is not None else None
    return error if isinstance(error, SiteError) else None
