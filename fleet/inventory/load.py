"""Files into an inventory: groups and defaults folded in once, or every mistake at once with its place."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fleet import places, platform
from fleet.errors import InventoryError, Problem, UsageError
from fleet.inventory.lines import LineIndex
from fleet.inventory.model import CheckSettings, Group, Inventory, Site
from fleet.inventory.secrets import CredentialRef
from fleet.inventory.tables import (
    GROUP_KEYS,
    NAME,
    RESERVED,
    SHARED_KEYS,
    SITE_KEYS,
    TableReader,
    host_of,
    is_loopback,
    nearest,
)

__all__ = ["Origin", "Source", "find_sources", "load", "load_with_origins"]

FILE_CAP = 16 * 1024 * 1024
TOP_KEYS = ("defaults", "groups", "sites", "mask")
MERGED = ("labels", "checks")
"""Tables that are put together key by key; every other value is taken whole from the nearest table that has it."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to read, and whether it was named on purpose, so that its secret commands may run."""

    path: Path
    trusted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where one value of a site comes from."""

    key: str
    value: Any
    file: str
    line: int | None
    table: str


def find_sources(
    paths: Sequence[str | Path] = (),
    *,
    environment: Mapping[str, str] = os.environ,
    folder: Path | None = None,
) -> list[Source]:
    """The inventory files: those named, else `FLEET_INVENTORY`, else `./inventory.toml`, else the user's config folder.

    A folder stands for all its `*.toml`, in the order of their names. Raises `UsageError` where there is none.
    """
    given = [Path(path) for path in paths]
    if not given and (variable := environment.get("FLEET_INVENTORY")):
        given = [Path(part) for part in variable.split(os.pathsep) if part]
    if given:
        return [Source(file, trusted=True) for path in given for file in _files_of(path)]
    here = (folder or Path.cwd()) / "inventory.toml"
    if here.is_file():
        return [Source(here, trusted=False)]
    own = places.config_folder(environment) / "inventory.toml"
    if own.is_file():
        return [Source(own, trusted=True)]
    raise UsageError(
        "there is no inventory: name one with -i, set FLEET_INVENTORY, or make one here with `fleet init` "
        f"(looked for {here} and {own})"
    )


def _files_of(path: Path) -> Iterator[Path]:
    path = path.expanduser()
    if path.is_dir():
        files = sorted(path.glob("*.toml"))
        if not files:
            raise UsageError(f"the inventory folder {path} holds no *.toml file")
        yield from files
    else:
        yield path


def load(sources: Iterable[Source], *, allow_commands: bool = False) -> Inventory:
    """Read *sources* into one inventory; raises `InventoryError` with every mistake of all files."""
    return _Loader(allow_commands).load(sources)


def load_with_origins(
    sources: Iterable[Source], site: str, *, allow_commands: bool = False
) -> tuple[Inventory, list[Origin]]:
    """The inventory, and where each value of *site* comes from; raises as `load` does, and `UsageError` for no such site."""
    loader = _Loader(allow_commands)
    inventory = loader.load(sources)
    if site not in inventory.sites:
        hint = nearest(site, inventory.sites)
        raise UsageError(f"there is no site {site!r}" + (f"; did you mean {hint}?" if hint else ""))
    return inventory, loader.origins(site)


@dataclass(slots=True)
class _File:
    path: Path
    text: str
    data: dict[str, Any]
    defaults: dict[str, Any] = field(default_factory=dict)
    index: LineIndex | None = None

    def line(self, path: tuple[str, ...]) -> int | None:
        if self.index is None:
            self.index = LineIndex(self.text)
        return self.index[path]


@dataclass(slots=True)
class _Layer:
    """The checked values of one table, and where it stands."""

    values: dict[str, Any]
    file: _File
    where: tuple[str, ...]


class _Loader:
    def __init__(self, allow_commands: bool) -> None:
        self._allow_commands = allow_commands
        self._problems: list[Problem] = []
        self._files: list[_File] = []
        self._groups: dict[str, list[_Layer]] = {}
        self._sites: dict[str, _Layer] = {}
        self._folded: dict[tuple[int, tuple[str, ...]], list[_Layer]] = {}
        self._ancestry: dict[str, tuple[str, ...]] = {}
        self._groups_broken = False

    def load(self, sources: Iterable[Source]) -> Inventory:
        for source in sources:
            self._read_file(source)
        mask = self._mask()
        self._check_groups()
        sites = self._make_sites()
        if self._problems:
            raise InventoryError(
                sorted(
                    self._problems,
                    key=lambda problem: (problem.file, problem.line or 0),
                )
            )
        members: dict[str, list[str]] = {name: [] for name in self._groups}
        for name, layer in self._sites.items():
            for group in layer.values.get("groups", ()):
                members[group].append(name)
        return Inventory(
            sites=sites,
            groups={
                name: Group(name=name, parents=self._parents(name), sites=tuple(members[name])) for name in self._groups
            },
            mask=mask,
            files=tuple(file.path for file in self._files),
        )

    # Reading

    def _read_file(self, source: Source) -> None:
        name = str(source.path)
        try:
            with source.path.open("rb") as stream:
                raw = stream.read(FILE_CAP + 1)
        except OSError as error:
            self._problems.append(
                Problem(
                    file=name,
                    line=None,
                    key="",
                    message=f"can't be read: {error.strerror}",
                )
            )
            return
        if len(raw) > FILE_CAP:
            self._problems.append(Problem(file=name, line=None, key="", message="is larger than 16 MiB"))
            return
        try:
            text = raw.decode("utf-8-sig").replace("\r\n", "\n")
            data = tomllib.loads(text)
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            self._problems.append(Problem(file=name, line=line, key="", message="this is not UTF-8 text"))
            return
        except tomllib.TOMLDecodeError as error:
            self._problems.append(_syntax_problem(name, str(error)))
            return
        except RecursionError:
            self._problems.append(Problem(file=name, line=None, key="", message="is nested too deeply"))
            return
        file = _File(source.path, text, data)
        self._files.append(file)
        reader = TableReader(source.path.parent, self._reporter(file), self._command_refusal(source))
        for key in data:
            if key not in TOP_KEYS:
                self._report(file, (key,), "unknown table", nearest(key, TOP_KEYS))
        if "defaults" in data:
            file.defaults = reader.read(data["defaults"], ("defaults",), SHARED_KEYS)
        for name_, table in self._tables(file, "groups"):
            values = reader.read(table, ("groups", name_), GROUP_KEYS)
            self._groups.setdefault(name_, []).append(_Layer(values, file, ("groups", name_)))
        for name_, table in self._tables(file, "sites"):
            where = ("sites", name_)
            if name_ in self._sites:
                other = self._sites[name_]
                place = f"{other.file.path}:{other.file.line(other.where)}"
                self._report(file, where, f"this site is named in {place} already", None)
                continue
            values = reader.read(table, where, SITE_KEYS)
            if "url" not in values and not (isinstance(table, dict) and "url" in table):
                self._report(file, where, "a site needs a url", None)
            self._sites[name_] = _Layer(values, file, where)

    def _tables(self, file: _File, kind: str) -> Iterator[tuple[str, Any]]:
        tables = file.data.get(kind, {})
        if not isinstance(tables, dict):
            self._report(file, (kind,), f"write [{kind}.NAME] tables", None)
            return
        for name, table in tables.items():
            if not NAME.fullmatch(name):
                self._report(
                    file,
                    (kind, name),
                    "a name begins with a letter or digit and has letters, digits, dots, dashes and underscores only, "
                    "63 at the most",
                    None,
                )
            elif name in RESERVED:
                self._report(
                    file,
                    (kind, name),
                    f"{name} is a word of the selector language",
                    None,
                )
            else:
                yield name, table

    def _command_refusal(self, source: Source) -> str | None:
        """Why secret commands of this file may not run; None where they may."""
        try:
            if not platform.only_owner_can_write(source.path):
                return f"others can write {source.path}, or its folder; make both yours alone (chmod go-w)"
        except OSError as error:
            return f"{source.path} can't be looked at: {error.strerror}"
        if source.trusted or self._allow_commands:
            return None
        return f"{source.path} was not named with -i or FLEET_INVENTORY; give --allow-commands if you trust it"

    def _reporter(self, file: _File) -> Any:
        def report(path: tuple[str, ...], message: str, suggestion: str | None) -> None:
            self._report(file, path, message, suggestion)

        return report

    def _report(self, file: _File, path: tuple[str, ...], message: str, suggestion: str | None) -> None:
        self._problems.append(
            Problem(
                file=str(file.path),
                line=file.line(path),
                key=".".join(path),
                message=message,
                suggestion=suggestion,
            )
        )

    # Groups

    def _parents(self, group: str) -> tuple[str, ...]:
        """The groups that *group* itself belongs to: those that list it as nested, in the order of the files."""
        return tuple(
            name
            for name, layers in self._groups.items()
            if any(group in layer.values.get("groups", ()) for layer in layers)
        )

    def _check_groups(self) -> None:
        for name, layers in self._groups.items():
            if name in self._sites:
                self._report(
                    layers[0].file,
                    layers[0].where,
                    "a site has this name already",
                    None,
                )
            for layer in layers:
                for nested in layer.values.get("groups", ()):
                    if nested not in self._groups:
                        self._groups_broken = True
                        place = (*layer.where, "groups")
                        self._report(
                            layer.file,
                            place,
                            f"unknown group {nested!r}",
                            nearest(nested, self._groups),
                        )
            self._check_joined(layers)
        for name in self._groups:
            cycle = self._cycle(name)
            self._groups_broken = self._groups_broken or cycle is not None
            if cycle is not None and name == min(cycle):
                layer = self._groups[name][0]
                self._report(
                    layer.file,
                    (*layer.where, "groups"),
                    f"groups nest in a circle: {' > '.join([*cycle, cycle[0]])}",
                    None,
                )

    def _check_joined(self, layers: list[_Layer]) -> None:
        """A group may be told in several files, but not told two things."""
        first = layers[0]
        for layer in layers[1:]:
            for key, value in layer.values.items():
                if key not in (*MERGED, "groups") and first.values.get(key, value) != value:
                    self._report(
                        layer.file,
                        (*layer.where, key),
                        f"{first.file.path} says something else here",
                        None,
                    )

    def _cycle(self, start: str) -> list[str] | None:
        """The way round from *start* back to it, if there is one."""
        stack: list[tuple[str, list[str]]] = [(start, [start])]
        seen: set[str] = set()
        while stack:
            name, way = stack.pop()
            for layer in self._groups.get(name, ()):
                for nested in layer.values.get("groups", ()):
                    if nested == start:
                        return way
                    if nested not in seen:
                        seen.add(nested)
                        stack.append((nested, [*way, nested]))
        return None

    def _upwards(self, group: str) -> tuple[str, ...]:
        """*group* and every group that holds it, nearest first."""
        known = self._ancestry.get(group)
        if known is None:
            found: dict[str, None] = {group: None}
            for parent in self._parents(group):
                found |= dict.fromkeys(self._upwards(parent))
            known = self._ancestry[group] = tuple(found)
        return known

    def _outermost_first(self, group: str) -> list[str]:
        """The groups that hold *group*, each before the ones that it lists, and *group* last."""
        order: dict[str, None] = {}
        for parent in self._parents(group):
            order |= dict.fromkeys(self._outermost_first(parent))
        return [*order, group]

    # Sites

    def _layers(self, site: _Layer) -> list[_Layer]:
        """What a site takes its values from after its own table, nearest first.

        The groups come in the order in which the site lists them; a nested group yields to the group that lists it.
        """
        listed = site.values.get("groups", ())
        key = (id(site.file), listed)
        known = self._folded.get(key)
        if known is None:
            order = dict.fromkeys(group for name in listed for group in self._outermost_first(name))
            known = [layer for group in order for layer in self._groups.get(group, ())]
            known.append(_Layer(site.file.defaults, site.file, ("defaults",)))
            self._folded[key] = known
        return known

    def _make_sites(self) -> dict[str, Site]:
        sound = not self._groups_broken
        sites: dict[str, Site] = {}
        bases: dict[tuple[int, tuple[str, ...]], tuple[dict[str, Any], tuple[str, ...]]] = {}
        urls: dict[str, str] = {}
        for name, layer in self._sites.items():
            listed: tuple[str, ...] = layer.values.get("groups", ())
            known = True
            for group in listed:
                if group not in self._groups:
                    place = (*layer.where, "groups")
                    self._report(
                        layer.file,
                        place,
                        f"unknown group {group!r}",
                        nearest(group, self._groups),
                    )
                    known = False
            url = layer.values.get("url")
            if url is not None:
                if url in urls:
                    self._report(
                        layer.file,
                        (*layer.where, "url"),
                        f"the site {urls[url]} has this url already",
                        None,
                    )
                urls[url] = name
            if not sound or not known:
                # Folding needs whole groups; what is wrong with them is reported already.
                continue
            key = (id(layer.file), listed)
            if key not in bases:
                found = dict.fromkeys(up for group in listed for up in self._upwards(group))
                bases[key] = (
                    _fold(part.values for part in self._layers(layer)),
                    tuple(found),
                )
            base, groups = bases[key]
            values = _fold((layer.values, base))
            self._check_site(layer, values)
            if "url" not in values:
                continue
            values.pop("allow_plaintext", None)
            password: CredentialRef | None = values.get("password")
            if password is not None and password.kind == "keyring" and password.user is None:
                values["password"] = replace(password, user=values.get("username"))
            values["groups"] = groups
            sites[name] = Site(name=name, **values)
        return sites

    def _check_site(self, layer: _Layer, values: Mapping[str, Any]) -> None:
        """What can only be told once everything is folded in."""
        url = values.get("url")
        allowed = values.get("allow_http", False)
        if url is not None and url.startswith("http://") and not allowed and not is_loopback(host_of(url)):
            self._report(
                layer.file,
                (*layer.where, "url"),
                "http:// sends tokens in clear: use https://, or say allow_http = true",
                None,
            )
        auth = values.get("auth")
        if auth is None:
            return
        if auth.portal is not None and auth.portal.startswith("http://"):
            if not allowed and not is_loopback(host_of(auth.portal)):
                self._report(
                    layer.file,
                    (*layer.where, "auth"),
                    "the portal has an http:// address: use https://",
                    None,
                )

    def _mask(self) -> tuple[str, ...]:
        paths: list[str] = []
        for file in self._files:
            table = file.data.get("mask", {})
            if not isinstance(table, dict):
                self._report(file, ("mask",), "write [mask] with paths = […]", None)
                continue
            for key, value in table.items():
                if key != "paths":
                    self._report(file, ("mask", key), "unknown key", nearest(key, ("paths",)))
                elif not isinstance(value, list) or not all(isinstance(path, str) for path in value):
                    self._report(file, ("mask", key), "this must be a list of texts", None)
                else:
                    paths += value
        return tuple(dict.fromkeys(paths))

    # Questions afterwards

    def origins(self, site: str) -> list[Origin]:
        """Where each value of *site* comes from, in the order of the keys' table."""
        own = self._sites[site]
        found: dict[str, Origin] = {}
        for layer in [own, *self._layers(own)]:
            for key, value in layer.values.items():
                if key in MERGED:
                    for part, inner in value.items():
                        found.setdefault(f"{key}.{part}", _origin(layer, (key, part), inner))
                elif key != "groups" or layer is own:
                    found.setdefault(key, _origin(layer, (key,), value))
        order = list(SITE_KEYS)
        return sorted(found.values(), key=lambda origin: order.index(origin.key.split(".")[0]))


