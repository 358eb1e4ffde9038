"""`fleet logs settings`, `level`, `retention`, `clean` and `error-reports`: how sites log, and what crashed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fleet.cli.changing import Consent, change_options, run_verb
from fleet.cli.common import Common, completed_by, output_option, run_options

if TYPE_CHECKING:
    from fleet.client.site import SiteClient
    from fleet.fanout.engine import Work
    from fleet.report import Report

__all__ = ["clean", "error_reports", "level", "retention", "settings"]


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


@click.command(name="level")
@click.argument(
    "level", type=click.Choice(["OFF", "SEVERE", "WARNING", "INFO", "FINE", "VERBOSE", "DEBUG"], case_sensitive=False)
)
@change_options
def level(common: Common, consent: Consent, level: str) -> int:
    """Set the level from which on sites log: OFF logs nothing, DEBUG all.

    \b
    fleet logs level DEBUG -s oslo
    fleet logs level WARNING -s prod --dry-run
    """
    from fleet.bulk.logs import EditLogs

    return run_verb(common, consent, EditLogs({"logLevel": level.upper()}))


@click.command(name="retention")
@click.option("--days", type=click.IntRange(1), metavar="N", help="Days that log files are kept.")
@click.option("--error-reports", type=click.IntRange(0), metavar="N", help="Error reports that are kept on a machine.")
@change_options
def retention(common: Common, consent: Consent, days: int | None, error_reports: int | None) -> int:
    """Set how long sites keep their logs, and how many error reports.

    \b
    fleet logs retention --days 30 -s prod
    """
    from fleet.bulk.logs import EditLogs

    wanted = {"maxLogFileAge": days, "maxErrorReportsCount": error_reports}
    return run_verb(common, consent, EditLogs({key: value for key, value in wanted.items() if value is not None}))


@click.command(name="clean")
@change_options
def clean(common: Common, consent: Consent) -> int:
    """Delete all log files on all machines of the sites; what is deleted can't be had back.

    \b
    fleet logs query -s test --oldest-first -o ndjson > before.ndjson
    fleet logs clean -s test
    """
    from fleet.bulk.logs import CleanLogs

    return run_verb(common, consent, CleanLogs())


def _run(common: Common, work: Work, command: str, *, merge: str, baseline: str | None = None) -> int:
    from fleet.cli.run import Session, run_on_sites
    from fleet.cli.writing import write_report

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

    def write(report: Report) -> None:
        from fleet.render.table import report_lines

        write_report(common, report, lines=report_lines)
        if merge == "union" and common.query is None and common.format != "ndjson" and not common.quiet:
            click.echo(_total(report), err=True)

    return run_on_sites(common, main, write)


def _total(report: Report) -> str:
    from fleet.render.columns import plural

    counts = [entry["row"]["reports"] for entry in report.merged["rows"]]
    return f"{plural(sum(counts), 'error report')} on {plural(len(counts), 'machine')}"
