"""What holds for all clients of one run: limits, patience, and who is told about requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from fleet.client.trace import Exchange

__all__ = ["CONNECT_LIMIT", "DEFAULT_READS", "DEFAULT_TIMEOUT", "ClientSettings", "RetryPolicy"]

DEFAULT_TIMEOUT = 30.0
"""Seconds that one attempt may take, from name look-up to the last byte, if nothing else is said."""

DEFAULT_READS = 4
"""Requests that read from one site at once, if nothing else is said."""

CONNECT_LIMIT = 5.0
"""Seconds of an attempt that name look-up, connect and TLS may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How patient one run is; times are seconds.

    How often a read is sent again is said by its site (`retries`). Pauses have a random length between 0 and `base`,
    doubling up to `cap` (full jitter). `lock_patience` is how long the lock of another administrative operation is waited
    out. The budget of the whole run allows `budget_floor` repetitions plus `budget_share` of all first attempts, one site
    `site_floor` plus the same share of its own.
    """

    base: float = 0.5
    cap: float = 20.0
    lock_patience: float = 60.0
    budget_share: float = 0.2
    budget_floor: int = 100
    site_floor: int = 3
    breaker_failures: int = 5
    breaker_pause: float = 30.0
    breaker_pause_cap: float = 300.0
    settle: float = 10.0
    """How long a state that was asked for may take to show after the site said yes."""
    restart: float = 120.0
    """How long a site may be out of reach after a change that restarts something, before its fate is called unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """Settings of one run; `timeout` is the limit of one attempt in seconds where the operator gave one."""

    timeout: float | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    answers_in_flight: int = 256 * 1024 * 1024
    """Bytes of undecoded answers that may be held at once in the whole run."""
    keepalive: float = 3.0
    """Seconds that an idle connection is kept: long enough between two calls of one sweep, and no longer."""
    on_exchange: Callable[[Exchange], None] | None = None
