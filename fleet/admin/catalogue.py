"""The catalogue: every operation of the API as data, and concrete paths matched to it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from fleet.admin.operation import Effect, Operation
from fleet.admin.readback import read_back_for
from fleet.errors import UsageError
from fleet.protocol.message import Method
from fleet.protocol.release import Release
from fleet.protocol.secret_names import is_secret_name

__all__ = ["Catalogue", "Entry", "Parameter", "catalogue", "operation_for", "resource_of"]

REPORT_CAP = 64 * 1024 * 1024
ALSO_AT = {
    "admin/services/<folder>/report": "services.report",
    "admin/services/<folder>/createService": "services.createService",
    "admin/services/<folder>/startServices": "services.startServices",
    "admin/services/<folder>/stopServices": "services.stopServices",
    "admin/services/permissions": "services.folder.permissions",
    "admin/services/permissions/add": "services.folder.permissions.add",
    "admin/services/permissions/clean": "services.folder.permissions.clean",
}
"""Further places at which servers answer an operation."""

LARGE = frozenset({"services.report", "services.iteminfo.manifest"})


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter of an operation: its type in the words of the help page, its default, and the values it may have."""

    name: str
    type: str
    required: bool = False
    default: Any = None
    values: tuple[Any, ...] = ()
    meaning: str = ""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One operation of the API as the reference tells it.

    `path` is relative to the base (`admin`, the site itself, or the portal) and holds `<names>` where a concrete path
    has one. `since` is the first release that has it; `evidence` says how well it is known; `limit` is how many
    seconds a slow one may take; `answer` names the members of a success.
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
    note: str = ""

    @property
    def full_path(self) -> str:
        """The path below the site's (or the portal's) base URL."""
        return f"admin/{self.path}" if self.base == "admin" else self.path

    def missing_in(self, release: Release) -> bool:
        """Whether *release* certainly lacks this operation."""
        since = Release.parse(self.since)
        return since is not None and not self.since_uncertain and release < since


class Catalogue:
    """All entries, by name and by path."""

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = tuple(entries)
        self.by_name: Mapping[str, Entry] = {entry.name: entry for entry in entries}
        paths = [(entry, entry.full_path) for entry in entries if "exchange" not in entry.name]
        paths += [(self.by_name[name], path) for path, name in ALSO_AT.items() if name in self.by_name]
        # A path of fixed words wins over one with names in it: services/report is no folder called report.
        paths.sort(
            key=lambda pair: (pair[1].count("<"), -len([part for part in pair[1].split("/") if "<" not in part]))
        )
        # A pattern is made when a path may be an instance of it: most of the 216 never are in one run.
        self._places = [(entry, path, path.partition("<")[0].strip("/").lower()) for entry, path in paths]

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
    # A folder's listing is told from a service of the root folder by the type at the end of the latter.
    text = re.sub(r"<folder>$", r"(?!.*[.][A-Za-z]*Server$)[^/]+", text)
    text = re.sub(r"<[A-Za-z]+>", r"[^/]+", text.replace("\\<", "<").replace("\\>", ">"))
    return re.compile(text, re.IGNORECASE)


@cache
def catalogue() -> Catalogue:
    """The catalogue that is shipped with the package."""
    raw = files("fleet.admin").joinpath("catalogue.json").read_bytes()
    return Catalogue(msgspec.json.decode(raw, type=list[Entry]))


def operation_for(
    path: str,
    *,
    method: Method | None = None,
    parameters: Mapping[str, str] | None = None,
    portal: bool = False,
) -> tuple[Operation[Any], Entry | None]:
    """The operation that *path* below the base URL names, and its entry in the catalogue where it has one.

    The method is the catalogue's unless *method* is given. An unknown path is a read by GET, and a change by POST.
    Names in *path* may be percent-encoded or not. Raises `UsageError` for a path that leads out of the site.
    """
    path, _, query = path.partition("?")
    path = _clean_path(path)
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
            answer=Any,
            effect=effect,
            idempotent=False,
            secrets=frozenset(filter(is_secret_name, given)),
        ), None
    chosen = method or entry.method
    changes = entry.effect != "read"
    operation: Operation[Any] = Operation(
        name=entry.name,
        path=clean,
        method=chosen,
        parameters=given,
        answer=Any,
        effect=Effect(entry.effect),
        idempotent=entry.idempotent,
        read_back=read_back_for(entry.name, clean, given) if changes else None,
        since=entry.since,
        limit=entry.limit,
        token=entry.token,
        get_only=entry.get_only,
        binary=entry.binary,
        status_is_data=entry.status_is_data,
        success_is_data=entry.success_is_data,
        secrets=frozenset(filter(is_secret_name, given)),
        **({"cap": REPORT_CAP} if entry.name in LARGE else {}),
    )
    return operation, entry


def _clean_path(path: str) -> str:
    """*path* with each of its parts percent-encoded once, whatever it was before."""
    parts = [unquote(part) for part in path.split("/")]
    if any(part in (".", "..") for part in parts):
        raise UsageError("a path has no . and no .. in it")
    if any(not part.isprintable() for part in parts):
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
