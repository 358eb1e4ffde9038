"""Remembered sets: which services of which site ran and were stopped, so that exactly those can be started again.

A set is a file of JSON lines that are only ever appended, each durable before anything is sent that it tells of. A
service is in the set from the moment before its stop is sent; a line after it tells what the stop came to.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Self

from fleet import places, platform
from fleet.errors import UsageError
from fleet.outcome import timestamp

__all__ = ["ServiceSet", "SetFile", "delete_set", "read_set", "sets", "sets_folder"]

SCHEMA = "fleet.set/1"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def sets_folder() -> Path:
    """Where the sets lie."""
    return places.state_folder() / "sets"


def _path(name: str) -> Path:
    if not _NAME.fullmatch(name) or name.endswith(".jsonl"):
        raise UsageError(f"{name!r} is no name of a set: letters, digits, . _ and - alone, 64 at the most")
    return sets_folder() / f"{name}.jsonl"


@dataclass(slots=True)
class ServiceSet:
    """A set as its lines tell it: site -> service -> `stopping`, `stopped`, `unknown` or `started`.

    One that is `stopping` was about to be stopped when the program ended: whether it was is not known. `began` and
    `changed` are times as texts.
    """

    name: str
    began: str = ""
    changed: str = ""
    sites: dict[str, dict[str, str]] = field(default_factory=dict)

    def of(self, site: str) -> list[str]:
        """The services of *site* that ran and were stopped, or may have been, started again or not."""
        return list(self.sites.get(site, {}))

    @property
    def count(self) -> int:
        """How many services there are in it, on all sites together."""
        return sum(map(len, self.sites.values()))

    @property
    def left(self) -> int:
        """How many of them were not started again."""
        return sum(state != "started" for states in self.sites.values() for state in states.values())

    def take(self, line: Mapping[str, Any]) -> None:
        """Add what *line* of the file tells."""
        at, site, services = str(line.get("at")), str(line.get("site")), line.get("services")
        if not isinstance(services, list):
            return
        states = self.sites.setdefault(site, {})
        for service in map(str, services):
            if line.get("event") == "failed":
                # It still ran when that was found out, and so it is none of the set.
                states.pop(service, None)
            else:
                states[service] = str(line.get("event"))
        if not states:
            del self.sites[site]
        self.began, self.changed = self.began or at, at


def read_set(name: str) -> ServiceSet:
    """The set *name*; raises `UsageError` where there is none, or it can't be read."""
    try:
        return _read(_path(name), name)
    except FileNotFoundError:
        known = ", ".join(one.name for one in sets())
        raise UsageError(f"there is no remembered set {name}; there are {known or 'none'}") from None
    except OSError as error:
        raise UsageError(f"the remembered set {name} can't be read: {error.strerror or error}") from None


def _read(path: Path, name: str) -> ServiceSet:
    found = ServiceSet(name)
    with path.open("rb") as file:
        for raw in file:
            try:
                line = json.loads(raw)
            except ValueError:
                continue  # torn by a full disk: what it told of was not sent
            if isinstance(line, dict) and line.get("schema") == SCHEMA:
                found.take(line)
    return found


def sets() -> Iterator[ServiceSet]:
    """Every set, by name."""
    for path in sorted(sets_folder().glob("*.jsonl")):
        if _NAME.fullmatch(path.stem):
            yield _read(path, path.stem)


def delete_set(name: str) -> None:
    """Forget the set *name*; raises `UsageError` where there is none."""
    read_set(name)
    try:
        _path(name).unlink()
        platform.sync_folder(sets_folder())
    except OSError as error:
        raise UsageError(f"the remembered set {name} can't be deleted: {error.strerror or error}") from None


class SetFile:
    """The set *name* as it is written; a context manager. The file is made with its first line.

    Raises `UsageError` for a name that can't be, and for a set that is there already unless *add*.
    """

    def __init__(self, name: str, *, add: bool = False) -> None:
        self.name = name
        self._path = _path(name)
        self._descriptor: int | None = None
        self._torn = False
        self._lock = Lock()
        if not add and self._path.exists():
            known = read_set(name)
            raise UsageError(
                f"there is a remembered set {name} already, of {known.began[:16].replace('T', ' ')} with {known.count} "
                f"services: --add adds to it, and `fleet services sets delete {name}` forgets it; nothing was sent"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)

    def write(self, site: str, event: str, services: Collection[str]) -> None:
        """Append that *services* of *site* are `stopping`, `stopped`, `failed`, `unknown` or `started`; durable then.

        Raises `OSError`.
        """
        if not services:
            return
        told = {"schema": SCHEMA, "at": timestamp(time.time()), "site": site, "event": event}
        data = json.dumps({**told, "services": list(services)}, separators=(",", ":")).encode("ascii") + b"\n"
        with self._lock:
            descriptor = self._open()
            if self._torn:
                data = b"\n" + data
            self._torn = True
            while data:
                data = data[os.write(descriptor, data) :]
            self._torn = False
            os.fsync(descriptor)

    def _open(self) -> int:
        if self._descriptor is None:
            folder = self._path.parent
            platform.secure_folder(folder.parent, places.KEPT)
            platform.secure_folder(folder, ("",))
            new = not self._path.exists()
            self._descriptor = platform.open_private(self._path, append=True)
            if new:
                platform.sync_folder(folder)
            else:
                self._torn = not self._path.read_bytes().endswith(b"\n")
        return self._descriptor
