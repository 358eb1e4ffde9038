"""The pieces of a site as the sheet that is compared: by service, machine and setting, without what always differs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from fleet.aggregate.compare import Item, Sheet
from fleet.aggregate.flat import Flat, by_name, flatten, same
from fleet.aggregate.pointer import Mask, escaped

__all__ = ["ALWAYS", "BETWEEN", "Masking", "SheetBuilder"]

ALWAYS = frozenset({"lastmodified", "loggedinuser", "serverstarttime", "starttime", "isstatisticsavailable"})
"""Members that say nothing of how a site is set up, in lower case: never compared, unless masking is off."""

BETWEEN = frozenset(
    (
        "validfrom validuntil validfromepoch validuntilepoch expiration created modified publishdate "
        "id guid itemid serviceitemid serialnumber md5fingerprint sha1fingerprint sha256fingerprint "
        "physicalpath localdirectorypath localrepositorypath filepath cachedir virtualcachedir outputdir virtualoutputdir "
        "logdir statisticsdir connectionstring clientpath onpremisepath onpremiseconnectionstring onserverconnectionstring "
        "workspacepath adminurl url machinename machineip totalrefcount featurename appid"
    ).split()
)
"""Members that differ from site to site by nature: times, ids, paths, addresses. A site is compared by them with itself."""

TELLING = ("system/webadaptors", "datastores/items")
"""Pieces that name hosts of the site, beside those that name its machines."""

SHORTEST = 4
"""Characters of a host's first name that is looked for in texts: shorter ones are words of their own too often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Masking:
    """What is left out of a comparison: members by name, members by the user's *patterns*, names of hosts in texts.

    With *between* sites are compared with each other, and what is a site's own by nature is left out.
    """

    between: bool = True
    patterns: Sequence[str] = ()
    off: bool = False

    def hides(self) -> Callable[[str, str], bool] | None:
        """Whether a member, by its path and its name, is left out."""
        if self.off:
            return None
        names = ALWAYS | BETWEEN if self.between else ALWAYS
        mask = Mask(self.patterns)
        if not mask:
            return lambda path, name: name.lower() in names
        return lambda path, name: name.lower() in names or mask.hides(path)


class SheetBuilder:
    """Makes the sheets of one comparison; equal items of different sites become one and the same map."""

    def __init__(self, masking: Masking, sections: Iterable[str]) -> None:
        self._masking = masking
        self._sections = frozenset(sections)
        self._hides = masking.hides()
        self._mask = Mask(() if masking.off else masking.patterns)
        self._known: dict[bytes, Flat] = {}
        self._paths: dict[str, str] = {}

    def wants(self, piece: str) -> bool:
        """Whether *piece* is one that is compared, or that tells how."""
        return piece.partition("/")[0] in self._sections or piece.startswith(("machines/about/", *TELLING))

    def sheet(
        self,
        pieces: Mapping[str, Any],
        *,
        url: str | None = None,
        absent: Iterable[str] = (),
        failed: Iterable[str] = (),
    ) -> Sheet:
        """The sheet of one site from its *pieces*; what is *absent* or *failed* is not known of it."""
        own = self._masking.between and not self._masking.off
        names = _hosts(pieces, url) if own else {}
        reword = _reworder(names) if own else None
        values: dict[Item, dict[str, Any]] = {}
        parts: dict[Item, dict[str, Any]] = {}
        whole: dict[Item, Any] = {}
        for piece, value in pieces.items():
            section, _, rest = piece.partition("/")
            if section not in self._sections:
                continue
            if section == "services":
                _put_service(values, parts, rest, value)
            elif section == "machines":
                kind, _, machine = rest.partition("/")
                _put(values, ("machines", names.get(machine.lower(), machine)), kind, value)
            else:
                whole.update(_things(section, rest, value, reword))
        for item, told in parts.items():
            # Where its definition is not known, that is among what failed, or it is gone meanwhile.
            if item in values:
                values[item].update(told)
        items = {
            item: self._flat(item, value, reword)
            for item, value in (*values.items(), *whole.items())
            if not self._mask.hides(_place(item))
        }
        blind, blind_in, below = _not_known([*absent], [*failed], names, items)
        return Sheet(items=items, blind=blind, blind_in=blind_in, blind_below=below)

    def _flat(self, item: Item, value: Any, reword: Callable[[str], str] | None) -> Flat:
        hides = self._hides
        if hides is not None and self._masking.patterns:
            begin, inner = _place(item), hides

            def below(path: str, name: str) -> bool:
                return inner(begin + path, name)

            hides = below
        flat = flatten(value, hides=hides, reword=reword)
        flat = {self._paths.setdefault(path, path): leaf for path, leaf in flat.items()}
        key = b"\n".join(part for path in sorted(flat) for part in (path.encode("utf-8", "replace"), same(flat[path])))
        return self._known.setdefault(key, flat)


