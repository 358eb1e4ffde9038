"""`fleet health`: a sweep over the selected sites."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fleet.cli.common import DURATION, Common, completed_by, output_option, run_options, terminal_of, write_lines

if TYPE_CHECKING:
    from fleet.cli.run import Session
    from fleet.report import Report

__all__ = ["command"]


@click.command(name="health")
@click.option(
    "--check",
    "only",
    multiple=True,
    metavar="NAME",
    shell_complete=completed_by("checks"),
    help="Only this check (repeatable).",
)
@click.option(
    "--also",
    multiple=True,
    metavar="NAME",
    shell_complete=completed_by("checks"),
    help="The usual checks and this one (repeatable).",
)
@click.option("--since", type=DURATION, default="24h", show_default=True, help="How far log_errors looks back.")
@click.option("--strict", is_flag=True, help="A warning makes a site unhealthy.")
@output_option("junit", "nagios")
@run_options
def command(common: Common, only: tuple[str, ...], also: tuple[str, ...], since: float, strict: bool) -> int:
    """Tell the health of every selected site: what was seen, what was wanted, what to do.

    \b
    fleet health
    fleet health -s prod --also log_errors --since 1h
    fleet health -s oslo -o nagios
    """
    from fleet.cli.run import run_on_sites
    from fleet.health import HealthOptions, sweep

    options = HealthOptions(only=only, also=also, strict=strict, since=since)

    async def work(session: Session) -> Report:
        return await sweep(
            session.selection,
            options,
            stop=session.stop,
            progress=session.progress,
            on_outcome=session.lines,
            keep=session.lines is None,
        )

    return run_on_sites(common, work, lambda report: _write(common, report, strict))


def _write(common: Common, report: Report, strict: bool) -> int | None:
    """The report in the format that was asked for; the exit status where that format has one of its own."""
    from fleet.render.monitors import as_junit, as_nagios
    from fleet.render.plain import as_csv, as_json, as_markdown, shaped
    from fleet.render.table import coverage_line, summary_lines, warning_lines

    match common.format:
        case "nagios":
            text, status = as_nagios(report)
            click.echo(text, nl=False)
            return status
        case "junit":
            click.echo(as_junit(report, strict=strict), nl=False)
        case "ndjson":
            if not common.quiet:
                click.echo("\n".join([*warning_lines(report), coverage_line(report)]), err=True)
        case "json":
            click.echo(as_json(report.to_dict()))
        case "table":
            write_lines(_table(common, report), terminal_of())
        case form:
            header, rows = shaped(_rows(report), common.columns or None, common.sort)
            click.echo(as_csv(header, rows) if form == "csv" else as_markdown(header, rows), nl=False)
            if not common.quiet:
                click.echo("\n".join(summary_lines(report)), err=True)
    return None


def _table(common: Common, report: Report) -> list[str]:
    """The sweep for people; as a table of checks where columns or an order are asked for."""
    from fleet.render.columns import columns
    from fleet.render.plain import shaped
    from fleet.render.sweep import health_lines
    from fleet.render.table import summary_lines

    terminal = terminal_of()
    if not common.columns and not common.sort:
        return health_lines(report, terminal)
    header, rows = shaped(_rows(report), common.columns or None, common.sort)
    state = header.index("status") if "status" in header else None
    return [*columns(header, rows, terminal, state=state), "", *summary_lines(report, terminal)]


def _rows(report: Report) -> list[dict[str, object]]:
    """A row per site and check; one with the error for a site of which nothing is known."""
    rows: list[dict[str, object]] = []
    for outcome in report.outcomes:
        value = getattr(outcome, "value", None)
        if not isinstance(value, dict) or not value.get("checks"):
            error = getattr(outcome, "error", None)
            saw = outcome.outcome if error is None else error.message
            rows.append(
                {"site": outcome.site, "check": "", "status": "unknown", "saw": saw, "wanted": "", "advice": ""}
            )
            continue
        told = ("check", "status", "saw", "wanted", "advice")
        rows += [{"site": outcome.site, **{key: check[key] for key in told}} for check in value["checks"]]
    return rows
