"""How to see whether a change took effect: what to read, and how to judge what was read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fleet.admin.operation import Operation, ReadBack
from fleet.protocol.fields import ServiceId, as_int
from fleet.protocol.message import REPORT_CAP
from fleet.protocol.secret_names import is_secret_name

__all__ = [
    "contains",
    "definition_is",
    "listed",
    "log_settings_are",
    "members_are",
    "mode_is",
    "parameters_are",
    "readable",
    "services_are",
    "state_is",
]


def state_is(path: str, wanted: str) -> ReadBack:
    """Done when the resource at *path* has *wanted* (STARTED or STOPPED) as its wish and as its measured state.

    A state on its way (STARTING) can't be judged yet.
    """

    def done(answer: Any) -> bool | None:
        return _state_of(answer, wanted)

    return ReadBack(look=Operation(name="status", path=path, answer=dict), done=done)


def mode_is(wanted: str) -> ReadBack:
    """Done when the site is in the mode *wanted* (EDITABLE or READ_ONLY)."""

    def done(answer: Any) -> bool | None:
        mode = answer.get("siteMode")
        return mode == wanted if isinstance(mode, str) else None

    return ReadBack(look=Operation(name="mode", path="admin/mode", answer=dict), done=done)


def log_settings_are(wanted: Mapping[str, str]) -> ReadBack:
    """Done when the log settings are those of *wanted*; a folder comes back with a slash at its end."""

    def done(answer: Any) -> bool | None:
        settings = answer.get("settings")
        if not isinstance(settings, dict):
            return None
        for key, value in wanted.items():
            if key == "logDir":
                if str(settings.get(key, "")).rstrip("/\\") != value.rstrip("/\\"):
                    return False
            elif key == "logLevel":
                if settings.get(key) != value:
                    return False
            elif key in ("maxLogFileAge", "maxErrorReportsCount") and as_int(settings.get(key)) != as_int(value):
                return False
        return True

    return ReadBack(
        look=Operation(name="logs.settings", path="admin/logs/settings", answer=dict),
        done=done,
    )


def definition_is(path: str, wanted: Mapping[str, Any]) -> ReadBack:
    """Done when the service at *path* has every member of *wanted*, numbers and booleans compared as text too."""

    def done(answer: Any) -> bool | None:
        return contains(answer, wanted)

    return ReadBack(look=Operation(name="services.get", path=path, answer=dict), done=done)


def members_are(
    look: Operation[Any], wanted: Mapping[str, Any], *, member: str | None = None, whole: bool = True
) -> ReadBack:
    """Done when the answer of *look*, or its *member*, has every member of *wanted*; can't tell where it is no object."""

    def done(answer: Any) -> bool | None:
        found = answer if member is None else answer.get(member)
        return contains(found, wanted) if isinstance(found, Mapping) else None

    return ReadBack(look=look, done=done, whole=whole)


def parameters_are(path: str, form: Mapping[str, str]) -> ReadBack | None:
    """Done when the resource at *path* has each parameter of *form* as its member; can't tell where it lacks one."""
    if not form:
        return None

    def done(answer: Any) -> bool | None:
        return contains(answer, form) if form.keys() <= answer.keys() else None

    return ReadBack(look=Operation(name=path.removeprefix("admin/").replace("/", "."), path=path), done=done)


def listed(
    look: Operation[Any],
    member: str,
    matches: Callable[[Any], bool],
    *,
    gone: bool = False,
    whole: bool = True,
) -> ReadBack:
    """Done when the list *member* of the answer has an entry that *matches*; with *gone*, when it has none.

    Where the list has more pages (`hasMore`) or is no list, what is not on it can't be told. What is not there before it
    is to be deleted may be a wrong name: that is for the site to say, and no reason not to ask it.
    """

    def done(answer: Any) -> bool | None:
        entries = answer.get(member)
        if not isinstance(entries, list):
            return None
        if any(map(matches, entries)):
            return not gone
        return None if answer.get("hasMore") is True else gone

    return ReadBack(look=look, done=done, whole=whole and not gone)


def services_are(services: Iterable[ServiceId], wanted: str | None) -> ReadBack:
    """Done when all *services* have the state *wanted*, as wish and measured; with None, when there is none of them."""
    names = frozenset(services)

    def done(answer: Any) -> bool | None:
        entries = answer.get("reports")
        if not isinstance(entries, list):
            return None
        states = {}
        for entry in entries:
            service = ServiceId.of(entry) if isinstance(entry, Mapping) else None
            if service in names:
                states[service] = entry.get("status")
        if wanted is None:
            return not states
        if states.keys() != names:
            return None
        verdicts = [_state_of(state, wanted) for state in states.values()]
        return False if False in verdicts else None if None in verdicts else True

    look: Operation[Any] = Operation(
        name="services.report",
        path="admin/services/report",
        method="POST",
        parameters={
            "parameters": json.dumps(["status"]),
            "services": json.dumps([service.to_parameter() for service in sorted(names)]),
        },
        cap=REPORT_CAP,
    )
    return ReadBack(look=look, done=done, whole=wanted is not None)


def _state_of(status: Any, wanted: str) -> bool | None:
    """Whether *status*, a pair of states, is *wanted*; None where it is on its way, or is not told."""
    if not isinstance(status, Mapping):
        return None
    configured = str(status.get("configuredState", "")).upper()
    real = str(status.get("realTimeState", "")).upper()
    if real not in ("STARTED", "STOPPED"):
        return None
    return configured == wanted and real == wanted


def readable(value: Any) -> tuple[Any, bool]:
    """*value* without the members that no answer repeats in clear (passwords, connections), and whether it had any."""
    if isinstance(value, Mapping):
        kept = {key: readable(inner) for key, inner in value.items() if not _hidden(str(key))}
        return {key: inner for key, (inner, _) in kept.items()}, len(kept) < len(value) or any(
            hidden for _, hidden in kept.values()
        )
    if isinstance(value, list):
        parts = [readable(inner) for inner in value]
        return [inner for inner, _ in parts], any(hidden for _, hidden in parts)
    return value, False


def _hidden(name: str) -> bool:
    return is_secret_name(name) or name.lower() in ("connectionstring", "connectionsecret")


def contains(have: Any, wanted: Any) -> bool:
    """Whether *have* has every member of *wanted*, numbers and truth values compared as text too."""
    if isinstance(wanted, Mapping):
        return isinstance(have, Mapping) and all(key in have and contains(have[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list):
        return isinstance(have, list) and len(have) == len(wanted) and all(map(contains, have, wanted))
    return have == wanted or _as_text(have) == _as_text(wanted)


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
