"""Files into an inventory: groups and defaults folded in once, or every mistake at once with its place."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
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
NESTING_CAP = 100
"""How deep groups may nest; a site would be in as many groups as the chain is long."""


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

    Every folder stands for all its `*.toml`, in the order of their names. Raises `UsageError` where there is none.
    """
    if any(not str(path) for path in paths):
        raise UsageError("the path of the inventory is empty")
    given = [Path(path) for path in paths]
    if not given and (variable := environment.get("FLEET_INVENTORY")):
        given = [Path(part) for part in variable.split(os.pathsep) if part]
    if given:
        files = dict.fromkeys(file for path in given for file in _files_of(path))
        # A file that is named twice, by itself and by its folder say, is read once.
        once = {file.resolve(): file for file in reversed(files)}
        return [Source(file, trusted=True) for file in files if once[file.resolve()] is file]
    here = (folder or Path.cwd()) / "inventory.toml"
    if here.is_file():
        return [Source(here, trusted=False)]
    own = places.config_folder(environment)
    if files_there := _toml_files(own):
        return [Source(file, trusted=True) for file in files_there]
    raise UsageError(
        "there is no inventory: name one with -i, set FLEET_INVENTORY, or make one here with `fleet init` "
        f"(looked for {here} and for *.toml in {own})"
    )


def _files_of(path: Path) -> Iterator[Path]:
    with suppress(RuntimeError):
        # The `~` of a user whom this machine does not know stays, and there is no such file.
        path = path.expanduser()
    try:
        folder = path.is_dir()
    except OSError as error:
        raise UsageError(f"the inventory {path} can't be read: {error.strerror or error}") from None
    if not folder:
        yield path
        return
    files = _toml_files(path)
    if not files:
        raise UsageError(f"the inventory folder {path} holds no *.toml file")
    yield from files


