"""Verbs on logs: changing their settings, and deleting them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fleet.admin import logs
from fleet.admin.log_pages import LEVELS
from fleet.admin.operation import Operation, ReadBack
from fleet.bulk.change import Change
from fleet.bulk.verb import Verb
from fleet.client.site import SiteClient
from fleet.errors import BadAnswer, UsageError
from fleet.protocol.fields import as_int

__all__ = ["SETTINGS", "CleanLogs", "EditLogs"]

SETTINGS = ("logLevel", "logDir", "maxLogFileAge", "maxErrorReportsCount")
"""The settings that can be changed; the API wants all of them each time, so the others are sent as they are."""


ITEM = "log settings"


@dataclass(frozen=True)
class EditLogs(Verb):
    """Change log settings: *settings* are those that are to be, the others stay as they are.

    `logLevel` is OFF or a level, `maxLogFileAge` days, `maxErrorReportsCount` a number per machine, `logDir` a folder.
    Raises `UsageError` for another setting, or a value that can't be.
    """

    name = "logs.edit"
    settings: Mapping[str, str | int]
    doing: str = field(default="change", init=False)
    thing: str = field(default="log setting", init=False)

    def __post_init__(self) -> None:
        if not self.settings:
            raise UsageError("no log setting is given, so there is nothing to change")
        for key, value in self.settings.items():
            if key not in SETTINGS:
                raise UsageError(f"there is no log setting {key!r}; there are {', '.join(SETTINGS)}")
            if key == "logLevel" and value not in ("OFF", *LEVELS):
                raise UsageError(f"there is no log level {value!r}; there are OFF, {', '.join(LEVELS)}")
            least = {"maxLogFileAge": 1, "maxErrorReportsCount": 0}.get(key)
            if least is not None and (as_int(value) is None or int(value) < least):
                raise UsageError(f"{key} is a whole number, at least {least}, and not {value!r}")

    def parameters(self) -> Mapping[str, Any]:
        return {"set": dict(self.settings)}

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        told = (await client.call(logs.settings())).get("settings")
        if not isinstance(told, dict) or any(key not in told for key in SETTINGS):
            raise BadAnswer("the answer holds no whole log settings, and what is not known can't be sent along")
        old = {key: told[key] for key, value in self.settings.items() if _differs(key, told[key], value)}
        if not old:
            same = {key: told[key] for key in self.settings}
            return [Change(item=ITEM, state="noop", old=same, new=same)]
        new = {key: self.settings[key] for key in old}
        change, back = logs.settings_edit({**told, **new}), logs.settings_edit(told)
        return [Change(item=ITEM, old=old, new=new, operations=(change,), undo=(back,))]


def _differs(key: str, old: Any, new: Any) -> bool:
    if key == "logDir":
        return str(old).rstrip("/\\") != str(new).rstrip("/\\")
    if key == "logLevel":
        return bool(old != new)
    return as_int(old) != as_int(new)


@dataclass(frozen=True)
class CleanLogs(Verb):
    """Delete all log files on all machines of a site; what is deleted can't be had back."""

    name = "logs.clean"
    lasting = False
    doing: str = field(default="delete", init=False)
    thing: str = field(default="log", init=False)

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        answer = await client.call(logs.query(level="DEBUG", page=1))
        records = answer.get("logMessages")
        if not isinstance(records, list):
            raise BadAnswer("the answer holds no log records")
        old, new = {"logs": "kept"}, {"logs": "deleted"}
        if not records:
            return [Change(item="logs", state="noop", old=new, new=new, why="there are no records")]
        newest = as_int(records[0].get("time")) if isinstance(records[0], dict) else None
        return [Change(item="logs", old=old, new=new, operations=(_clean(newest),))]


def _clean(newest: int | None) -> Operation[Any]:
    operation = logs.clean()
    if newest is None:
        return operation
    # What is written from now on says nothing; what was written up to now must be gone.
    look = logs.query(level="DEBUG", newest=newest, page=1)

    def done(answer: Any) -> bool | None:
        records = answer.get("logMessages")
        return not records if isinstance(records, list) else None

    return replace(operation, read_back=ReadBack(look=look, done=done))
