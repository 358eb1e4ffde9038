"""`fleet inventory`: what is known before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.common import (
    Common,
    completed_by,
    file_options,
    inventory_options,
    last_outcomes,
    load_inventory,
    output_option,
    row_options,
    terminal_of,
)
from fleet.errors import InventoryError, UsageError

if TYPE_CHECKING:
    from fleet.inventory.load import Origin
    from fleet.inventory.model import Inventory, Site

__all__ = ["command"]

BUILT_IN = "built in"
YES = {"true": "yes", "false": ""}
"""How a table shows a flag, so that those that are set stand out."""


@click.group(name="inventory")
def command() -> None:
    """List, show, check and draw the inventory; nothing is sent to any site.

    \b
    fleet inventory list -s prod
    fleet inventory check
    """


def _selected(common: Common, inventory: Inventory) -> dict[str, str]:
    """The names of the selected sites, each with why it was picked; raises `SelectorError`."""
    from fleet.inventory.selectors import parse, select

    selector = parse(common.selection)
    return select(selector, inventory, last_run=last_outcomes(inventory), allow_empty=common.allow_empty)


# list


@command.command(name="list")
@click.option("--explain", is_flag=True, help="Say for each site which part of the selector picked it.")
@output_option()
@row_options
@inventory_options
def list_(common: Common, explain: bool) -> int:
    """The sites that a selector picks.

    \b
    fleet inventory list -s 'prod and not region=emea' --explain
    fleet inventory list --columns site,labels.tier,url --sort labels.tier -o csv
    """
    from fleet.render.columns import plural
    from fleet.render.plain import in_order

    inventory = load_inventory(common, told=True)
    rows = []
    for name, why in _selected(common, inventory).items():
        site = inventory[name]
        row: dict[str, Any] = {
            "site": name,
            "url": site.url,
            "groups": list(site.groups),
            "labels": dict(site.labels),
            "protected": site.protected,
        }
        rows.append({**row, "because": why} if explain else row)
    _check_columns(
        common, ["site", "url", "groups", "labels", "protected", *(["because"] if explain else [])], inventory
    )
    if common.sort:
        key = common.sort.removeprefix("-")
        rows = in_order(rows, [_cell(row, key) for row in rows], down=common.sort.startswith("-"))
    cells = [{name: _cell(row, name) for name in common.columns or row} for row in rows]
    if common.format == "table":
        cells = [
            {key: YES.get(cell, cell) if key == "protected" else cell for key, cell in row.items()} for row in cells
        ]
    _write_rows(common, rows, cells, compact=True)
    if common.format == "table" and not common.quiet:
        click.echo(f"{len(rows)} of {plural(len(inventory), 'site')}", err=True)
    return 0


def _check_columns(common: Common, known: list[str], inventory: Inventory) -> None:
    """Raise `UsageError` for a column that there is not; a label has one of its own as `labels.NAME`."""
    from fleet.inventory.tables import nearest

    labels = dict.fromkeys(f"labels.{key}" for site in inventory.sites.values() for key in site.labels)
    for name in [*common.columns, *([common.sort.removeprefix("-")] if common.sort else ())]:
        if name not in known and name not in labels:
            near = nearest(name, [*known, *labels])
            hint = f" (did you mean {near}?)" if near else ""
            raise UsageError(f"there is no column {name!r}{hint}; there are {', '.join(known)}, and labels.NAME")


def _cell(row: Mapping[str, Any], name: str) -> str:
    """A column of *row* as text."""
    if name.startswith("labels."):
        return str(row["labels"].get(name.removeprefix("labels."), ""))
    match row[name]:
        case list() as items:
            return ", ".join(items)
        case dict() as items:
            return ", ".join(f"{key}={value}" for key, value in items.items())
        case bool() as flag:
            return "true" if flag else "false"
        case value:
            return str(value)


def _write_rows(
    common: Common, values: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, str]], *, compact: bool = False
) -> None:
    """*values* in the formats for programs; *rows*, the same as texts, in those of columns."""
    from fleet.cli.writing import write_rows

    names = list(common.columns) or list(rows[0] if rows else ())
    if not names and common.format in ("csv", "markdown"):
        return
    # They are sorted already, by what they mean and not by their texts.
    write_rows(replace(common, sort=None), rows, title="inventory", names=names, values=values, compact=compact)


# show


@command.command()
@click.argument("site", shell_complete=completed_by("sites"))
@output_option()
@file_options
def show(common: Common, site: str) -> int:
    """One site with everything folded in, and where each value comes from.

    \b
    fleet inventory show oslo
    fleet inventory show oslo -o json

    In JSON, durations are seconds, and a secret is the reference that the file has.
    """
    from fleet.inventory.load import find_sources, load_with_origins

    inventory, origins = load_with_origins(find_sources(common.inventory), site, allow_commands=common.allow_commands)
    told = [_told(origin) for origin in origins] + _built_in(inventory[site], origins)
    rows = [
        {"key": row["key"], "value": _as_text(row["key"], value), "where": _place(common, row), "table": row["table"]}
        for row, value in told
    ]
    values = [row for row, _ in told]
    if common.format == "json":
        from fleet.render.plain import as_json

        click.echo(as_json({"site": site, "values": values}))
    else:
        _write_rows(common, [{"site": site, **row} for row in values], rows)
    return 0


def _place(common: Common, row: Mapping[str, Any]) -> str:
    """File and line; in a table as short as can be, and cut in front, since the line matters most."""
    where: str = row["where"] or ""
    if common.format != "table":
        return where
    with suppress(ValueError):
        where = str(Path(where).relative_to(Path.cwd()))
    room = max(20, terminal_of().width // 4)
    return where if len(where) <= room else "…" + where[1 - room :]


def _told(origin: Origin) -> tuple[dict[str, Any], Any]:
    row = {
        "key": origin.key,
        "value": _as_json(origin.value),
        "where": f"{origin.file}:{origin.line}" if origin.line else origin.file,
        "file": origin.file,
        "line": origin.line,
        "table": origin.table,
    }
    return row, origin.value


def _built_in(site: Site, origins: Sequence[Origin]) -> list[tuple[dict[str, Any], Any]]:
    """What holds for *site* although no table says so."""
    from fleet.client.settings import DEFAULT_READS, DEFAULT_TIMEOUT

    said = {origin.key for origin in origins}
    values = {
        "auth": site.auth,
        "tls": site.tls,
        "timeout": DEFAULT_TIMEOUT,
        "reads": site.reads or DEFAULT_READS,
        "retries": site.retries,
        "protected": site.protected,
        "allow_http": site.allow_http,
    }
    nowhere = {"where": None, "file": None, "line": None, "table": BUILT_IN}
    return [
        ({"key": key, "value": _as_json(value), **nowhere}, value) for key, value in values.items() if key not in said
    ]


def _given(value: Any) -> dict[str, Any]:
    """The members of a dataclass that say something: the first, which tells its kind, and those that were given."""
    told = {}
    for place, member in enumerate(fields(value)):
        inner = getattr(value, member.name)
        if inner is not None and (place == 0 or member.default is MISSING or inner != member.default):
            told[member.name] = inner
    return told


def _as_json(value: Any) -> Any:
    """A value in its own JSON type; a secret as the reference that the file has, with neither text nor arguments."""
    from fleet.inventory.secrets import CredentialRef

    match value:
        case CredentialRef(kind="plain"):
            return "***"
        case CredentialRef(kind="command"):
            return {"command": [value.arguments[0], *(["***"] if len(value.arguments) > 1 else [])]}
        case CredentialRef():
            return {value.kind: value.where, **({"user": value.user} if value.user else {})}
        case Path():
            return str(value)
        case float() if value.is_integer():
            return int(value)
        case list() | tuple():
            return [_as_json(inner) for inner in value]
        case _ if is_dataclass(value):
            return {name: _as_json(inner) for name, inner in _given(value).items()}
        case _:
            return value


def _as_text(key: str, value: Any) -> str:
    """A value as a person would write it; of a secret only where it lies."""
    from fleet.durations import format_duration
    from fleet.inventory.secrets import CredentialRef

    match value:
        case CredentialRef():
            return str(value)
        case bool():
            return "true" if value else "false"
        case float() if key == "timeout":
            return format_duration(value)
        case float():
            return f"{value:g}"
        case list() | tuple():
            return ", ".join(map(str, value))
        case _ if is_dataclass(value):
            return ", ".join(f"{name} = {_as_text(name, inner)}" for name, inner in _given(value).items())
        case _:
            return str(value)


# check


@command.command()
@click.option("--secrets", is_flag=True, help="Look every secret of the selected sites up as well (none is shown).")
@output_option()
@inventory_options
def check(common: Common, secrets: bool) -> int:
    """Say every mistake of the inventory, with file, line and key; status 2 if there is one.

    \b
    fleet inventory check
    fleet inventory check --secrets -s prod -o json

    Whatever sites are selected, the files are checked as a whole. Without -o the verdict is a sentence.
    """
    try:
        inventory = load_inventory(common, told=True)
    except InventoryError as error:
        if common.output in (None, "table"):
            raise
        problems = [
            {
                "file": problem.file,
                "line": problem.line,
                "key": problem.key,
                "message": problem.message,
                "suggestion": problem.suggestion,
            }
            for problem in error.problems
        ]
        _write_verdict(common, {"problems": problems}, problems)
        return 2
    names = inventory.sites if common.select is None else _selected(common, inventory)
    chosen = [inventory[name] for name in names]
    missing = [*_unresolved(chosen, inventory.secret_variables), *_without_account(chosen)] if secrets else []
    if common.output in (None, "table"):
        from fleet.render.columns import plural
        from fleet.render.names import fold_names

        for entry in missing:
            hint = f" → {entry['hint']}" if entry["hint"] else ""
            click.echo(f"{fold_names(entry['sites'], 60)}: {entry['message']}{hint}", err=True)
        counts = f"{plural(len(inventory), 'site')}, {plural(len(inventory.groups), 'group')}, "
        if missing:
            click.echo(counts + plural(len(missing), "secret") + " missing")
        elif not common.quiet:
            click.echo(counts + "no mistakes")
    else:
        about = {"files": list(map(str, inventory.files)), "sites": len(inventory), "groups": len(inventory.groups)}
        _write_verdict(common, {**about, "problems": [], **({"secrets": missing} if secrets else {})}, missing)
    return 2 if missing else 0


def _write_verdict(common: Common, verdict: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    if common.output == "json":
        from fleet.render.plain import as_json

        click.echo(as_json(verdict))
        return
    texts = [
        {
            key: ", ".join(cell) if isinstance(cell, list) else "" if cell is None else str(cell)
            for key, cell in row.items()
        }
        for row in rows
    ]
    _write_rows(common, rows, texts)


def _unresolved(sites: Sequence[Site], hidden: Iterable[str]) -> list[dict[str, Any]]:
    """Each secret that can't be had, with the sites that need it and a sentence on why."""
    from fleet.errors import ConfigFailed
    from fleet.inventory.secrets import CredentialRef, SecretStore

    store = SecretStore(hidden=hidden)
    users: dict[CredentialRef, list[str]] = {}
    for site in sites:
        for reference in site.secrets:
            users.setdefault(reference, []).append(site.name)
    found: list[dict[str, Any]] = []
    for reference, names in users.items():
        try:
            store.resolve(reference)
        except ConfigFailed as error:
            found.append({"sites": names, "message": error.message, "hint": error.hint})
    return found


