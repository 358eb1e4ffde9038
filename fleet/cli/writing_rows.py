"""Rows that come from no site, in the format that was asked for."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from fleet.cli.common import Common, terminal_of, write_lines

__all__ = ["write_rows"]


def write_rows(common: Common, rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    """Write *rows*, of which people see the columns *names* unless they ask for others."""
    from fleet.render.columns import columns
    from fleet.render.plain import as_csv, as_json, as_line, as_markdown, shaped

    match common.format:
        case "json":
            click.echo(as_json(rows))
        case "ndjson":
            for row in rows:
                sys.stdout.write(as_line(row) + "\n")
        case form:
            header, cells = shaped(rows, common.columns or names, common.sort)
            if form == "table":
                terminal = terminal_of()
                write_lines(columns(header, cells, terminal, compact=True) if cells else [], terminal)
            else:
                click.echo(as_csv(header, cells) if form == "csv" else as_markdown(header, cells), nl=False)
