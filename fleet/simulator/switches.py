"""Switches: in which of the ways that real servers differ a simulated site behaves, as values and as text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

__all__ = ["SWITCHES", "Switches"]


@dataclass(slots=True)
class Switches:
    """How one site behaves where servers differ; the default of each is what is seen most. Times are seconds.

    The same names with dashes are those of `fleet simulate --switch`. Per operation means by the last part of its
    path, as in `stop`, or with the resource before it where that is not enough, as in `machines.stop`.
    """

    # What answers look like
    content_type: Literal["text/plain;charset=UTF-8", "application/json"] = "text/plain;charset=UTF-8"
    layout: Literal["compact", "spaced"] = "compact"
    chunked: bool = False
    failure_transport: Literal["body", "status", "always-status", "page", "xml"] = "body"
    failure_word: Literal["error", "failed", "failure"] = "error"
    expires_as_text: bool | None = None
    missing_slash: Literal[302, 301] = 302

    # Tokens
    token_check: Literal["bound", "unbound", "foreign"] = "bound"
    token_life: float = 3600.0
    header_token: Literal["accepted", "ignored"] = "accepted"
    portal_token: Literal["accepted", "refused"] = "accepted"
    post_token_in_query: bool = True
    get_generate_token: bool = False
    clock_offset: float = 0.0
    token_delay: float = 0.0
    address_pool: int = 0
    user_store: Literal["ok", "broken"] = "ok"

    # What stands in front
    web_adaptor: Literal["none", "open", "admin-blocked", "dead-back-end", "time-out"] = "none"
    gateway_limit: float = 1.0
    gateway_status: Literal[504, 502] = 504
    registration_recheck: float = 0.0
    web_tier: Literal["none", "challenge", "login-page"] = "none"

    # Time
    latency: float = 0.0
    start_time: float = 0.2
    stop_time: float = 0.1
    machine_start_time: float = 0.3
    machine_stop_time: float = 0.2
    durations: Mapping[str, float] = field(default_factory=dict)
    lost_answers: frozenset[str] = frozenset()
    cut_connections: frozenset[str] = frozenset()
    restart_time: float = 0.0
    upgrade_time: float = 1.0

    # Locks
    stuck_locks: frozenset[str] = frozenset()
    locked_but_done: bool = False

    # What it has, and how it takes things
    estate: Literal["usual", "bare", "worn"] = "usual"
    missing_directories: frozenset[str] = frozenset()
    list_parameter: bool = False
    created_stopped: bool = False
    upgrade_required: bool = False
    validation_details: bool = False
    lacking: frozenset[str] = frozenset()
    log_pages: Literal["plain", "many", "equal-times", "empty-page", "stuck-page"] = "plain"
    log_methods: Literal["GET POST", "POST"] = "GET POST"
    traffic: float = 1.0

    def set(self, name: str, text: str) -> None:
        """Set the switch *name* (dashes or underscores) from *text*; raises `ValueError` with what is possible."""
        own = name.strip().replace("-", "_")
        kind = _KINDS.get(own)
        if kind is None:
            raise ValueError(f"there is no switch {name!r}; there are {', '.join(SWITCHES)}")
        setattr(self, own, _value(own.replace("_", "-"), kind, text.strip()))

    def per_operation(self, table: Any, operation: str, resource: str) -> Any:
        """What *table* (a set or a mapping) says of *operation*: under its own name, or under `resource.operation`."""
        full = f"{resource}.{operation}"
        if isinstance(table, Mapping):
            return table.get(full, table.get(operation))
        return full in table or operation in table


def _value(name: str, kind: Any, text: str) -> Any:
    if get_origin(kind) is Literal:
        for choice in get_args(kind):
            if str(choice) == text:
                return choice
        raise ValueError(f"{name} is one of {', '.join(map(str, get_args(kind)))}, not {text!r}")
    if kind in (bool, bool | None):
        if text in ("true", "on", "yes"):
            return True
        if text in ("false", "off", "no"):
            return False
        raise ValueError(f"{name} is true or false, not {text!r}")
    if kind is int:
        if not re.fullmatch(r"\d{1,9}", text):
            raise ValueError(f"{name} is a whole number, not {text!r}")
        return int(text)
    if kind is float:
        return _seconds(name, text)
    if kind == frozenset[str]:
        return frozenset(filter(None, (part.strip() for part in text.split(","))))
    table = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        operation, colon, time = part.rpartition(":")
        if not colon or not operation:
            raise ValueError(f"{name} is written OPERATION:SECONDS, as in stop:2, and {part!r} is not")
        table[operation] = _seconds(name, time)
    return table


def _seconds(name: str, text: str) -> float:
    match = re.fullmatch(r"(-?\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h)?", text)
    if match is None:
        raise ValueError(f"{name} is a number, or a time such as 500ms or 2s, not {text!r}")
    return float(match[1]) * {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0, "h": 3600.0}[match[2]]


_KINDS: dict[str, Any] = {
    name: kind for name, kind in get_type_hints(Switches).items() if name in {one.name for one in fields(Switches)}
}

SWITCHES: tuple[str, ...] = tuple(name.replace("_", "-") for name in _KINDS)
"""The name of every switch, as `fleet simulate --switch` takes it."""