def _place(item: Item) -> str:
    """The path of *item*, as a mask of the user's names it."""
    return f"/{escaped(item[0])}/{escaped(item[1])}"


def _put_service(values: dict[Item, dict[str, Any]], parts: dict[Item, dict[str, Any]], rest: str, value: Any) -> None:
    """A piece of services: definitions and folders make the items, and *parts* are what other pieces say of services."""
    kind, _, key = rest.partition("/")
    match kind:
        case "definition":
            values.setdefault(("services", key), {}).update(value if isinstance(value, dict) else {"definition": value})
        case "states":
            for service, state in value.items():
                parts.setdefault(("services", service), {})["realTimeState"] = state.get("realTimeState")
        case "permissions":
            for service, told in value.items():
                parts.setdefault(("services", service), {})["permissions"] = told
        case "iteminfo" | "manifest":
            parts.setdefault(("services", key), {})[kind] = value
        case "folder":
            values.setdefault(("services", f"{'' if key == '-' else key}/"), {}).update(value)
        case "folder-permissions":
            parts.setdefault(("services", f"{key}/"), {})["permissions"] = value
        case _:
            values[("services", rest)] = {rest: value} if not isinstance(value, dict) else value


def _put(values: dict[Item, dict[str, Any]], item: Item, kind: str, value: Any) -> None:
    """A piece of a machine: what it is about at the top, the rest under its kind; one certificate is in its list."""
    if kind == "about" and isinstance(value, dict):
        values.setdefault(item, {}).update(value)
    else:
        values.setdefault(item, {})[kind] = value


def _things(
    section: str, rest: str, value: Any, reword: Callable[[str], str] | None
) -> Iterator[tuple[Item, dict[str, Any]]]:
    """The items of a piece: each thing in its list is one (a directory, a user), and what stands beside them another."""
    beside, things = value, None
    if isinstance(value, list):
        beside, things = {}, by_name(value)
    elif isinstance(value, dict):
        lists = [key for key, inner in value.items() if isinstance(inner, list)]
        if len(lists) == 1:
            things = by_name(value[lists[0]])
            beside = {key: inner for key, inner in value.items() if key != lists[0]}
    if things is None:
        yield (section, rest), value if isinstance(value, dict) else {rest: value}
        return
    yield (section, rest), beside
    begin = "" if rest == "items" else f"{rest}/"
    taken: Counter[str] = Counter()
    for name, thing in things.items():
        shown = (reword(name) if reword is not None else name).strip("/")
        taken[shown] += 1
        yield (section, f"{begin}{shown}" + (f" #{taken[shown]}" if taken[shown] > 1 else "")), thing


def _hosts(pieces: Mapping[str, Any], url: str | None) -> dict[str, str]:
    """Names of the hosts that belong to the site in lower case, each with the word that stands for it."""
    machines = sorted(name.removeprefix("machines/about/") for name in pieces if name.startswith("machines/about/"))
    host = _host_of(url or "")
    names = {host: "{site}"} if host else {}
    for number, machine in enumerate(machines, 1):
        names[machine.lower()] = f"{{machine-{number}}}"
    for word, hosts in (("adaptor", _adaptors(pieces)), ("store", _store_machines(pieces))):
        for number, name in enumerate(sorted(hosts - names.keys()), 1):
            names[name] = f"{{{word}-{number}}}"
    for name, word in list(names.items()):
        first = name.split(".")[0]
        if len(first) >= SHORTEST and not first.isdigit():
            names.setdefault(first, word)
    return names


