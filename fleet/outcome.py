"""What one site yielded: answered, failed, or not reached, with attempts and times."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from fleet.errors import Kind, SiteError

__all__ = [
    "MISSING",
    "Answered",
    "Failed",
    "NotReached",
    "Outcome",
    "OutcomeName",
    "error_object",
    "outcome_of",
    "timestamp",
]

T_co = TypeVar("T_co", covariant=True)

OutcomeName: TypeAlias = Literal[
    "ok",
    "changed",
    "noop",
    "failed",
    "verify_failed",
    "unreachable",
    "auth_failed",
    "timeout",
    "protocol",
    "cancelled",
    "skipped",
    "not_run",
    "unknown",
]

OUTCOME_OF_KIND: dict[Kind, OutcomeName] = {
    "connect": "unreachable",
    "tls": "unreachable",
    "circuit_open": "unreachable",
    "auth": "auth_failed",
    "config": "auth_failed",
    "timeout": "timeout",
    "deadline": "timeout",
    "forbidden": "failed",
    "not_found": "failed",
    "locked": "failed",
    "server": "failed",
    "unhealthy": "failed",
    "verify": "verify_failed",
    "protocol": "protocol",
    "too_large": "protocol",
    "redirect": "protocol",
    "cancelled": "cancelled",
    "unknown_outcome": "unknown",
}
"""Which outcome an error of each kind comes to when the site was asked."""

REACHED: frozenset[str] = frozenset({"ok", "changed", "noop", "failed", "verify_failed"})
"""The outcomes in which the site itself answered; every other one counts as missing from the coverage."""

MISSING: tuple[OutcomeName, ...] = (
    "unreachable",
    "auth_failed",
    "timeout",
    "protocol",
    "cancelled",
    "skipped",
    "not_run",
    "unknown",
)
"""The outcomes that count as missing, in the order in which coverage names them."""


def outcome_of(error: SiteError) -> OutcomeName:
    """The outcome that *error* comes to."""
    return OUTCOME_OF_KIND[error.kind]


def timestamp(at: float) -> str:
    """*at*, epoch seconds, as UTC text with milliseconds: `2026-11-23T10:15:00.123Z`."""
    milliseconds = int(at * 1000)
    return f"{_second(milliseconds // 1000)}.{milliseconds % 1000:03d}Z"


@lru_cache(maxsize=16)
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def error_object(error: SiteError) -> dict[str, Any]:
    """*error* as plain JSON values: `{"kind", "message", "code", "hint"}`."""
    return {
        "kind": error.kind,
        "message": error.message,
        "code": error.code,
        "hint": error.hint,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(Generic[T_co]):
    """The site did it: `ok` for a read, `changed` or `noop` for a change.

    `attempts` counts how often the request was sent, `elapsed` is seconds from the first attempt's start to `at`
    (epoch seconds). `verified` is False for a change whose effect can't be read back, otherwise None.
    """

    site: str
    value: T_co
    outcome: Literal["ok", "changed", "noop"] = "ok"
    attempts: int = 1
    elapsed: float = 0.0
    at: float = 0.0
    verified: bool | None = None

    @property
    def ok(self) -> bool:
        """Whether the site did it: yes."""
        return True

    def to_dict(self) -> dict[str, Any]:
        """The outcome as plain JSON values, one line of `ndjson`."""
        data: dict[str, Any] = {
            "site": self.site,
            "outcome": self.outcome,
            "ok": True,
            "value": self.value,
        }
        if self.verified is not None:
            data["verified"] = self.verified
        data |= {
            "attempts": self.attempts,
            "elapsed": round(self.elapsed, 3),
            "at": timestamp(self.at),
        }
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Generic[T_co]):
    """The site was asked and it did not come to a success; `value` keeps what was learnt all the same."""

    site: str
    error: SiteError
    outcome: OutcomeName = field(default="failed")
    value: T_co | None = None
    attempts: int = 1
    elapsed: float = 0.0
    at: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the site did it: no."""
        return False

    def to_dict(self) -> dict[str, Any]:
        """The outcome as plain JSON values, one line of `ndjson`."""
        data: dict[str, Any] = {"site": self.site, "outcome": self.outcome, "ok": False}
        if self.value is not None:
            data["value"] = self.value
        data["error"] = error_object(self.error)
        data |= {
            "attempts": self.attempts,
            "elapsed": round(self.elapsed, 3),
            "at": timestamp(self.at),
        }
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class NotReached:
    """The site was selected and its work did not run to an end: `not_run`, `skipped` or `cancelled`.

    `value` keeps what was learnt before it was cancelled, if anything was.
    """

    site: str
    error: SiteError
    outcome: Literal["not_run", "skipped", "cancelled"] = "not_run"
    value: Any = None
    attempts: int = 0
    elapsed: float = 0.0
    at: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the site did it: no."""
        return False

    def to_dict(self) -> dict[str, Any]:
        """The outcome as plain JSON values, one line of `ndjson`."""
        data: dict[str, Any] = {"site": self.site, "outcome": self.outcome, "ok": False}
        if self.value is not None:
            data["value"] = self.value
        data["error"] = error_object(self.error)
        data |= {
            "attempts": self.attempts,
            "elapsed": round(self.elapsed, 3),
            "at": timestamp(self.at),
        }
        return data


Outcome: TypeAlias = Answered[Any] | Failed[Any] | NotReached
"""Exactly one of these for every selected site."""
