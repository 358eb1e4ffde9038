"""Definitions of services on their way between sites: what of them is carried over, and the file that holds them. No I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from fnmatch import fnmatchcase
from typing import Any

from fleet.audit import without_secrets
from fleet.bulk.settings import SettingRefused, as_before, by_type
from fleet.errors import BadAnswer, UsageError
from fleet.protocol.fields import ServiceId
from fleet.protocol.secret_names import MASK

__all__ = ["carried", "carried_over", "document", "read_document"]

SCHEMA = "fleet.services/1"
_OWN = re.compile(r"(^|\.)(serviceName|type|folderName|provider|clusterName|configuredState|datasets)$")
_PLACES = re.compile(r"(dir|directory|path|url|uri)$", re.IGNORECASE)


def carried(only: Sequence[str] = ()) -> Callable[[str], bool]:
    """Whether the setting at a dotted path is carried to another site.

    With *only* those that it names, with `*` and `?`, and everything below them. Without, all but what is a site's own:
    names, places on its disks and in its addresses, runtime, and whether it is started.
    """
    if not only:
        return lambda path: _OWN.search(path) is None and _PLACES.search(path) is None

    def named(path: str) -> bool:
        return any(path.startswith(f"{one}.") or fnmatchcase(path, one) for one in only)

    return named


def carried_over(old: Any, source: Any, wanted: Callable[[str], bool], path: str = "") -> Any:
    """*old* with those settings of *source* that are *wanted*, in the type that they have in *old*.

    What *source* lacks stays as it is; what was masked when it was written down is not carried over.
    """
    if isinstance(old, Mapping) and isinstance(source, Mapping):
        new = dict(old)
        for key, value in source.items():
            below = f"{path}.{key}" if path else str(key)
            if key in old:
                new[key] = carried_over(old[key], value, wanted, below)
            elif (part := _part(value, wanted, below)) is not None:
                new[key] = part
        return new
    if path.rpartition(".")[2] == "extensions" and isinstance(old, list) and isinstance(source, list):
        theirs, ours = by_type(source), by_type(old)
        if theirs is not None and ours is not None:
            merged = [
                carried_over(one, theirs[name], wanted, f"{path}.{name}") if name in theirs else deepcopy(one)
                for name, one in ours.items()
            ]
            added = [_part(one, wanted, f"{path}.{name}") for name, one in theirs.items() if name not in ours]
            return [
                *merged,
                *({**one, "typeName": one.get("typeName")} for one in added if one and one.get("typeName")),
            ]
    if not wanted(path) or source == MASK or _same(old, source):
        return deepcopy(old)
    return _typed(old, source, path)


def _part(value: Any, wanted: Callable[[str], bool], path: str) -> Any:
    """What of *value*, for which there is nothing yet, is carried over; None for nothing of it."""
    if isinstance(value, Mapping) and value:
        found = {key: _part(inner, wanted, f"{path}.{key}") for key, inner in value.items()}
        kept = {key: inner for key, inner in found.items() if inner is not None}
        if not kept:
            return None
        return {**kept, "typeName": value["typeName"]} if "typeName" in value else kept
    return deepcopy(value) if wanted(path) and value != MASK else None


def _same(old: Any, source: Any) -> bool:
    if isinstance(old, bool) or isinstance(source, bool):
        return str(old).lower() == str(source).lower()
    return bool(old == source or (not isinstance(old, list | dict) and str(old) == str(source)))


def _typed(old: Any, source: Any, path: str) -> Any:
    """*source* as the type of *old*: a release may write a number as a text, or the other way round."""
    if type(old) is type(source) or isinstance(source, list | dict) or source is None or old is None:
        return deepcopy(source)
    try:
        return as_before(old, str(source).lower() if isinstance(source, bool) else str(source), path)
    except SettingRefused:
        return deepcopy(source)


# The file


def document(sites: Mapping[str, Mapping[ServiceId, Mapping[str, Any]]], at: str) -> str:
    """The definitions of *sites*, exported at *at*, as indented JSON in ASCII; what is secret by its name is masked."""
    told = {
        site: [
            {**service.to_parameter(), "definition": without_secrets(definition)}
            for service, definition in sorted(services.items())
        ]
        for site, services in sites.items()
    }
    return json.dumps({"schema": SCHEMA, "exported": at, "sites": told}, indent=2, ensure_ascii=True) + "\n"


def read_document(text: str, site: str | None) -> dict[ServiceId, dict[str, Any]]:
    """The definitions of *site* in the file *text*; of its only site where none is named. Raises `UsageError`."""
    try:
        told = json.loads(text)
        sites = told["sites"] if told["schema"] == SCHEMA else None
    except (ValueError, TypeError, KeyError, RecursionError):
        sites = None
    if not isinstance(sites, dict) or not sites:
        raise UsageError("that is no file that `fleet services export` has written")
    if site is None and len(sites) > 1:
        raise UsageError(
            f"the file has {len(sites)} sites: say which one with --from, such as --from {next(iter(sites))}"
        )
    name = next(iter(sites)) if site is None else site
    if name not in sites:
        raise UsageError(f"the file has no site {name}; it has {', '.join(list(sites)[:10])}")
    found: dict[ServiceId, dict[str, Any]] = {}
    for entry in sites[name] if isinstance(sites[name], list) else [None]:
        definition = entry.get("definition") if isinstance(entry, dict) else None
        try:
            service = ServiceId.of(entry) if isinstance(entry, dict) else None
        except BadAnswer as error:
            raise UsageError(f"the file is not whole: {error}") from None
        if service is None or not isinstance(definition, dict):
            raise UsageError(f"the file is not whole: {name} has an entry that is no service")
        found[service] = definition
    return found
