"""Rows and reports in the format that was asked for: the same for every command that lists rows or makes changes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.common import Common, terminal_of
from fleet.cli.paging import show_lines

if TYPE_CHECKING:
    from fleet.render.columns import Terminal
    from fleet.report import Report

__all__ = ["write_report", "write_rows"]

Rows = Callable[["Report"], Sequence[Mapping[str, Any]]]
Lines = Callable[["Report", "Terminal"], Sequence[str]]

STATES = ("outcome", "status", "state", "realTimeState")


def write_report(
    common: Common,
    report: Report,
    *,
    rows: Rows | None = None,
    lines: Lines | None = None,
    shown: Sequence[str] | None = None,
    every: Sequence[str] | None = None,
    state: Collection[str] = STATES,
    remarks: Sequence[str] = (),
    told: Any = None,
    blank: Sequence[str] = (),
) -> None:
    """Write *report*: its rows for csv, markdown and html, its lines or a table of its rows for people, all of it as json.

    *rows* makes the rows, those of the merged answer where there is none; *lines* the table for people where no columns
    and no order are asked for. *shown* are the columns that people see, in a table and on a page, unless they ask for
    others; *every* those of csv and markdown where not all that rows have. Words in the columns *state* are painted.
    *remarks* are sentences about the rows. *told* is what json has in place of the report. *blank* are the columns of csv
    and markdown where there is no row. Remarks, failures and coverage of csv, markdown and ndjson go to standard error.

    In a table, rows of several sites that differ in nothing but the site are one, unless `site` is a column asked for.
    """
    from fleet.cli.run import say
    from fleet.render.folding import folded, is_union
    from fleet.render.plain import as_csv, as_json, as_markdown, rows_of, shaped, without_empty
    from fleet.render.table import coverage_line, summary_lines, table_lines, warning_lines

    def cells(names: Sequence[str] | None) -> tuple[list[str], list[list[str]]]:
        found = (rows or rows_of)(report)
        return shaped(found, common.columns or names or (None if found else blank), common.sort, say)

    match common.format:
        case "ndjson":
            if not common.quiet:
                click.echo("\n".join([*remarks, *warning_lines(report), coverage_line(report)]), err=True)
        case "json":
            click.echo(as_json(report.to_dict() if told is None else told))
        case "table":
            terminal = terminal_of()
            if lines is not None and not common.columns and not common.sort:
                show_lines(common, lines(report, terminal), terminal)
                return
            if is_union(report):
                found, names = (rows or rows_of)(report), common.columns or shown
                header, table = folded(found, names, common.sort, say, asked=bool(common.columns))
            else:
                header, table = cells(shown)
            made = table_lines(header, table, terminal, states=state, compact=not common.columns)
            show_lines(common, [*made, *([""] if made else []), *remarks, *summary_lines(report, terminal)], terminal)
        case "html":
            header, table = cells(shown or every)
            if not common.columns:
                header, table = without_empty(header, table)
            click.echo(_page(common, report, header, table, state, remarks), nl=False)
        case form:
            header, table = cells(every)
            click.echo(as_csv(header, table) if form == "csv" else as_markdown(header, table), nl=False)
            if not common.quiet:
                click.echo("\n".join([*remarks, *summary_lines(report)]), err=True)


def _page(
    common: Common,
    report: Report,
    header: Sequence[str],
    table: Sequence[Sequence[str]],
    state: Collection[str],
    remarks: Sequence[str],
) -> str:
    from fleet.render.html import Heading, as_html

    heading = Heading(
        title=f"fleet {report.command.replace('.', ' ')}",
        when=report.started,
        selection=common.selection,
        remarks=remarks,
    )
    return as_html(header, table, heading, report, states=state)


def write_rows(
    common: Common,
    rows: Sequence[Mapping[str, Any]],
    *,
    title: str,
    names: Sequence[str] | None = None,
    shown: Sequence[str] | None = None,
    values: Sequence[Mapping[str, Any]] | None = None,
    told: Any = None,
    remarks: Sequence[str] = (),
    state: Collection[str] = STATES,
    compact: bool = True,
) -> None:
    """Write *rows* that no run on sites gave: what a folder, a log or a catalogue of this machine holds.

    *names* are their columns unless others are asked for, *shown* those of a table; *values* stand in ndjson and json in
    place of *rows*, *told* in json alone. *remarks* stand on standard error, for people. *title* heads a page.
    """
    from fleet.render.plain import as_csv, as_json, as_line, as_markdown, shaped
    from fleet.render.table import table_lines

    match common.format:
        case "json":
            click.echo(as_json(told if told is not None else list(values if values is not None else rows)))
        case "ndjson":
            for row in values if values is not None else rows:
                sys.stdout.write(as_line(row) + "\n")
        case "table":
            header, table = shaped(rows, common.columns or shown or names, common.sort)
            terminal = terminal_of()
            show_lines(common, table_lines(header, table, terminal, states=state, compact=compact), terminal)
        case form:
            header, table = shaped(rows, common.columns or names, common.sort)
            if form == "html":
                from fleet.render.html import Heading, as_html

                heading = Heading(title=f"fleet {title}", when=time.time(), remarks=remarks)
                click.echo(as_html(header, table, heading, states=state), nl=False)
            else:
                click.echo(as_csv(header, table) if form == "csv" else as_markdown(header, table), nl=False)
    if remarks and common.format == "table" and not common.quiet:
        click.echo("\n".join(remarks), err=True)
