"""What of a service's definition is to be changed, as a value, and the definition that comes of it. No I/O."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from fleet.errors import UsageError
from fleet.protocol.fields import as_bool, as_int

__all__ = ["Edits", "SettingRefused", "as_before", "by_type", "differences", "edited", "leaves"]

OWN_NAMES = ("serviceName", "type", "folderName")
"""Members that say which service it is: renaming and moving are operations of their own."""


class SettingRefused(Exception):
    """This setting can't be made on this service; the text says why, and what could."""


@dataclass(frozen=True, slots=True)
class Edits:
    """Settings by dotted path and text, extensions that go on and off, and what clients may do.

    A path is a member of the definition, `properties.NAME`, or `extensions.TYPE.…`. *capabilities* are lists with commas by
    type of extension, of the service itself under the empty text. With *force* a setting that the service has not is
    added.
    """

    settings: tuple[tuple[str, str], ...] = ()
    enable: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()
    capabilities: tuple[tuple[str, str], ...] = ()
    force: bool = False

    def __post_init__(self) -> None:
        both = {name.casefold() for name in self.enable} & {name.casefold() for name in self.disable}
        if both:
            raise UsageError(f"{', '.join(sorted(both))} can't be enabled and disabled at once")
        for path, _ in self.settings:
            if not path or not all(path.split(".")):
                raise UsageError(f"{path!r} is no setting: write minInstancesPerNode or properties.maxRecordCount")
            if path in OWN_NAMES:
                raise UsageError(f"{path} can't be set: fleet services rename gives a service another name")
            if path == "configuredState":
                raise UsageError("configuredState can't be set: fleet services start and stop do that")

    def to_dict(self) -> dict[str, Any]:
        """Those that are given, for people and for plans."""
        told: dict[str, Any] = {
            "set": dict(self.settings),
            "enable": list(self.enable),
            "disable": list(self.disable),
            "capabilities": dict(self.capabilities),
        }
        return {name: value for name, value in told.items() if value} | ({"force": True} if self.force else {})


def edited(definition: Mapping[str, Any], edits: Edits) -> dict[str, Any]:
    """*definition* with *edits* made to it, whole, and nothing else of it changed.

    Numbers stay numbers, and texts texts, as the site had them. Raises `SettingRefused`.
    """
    new = deepcopy(dict(definition))
    for path, text in edits.settings:
        _set(new, path, text, edits.force)
    for names, state in ((edits.enable, True), (edits.disable, False)):
        for name in names:
            _switch(new, name, state, edits.force)
    for name, text in edits.capabilities:
        owner = _extension(new, name, edits.force) if name else new
        words = ",".join(word.strip() for word in text.split(",") if word.strip())
        if not words and owner.get("capabilities") in (None, "", "null"):
            continue
        owner["capabilities"] = words
    _check(definition, new)
    return new