def _toml_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*.toml") if not file.name.startswith(".") and not file.is_dir())


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
        self._holders: dict[str, list[str]] = {}
        self._folded: dict[tuple[int, tuple[str, ...]], list[_Layer]] = {}
        self._portals_told: set[int] = set()

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
                name: Group(name=name, parents=tuple(self._holders[name]), sites=tuple(members[name]))
                for name in self._groups
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
                    message=f"can't be read: {error.strerror or error}",
                )
            )
            return
        if len(raw) > FILE_CAP:
            self._problems.append(Problem(file=name, line=None, key="", message="is larger than 16 MiB"))
            return
        text = ""
        try:
            text = raw.decode("utf-8-sig").replace("\r\n", "\n")
            data = tomllib.loads(text)
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            self._problems.append(Problem(file=name, line=line, key="", message="this is not UTF-8 text"))
            return
        except tomllib.TOMLDecodeError as error:
            self._problems.append(_syntax_problem(name, text, str(error)))
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

    def _check_groups(self) -> None:
        nested: dict[str, dict[str, _Layer]] = {}
        self._holders = {name: [] for name in self._groups}
        for name, layers in self._groups.items():
            if name in self._sites:
                self._report(layers[0].file, layers[0].where, "a site has this name already", None)
            nested[name] = {}
            for layer in layers:
                for inner in layer.values.get("groups", ()):
                    known = inner if inner in self._groups else self._unknown_group(layer, inner)
                    if known is None:
                        continue
                    if name not in self._holders[known]:
                        self._holders[known].append(name)
                    if known == inner:
                        nested[name].setdefault(inner, layer)
            self._check_joined(layers)
        self._check_nesting(nested)

    def _unknown_group(self, layer: _Layer, name: str) -> str | None:
        """Report that there is no group *name*; the one that was most likely meant, so that reading can go on."""
        hint = nearest(name, self._groups)
        self._report(layer.file, (*layer.where, "groups"), f"unknown group {name!r}", hint)
        return hint

    def _check_nesting(self, nested: Mapping[str, Mapping[str, _Layer]]) -> None:
        """Report every circle, and groups that nest too deeply. *nested* has the table that lists each inner group."""
        height: dict[str, int] = {}
        for start in nested:
            if start in height:
                continue
            way = [start]
            waiting = [iter(nested[start])]
            height[start] = 0  # on the way, not known yet
            while way:
                inner = next(waiting[-1], None)
                name = way[-1]
                if inner is None:
                    height[name] = 1 + max((height[below] for below in nested[name]), default=0)
                    if height[name] == NESTING_CAP + 1:
                        layer = self._groups[name][0]
                        self._report(layer.file, layer.where, f"groups nest more than {NESTING_CAP} deep here", None)
                    way.pop()
                    waiting.pop()
                elif inner not in height:
                    height[inner] = 0
                    way.append(inner)
                    waiting.append(iter(nested[inner]))
                elif height[inner] == 0:
                    circle = " > ".join([*way[way.index(inner) :], inner])
                    layer = nested[name][inner]
                    place = (*layer.where, "groups")
                    self._report(layer.file, place, f"groups nest in a circle: {circle}", None)

    def _check_joined(self, layers: list[_Layer]) -> None:
        """A group may be told in several files, but not told two things."""
        told: dict[tuple[str, ...], tuple[Any, _Layer]] = {}
        for layer in layers:
            for path, value in _leaves(layer.values):
                if path == ("groups",):
                    continue
                said, other = told.setdefault(path, (value, layer))
                if said != value:
                    place = f"{other.file.path}:{other.file.line((*other.where, *path))}"
                    self._report(layer.file, (*layer.where, *path), f"{place} says something else here", None)

    def _upwards(self, listed: Iterable[str]) -> tuple[list[str], list[str]]:
        """The groups *listed* and all that hold them, in two orders: as they are met on the way up, and the strongest first.

        Strongest first means the order listed, but each group after the ones that hold it.
        """
        met: dict[str, None] = {}
        strongest: list[str] = []
        stack = [(name, False) for name in reversed(tuple(listed))]
        while stack:
            name, holders_done = stack.pop()
            if holders_done:
                strongest.append(name)
            elif name not in met:
                met[name] = None
                stack.append((name, True))
                stack += [(holder, False) for holder in reversed(self._holders[name])]
        return list(met), strongest

    # Sites

    def _layers(self, site: _Layer, listed: tuple[str, ...]) -> list[_Layer]:
        """What a site takes its values from after its own table, nearest first.

        The groups come in the order in which the site lists them; a nested group yields to the group that lists it.
        """
        key = (id(site.file), listed)
        known = self._folded.get(key)
        if known is None:
            known = [layer for group in self._upwards(listed)[1] for layer in self._groups[group]]
            known.append(_Layer(site.file.defaults, site.file, ("defaults",)))
            self._folded[key] = known
        return known

    def _make_sites(self) -> dict[str, Site]:
        sites: dict[str, Site] = {}
        bases: dict[tuple[int, tuple[str, ...]], tuple[dict[str, Any], tuple[str, ...]]] = {}
        urls: dict[str, str] = {}
        for name, layer in self._sites.items():
            listed: tuple[str, ...] = layer.values.get("groups", ())
            if any(group not in self._groups for group in listed):
                # What else is wrong with the site is told as if the group that was meant had been named.
                meant = [group if group in self._groups else self._unknown_group(layer, group) for group in listed]
                listed = tuple(dict.fromkeys(group for group in meant if group is not None))
            url = layer.values.get("url")
            if url is not None:
                if url in urls:
                    self._report(layer.file, (*layer.where, "url"), f"the site {urls[url]} has this url already", None)
                urls.setdefault(url, name)
            key = (id(layer.file), listed)
            if key not in bases:
                bases[key] = (
                    _fold(part.values for part in self._layers(layer, listed)),
                    tuple(self._upwards(listed)[0]),
                )
            base, groups = bases[key]
            values = _fold((layer.values, base))
            self._check_site(layer, listed, values)
            if "url" not in values:
                continue
            values.pop("allow_plaintext", None)
            password: CredentialRef | None = values.get("password")
            if password is not None and password.kind == "keyring" and password.user is None:
                values["password"] = replace(password, user=values.get("username"))
            values["groups"] = groups
            sites[name] = Site(name=name, **values)
        return sites

    def _check_site(self, layer: _Layer, listed: tuple[str, ...], values: Mapping[str, Any]) -> None:
        """What can only be told once everything is folded in."""
        if values.get("allow_http", False):
            return
        url, auth = values.get("url"), values.get("auth")
        if url is not None and url.startswith("http://") and not is_loopback(host_of(url)):
            message = "http:// sends tokens in clear: use https://, or say allow_http = true"
            self._report(layer.file, (*layer.where, "url"), message, None)
        if auth is None or auth.portal is None or not auth.portal.startswith("http://"):
            return
        if not is_loopback(host_of(auth.portal)):
            # Said once, where the portal is named, and not for every site that takes it from there.
            source = next(part for part in (layer, *self._layers(layer, listed)) if "auth" in part.values)
            if id(source.values) not in self._portals_told:
                self._portals_told.add(id(source.values))
                message = "the portal has an http:// address, which sends tokens in clear: use https://"
                self._report(source.file, (*source.where, "auth", "portal"), message, None)

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
        found: dict[tuple[str, ...], Origin] = {}
        for layer in [own, *self._layers(own, own.values.get("groups", ()))]:
            for path, value in _leaves(layer.values):
                if path != ("groups",):
                    found.setdefault(path, _origin(layer, path, value))
        if "groups" in own.values:
            found["groups",] = _origin(own, ("groups",), own.values["groups"])
        order = list(SITE_KEYS)
        return sorted(found.values(), key=lambda origin: order.index(origin.key.split(".")[0]))


def _leaves(values: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The values of a table that come from one place each: labels one by one, and every setting of a check."""
    for key, value in values.items():
        if key == "labels":
            yield from (((key, label), text) for label, text in value.items())
        elif key == "checks":
            for check, settings in value.items():
                told = ((name, getattr(settings, name)) for name in CheckSettings.__slots__)
                yield from (((key, check, name), said) for name, said in told if said is not None)
        else:
            yield (key,), value


def _origin(layer: _Layer, path: tuple[str, ...], value: Any) -> Origin:
    return Origin(
        key=".".join(path),
        value=value,
        file=str(layer.file.path),
        line=layer.file.line((*layer.where, *path)),
        table=".".join(layer.where),
    )


def _fold(layers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The values of *layers*, nearest first, put together: labels and checks key by key, every other value whole."""
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


def _syntax_problem(file: str, text: str, error: str) -> Problem:
    match = re.search(r"\(at line (\d+), column (\d+)\)", error)
    reason = re.sub(r"\s*\(at .*\)$", "", error).splitlines()[0][:120]
    line = int(match.group(1)) if match else text.count("\n") + 1
    key: tuple[str, ...] = ()
    if reason == "Cannot overwrite a value":
        # Only here is what stands on the line known to be a key: elsewhere it may be a piece of a secret.
        key, reason = LineIndex(text).key_at(line), "this key is there already"
    return Problem(
        file=file,
        line=line,
        key=".".join(key),
        message=f"this is not TOML: {reason} " + (f"in column {match.group(2)}" if match else "at the end of the file"),
    )
