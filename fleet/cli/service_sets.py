"""`fleet services sets`: which services were stopped to be started again later."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.common import Common, output_option, row_options, terminal_of, write_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["sets"]


@click.group(name="sets")
def sets() -> None:
    """The services that `fleet services stop --remember NAME` stopped, kept in the state folder of this machine.

    \b
    fleet services stop '*' -s prod --remember before-upgrade
    fleet services sets show before-upgrade
    fleet services start --remembered before-upgrade -s prod
    """


def _write(common: Common, rows: Sequence[dict[str, Any]], names: Sequence[str]) -> None:
    from fleet.render.columns import columns
    from fleet.render.plain import as_csv, as_json, as_line, as_markdown, shaped

    match common.format:
        case "json":
            click.echo(as_json(list(rows)))
        case "ndjson":
            sys.stdout.writelines(as_line(row) + "\n" for row in rows)
        case form:
            header, cells = shaped(rows, common.columns or names, common.sort)
            if form == "table":
                write_lines(columns(header, cells, terminal_of(), compact=True) if cells else [], terminal_of())
            else:
                click.echo(as_csv(header, cells) if form == "csv" else as_markdown(header, cells), nl=False)


def _common(output: str | None, columns: str | None, sort: str | None) -> Common:
    names = tuple(part.strip() for part in (columns or "").split(",") if part.strip())
    return Common(output=output, columns=names, sort=sort)


@sets.command(name="list")
@output_option()
@row_options
def list_(output: str | None, columns: str | None, sort: str | None) -> None:
    """Every remembered set, with how many of its services were not started again yet."""
    from fleet.history.sets import sets as every

    rows = [
        {"name": one.name, "began": one.began, "sites": len(one.sites), "services": one.count, "left": one.left}
        for one in every()
    ]
    _write(_common(output, columns, sort), rows, ("name", "began", "sites", "services", "left"))


@sets.command(name="show")
@click.argument("name")
@output_option()
@row_options
def show(name: str, output: str | None, columns: str | None, sort: str | None) -> None:
    """The services of a set: `stopped`, `started` again, or `unknown` where the stop was sent and its fate is not known.

    One that is `stopping` was about to be stopped when the program ended.
    """
    from fleet.history.sets import read_set

    rows = [
        {"site": site, "service": service, "state": state}
        for site, states in read_set(name).sites.items()
        for service, state in states.items()
    ]
    _write(_common(output, columns, sort), rows, ("site", "service", "state"))


@sets.command(name="delete")
@click.argument("name")
def delete(name: str) -> None:
    """Forget a set; no site is changed."""
    from fleet.history.sets import delete_set

    delete_set(name)
