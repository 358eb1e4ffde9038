"""`fleet logs`: the log records of all selected sites as one log."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.common import DURATION, Common, output_option, run_options, terminal_of
from fleet.cli.record_options import MOMENT, SIZE, check_by, condition_of, query_of, record_options
from fleet.cli.record_settings import clean, error_reports, level, retention, settings
from fleet.errors import UsageError

if TYPE_CHECKING:
    from fleet.cli.record_rows import Rows
    from fleet.cli.run import Session
    from fleet.errors import SiteError
    from fleet.report import Report

__all__ = ["command"]


@click.group(name="logs")
def command() -> None:
    """Query, follow and count the log records of all selected sites as one log, and set how they log.

    \b
    fleet logs query --since 2h
    fleet logs follow -s prod --level SEVERE
    fleet logs top --by code,service --last 7d
    """


@command.command(name="query")
@record_options()
@click.option("--limit", type=click.IntRange(1), metavar="N", help="At most N records, the newest ones.")
@click.option("--oldest-first", is_flag=True, help="The other way round, as soon as the last record is read.")
@click.option(
    "--spool-limit",
    type=SIZE,
    default="2GiB",
    show_default=True,
    help="What --oldest-first may take on disk meanwhile.",
)
@output_option()
@run_options
def query(common: Common, limit: int | None, oldest_first: bool, spool_limit: int, **given: Any) -> int:
    """Show the records of all selected sites in one order of time, the newest first.

    \b
    fleet logs query --since 2h
    fleet logs query -s prod --level SEVERE --last 7d -o csv > severe.csv
    fleet logs query --code 9511,9000 --service 'Planning/*' --limit 20

    A record is printed when no site that is still read can have a newer one, so the first ones come at once, however
    many there are. All times are UTC. ndjson and csv have rows, `site` first; -o json has the report with its rows.
    """
    from fleet.cli.run import run_on_sites, say
    from fleet.logs import merged_logs
    from fleet.logs.spool import Spool

    wanted = query_of(given)
    fits = condition_of(given)
    rows = _rows(common)

    async def work(session: Session) -> Report:
        assert session.lines is not None
        with Spool(spool_limit) if oldest_first else nullcontext() as spool:
            async with merged_logs(
                session.selection, wanted, where=fits, limit=limit, stop=session.stop, progress=session.progress
            ) as records:
                while batch := await records.batch():
                    if spool is None:
                        await session.lines.text(rows.text(batch))
                    else:
                        spool.append(batch)
            if spool is not None and not session.stop.launching:
                say("nothing is shown: the oldest records are not known")
            elif spool is not None:
                for batch in spool.backwards():
                    if not session.stop.launching:
                        break
                    await session.lines.text(rows.text(batch))
        assert records.report is not None
        return records.report

    return run_on_sites(common, work, lambda report: _end(common, rows, report), rows=True)


@command.command(name="follow")
@record_options(times=False)
@click.option(
    "--since", type=MOMENT, metavar="TIME", help="Begin with the records from then on (default: from now on)."
)
@click.option("--interval", type=DURATION, default="5s", show_default=True, help="How often every site is asked.")
@click.option("--for", "duration", type=DURATION, metavar="DURATION", help="End by itself after this time.")
@output_option(without=["html"])
@run_options
def follow(common: Common, interval: float, duration: float | None, **given: Any) -> int:
    """Show new records of all selected sites as they are written, until Ctrl-C.

    \b
    fleet logs follow -s prod --level SEVERE
    fleet logs follow --since 10m --ignore code=9511 --for 1h -o ndjson >> watch.ndjson

    Every site is asked each --interval, all at once, from where it was left; each record is shown once. A site that goes
    away is told once, and once when it is back, with what it wrote meanwhile. Without a terminal the format is ndjson.
    """
    import anyio

    from fleet.cli.run import run_on_sites, say
    from fleet.logs import follow_logs

    if common.output is None and common.format == "json":
        common = replace(common, output="ndjson")
    wanted = query_of(given)
    fits = condition_of(given)
    rows = _rows(common)

    def changed(site: str, error: SiteError | None) -> None:
        say(f"{site} is back" if error is None else f"{site} is away: {error.message}")

    async def work(session: Session) -> Report:
        assert session.lines is not None
        async with (
            follow_logs(
                session.selection,
                wanted,
                interval=interval,
                where=fits,
                on_change=None if common.quiet else changed,
                stop=session.stop,
                progress=session.progress,
            ) as records,
            anyio.create_task_group() as group,
        ):

            async def end() -> None:
                await anyio.sleep(duration or 0.0)
                records.close()

            if duration is not None:
                group.start_soon(end)
            while batch := await records.batch():
                await session.lines.text(rows.text(batch))
            group.cancel_scope.cancel()
        assert records.report is not None
        return records.report

    return run_on_sites(common, work, lambda report: _end(common, rows, report), rows=True, live=False)


@command.command(name="top")
@record_options()
@click.option(
    "--by",
    default="code",
    show_default=True,
    metavar="A,B",
    help="What is counted by: code, service, machine, site, level, user.",
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="At most N rows (20 in a table, else all).")
@output_option()
@run_options
def top(common: Common, by: str, limit: int | None, **given: Any) -> int:
    """Count the records of all selected sites: by code, service, machine, site, level or user.

    \b
    fleet logs top --last 24h
    fleet logs top --by code,service --ignore code=9511 -o csv
    fleet logs top --by site,level -s prod

    Each row has when the first and the last were written, the sites, and the newest message. No record is kept, however
    many there are. What --ignore leaves out is counted as noise.
    """
    from fleet.cli.run import run_on_sites
    from fleet.logs import top_of_logs

    if common.query is not None:
        raise UsageError(
            "--query is not for counts: choose records with --contains and its like, columns with --columns"
        )
    names = [name.strip() for name in by.split(",") if name.strip()]
    check_by(names)
    for name in [*common.columns, *([common.sort.removeprefix("-")] if common.sort else [])]:
        if name not in (known := [*names, "count", "first", "last", "sites", "message"]):
            raise UsageError(f"there is no column {name!r}; there are {', '.join(known)}")
    wanted = query_of(given)
    fits = condition_of(given)
    most = limit or (20 if common.format == "table" else None)

    async def work(session: Session) -> Report:
        return await top_of_logs(
            session.selection,
            wanted,
            by=names,
            limit=most,
            where=fits,
            stop=session.stop,
            progress=session.progress,
        )

    return run_on_sites(common, work, lambda report: _write_top(common, report), rows=True)


def _write_top(common: Common, report: Report) -> None:
    """The counts in the format that was asked for."""
    from fleet.cli.writing import write_report
    from fleet.render.columns import plural
    from fleet.render.names import fold_names
    from fleet.render.plain import as_line
    from fleet.render.table import summary_lines

    merged = report.merged
    told = f"{plural(merged['total'], 'record')} in {plural(merged['groups'], 'row')}"
    if len(merged["rows"]) < merged["groups"]:
        told += f", of which {len(merged['rows'])} are shown"
    if merged["noise"]:
        told += f"; {merged['noise']} left out as noise"

    def rows(report: Report) -> list[dict[str, Any]]:
        narrow = 30 if common.format == "table" else 1 << 20
        found = [{**row, "sites": fold_names(row["sites"], narrow)} for row in merged["rows"]]
        if common.format in ("table", "html"):
            for row in found:
                row |= {name: row[name][:19].replace("T", " ") for name in ("first", "last")}
        return found

    if common.format == "ndjson":
        # Its lines are counts: they don't tell of the sites that failed.
        click.echo("".join(as_line(row) + "\n" for row in merged["rows"]), nl=False)
        if not common.quiet:
            click.echo("\n".join([told, *summary_lines(report)]), err=True)
        return
    write_report(common, report, rows=rows, remarks=[told])


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
    from fleet.cli.record_rows import HtmlRows, JsonRows
    from fleet.render.table import summary_lines

    if isinstance(rows, JsonRows):
        rows.finish(report)
        return
    if isinstance(rows, HtmlRows):
        rows.finish(report, common.selection)
        return
    click.echo(rows.text(()), nl=False)
    if not common.quiet:
        click.echo("\n".join(summary_lines(report)), err=True)


for one in (settings, level, retention, clean, error_reports):
    command.add_command(one)
