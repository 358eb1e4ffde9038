"""`fleet logs`: the log records of all selected sites as one log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fleet.cli.common import Common, output_option, run_options, terminal_of
from fleet.cli.record_options import noise_filter, query_of, record_options
from fleet.errors import UsageError

if TYPE_CHECKING:
    from fleet.cli.record_rows import Rows
    from fleet.cli.run import Session
    from fleet.report import Report

__all__ = ["command"]


@click.group(name="logs")
def command() -> None:
    """Query, follow and count the log records of all selected sites as one log.

    \b
    fleet logs query --since 2h
    """


@command.command(name="query")
@record_options()
@click.option("--limit", type=click.IntRange(1), metavar="N", help="At most N records, the newest ones.")
@output_option()
@run_options
def query(common: Common, limit: int | None, **given: Any) -> int:
    """Show the records of all selected sites in one order of time, the newest first.

    \b
    fleet logs query --since 2h
    fleet logs query -s prod --level SEVERE --last 7d -o csv > severe.csv
    fleet logs query --code 9511,9000 --service 'Planning/*' --limit 20

    A record is printed when no site that is still read can have a newer one, so the first ones come at once, however
    many there are. All times are UTC. ndjson and csv have rows, `site` first; -o json has the report with its rows.
    """
    from fleet.cli.run import run_on_sites
    from fleet.logs import merged_logs

    wanted = query_of(given)
    noise = noise_filter(given)
    rows = _rows(common)

    async def work(session: Session) -> Report:
        assert session.lines is not None
        async with merged_logs(
            session.selection, wanted, where=noise, limit=limit, stop=session.stop, progress=session.progress
        ) as records:
            while batch := await records.batch():
                await session.lines.text(rows.text(batch))
        assert records.report is not None
        return records.report

    return run_on_sites(common, work, lambda report: _end(common, rows, report), rows=True)


def _rows(common: Common) -> Rows:
    """What writes the records; raises `UsageError` for options that rows in the order of time can't have."""
    from fleet.cli.record_rows import rows_writer
    from fleet.logs.rows import COLUMNS

    if common.sort:
        raise UsageError("--sort is not for records: they come in the order of time; fleet logs top counts them")
    if common.query is not None:
        raise UsageError(
            "--query is not for records: choose them with --contains and its like, and members with --columns"
        )
    for name in common.columns:
        if name not in COLUMNS:
            raise UsageError(f"there is no column {name!r}; there are {', '.join(COLUMNS)}")
    return rows_writer(common.format, common.columns, terminal_of())


def _end(common: Common, rows: Rows, report: Report) -> None:
    """What comes behind the records: the report where it was asked for, else failures and coverage on standard error."""
    from fleet.cli.record_rows import JsonRows
    from fleet.render.table import summary_lines

    if isinstance(rows, JsonRows):
        rows.finish(report)
        return
    click.echo(rows.text(()), nl=False)
    if not common.quiet:
        click.echo("\n".join(summary_lines(report)), err=True)
