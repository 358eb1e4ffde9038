"""`fleet health`: a sweep over the selected sites."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fleet.cli.common import DURATION, Common, completed_by, output_option, run_options
from fleet.errors import UsageError

if TYPE_CHECKING:
    from fleet.cli.run import Session
    from fleet.health import HealthOptions
    from fleet.report import Report

__all__ = ["command"]

COLUMNS = ("site", "check", "status", "saw", "wanted", "advice", "items", "release", "elapsed")
"""Columns of the table of checks, a row for each check of each site."""

ON_TERMINAL = COLUMNS[:6]
"""Those that a terminal shows unless others are asked for."""

ROWS = ("table", "csv", "markdown", "html")
"""Formats that have columns and an order."""


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
    from fleet.health import HealthOptions
    from fleet.render.monitors import nagios_unknown

    try:
        _check_options(common)
        return _swept(common, HealthOptions(only=only, also=also, strict=strict, since=since))
    except UsageError as error:
        if common.format != "nagios":
            raise
        # To a monitor, 2 says that a site is critical; it is told that nothing was found out.
        text, status = nagios_unknown(str(error))
        click.echo(text, nl=False)
        return status


def _check_options(common: Common) -> None:
    """What can't be done is said before anything is sent; raises `UsageError`."""
    if common.query is not None:
        if common.format in ("junit", "nagios"):
            raise UsageError(f"--query leaves no checks for -o {common.format} to tell: give -o json or ndjson")
    else:
        for name in [*common.columns, *([common.sort.removeprefix("-")] if common.sort else [])]:
            if name not in COLUMNS:
                raise UsageError(f"there is no column {name!r}; there are {', '.join(COLUMNS)}")
    if (common.columns or common.sort) and common.format not in ROWS and not common.quiet:
        click.echo(f"--columns and --sort say nothing to -o {common.format}; they are for {', '.join(ROWS)}", err=True)


def _swept(common: Common, options: HealthOptions) -> int:
    """Sweep, write, and give the exit status."""
    from fleet.cli.run import run_on_sites
    from fleet.health import sweep

    async def work(session: Session) -> Report:
        return await sweep(
            session.selection,
            options,
            query=common.query,
            stop=session.stop,
            progress=session.progress,
            on_outcome=session.lines,
            keep=session.lines is None,
        )

    return run_on_sites(common, work, lambda report: _write(common, report, options.strict))


def _write(common: Common, report: Report, strict: bool) -> int | None:
    """The report in the format that was asked for; the exit status where that format has one of its own."""
    from fleet.cli.writing import write_report
    from fleet.render.monitors import as_junit, as_nagios
    from fleet.render.sweep import health_lines

    match common.format:
        case "nagios":
            text, status = as_nagios(report, require_coverage=common.require_coverage)
            click.echo(text, nl=False)
            return status
        case "junit":
            click.echo(as_junit(report, strict=strict), nl=False)
        case _:
            write_report(
                common,
                report,
                rows=lambda report: _rows(common, report),
                lines=health_lines if common.query is None else None,
                shown=ON_TERMINAL if common.query is None else None,
            )
    return None


def _rows(common: Common, report: Report) -> list[dict[str, Any]]:
    """A row per site and check; one with the error for a site of which nothing is known. With a query, one per site."""
    from fleet.render.plain import rows_of

    if common.query is not None:
        return rows_of(report)
    rows: list[dict[str, Any]] = []
    for outcome in report.outcomes:
        value = outcome.value
        if not isinstance(value, dict) or not value.get("checks"):
            error = getattr(outcome, "error", None)
            told = {
                "status": "unknown",
                "saw": outcome.outcome if error is None else error.message,
                "advice": (error and error.hint) or "",
            }
            rows.append({name: {"site": outcome.site, **told}.get(name, "") for name in COLUMNS})
            continue
        for check in value["checks"]:
            told = {**check, "site": outcome.site, "release": value["release"], "items": "; ".join(check["items"])}
            rows.append({name: told[name] for name in COLUMNS})
    return rows
