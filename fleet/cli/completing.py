"""What a shell is told when a word is to be completed: names of the inventory, paths and parameters of the catalogue.

Nothing is sent to any site, and a mistake in an inventory costs the names in it, never a message in the user's line.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import click
from click.shell_completion import BashComplete, CompletionItem, add_completion_class

__all__ = [
    "FleetBash",
    "checks",
    "faults",
    "inventory_files",
    "operations",
    "parameters",
    "paths",
    "remembered_sets",
    "selectors",
    "services",
    "sites",
    "snapshots",
    "snapshots_or_sites",
]

Completions = list[CompletionItem[str]]
Complete = Callable[[click.Context, click.Parameter, str], Completions]

RUNS = (
    "@failed @ok @changed @noop @verify_failed @unreachable @auth_failed @timeout @protocol @cancelled @skipped "
    "@not_run @unknown @file:"
).split()
_OPERAND = re.compile(r"[^\s,&|()!]*$")
_LABEL = re.compile(r"([A-Za-z0-9._-]+)(!?=)([^\s,&|()!]*)$")
_SPECIAL = re.compile(r"[^\w@%+=:,./\[\]-]")
_PLAIN_VALUE = re.compile(r"[A-Za-z0-9._-]+")


def _quietly(complete: Callable[[click.Context, str], Iterable[tuple[str, str | None]]]) -> Complete:
    """*complete* as the library wants it, giving nothing where anything is wrong."""

    def completed(ctx: click.Context, param: click.Parameter, incomplete: str) -> Completions:
        try:
            return [CompletionItem(value, help=about) for value, about in complete(ctx, incomplete)]
        except Exception:  # whatever it is, a line that is being typed is no place to say so
            return []

    return completed


@dataclass(slots=True)
class _Names:
    """What the tables of inventory files are called, read without any check."""

    sites: dict[str, str] = field(default_factory=dict)
    groups: dict[str, None] = field(default_factory=dict)
    labels: dict[str, dict[str, None]] = field(default_factory=dict)

    def add_labels(self, table: Any) -> None:
        labels = table.get("labels") if isinstance(table, dict) else None
        for key, value in labels.items() if isinstance(labels, dict) else ():
            self.labels.setdefault(str(key), {})[str(value)] = None


def _names(ctx: click.Context) -> _Names:
    import tomllib

    from fleet.inventory.load import FILE_CAP, find_sources

    found = _Names()
    for source in find_sources(ctx.params.get("inventory") or ()):
        if source.path.stat().st_size > FILE_CAP:
            continue
        data = tomllib.loads(source.path.read_text(encoding="utf-8"))
        for table in (data.get("defaults"), *data.get("groups", {}).values(), *data.get("sites", {}).values()):
            found.add_labels(table)
        for name, site in data.get("sites", {}).items():
            found.sites[name] = str(site.get("url", "")) if isinstance(site, dict) else ""
            found.groups |= dict.fromkeys(site.get("groups", ()) if isinstance(site, dict) else ())
        for name, group in data.get("groups", {}).items():
            found.groups |= dict.fromkeys([name, *(group.get("groups", ()) if isinstance(group, dict) else ())])
    return found


@_quietly
def sites(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str | None]]:
    """Names of sites."""
    for name, url in _names(ctx).sites.items():
        if name.startswith(incomplete):
            yield name, url


def _snapshots(incomplete: str) -> Iterator[tuple[str, str | None]]:
    from fleet.outcome import timestamp
    from fleet.snapshots.store import Store

    for kept in reversed(Store().look()[0]):
        for name in filter(None, (kept.name, kept.id)):
            if name.startswith(incomplete):
                yield name, timestamp(kept.made)
    if "latest".startswith(incomplete):
        yield "latest", "the newest"


@_quietly
def snapshots(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str | None]]:
    """Names and IDs of snapshots, the newest first."""
    yield from _snapshots(incomplete)


@_quietly
def snapshots_or_sites(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str | None]]:
    """What a comparison may begin with: most sites, one of them, a snapshot."""
    if "majority".startswith(incomplete):
        yield "majority", "what most sites have"
    for name, url in _names(ctx).sites.items():
        if name.startswith(incomplete):
            yield name, url
    yield from _snapshots(incomplete)


@_quietly
def selectors(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str | None]]:
    """The last operand of a selector: a site, a group, a label, an outcome of the last run."""
    label = _LABEL.search(incomplete)
    if label is not None:
        before = incomplete[: label.start(3)]
        for value in _names(ctx).labels.get(label[1], ()):
            if value.startswith(label[3]) and _PLAIN_VALUE.fullmatch(value):
                yield f"{before}{value}", None
        return
    operand = _OPERAND.search(incomplete)
    assert operand is not None
    before, begun = incomplete[: operand.start()], operand.group()
    if begun.startswith("@"):
        for name in RUNS:
            if name.startswith(begun):
                yield f"{before}{name}", "sites of the last run"
        return
    names = _names(ctx)
    known = {"all": "every site"}
    known |= dict.fromkeys(names.groups, "group")
    known |= names.sites
    known |= {f"{key}=": "label" for key in names.labels}
    for name, about in known.items():
        if name.startswith(begun):
            yield f"{before}{name}", about


def _catalogue() -> list[dict[str, Any]]:
    from importlib.resources import files

    found: list[dict[str, Any]] = json.loads(files("fleet.admin").joinpath("catalogue.json").read_bytes())
    return found


def _templates(entry: dict[str, Any]) -> Iterator[list[str]]:
    """The parts of the paths at which an operation is found; a service of the root folder has no folder in it."""
    if entry["base"] == "portal":
        return
    path = f"admin/{entry['path']}" if entry["base"] == "admin" else entry["path"]
    yield path.strip("/").split("/")
    if "services/<folder>/<name>." in path:
        yield path.replace("services/<folder>/", "services/").strip("/").split("/")
    for other in entry.get("also_at", ()):
        yield other.split("/")


def _fits(part: str, typed: str) -> bool:
    """Whether *typed* may stand where a template has *part*."""
    if part == "<name>.GPServer":
        return re.fullmatch(r".+\.GPServer", typed, re.IGNORECASE) is not None
    if part == "<name>.<type>":
        return re.fullmatch(r".+\.[A-Za-z]*Server", typed, re.IGNORECASE) is not None
    if part == "<folder>":
        return bool(typed) and not re.fullmatch(r".+\.[A-Za-z]*Server", typed, re.IGNORECASE)
    return bool(typed) if "<" in part else part.lower() == typed.lower()


@_quietly
def paths(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str | None]]:
    """Paths of the catalogue, as far as they are fixed words: what comes next is a name that only the site knows."""
    *whole, begun = incomplete.split("/")
    told: dict[str, str | None] = {}
    for entry in _catalogue():
        for template in _templates(entry):
            if len(template) <= len(whole) or not all(map(_fits, template, whole)):
                continue
            rest = template[len(whole) :]
            fixed = next((place for place, part in enumerate(rest) if "<" in part), len(rest))
            if not fixed or not rest[0].lower().startswith(begun.lower()):
                continue
            path = "/".join([*whole, *rest[:fixed]])
            # What is typed stays as it is typed: servers don't look at the case of these words.
            path = incomplete + path[len(incomplete) :]
            if fixed < len(rest):
                told.setdefault(f"{path}/", None)
            else:
                told[path] = entry["effect"]
    for service in _services(ctx):
        # What was read before of these sites stands in for the names that only they know.
        if f"admin/services/{service}".startswith(incomplete) and incomplete.startswith("admin/services/"):
            told.setdefault(f"admin/services/{service}", "service")
    yield from told.items()


def _services(ctx: click.Context) -> list[str]:
    """Services that were read before: of the one site that is selected, or of every site."""
    from fleet.history.names import recall

    selected = ctx.params.get("select")
    return recall([selected]) or recall() if isinstance(selected, str) else recall()


@_quietly
def services(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str | None]]:
    """Names of services that were read before, and of their folders as globs."""
    known = _services(ctx)
    folders = dict.fromkeys(f"{name.rpartition('/')[0]}/*" for name in known if "/" in name)
    for name in [*folders, *known]:
        if name.startswith(incomplete):
            yield name, None


@_quietly
def remembered_sets(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str | None]]:
    """Names of the sets of services that were remembered when they were stopped."""
    from fleet.history.sets import sets

    for one in sets():
        if one.name.startswith(incomplete):
            yield one.name, one.began


@_quietly
def operations(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str | None]]:
    """Names of operations."""
    for entry in _catalogue():
        if entry["name"].lower().startswith(incomplete.lower()):
            yield entry["name"], entry["effect"]


@_quietly
def parameters(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str | None]]:
    """Names of the parameters of the path that was given, and the values of one that has a list of them."""
    # While the value of -p is missing, the library leaves the argument where it found it.
    argument = ctx.params.get("path") or next(iter(ctx.args), "")
    path = str(argument).split("?")[0].strip("/").split("/")
    name, equals, begun = incomplete.partition("=")
    given = {pair.partition("=")[0] for pair in ctx.params.get("parameter") or ()}
    for entry in _catalogue():
        if not any(len(parts) == len(path) and all(map(_fits, parts, path)) for parts in _templates(entry)):
            continue
        for parameter in entry.get("params", ()):
            if not equals and parameter["name"].startswith(name) and parameter["name"] not in given:
                need = "required, " if parameter.get("required") else ""
                mark = "@" if parameter["type"].startswith("file") else ""
                yield f"{parameter['name']}={mark}", f"{need}{parameter.get('meaning') or parameter['type']}"
            if equals and parameter["name"] == name:
                for value in parameter.get("values") or (("true", "false") if parameter["type"] == "boolean" else ()):
                    if str(value).startswith(begun):
                        yield f"{name}={value}", None


@_quietly
def checks(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str | None]]:
    """Names of health checks."""
    from importlib.metadata import entry_points

    for name in sorted({entry.name for entry in entry_points(group="fleet.checks")}):
        if name.startswith(incomplete):
            yield name, None


@_quietly
def faults(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str | None]]:
    """What a simulated site may be ill with, once the site is typed."""
    from fleet.simulator import FAULTS

    site, equals, begun = incomplete.partition("=")
    for kind in FAULTS if equals else ():
        if kind.startswith(begun):
            yield f"{site}={kind}", None


def inventory_files(ctx: click.Context, param: click.Parameter, incomplete: str) -> Completions:
    """Files; the shell itself knows them best."""
    return [CompletionItem(incomplete, type="file")]


SCRIPT = """\
%(complete_func)s() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            plain,*) COMPREPLY+=("${line#plain,}") ;;
            dir,*) compopt -o dirnames ;;
            file,*) compopt -o default ;;
        esac
    done < <(env COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" COMP_WORDBREAKS="$COMP_WORDBREAKS" \\
        %(complete_var)s=bash_complete "$1" 2>/dev/null)
    # Behind a part of a path, or a parameter's name, no blank is wanted.
    if [[ ${#COMPREPLY[@]} -gt 0 && ${COMPREPLY[0]} == *[/=:] ]]; then
        compopt -o nospace
    fi
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class FleetBash(BashComplete):
    """Bash, which takes words apart at `=`, `:` and `@`: the whole line is read, and only the rest of a word returned."""

    source_template = SCRIPT

    def complete(self) -> str:
        line = os.environ.get("COMP_LINE")
        if line is None:
            return super().complete()
        point = int(os.environ.get("COMP_POINT", len(line.encode())))
        words, raw, opened = _words(line.encode()[:point].decode("utf-8", "ignore"))
        incomplete = _unquoted(raw, "" if opened < 0 else raw[opened])
        begin = opened + 1 or _last_break(raw, os.environ.get("COMP_WORDBREAKS", ""))
        # Of --option=value only the value is completed.
        typed = incomplete.partition("=")[2] if incomplete.startswith("--") and "=" in incomplete else incomplete
        lines = []
        for item in self.get_completions(words[1:], incomplete):
            if item.type != "plain":
                lines.append(f"{item.type},")
            elif item.value.startswith(typed):
                rest = item.value[len(typed) :]
                lines.append(f"plain,{raw[begin:]}{rest if opened >= 0 else _SPECIAL.sub(_escaped, rest)}")
        return "\n".join(lines)


def _escaped(match: re.Match[str]) -> str:
    return f"\\{match.group()}"


def _words(line: str) -> tuple[list[str], str, int]:
    """The finished words of *line*, the one that is being typed as it stands, and where in it a quote is open (or -1)."""
    start = 0
    opened = -1
    place = 0
    while place < len(line):
        character = line[place]
        if character == "\\" and (opened < 0 or line[opened] != "'"):
            place += 1
        elif opened >= 0:
            opened = -1 if character == line[opened] else opened
        elif character in "'\"":
            opened = place
        elif character in " \t":
            start = place + 1
        place += 1
    return _split(line[:start]), line[start:], opened - start if opened >= 0 else -1


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _unquoted(raw: str, quote: str) -> str:
    """The word *raw* as the program would get it, if the open *quote* were closed here."""
    try:
        return "".join(shlex.split(raw + quote))
    except ValueError:
        return raw


def _last_break(raw: str, breaks: str) -> int:
    """Where the part of *raw* begins that bash replaces: behind its last breaking character that is not escaped.

    Of these characters bash takes `@` and `$` for the begin of what follows.
    """
    found = 0
    for place, character in enumerate(raw):
        if character in breaks and character not in " \t" and raw[place - 1 : place] != "\\":
            found = place if character in "@$" else place + 1
    return found


add_completion_class(FleetBash)
