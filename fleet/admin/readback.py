"""How to see whether a change took effect: for each change that can be looked at, what to read and how to judge it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fleet.admin.operation import Operation, ReadBack
from fleet.protocol.fields import as_int

__all__ = ["definition_is", "log_settings_are", "mode_is", "read_back_for", "state_is"]


def state_is(path: str, wanted: str) -> ReadBack:
    """Done when the resource at *path* has *wanted* (STARTED or STOPPED) as its wish and as its measured state.

    A state on its way (STARTING) can't be judged yet.
    """

    def done(answer: Any) -> bool | None:
        configured = str(answer.get("configuredState", "")).upper()
        real = str(answer.get("realTimeState", "")).upper()
        if real not in ("STARTED", "STOPPED"):
            return None
        return configured == wanted and real == wanted

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
        return _contains(answer, wanted)

    return ReadBack(look=Operation(name="services.get", path=path, answer=dict), done=done)


def _contains(have: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(have, Mapping) and all(key in have and _contains(have[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list):
        return isinstance(have, list) and len(have) == len(wanted) and all(map(_contains, have, wanted))
    return have == wanted or _as_text(have) == _as_text(wanted)


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def read_back_for(name: str, path: str, parameters: Mapping[str, str]) -> ReadBack | None:
    """How to look at what the change *name* at *path* does; None where nothing that can be read tells."""
    resource, _, verb = path.rpartition("/")
    if name in ("services.start", "machines.start"):
        return state_is(f"{resource}/status", "STARTED")
    if name in ("services.stop", "machines.stop"):
        return state_is(f"{resource}/status", "STOPPED")
    if name == "mode.update" and "siteMode" in parameters:
        return mode_is(parameters["siteMode"])
    if name == "logs.settings.edit":
        return log_settings_are(parameters)
    if name == "services.edit" and "service" in parameters and verb == "edit":
        try:
            wanted = json.loads(parameters["service"])
        except ValueError:
            return None
        return definition_is(resource, wanted) if isinstance(wanted, dict) else None
    return None
