"""The pieces of a site as the sheet that is compared: by service, machine and setting, without what always differs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from fleet.aggregate.compare import Item, Sheet
from fleet.aggregate.flat import Flat, flatten, same
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
        self._known: dict[bytes, Flat] = {}
        self._paths: dict[str, str] = {}

    def wants(self, piece: str) -> bool:
        """Whether *piece* is one that is compared, or that tells how."""
        return piece.partition("/")[0] in self._sections or piece.startswith("machines/about/")

    def sheet(
        self,
        pieces: Mapping[str, Any],
        *,
        url: str | None = None,
        absent: Iterable[str] = (),
        failed: Iterable[str] = (),
    ) -> Sheet:
        """The sheet of one site from its *pieces*; what is *absent* or *failed* is not known of it."""
        machines = sorted(name.removeprefix("machines/about/") for name in pieces if name.startswith("machines/about/"))
        names = {} if self._masking.off or not self._masking.between else _hosts(machines, url)
        reword = _reworder(names)
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
                whole[(section, rest)] = value
        for item, told in parts.items():
            # Where its definition is not known, that is among what failed, or it is gone meanwhile.
            if item in values:
                values[item].update(told)
        items = {item: self._flat(item, value, reword) for item, value in (*values.items(), *whole.items())}
        blind, blind_in, below = _not_known([*absent], [*failed], names, items)
        return Sheet(items=items, blind=blind, blind_in=blind_in, blind_below=below)

    def _flat(self, item: Item, value: Any, reword: Callable[[str], str] | None) -> Flat:
        hides = self._hides
        if hides is not None and self._masking.patterns:
            begin, inner = f"/{escaped(item[0])}/{escaped(item[1])}", hides

            def below(path: str, name: str) -> bool:
                return inner(begin + path, name)

            hides = below
        flat = flatten(value, hides=hides, reword=reword)
        flat = {self._paths.setdefault(path, path): leaf for path, leaf in flat.items()}
        key = b"\n".join(part for path in sorted(flat) for part in (path.encode("utf-8", "replace"), same(flat[path])))
        return self._known.setdefault(key, flat)


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


def _hosts(machines: Sequence[str], url: str | None) -> dict[str, str]:
    """Names of the site's hosts in lower case, each with the word that stands for it."""
    names: dict[str, str] = {}
    host = urlsplit(url).hostname if url else None
    if host:
        names[host.lower()] = "{site}"
    for number, machine in enumerate(machines, 1):
        names[machine.lower()] = f"{{machine-{number}}}"
    for name, word in list(names.items()):
        first = name.split(".")[0]
        if len(first) >= SHORTEST and not first.isdigit():
            names.setdefault(first, word)
    return names


def _reworder(names: Mapping[str, str]) -> Callable[[str], str] | None:
    if not names:
        return None
    longest = sorted(names, key=lambda name: (-len(name), name))
    pattern = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest))})(?![\w-])(?::\d+)?", re.IGNORECASE)

    def reword(text: str) -> str:
        return pattern.sub(lambda match: names[match[0].lower().rpartition(":")[0] or match[0].lower()], text)

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
        elif section == "datastores" and kind == "items" and key:
            below.setdefault(("datastores", "items"), []).append("")
        elif section == "security" and kind == "privileges" and "/" in key:
            privilege, _, role = key.partition("/")
            below.setdefault(("security", f"privileges/{privilege}"), []).append(f"/{escaped(role)}")
        else:
            blind.add((section, rest))
    return frozenset(blind), tuple(begins), {item: tuple(paths) for item, paths in below.items()}
