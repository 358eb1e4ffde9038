"""What a call of one operation on one site came to, told to whoever keeps a log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from fleet.errors import SiteError

if TYPE_CHECKING:
    from fleet.client.clients import Clients

__all__ = ["LOGIN", "CallEvent", "CallWatch", "Watched"]

T = TypeVar("T")

LOGIN = "login"
"""The operation's name where a token was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEvent:
    """One attempt, or with `ended` the end of the whole call.

    `request` is the same for all attempts of one call and for its end, and for no other call of the run. `attempt` is
    the number of the attempt, at the end that of the last one (0 where none was sent). `seconds` is the time of the
    attempt, at the end that of the whole call with its pauses. `error` is None for a success.
    """

    site: str
    operation: str
    request: str
    attempt: int
    seconds: float
    error: SiteError | None = None
    ended: bool = False


CallWatch: TypeAlias = Callable[[CallEvent], None]


class Watched:
    """One call for whoever keeps a log: its attempts and its end, under one name."""

    def __init__(self, run: Clients, site: str, operation: str) -> None:
        self._run = run
        self._site = site
        self._operation = operation
        self._request = run.next_request()
        self._began = run.clock()

    async def attempt(self, attempt: Callable[[], Awaitable[T]], number: int) -> T:
        began = self._run.clock()
        try:
            value = await attempt()
        except SiteError as error:
            self._tell(number, began, error)
            raise
        self._tell(number, began, None)
        return value

    def ended(self, attempts: int, error: SiteError | None) -> None:
        self._tell(attempts, self._began, error, ended=True)

    def _tell(self, number: int, since: float, error: SiteError | None, *, ended: bool = False) -> None:
        watch = self._run.on_call
        if watch is not None:
            watch(
                CallEvent(
                    site=self._site,
                    operation=self._operation,
                    request=self._request,
                    attempt=number,
                    seconds=self._run.clock() - since,
                    error=error,
                    ended=ended,
                )
            )
