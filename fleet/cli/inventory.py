"""`fleet inventory`: what is known before anything is sent."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.common import (
    Common,
    completed_by,
    inventory_options,
    last_outcomes,
    load_inventory,
    output_option,
    row_options,
    terminal_of,
    write_lines,
)

if TYPE_CHECKING:
    from fleet.inventory.model import Inventory

__all__ = ["command"]


@click.group(name="inventory")
def command() -> None:
    """List, show, check and draw the inventory; nothing is sent to any site.

    \b
    fleet inventory list -s prod
    fleet inventory check
    """


@command.command(name="list")
@click.option("--explain", is_flag=True, help="Say for each site which part of the selector picked it.")
@output_option()
@row_options
@inventory_options
def list_(common: Common, explain: bool) -> int:
    """The sites that a selector picks.

    \b
    fleet inventory list -s 'prod and not region=emea' --explain
    """
    from fleet.inventory.selectors import parse, select
    from fleet.render.columns import plural

    inventory = load_inventory(common)
    selector = parse(common.select or "all")
    picked = select(selector, inventory, last_run=last_outcomes(inventory), allow_empty=common.allow_empty)
    rows = []
    for name, why in picked.items():
        site = inventory[name]
        row: dict[str, Any] = {
            "site": name,
            "url": site.url,
            "groups": list(site.groups),
            "labels": dict(site.labels),
            "protected": site.protected,
        }
        rows.append({**row, "because": why} if explain else row)
    _write_rows(common, rows)
    if common.format == "table":
        click.echo(f"{len(rows)} of {plural(len(inventory), 'site')}", err=True)
    return 0


def _write_rows(common: Common, rows: list[dict[str, Any]]) -> None:
    from fleet.render.columns import columns
    from fleet.render.plain import as_csv, as_json, as_line, as_markdown, shaped

    if common.format == "json":
        click.echo(as_json(rows))
        return
    if common.format == "ndjson":
        for row in rows:
            sys.stdout.write(as_line(row) + "\n")
        return
    plain = [
        {
            **row,
            "groups": ", ".join(row["groups"]),
            "labels": ", ".join(f"{key}={value}" for key, value in row["labels"].items()),
        }
        for row in rows
    ]
    if common.format == "table":
        plain = [{**row, "protected": "yes" if row["protected"] else ""} for row in plain]
    header, cells = shaped(plain, common.columns or None, common.sort)
    match common.format:
        case "csv":
            click.echo(as_csv(header, cells), nl=False)
        case "markdown":
            click.echo(as_markdown(header, cells), nl=False)
        case _:
            write_lines(columns(header, cells, terminal_of(), compact=not common.columns), terminal_of())


@command.command()
@click.argument("site", shell_complete=completed_by("sites"))
@output_option()
@inventory_options
def show(common: Common, site: str) -> int:
    """One site with everything folded in, and where each value comes from.

    \b
    fleet inventory show oslo
    """
    from fleet.inventory.load import find_sources, load_with_origins
    from fleet.render.columns import columns
    from fleet.render.plain import as_csv, as_json, as_markdown

    _, origins = load_with_origins(find_sources(common.inventory), site, allow_commands=common.allow_commands)
    rows = [
        [origin.key, _shown(origin.value), f"{origin.file}:{origin.line}" if origin.line else origin.file, origin.table]
        for origin in origins
    ]
    header = ["key", "value", "where", "table"]
    match common.format:
        case "json" | "ndjson":
            click.echo(as_json({"site": site, "values": [dict(zip(header, row, strict=True)) for row in rows]}))
        case "csv":
            click.echo(as_csv(header, rows), nl=False)
        case "markdown":
            click.echo(as_markdown(header, rows), nl=False)
        case _:
            write_lines(columns(header, rows, terminal_of()), terminal_of())
    return 0


def _shown(value: Any) -> str:
    """A value as a person would write it; of a secret only where it lies."""
    from dataclasses import fields, is_dataclass

    from fleet.inventory.secrets import CredentialRef

    if isinstance(value, CredentialRef):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        told = {f.name: getattr(value, f.name) for f in fields(value)}
        return ", ".join(f"{key} = {_shown(inner)}" for key, inner in told.items() if inner not in (None, False, ""))
    if isinstance(value, tuple):
        return ", ".join(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


@command.command()
@click.option("--secrets", is_flag=True, help="Look every secret up as well (it is not shown).")
@inventory_options
def check(common: Common, secrets: bool) -> int:
    """Say every mistake of the inventory, with file, line and key; status 2 if there is one.

    \b
    fleet inventory check --secrets
    """
    inventory = load_inventory(common)
    bad = _unresolved(inventory) if secrets else []
    for line in bad:
        click.echo(line, err=True)
    from fleet.render.columns import plural

    click.echo(f"{plural(len(inventory), 'site')}, {plural(len(inventory.groups), 'group')}, no mistakes")
    return 2 if bad else 0


def _unresolved(inventory: Inventory) -> list[str]:
    from fleet.errors import ConfigFailed
    from fleet.inventory.secrets import CredentialRef, SecretStore
    from fleet.render.names import fold_names

    store = SecretStore(hidden=inventory.secret_variables)
    users: dict[CredentialRef, list[str]] = {}
    for site in inventory.sites.values():
        for reference in site.secrets:
            users.setdefault(reference, []).append(site.name)
    lines = []
    for reference, sites in users.items():
        try:
            store.resolve(reference)
        except ConfigFailed as error:
            lines.append(f"{fold_names(sites, 60)}: {error.message}" + (f" → {error.hint}" if error.hint else ""))
    return lines


@command.command()
@click.option("-o", "--output", type=click.Choice(["tree", "json", "mermaid", "dot"]), default="tree", help="Format.")
@inventory_options
def graph(common: Common) -> int:
    """Groups and their sites as a tree.

    \b
    fleet inventory graph
    fleet inventory graph -o dot | dot -Tsvg > inventory.svg
    """
    inventory = load_inventory(common)
    match common.output:
        case "json":
            from fleet.render.plain import as_json

            click.echo(
                as_json({name: {"sites": list(g.sites), "in": list(g.parents)} for name, g in inventory.groups.items()})
            )
        case "mermaid":
            click.echo("\n".join(["graph LR", *(f"  {parent} --> {child}" for parent, child in _edges(inventory))]))
        case "dot":
            lines = [f'  "{parent}" -> "{child}";' for parent, child in _edges(inventory)]
            click.echo("\n".join(["digraph inventory {", "  rankdir=LR;", *lines, "}"]))
        case _:
            click.echo("\n".join(_tree(inventory)))
    return 0


def _edges(inventory: Inventory) -> list[tuple[str, str]]:
    nested = [(parent, group.name) for group in inventory.groups.values() for parent in group.parents]
    return nested + [(group.name, site) for group in inventory.groups.values() for site in group.sites]


def _tree(inventory: Inventory) -> list[str]:
    from fleet.render.names import fold_names

    children: dict[str, list[str]] = {}
    for group in inventory.groups.values():
        for parent in group.parents:
            children.setdefault(parent, []).append(group.name)
    lines: list[str] = []

    def draw(name: str, indent: str) -> None:
        sites = inventory.groups[name].sites
        lines.append(f"{indent}{name}" + (f": {fold_names(sites, 100)}" if sites else ""))
        for child in children.get(name, ()):
            draw(child, indent + "  ")

    for group in inventory.groups.values():
        if not group.parents:
            draw(group.name, "")
    alone = [site.name for site in inventory.sites.values() if not site.groups]
    if alone:
        lines.append(f"(in no group): {fold_names(alone, 100)}")
    return lines


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