def _without_account(sites: Sequence[Site]) -> list[dict[str, Any]]:
    """The sites that nobody can sign in to, since a part of the account is named nowhere."""
    lacking: dict[str, list[str]] = {}
    for site in sites:
        if site.auth.kind in ("server", "portal"):
            parts = [key for key in ("username", "password") if getattr(site, key) is None]
            if parts:
                lacking.setdefault(" and no ".join(parts), []).append(site.name)
    return [
        {"sites": names, "message": f"there is no {parts}", "hint": "name it in the site, a group, or [defaults]"}
        for parts, names in lacking.items()
    ]


# graph


@command.command()
@click.option(
    "-o",
    "--output",
    type=click.Choice(["tree", "json", "mermaid", "dot"]),
    default="tree",
    show_default=True,
    help="Format.",
)
@inventory_options
def graph(common: Common) -> int:
    """Groups and the selected sites as a tree, or as a drawing for other programs.

    \b
    fleet inventory graph -s prod
    fleet inventory graph -o dot | dot -Tsvg > fleet.svg
    """
    inventory = load_inventory(common, told=True)
    chosen = set(inventory.sites if common.select is None else _selected(common, inventory))
    used = {group for name in chosen for group in inventory[name].groups}
    groups = [
        (group.name, list(group.parents), [site for site in group.sites if site in chosen])
        for group in inventory.groups.values()
        if common.select is None or group.name in used
    ]
    alone = [name for name in inventory.sites if name in chosen and not inventory[name].groups]
    match common.output:
        case "json":
            from fleet.render.plain import as_json

            click.echo(as_json({name: {"sites": sites, "in": parents} for name, parents, sites in groups}))
        case "mermaid":
            click.echo("\n".join(_mermaid(groups, alone)))
        case "dot":
            lines = [f'  "{parent}" -> "{child}";' for parent, child in _edges(groups)]
            shapes = [f'  "{name}" [shape=box];' for name, _, _ in groups]
            click.echo(
                "\n".join(["digraph inventory {", "  rankdir=LR;", *shapes, *lines, *(f'  "{n}";' for n in alone), "}"])
            )
        case _:
            click.echo("\n".join(_tree(groups, alone)))
    return 0


