"""One report in the format that was asked for: the same for every command that lists rows or makes changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.common import Common, terminal_of, write_lines

if TYPE_CHECKING:
    from fleet.render.columns import Terminal
    from fleet.report import Report

__all__ = ["write_report"]

Rows = Callable[["Report"], Sequence[dict[str, Any]]]
Lines = Callable[["Report", "Terminal"], Sequence[str]]


def write_report(
    common: Common,
    report: Report,
    *,
    rows: Rows | None = None,
    lines: Lines | None = None,
    shown: Sequence[str] | None = None,
    state: Sequence[str] = ("outcome",),
) -> None:
    """Write *report*: its rows for csv and markdown, its lines or a table of its rows for people, the whole as json.

    *rows* makes the rows, those of the merged answer where there is none; *lines* the table for people where no columns
    and no order are asked for. *shown* are the columns that people see unless they ask for others; words in the column
    that is first found of *state* are painted. Failures and coverage of csv, markdown and ndjson go to standard error.
    """
    from fleet.cli.run import say
    from fleet.render.columns import columns
    from fleet.render.plain import as_csv, as_json, as_markdown, rows_of, shaped
    from fleet.render.table import coverage_line, summary_lines, warning_lines

    match common.format:
        case "ndjson":
            if not common.quiet:
                click.echo("\n".join([*warning_lines(report), coverage_line(report)]), err=True)
        case "json":
            click.echo(as_json(report.to_dict()))
        case "table":
            terminal = terminal_of()
            if lines is not None and not common.columns and not common.sort:
                write_lines(lines(report, terminal), terminal)
                return
            header, cells = shaped((rows or rows_of)(report), common.columns or shown, common.sort, say)
            painted = next((header.index(name) for name in state if name in header), None)
            table = columns(header, cells, terminal, state=painted, compact=not common.columns) if cells else []
            write_lines([*table, *([""] if table else []), *summary_lines(report, terminal)], terminal)
        case form:
            header, cells = shaped((rows or rows_of)(report), common.columns or None, common.sort, say)
            click.echo(as_csv(header, cells) if form == "csv" else as_markdown(header, cells), nl=False)
            if not common.quiet:
                click.echo("\n".join(summary_lines(report)), err=True)
