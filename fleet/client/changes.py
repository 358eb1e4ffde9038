"""A change on its way to a site: sent, and where its fate is open, decided by reading the state back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar

import anyio

from fleet.admin.operation import Effect, Operation, ReadBack
from fleet.client.breaker import counts_against_site
from fleet.client.settings import RetryPolicy
from fleet.errors import CircuitOpen, FateUnknown, Locked, SiteError, TimedOut, VerifyFailed

if TYPE_CHECKING:
    from fleet.client.site import SiteClient

__all__ = ["Answer", "Change"]

T = TypeVar("T")

Send: TypeAlias = Callable[[Operation[Any]], Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Generic[T]):
    """What a call came to: its value, what it did, and whether that was seen in the site's state.

    `verified` is False for a change whose effect could not be read back, otherwise None. `after` is what was read back.
    """

    value: T
    outcome: Literal["ok", "changed", "noop"] = "ok"
    verified: bool | None = None
    after: Any = None


class Change(Generic[T]):
    """One change of *client*'s site: *send* is one attempt at it, *read* one at what is read back, with its repeats.

    *before* says that the state looked as wanted before anything was sent, so that what can be read tells nothing.
    """

    def __init__(
        self,
        client: SiteClient,
        operation: Operation[T],
        *,
        before: bool,
        send: Send,
        read: Send,
        clock: Callable[[], float],
        policy: RetryPolicy,
    ) -> None:
        self._client = client
        self._operation = operation
        self._before = before
        self._send = send
        self._read = read
        self._clock = clock
        self._policy = policy
        self._resent = False
        self._seen: Any = None

    async def attempt(self) -> Answer[T]:
        """Send it once. An error that leaves here with `may_have_arrived` False may be sent again."""
        try:
            value = await self._send(self._operation)
        except SiteError as error:
            answer = await self._judge(error)
        else:
            answer = await self._verify(value)
        self._client.change_in_flight = None
        return answer

    async def _judge(self, error: SiteError) -> Answer[T]:
        """What became of a change that ended in *error*: done all the same, not done, or not to be told."""
        look = self._operation.read_back
        locked = isinstance(error, Locked)
        if not locked and not (error.fate_open and error.may_have_arrived):
            self._client.change_in_flight = None
            raise error
        if look is None:
            if locked:
                self._client.change_in_flight = None
                raise error
            raise self._unknown(error, "nothing that can be read tells")
        done = await self._look(look, wait=not locked)
        if done:
            return Answer(value=None, outcome="changed", after=self._seen)  # type: ignore[arg-type]
        if done is None and not locked:
            raise self._unknown(error, "its state can't be read, or is still on its way")
        if locked:
            # The lock kept it out: it may be sent again as soon as the lock is gone.
            error.may_have_arrived = False
            self._client.change_in_flight = None
            raise error
        if isinstance(error, TimedOut):
            raise self._unknown(error, "it was not done when we looked, and the site may still be at it")
        if self._operation.idempotent and not self._resent:
            self._resent = True
            error.may_have_arrived = False
            error.passing = True
            raise error
        raise self._unknown(error, "it is not done, and must not be sent again")

    async def _verify(self, value: T) -> Answer[T]:
        look = self._operation.read_back
        if look is None:
            return Answer(value=value, outcome="changed", verified=False)
        done = await self._look(look, wait=True)
        if done is None:
            return Answer(value=value, outcome="changed", verified=False, after=self._seen)
        if not done:
            self._client.change_in_flight = None
            raise VerifyFailed(
                "the site said that it is done, and its state says that it is not",
                hint="look at the site's log, and at its state a little later",
            )
        return Answer(value=value, outcome="changed", after=self._seen)

    async def _look(self, look: ReadBack, *, wait: bool) -> bool | None:
        """Whether it is done; with *wait*, what the state says once it has had time to settle.

        What restarts a web server makes the site unreachable for a while, and that tells nothing: it settles from then
        on when it answers again.
        """
        policy = self._policy
        end = self._clock() + policy.settle
        back_by = self._clock() + (policy.restart if self._operation.effect is Effect.DISRUPT else 0.0)
        pause = 0.1
        while True:
            try:
                self._seen = await self._read(look.look)
                done = look.done(self._seen)
                if done and self._before:
                    # It looked so before as well: the part of it that can be read tells nothing of the rest.
                    return None
            except SiteError as error:
                done = None
                if counts_against_site(error) or isinstance(error, CircuitOpen):
                    end = max(end, min(self._clock() + pause + policy.settle, back_by))
            if done or not wait or self._clock() + pause > end:
                return done
            await anyio.sleep(pause)
            pause = min(pause * 2, 2.0)

    def _unknown(self, cause: SiteError, why: str) -> FateUnknown:
        return FateUnknown(
            f"{self._operation.name} was sent, and its fate is unknown: {cause.message}; {why}",
            code=cause.code,
            hint="look at the site before you send it again",
        )
