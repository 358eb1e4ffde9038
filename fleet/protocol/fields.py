"""What single members of answers mean: times, truth values and numbers as text, and names of services."""

from __future__ import annotations

import re
from calendar import timegm
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from fleet.errors import BadAnswer, UsageError

__all__ = ["ServiceId", "as_bool", "as_epoch", "as_int", "path_name", "path_part", "root_folder", "unreached_items"]

_JAVA_DATE = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) (\d{1,2}) "
    r"(\d{2}):(\d{2}):(\d{2}) (\S+) (\d{4})"
)
_MONTHS = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
)


def as_bool(value: Any) -> bool | None:
    """The truth value in *value*: a JSON one, or the words true, false, on, off, yes, no; None for anything else."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = value.strip().lower()
        if word in ("true", "on", "yes"):
            return True
        if word in ("false", "off", "no"):
            return False
    return None


def as_int(value: Any) -> int | None:
    """The whole number in *value*, also where it stands as text; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**63 else None
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,18}\s*", value, re.ASCII):
        return int(value)
    return None


def as_epoch(value: Any) -> float | None:
    """Epoch seconds of a time: epoch milliseconds as number or text, or the text that Java's `Date.toString` gives.

    Java's text names the server's own time zone, of which only UTC and GMT can be told apart from others here; any
    other zone is read as if it were UTC, which is wrong by less than a day.
    """
    number = as_int(value)
    if number is not None:
        return number / 1000 if 0 <= number < 10**15 else None
    if not isinstance(value, str) or (match := _JAVA_DATE.fullmatch(value.strip())) is None:
        return None
    month, day, hour, minute, second, _, year = match.groups()
    if not (1 <= int(day) <= 31 and int(hour) < 24 and int(minute) < 60 and int(second) < 62):
        return None
    return float(
        timegm(
            (
                int(year),
                _MONTHS.index(month) + 1,
                int(day),
                int(hour),
                int(minute),
                int(second),
            )
        )
    )


def root_folder(name: Any) -> str:
    """A folder's name without slashes; the root folder, which answers call `/`, is the empty text."""
    return name.strip("/") if isinstance(name, str) else ""


def path_name(name: Any) -> str:
    """*name* out of a site's answer; raises `BadAnswer` for what no part of a path may be: `.`, `..`, and no text."""
    if not isinstance(name, str) or name in ("", ".", ".."):
        raise BadAnswer(f"the answer names {str(name)[:200]!r}, which can't be part of a path")
    return name


def path_part(name: str) -> str:
    """*name* as one part of a path, with nothing left that could end the part; raises `UsageError` for `.` and `..`."""
    if name in ("", ".", ".."):
        raise UsageError(f"{name!r} can't be part of a path")
    return quote(name, safe="")


def unreached_items(answer: Mapping[str, Any]) -> list[str]:
    """What a validation that is no failure says all the same: each item that did not pass, and from which machine.

    Some sites list what every machine saw (`machines`, `dataItems`, `validationState`), without a verdict.
    """
    found = []
    machines = answer.get("machines")
    for machine in machines if isinstance(machines, list) else []:
        items = machine.get("dataItems") if isinstance(machine, dict) else None
        for item in items if isinstance(items, list) else []:
            if isinstance(item, dict) and str(item.get("validationState", "PASSED")).upper() != "PASSED":
                told = item.get("message") or item.get("validationState")
                found.append(f"{item.get('path') or item.get('dataItem')} from {machine.get('machine')}: {told}")
    return found


@dataclass(frozen=True, slots=True, order=True)
class ServiceId:
    """A service by folder (empty for the root), name and type, as in `Planning/Hydrants.MapServer`."""

    folder: str
    name: str
    type: str

    @classmethod
    def parse(cls, text: str) -> ServiceId:
        """The service that `Folder/Name.Type` or `Name.Type` names; raises `UsageError` for anything else."""
        folder, _, rest = text.strip("/").rpartition("/")
        name, dot, kind = rest.rpartition(".")
        if not dot or not name or not kind or "/" in folder:
            raise UsageError(f"{text!r} is no service: write Folder/Name.Type, as in Planning/Hydrants.MapServer")
        return cls(folder, name, kind)

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> ServiceId | None:
        """The service that a listing's or a report's *entry* is about; None where it names none.

        Raises `BadAnswer` for a name that would change the path it stands in (`.` and `..`), and for one that
        `Folder/Name.Type` could not tell from another service's (a slash, or a type with a dot).
        """
        name, kind = entry.get("serviceName"), entry.get("type")
        if not isinstance(name, str) or not isinstance(kind, str) or not name or not kind:
            return None
        folder = root_folder(entry.get("folderName"))
        found = cls(path_name(folder) if folder else "", path_name(name), path_name(kind))
        if "/" in found.folder or "/" in name or "/" in kind or "." in kind:
            raise BadAnswer(f"the answer names {str(found)!r}, which is not Folder/Name.Type")
        return found

    @property
    def path(self) -> str:
        """The service's part of an address below `admin/services/`, percent-encoded."""
        own = f"{path_part(self.name)}.{path_part(self.type)}"
        return f"{path_part(self.folder)}/{own}" if self.folder else own

    def to_parameter(self) -> dict[str, str]:
        """The service as lists in parameters name it: there the root folder is the empty text."""
        return {"folderName": self.folder, "serviceName": self.name, "type": self.type}

    def __str__(self) -> str:
        return f"{self.folder}/{self.name}.{self.type}" if self.folder else f"{self.name}.{self.type}"