def _origin(layer: _Layer, path: tuple[str, ...], value: Any) -> Origin:
    return Origin(
        key=".".join(path),
        value=value,
        file=str(layer.file.path),
        line=layer.file.line((*layer.where, *path)),
        table=".".join(layer.where),
    )


def _fold(layers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The values of *layers*, nearest first, put together; labels and checks key by key."""
    folded: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            if key not in folded:
                folded[key] = value
            elif key == "labels":
                folded[key] = {**value, **folded[key]}
            elif key == "checks":
                folded[key] = _fold_checks(folded[key], value)
    return folded


def _fold_checks(near: Mapping[str, CheckSettings], far: Mapping[str, CheckSettings]) -> dict[str, CheckSettings]:
    folded = dict(far)
    for name, check in near.items():
        below = far.get(name, CheckSettings())
        folded[name] = CheckSettings(
            warning=below.warning if check.warning is None else check.warning,
            critical=below.critical if check.critical is None else check.critical,
            severity=below.severity if check.severity is None else check.severity,
            enabled=below.enabled if check.enabled is None else check.enabled,
        )
    return folded


def _syntax_problem(file: str, text: str) -> Problem:
    match = re.search(r"\(at line (\d+), column (\d+)\)", text)
    reason = re.sub(r"\s*\(at .*\)$", "", text)
    # The reason may quote the key, never the value; anything longer than a line is cut.
    return Problem(
        file=file,
        line=int(match.group(1)) if match else None,
        key="",
        message=f"this is not TOML: {reason.splitlines()[0][:120]}" + (f" in column {match.group(2)}" if match else ""),
    )