def _check(old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Refuse what the site could not mean; what was so before is left to it."""
    for least, most in (("minInstancesPerNode", "maxInstancesPerNode"),):
        low, high = as_int(new.get(least)), as_int(new.get(most))
        if (old.get(least), old.get(most)) == (new.get(least), new.get(most)) or low is None or high is None:
            continue
        if low > high and new.get("provider") != "DMaps":
            raise SettingRefused(f"{least} {low} would be more than {most} {high}: set both")
        if low < 0 or high < 0:
            raise SettingRefused(f"{least} and {most} can't be less than 0")


# Paths


def _set(definition: dict[str, Any], path: str, text: str, force: bool) -> None:
    owner, key = _place(definition, path, force)
    known = key in owner
    if not known and not force:
        raise _unknown(path, definition)
    owner[key] = as_before(owner[key], text, path) if known else _new(path, text)


def _place(definition: dict[str, Any], path: str, force: bool) -> tuple[dict[str, Any], str]:
    """The object that holds what *path* names, and its key there."""
    owner: dict[str, Any] = definition
    rest = path
    flat = False  # whether this is among properties, whose names may have dots in them
    while True:
        if rest in owner or "." not in rest:
            return owner, rest
        head, _, tail = rest.partition(".")
        inner = owner.get(head)
        if isinstance(inner, list) and head == "extensions":
            name, dot, tail = tail.partition(".")
            if not dot:
                raise SettingRefused(f"{path} is an extension: --enable and --disable switch it")
            owner, rest = _extension(definition, name, force), tail
        elif isinstance(inner, dict):
            owner, rest = inner, tail
            flat = head in ("properties", "frameworkProperties")
        elif force and inner is None and flat:
            return owner, rest
        elif force and inner is None:
            inner = owner[head] = {}
            owner, rest = inner, tail
        else:
            raise _unknown(path, definition)


def _unknown(path: str, definition: Mapping[str, Any]) -> SettingRefused:
    known = [name for name, _ in leaves(definition)]
    close = get_close_matches(path, known, n=1, cutoff=0.5)
    if not close:
        by_end = {name.rpartition(".")[2].casefold(): name for name in reversed(known)}
        close = [by_end[path.casefold()]] if path.casefold() in by_end else []
    near = f"did you mean {close[0]}? " if close else ""
    return SettingRefused(f"it has no setting {path}; {near}--force adds it all the same")


def as_before(before: Any, text: str, path: str) -> Any:
    """*text* as the type of the value *before*, which stands at *path*; raises `SettingRefused`."""
    if isinstance(before, bool):
        value = as_bool(text)
        if value is None:
            raise SettingRefused(f"{path} is true or false, not {text!r}")
        return value
    if isinstance(before, int):
        number = as_int(text)
        if number is None:
            raise SettingRefused(f"{path} is a whole number, not {text!r}")
        return number
    if isinstance(before, float):
        try:
            return float(text)
        except ValueError:
            raise SettingRefused(f"{path} is a number, not {text!r}") from None
    if isinstance(before, list | dict):
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if not isinstance(value, type(before)):
            kind = "a list" if isinstance(before, list) else "an object"
            raise SettingRefused(f"{path} is {kind}: write it as JSON, or name a member of it")
        return value
    return text


def _new(path: str, text: str) -> Any:
    """A value for a setting that was not there: properties are texts always."""
    if ".properties." in f".{path}" or path.startswith("frameworkProperties."):
        return text
    number = as_int(text)
    if number is not None:
        return number
    return text == "true" if text in ("true", "false") else text


# Extensions


def _extension(definition: dict[str, Any], name: str, force: bool) -> dict[str, Any]:
    """The extension *name* of *definition*; with *force* a new one, which is off, where there is none."""
    extensions = definition.get("extensions")
    if not isinstance(extensions, list):
        extensions = []
    known = [one for one in extensions if isinstance(one, dict)]
    for one in known:
        if str(one.get("typeName", "")).casefold() == name.casefold():
            return one
    names = [str(one.get("typeName")) for one in known]
    if not force:
        near = get_close_matches(name, names, n=1, cutoff=0.8)
        told = f"did you mean {near[0]}?" if near else f"it has {', '.join(names)};" if names else "it has none;"
        raise SettingRefused(f"it has no extension {name}; {told} --force adds it all the same")
    new: dict[str, Any] = {"typeName": name, "enabled": "false", "capabilities": None, "properties": {}}
    definition["extensions"] = [*extensions, new]
    return new


def _switch(definition: dict[str, Any], name: str, state: bool, force: bool) -> None:
    extension = _extension(definition, name, force)
    if as_bool(extension.get("enabled")) is not state:
        # Sites send and take it as a text.
        extension["enabled"] = state if isinstance(extension.get("enabled"), bool) else str(state).lower()


# Differences


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value in a definition with its dotted path; extensions stand under the name of their type."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else str(key))
    elif path.rpartition(".")[2] == "extensions" and isinstance(value, list) and (named := by_type(value)):
        for name, one in named.items():
            yield from leaves({key: inner for key, inner in one.items() if key != "typeName"}, f"{path}.{name}")
    else:
        yield path, value


def by_type(extensions: Sequence[Any]) -> dict[str, Mapping[str, Any]] | None:
    """*extensions* by their type; None where two have the same, or one has none."""
    found: dict[str, Mapping[str, Any]] = {}
    for one in extensions:
        name = one.get("typeName") if isinstance(one, Mapping) else None
        if not isinstance(name, str) or name in found:
            return None
        found[name] = one
    return found


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings in which *old* and *new* differ, by path: as they are, and as they will be."""
    before, after = dict(leaves(old)), dict(leaves(new))
    paths = [path for path in before | after if path not in before or path not in after or before[path] != after[path]]
    return (
        {path: before[path] for path in paths if path in before},
        {path: after[path] for path in paths if path in after},
    )