Drawn = Sequence[tuple[str, list[str], list[str]]]
"""Groups: the name, the groups that hold it, and its own sites."""


def _edges(groups: Drawn) -> list[tuple[str, str]]:
    nested = [(parent, name) for name, parents, _ in groups for parent in parents]
    return nested + [(name, site) for name, _, sites in groups for site in sites]


def _mermaid(groups: Drawn, alone: Sequence[str]) -> list[str]:
    """Nodes by number, since a name may be one of mermaid's own words."""
    edges = _edges(groups)
    names = dict.fromkeys([*(name for name, _, _ in groups), *(end for edge in edges for end in edge), *alone])
    node = {name: f"n{number}" for number, name in enumerate(names, start=1)}
    shown = [f'  {node[name]}["{name}"]' for name in names]
    return ["graph LR", *shown, *(f"  {node[parent]} --> {node[child]}" for parent, child in edges)]


def _tree(groups: Drawn, alone: Sequence[str]) -> list[str]:
    from fleet.render.names import fold_names

    sites = {name: own for name, _, own in groups}
    children: dict[str, list[str]] = {}
    for name, parents, _ in groups:
        for parent in parents:
            children.setdefault(parent, []).append(name)
    lines: list[str] = []
    drawn: set[str] = set()

    def draw(name: str, indent: str) -> None:
        own = f": {fold_names(sites[name], 100)}" if sites[name] else ""
        again = name in drawn and name in children
        lines.append(f"{indent}{name}{own}" + (" (its groups are drawn above)" if again else ""))
        if not again:
            drawn.add(name)
            for child in children.get(name, ()):
                draw(child, indent + "  ")

    for name, parents, _ in groups:
        if not parents:
            draw(name, "")
    if alone:
        lines.append(f"(in no group): {fold_names(alone, 100)}")
    return lines


# schema


@command.command()
def schema() -> int:
    """The JSON Schema of inventory files, for editors that complete and check them.

    \b
    fleet inventory schema > inventory.schema.json
    """
    from fleet.inventory.schema import schema as make
    from fleet.render.plain import as_json

    click.echo(as_json(make()))
    return 0
