"""The catalogue: every operation of the API as data, and concrete paths matched to it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files as resources
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from fleet.admin.changes import read_back_for
from fleet.admin.operation import Effect, Operation
from fleet.errors import UsageError
from fleet.protocol.fields import ServiceId, path_part
from fleet.protocol.message import ANSWER_CAP, NOTHING, Method
from fleet.protocol.release import Release
from fleet.protocol.secret_names import is_secret_name

__all__ = [
    "Catalogue",
    "Entry",
    "Parameter",
    "catalogue",
    "operation",
    "operation_again",
    "operation_for",
    "resource_of",
]


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter of an operation: its type in the words of the help page, its default, the values it may have, its unit."""

    name: str
    type: str
    required: bool = False
    default: Any = None
    values: tuple[Any, ...] = ()
    unit: str = ""
    meaning: str = ""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One operation of the API as the reference tells it.

    `path` is relative to the base (`admin`, the site itself, or the portal) and holds `<names>` where a concrete path
    has one; `also_at` are further places below the base URL at which servers answer it. `since` is the first release
    that has it; `evidence` says how well it is known; `limit` is how many seconds a slow one may take; `cap` is how many
    bytes its answer may have; `answer` names the members of a success; `source` is the page that it was read on, and
    `functions` are those of `fleet.ops` that make it.
    """

    name: str
    base: str
    path: str
    method: Method
    effect: str
    since: str
    evidence: str
    privilege: str
    since_uncertain: bool = False
    params: tuple[Parameter, ...] = ()
    idempotent: bool = False
    limit: float | None = None
    asynchronous: bool = msgspec.field(default=False, name="async")
    token: bool = True
    get_only: bool = False
    binary: bool = False
    status_is_data: bool = False
    success_is_data: bool = False
    answer: tuple[str, ...] = ()
    also_at: tuple[str, ...] = ()
    cap: int = ANSWER_CAP
    source: str = ""
    functions: tuple[str, ...] = ()
    note: str = ""

    @property
    def full_path(self) -> str:
        """The path below the site's (or the portal's) base URL."""
        return f"admin/{self.path}" if self.base == "admin" else self.path

    @property
    def guessed(self) -> bool:
        """Whether its shape is a guess, which nobody has seen or documented."""
        return self.evidence == "unverified"

    def missing_in(self, release: Release) -> bool:
        """Whether *release* certainly lacks this operation."""
        since = Release.parse(self.since)
        return since is not None and not self.since_uncertain and release < since


class Catalogue:
    """All entries, by name and by path."""

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = tuple(entries)
        self.by_name: Mapping[str, Entry] = {entry.name: entry for entry in entries}
        paths = [
            (entry, path)
            for entry in entries
            if "exchange" not in entry.name
            for path in (entry.full_path, *entry.also_at)
        ]
        # A path of fixed words wins over one with names in it: services/report is no folder called report. A data
        # item's path, which may have any number of parts, comes last.
        paths.sort(
            key=lambda pair: (
                "<path>" in pair[1],
                pair[1].count("<"),
                -len([part for part in pair[1].split("/") if "<" not in part]),
            )
        )
        # A pattern is made when a path may be an instance of it: most of the 216 never are in one run.
        self._places = [(entry, path, path.partition("<")[0].strip("/").lower()) for entry, path in paths]

    def at(self, path: str, *, portal: bool = False) -> list[Entry]:
        """The entries that *path* is an instance of, or whose own path it is, `<names>` and all: reads first."""
        wanted = path.strip("/")
        found = [
            entry
            for entry, template, beginning in self._places
            if (entry.base == "portal") is portal
            and (
                template.strip("/").lower() == wanted.lower()
                or (wanted.lower().startswith(beginning) and _pattern(template).fullmatch(wanted))
            )
        ]
        best = [entry for entry in found if wanted.lower() in (entry.full_path.strip("/").lower(), *entry.also_at)]
        chosen = best or [entry for entry in found if entry.full_path == found[0].full_path]
        return sorted(dict.fromkeys(chosen), key=lambda entry: entry.effect != "read")

    def find(self, path: str, method: str | None = None, *, portal: bool = False) -> Entry | None:
        """The entry that *path* (below the base URL, as in an address) is an instance of.

        Without *method*, a read is preferred where one path has both a read and a change.
        """
        wanted = path.strip("/")
        lower = wanted.lower()
        found: Entry | None = None
        for entry, template, beginning in self._places:
            if (entry.base == "portal") is not portal or not lower.startswith(beginning):
                continue
            if not _pattern(template).fullmatch(wanted):
                continue
            if method is None or entry.method == method:
                return entry
            found = found or (entry if entry.effect == "read" else None)
        return found if method is None or (found is not None and found.effect == "read") else None


@cache
def _pattern(path: str) -> re.Pattern[str]:
    """What concrete paths of a template look like; letters match without regard to case, as servers do."""
    text = re.escape(path.strip("/"))
    text = text.replace(re.escape("<name>.<type>"), r"[^/]+\.[^/.]+")
    if path.startswith("admin/data/items/<path>"):
        text = text.replace(re.escape("<path>"), r"[^/]+(?:/[^/]+)*?")
    # A service of the root folder has no folder in its path.
    text = text.replace(re.escape("services/<folder>/") + r"[^/]+\.", r"services/(?:[^/]+/)?[^/]+\.")
    text = text.replace(re.escape("services/<folder>/<name>."), r"services/(?:[^/]+/)?[^/]+\.")
    # A folder's listing is told from a service of the root folder by the type at the end of the latter.
    text = re.sub(r"<folder>$", r"(?!.*[.][A-Za-z]*Server$)[^/]+", text)
    text = re.sub(r"<[A-Za-z]+>", r"[^/]+", text.replace("\\<", "<").replace("\\>", ">"))
    return re.compile(text, re.IGNORECASE)


@cache
def catalogue() -> Catalogue:
    """The catalogue that is shipped with the package."""
    raw = resources("fleet.admin").joinpath("catalogue.json").read_bytes()
    return Catalogue(msgspec.json.decode(raw, type=list[Entry]))


def operation_for(
    path: str,
    *,
    method: Method | None = None,
    parameters: Mapping[str, str] | None = None,
    files: Mapping[str, Path | bytes] = NOTHING,
    portal: bool = False,
    foreign: bool = False,
) -> tuple[Operation[Any], Entry | None]:
    """The operation that *path* below the base URL names, and its entry in the catalogue where it has one.

    The method is the catalogue's unless *method* is given. An unknown path is a read by GET, and a change by POST.
    Names in *path* may be percent-encoded or not. Raises `UsageError` for a path that leads out of the site, or that has
    control characters in it, which are somebody's mistake unless a *foreign* name, out of a site's answer, has them.
    """
    path, _, query = path.partition("?")
    path = _clean_path(path, printable=not foreign)
    given = dict(parameters or {})
    for pair in filter(None, query.split("&")):
        key, _, value = pair.partition("=")
        given.setdefault(unquote(key), unquote(value.replace("+", " ")))
    given.pop("f", None)
    clean = path.strip("/")
    entry = catalogue().find(clean, method, portal=portal)
    if clean in ("admin", "portaladmin"):
        clean += "/"
    if entry is None:
        chosen: Method = method or "GET"
        effect = Effect.READ if chosen == "GET" else Effect.CHANGE
        return Operation(
            name=clean,
            path=clean,
            method=chosen,
            parameters=given,
            files=files,
            answer=Any,
            effect=effect,
            idempotent=False,
            secrets=frozenset(filter(is_secret_name, given)),
        ), None
    return _made(entry, clean, method or entry.method, given, files, Any), entry


def operation(
    name: str,
    parameters: Mapping[str, Any] = NOTHING,
    *,
    files: Mapping[str, Path | bytes] = NOTHING,
    service: ServiceId | None = None,
    folder: str = "",
    item: str | None = None,
    **names: str,
) -> Operation[Any]:
    """The operation *name* of the catalogue, with everything that the catalogue tells of it.

    *parameters* are texts, numbers, truth values, or what becomes JSON; those that are None are left out. *names* are
    what its path has in the places of `<machine>`, `<alias>`, and so on; *service* is the service, *folder* the folder
    (none is the root folder), and *item* the data item that it is about. Of several places at which it is answered it is
    the one that has exactly these names. Raises `UsageError` for a name that can't be part of a path.
    """
    entry = catalogue().by_name[name]
    form = {key: _text(value) for key, value in parameters.items() if value is not None}
    if folder:
        names["folder"] = folder
    given = {f"<{key}>": path_part(value) for key, value in names.items()}
    if service is not None:
        given |= {"<folder>/<name>.<type>": service.path, "<folder>/<name>.GPServer": service.path}
    if item is not None:
        given["<path>"] = "/".join(path_part(part) for part in item.strip("/").split("/"))
    for template in (entry.full_path, *entry.also_at):
        path = template
        unused = set(names)
        for place, value in given.items():
            if place in path:
                unused.discard(place.strip("<>"))
                path = path.replace(place, value)
        if "<" not in path and not unused:
            return _made(entry, path, entry.method, form, files, dict)
    raise UsageError(f"{name} is at {entry.full_path}, which has other names in it")


def operation_again(name: str, method: Method, path: str, parameters: Mapping[str, str] = NOTHING) -> Operation[Any]:
    """The operation *name* at *path* as it was written down, with everything that the catalogue tells of it.

    *path* and *parameters* are taken as they are; what the catalogue does not name is found by its path. Raises
    `UsageError` for a path that leads out of the site.
    """
    entry = catalogue().by_name.get(name)
    if entry is None:
        made, _ = operation_for(path, method=method, parameters=parameters, foreign=True)
        return replace(made, path=path, parameters=dict(parameters))
    _clean_path(path, printable=False)
    return _made(entry, path, method, dict(parameters), NOTHING, dict)


def _text(value: Any) -> str:
    """*value* as a parameter holds it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else json.dumps(value)


