"""`fleet logs settings` and `fleet logs error-reports`: how sites log, and what crashed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from fleet.cli.common import Common, completed_by, output_option, run_options, terminal_of, write_lines

if TYPE_CHECKING:
    from fleet.client.site import SiteClient
    from fleet.fanout.engine import Work
    from fleet.report import Report

__all__ = ["error_reports", "settings"]


@click.command(name="settings")
@click.option("--baseline", metavar="SITE", shell_complete=completed_by("sites"), help="The site to compare with.")
@output_option()
@run_options
def settings(common: Common, baseline: str | None) -> int:
    """Show how sites log: level, folder, days that logs are kept. Sites that agree are one entry.

    \b
    fleet logs settings
    fleet logs settings -s prod --query logLevel -o csv
    """
    from fleet.logs.settings import log_settings

    return _run(common, log_settings, "logs settings", merge="group", baseline=baseline)


@click.command(name="error-reports")
@output_option()
@run_options
def error_reports(common: Common) -> int:
    """Count the error reports of each machine of each site: each one is a process of the server that crashed.

    \b
    fleet logs error-reports -s prod
    """
    from fleet.logs import settings as work

    return _run(common, work.error_reports, "logs error-reports", merge="union")


def _run(common: Common, work: Work, command: str, *, merge: str, baseline: str | None = None) -> int:
    from fleet.cli.run import Session, run_on_sites

    async def alone(client: SiteClient) -> object:
        return await work(client)

    async def main(session: Session) -> Report:
        return await session.selection.run(
            alone,
            command=command,
            merge=None if session.lines is not None else merge,
            baseline=baseline,
            query=common.query,
            on_outcome=session.lines,
            keep=session.lines is None,
            stop=session.stop,
            progress=session.progress,
        )

    return run_on_sites(common, main, partial(_write, common))


def _write(common: Common, report: Report) -> None:
    """The report in the format that was asked for."""
    from fleet.cli.run import say
    from fleet.render.columns import plural
    from fleet.render.plain import as_csv, as_json, as_markdown, rows_of, shaped
    from fleet.render.table import coverage_line, report_lines, summary_lines, warning_lines

    match common.format:
        case "ndjson":
            if not common.quiet:
                click.echo("\n".join([*warning_lines(report), coverage_line(report)]), err=True)
        case "json":
            click.echo(as_json(report.to_dict()))
        case "table":
            if report.command == "logs error-reports" and common.query is None and not common.quiet:
                totals = [outcome.value["total"] for outcome in report.outcomes if outcome.ok]  # type: ignore[index]
                say(f"{plural(sum(totals), 'error report')} on {plural(len(totals), 'site')}")
            terminal = terminal_of()
            write_lines(
                report_lines(report, terminal, names=common.columns or None, sort=common.sort, unknown=say), terminal
            )
        case form:
            header, rows = shaped(rows_of(report), common.columns or None, common.sort, say)
            click.echo(as_csv(header, rows) if form == "csv" else as_markdown(header, rows), nl=False)
            if not common.quiet:
                click.echo("\n".join(summary_lines(report)), err=True)
