"""`fleet operations`: what the API offers, and everything about one operation. It asks no site and reads no inventory."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.common import Common, completed_by, local_options, output_option, row_options, terminal_of
from fleet.errors import UsageError

if TYPE_CHECKING:
    from fleet.admin.catalogue import Entry

__all__ = ["command"]


@click.command(name="operations")
@click.argument("words", nargs=-1, metavar="[WORD]...", shell_complete=completed_by("operations"))
@click.option("--effect", type=click.Choice(["read", "change", "disrupt"]), help="Only those that do this to a site.")
@click.option("--since", metavar="RELEASE", help="Only those that came with this release or a later one.")
@click.option("--release", metavar="RELEASE", help="Only those that a site of this release has.")
@output_option()
@row_options
@local_options
def command(common: Common, words: tuple[str, ...], effect: str | None, since: str | None, release: str | None) -> int:
    """List the operations of the API, and explain one.

    Each WORD must be in the name, the path, a parameter or the note. One exact name, or a path, is explained.

    \b
    fleet operations
    fleet operations services --effect change
    fleet operations services.edit
    fleet operations admin/services/Maps/Roads.MapServer/start
    fleet operations certificate --release 10.6.1 -o csv
    """
    from fleet.admin.catalogue import catalogue

    asked = _exact(words)
    if asked and effect is None and since is None and release is None:
        named = len(words) == 1 and words[0] in catalogue().by_name
        below = [one for one in catalogue().entries if one.name.startswith(f"{words[0]}.")] if named else []
        _explain(common, asked, below)
        return 0
    found = [one for one in catalogue().entries if _matches(one, words)]
    if not found:
        raise UsageError(_unknown(words))
    found = [one for one in found if effect in (None, one.effect) and _in_time(one, since, release)]
    _list(common, found)
    return 0


def _exact(words: tuple[str, ...]) -> list[Entry]:
    """The operations that the only word names: by name, or by a path; of one path a read and a change."""
    from fleet.admin.catalogue import catalogue

    if len(words) != 1:
        return []
    (word,) = words
    every = catalogue()
    if word in every.by_name:
        return [every.by_name[word]]
    portal, path = word.startswith("portal:"), word.removeprefix("portal:").strip("/")
    if "/" not in path and path not in ("admin",):
        return []
    return every.at(path, portal=portal) or every.at(f"admin/{path}")


def _matches(entry: Entry, words: tuple[str, ...]) -> bool:
    import re

    path = re.sub(r"<\w+>", "", entry.full_path)
    text = " ".join([entry.name, path, entry.note, *(one.name for one in entry.params)]).lower()
    return all(word.lower() in text for word in words)


def _in_time(entry: Entry, since: str | None, release: str | None) -> bool:
    from fleet.protocol.release import Release

    came = Release.parse(entry.since)
    if since is not None and (came is None or came < _release(since)):
        return False
    return release is None or not entry.missing_in(_release(release))


def _release(text: str) -> Any:
    from fleet.protocol.release import Release

    found = Release.parse(text)
    if found is None:
        raise UsageError(f"{text!r} is no release: write one such as 10.9.1 or 11.3")
    return found


def _unknown(words: tuple[str, ...]) -> str:
    """What to say of words that nothing matches, with the names that are nearest."""
    import difflib

    from fleet.admin.catalogue import catalogue

    names = list(catalogue().by_name)
    ends: dict[str, str] = {}
    for name in names:
        ends.setdefault(name.rpartition(".")[2].lower(), name)
    wanted = " ".join(words)
    near = difflib.get_close_matches(wanted, names, n=3, cutoff=0.5)
    near += [ends[end] for end in difflib.get_close_matches(wanted.rpartition(".")[2].lower(), ends, n=3, cutoff=0.6)]
    hint = f"; nearest: {', '.join(list(dict.fromkeys(near))[:4])}" if near else ""
    return f"no operation has {wanted[:80]!r} in its name, path, parameters or note{hint}"


def _explain(common: Common, entries: list[Entry], below: list[Entry]) -> None:
    from fleet.cli.paging import show_lines
    from fleet.cli.writing import write_rows
    from fleet.render.operations import explained, explanation
    from fleet.render.plain import as_json, as_line

    match common.format:
        case "json":
            click.echo(as_json([{**explanation(one), "below": [entry.name for entry in below]} for one in entries]))
        case "ndjson":
            for one in entries:
                sys.stdout.write(as_line(explanation(one)) + "\n")
        case "table":
            terminal = terminal_of()
            lines: list[str] = []
            for one in entries:
                lines += [*([""] if lines else []), *explained(one, terminal)]
            show_lines(common, lines, terminal)
            if below and not common.quiet:
                click.echo(f"below it: {', '.join(one.name for one in below)}", err=True)
        case _:
            rows = [
                {"operation": entry.name, **{name: _flat(value) for name, value in parameter.items()}}
                for entry in entries
                for parameter in explanation(entry)["parameters"]
            ]
            names = ("operation", "name", "type", "required", "default", "values", "unit", "meaning")
            write_rows(common, rows, title="operations", names=names)


def _flat(value: Any) -> Any:
    return "|".join(map(str, value)) if isinstance(value, list) else "" if value is None else value


def _list(common: Common, entries: list[Entry]) -> None:
    from fleet.cli.writing import write_rows
    from fleet.render.columns import plural
    from fleet.render.operations import COLUMNS, operation_row

    rows: list[dict[str, Any]] = [dict(operation_row(entry)) for entry in entries]
    write_rows(common, rows, title="operations", names=COLUMNS, remarks=[plural(len(rows), "operation")], compact=False)