def _made(
    entry: Entry,
    path: str,
    method: Method,
    parameters: Mapping[str, str],
    files: Mapping[str, Path | bytes],
    answer: Any,
) -> Operation[Any]:
    changes = entry.effect != "read"
    return Operation(
        name=entry.name,
        path=path,
        method=method,
        parameters=parameters,
        files=files,
        answer=answer,
        effect=Effect(entry.effect),
        idempotent=entry.idempotent,
        read_back=read_back_for(entry.name, path, parameters, files) if changes else None,
        since=entry.since,
        limit=entry.limit,
        token=entry.token,
        get_only=entry.get_only,
        binary=entry.binary,
        status_is_data=entry.status_is_data,
        success_is_data=entry.success_is_data,
        cap=entry.cap,
        secrets=frozenset(filter(is_secret_name, parameters)),
    )


def _clean_path(path: str, *, printable: bool = True) -> str:
    """*path* with each of its parts percent-encoded once, whatever it was before."""
    parts = [unquote(part) for part in path.split("/")]
    if any(part in (".", "..") for part in parts):
        raise UsageError("a path has no . and no .. in it")
    if printable and any(not part.isprintable() for part in parts):
        raise UsageError("a path has no control characters in it")
    return "/".join(quote(part, safe="!$&'()*+,;=:@") for part in parts)


def resource_of(operation: Operation[Any], *, portal: bool = False) -> Operation[Any] | None:
    """The read of the resource that the change *operation* acts on: of the path without its last part, if there is one.

    `admin/services/Roads.MapServer/delete` acts on `admin/services/Roads.MapServer`.
    """
    path = operation.path.rpartition("/")[0]
    entry = catalogue().find(path, "GET", portal=portal)
    if entry is None or any(parameter.required for parameter in entry.params):
        return None
    return operation_for(path, method="GET", portal=portal)[0]