def _adaptors(pieces: Mapping[str, Any]) -> set[str]:
    """The hosts of the site's web adaptors, in lower case."""
    found = set()
    for adaptor in _objects(pieces.get("system/webadaptors"), "webAdaptors"):
        if isinstance(machine := adaptor.get("machineName"), str):
            found.add(machine.lower())
        if isinstance(address := adaptor.get("webAdaptorURL"), str):
            found.add(_host_of(address))
    return found - {""}


def _store_machines(pieces: Mapping[str, Any]) -> set[str]:
    """The machines of the site's data stores, in lower case."""
    return {
        machine["name"].lower()
        for item in _objects({"items": pieces.get("datastores/items")}, "items")
        for machine in _objects(item.get("info"), "machines")
        if isinstance(machine.get("name"), str) and machine["name"]
    }


def _host_of(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").lower()
    except ValueError:
        return ""


def _objects(value: Any, member: str) -> list[dict[str, Any]]:
    entries = value.get(member) if isinstance(value, dict) else None
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


_IDS = re.compile(
    r"(?<![0-9A-Za-z])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9A-Za-z])|"
    r"(?<=AGSDataStore_)((?:[a-z]{1,20}_){0,4})[0-9a-z]*[0-9][0-9a-z]*(?![0-9A-Za-z])",
    re.IGNORECASE,
)
"""Ids in texts: those of everything, and what stands at the end of the name that a managed data store gives itself."""


def _reworder(names: Mapping[str, str]) -> Callable[[str], str]:
    longest = sorted(names, key=lambda name: (-len(name), name))
    hosts = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest))})(?![\w-])(?::\d+)?", re.IGNORECASE)

    def named(match: re.Match[str]) -> str:
        found = match[0].lower()
        return names.get(found) or names.get(found.rpartition(":")[0]) or match[0]

    def reword(text: str) -> str:
        if names:
            text = hosts.sub(named, text)
        return _IDS.sub(lambda match: f"{match[1] or ''}{{id}}", text) if "-" in text or "_" in text else text

    return reword


def _not_known(
    absent: Sequence[str], failed: Sequence[str], names: Mapping[str, str], items: Mapping[Item, Flat]
) -> tuple[frozenset[Item], tuple[tuple[str, str], ...], dict[Item, tuple[str, ...]]]:
    """Items that are not known, begins of names that are not, and paths that are not in items that are."""
    blind: set[Item] = set()
    begins: list[tuple[str, str]] = []
    below: dict[Item, list[str]] = {}
    for piece in (*absent, *failed):
        section, _, rest = piece.partition("/")
        kind, _, key = rest.partition("/")
        if section == "services" and kind == "definition":
            if piece in failed:
                blind.add(("services", key))
        elif section == "services" and kind in ("folder", "folders"):
            begins.append(("services", "" if key in ("", "-") else f"{key}/"))
        elif section == "services" and kind in ("states", "permissions"):
            begin = "" if key == "-" else f"{key}/"
            for item in items:
                if item[0] == "services" and item[1].startswith(begin) and "/" not in item[1][len(begin) :]:
                    below.setdefault(item, []).extend(("/realTimeState", "/permissions"))
        elif section == "services" and kind == "folder-permissions":
            below.setdefault(("services", f"{key}/"), []).append("/permissions")
        elif section == "services" and kind in ("iteminfo", "manifest"):
            below.setdefault(("services", key), []).append(f"/{kind}")
        elif section == "machines" and kind == "list":
            begins.append(("machines", ""))
        elif section == "machines":
            machine, _, alias = key.partition("/")
            item = ("machines", names.get(machine.lower(), machine))
            if kind == "about":
                blind.add(item)
            else:
                below.setdefault(item, []).append(f"/{kind}/{escaped(alias)}" if alias else f"/{kind}")
        elif section == "datastores" and kind == "items":
            begins.append(("datastores", f"{key}/" if key else ""))
        elif section == "security" and kind == "privileges" and "/" in key:
            privilege, _, role = key.partition("/")
            below.setdefault(("security", f"privileges/{privilege}"), []).append(f"/{escaped(role)}")
        else:
            blind.add((section, rest))
            begins.append((section, f"{rest}/"))
    return frozenset(blind), tuple(begins), {item: tuple(paths) for item, paths in below.items()}
