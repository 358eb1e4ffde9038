"""What a call of one operation on one site came to, told to whoever keeps a log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from fleet.errors import SiteError

__all__ = ["LOGIN", "CallEvent", "CallWatch"]

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
