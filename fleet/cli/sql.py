"""`fleet sql`: a question in SQL over what all selected sites have."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.common import DURATION, Common, output_option, run_options, terminal_of
from fleet.errors import UsageError
from fleet.given_files import text_of

if TYPE_CHECKING:
    from fleet.cli.run import Session
    from fleet.report import Report
    from fleet.sql import Answered

__all__ = ["command"]

LONGEST = 1024 * 1024


@click.command(name="sql")
@click.argument("statement", metavar="[QUERY]", required=False)
@click.option("--schema", is_flag=True, help="Show the tables and columns; with QUERY as a name, those of that table.")
@click.option("--max-age", type=DURATION, metavar="DURATION", help="Take rows that were fetched before, if no older.")
@click.option("--snapshot", metavar="ID", help="Ask a snapshot: an ID, a name, latest, or an age such as 7d.")
@click.option("--max-rows", type=click.IntRange(1), default=1_000_000, show_default=True, help="Limit of the answer.")
@click.option("--no-pushdown", is_flag=True, help="Fetch all rows of all sites, whatever the query asks of them.")
@output_option("parquet")
@run_options
def command(common: Common, statement: str | None, schema: bool, **given: Any) -> int:
    """Answer QUERY, a select in SQLite's dialect, from tables of all selected sites, fetched live.

    \b
    fleet sql --schema services
    fleet sql "select site, count(*) from services where realTimeState <> configuredState group by site"
    fleet sql "select * from services where site like 'gis-%' and folderName = 'Planning'" -o csv
    fleet sql @busy.sql --max-age 10m

    QUERY is the text, @FILE, or - for standard input. Only tables that it names are fetched, and only sites and folders
    that plain conditions joined by `and` leave over. Times are epoch milliseconds; ago('2h') is two hours ago. A site
    that fails is in the table _errors and in the coverage; the exit status is then 1.
    """
    text = _text_of(statement)
    if schema or text.strip().startswith("."):
        return _schema(common, text)
    if not text.strip():
        raise UsageError("give a query, or --schema to see the tables")
    if common.query is not None:
        raise UsageError("--query is for answers in JSON; say it in SQL")
    if common.format == "parquet":
        _require_parquet()
    if given["snapshot"] is not None:
        return _of_snapshot(common, text, given)
    from fleet.cli.run import run_on_sites

    kept = None
    if given["max_age"] is not None:
        from fleet.sql.cache import Cache

        kept = Cache.open_default(given["max_age"])
    answers: list[Answered] = []

    async def work(session: Session) -> Report:
        from fleet.sql import ask
        from fleet.sql.database import QueryFailed

        try:
            answer = await ask(
                session.selection,
                text,
                pruned=not given["no_pushdown"],
                most=given["max_rows"],
                kept=kept,
                stop=session.stop,
                progress=session.progress,
                before=session.progress.again,
            )
        except QueryFailed:
            if not session.stop.launching:
                raise click.Abort from None
            raise
        answers.append(answer)
        return answer.report

    try:
        return run_on_sites(common, work, lambda report: _write(common, report, answers[0], text))
    finally:
        if kept is not None:
            kept.close()


def _of_snapshot(common: Common, text: str, given: dict[str, Any]) -> int:
    """The answer of a snapshot: no site is asked, and no inventory is needed."""
    import anyio

    from fleet.fanout.fleet import Fleet
    from fleet.snapshots.store import Store
    from fleet.sql import ask
    from fleet.sql.past import Past

    if given["max_age"] is not None:
        raise UsageError("--max-age is for live rows, and --snapshot for past ones: give one of them")
    store = Store()
    past = Past(store, store.find(given["snapshot"]))
    fleet = Fleet(past.inventory, deadline=common.deadline)
    selection = fleet.select(common.selection, allow_empty=common.allow_empty)

    async def main() -> Answered:
        async with fleet:
            pruned = not given["no_pushdown"]
            return await ask(selection, text, pruned=pruned, most=given["max_rows"], past=past)

    answer = anyio.run(main)
    _write(common, answer.report, answer, text)
    return answer.report.exit_code(common.require_coverage)


def _text_of(query: str | None) -> str:
    if query is None:
        return ""
    if query == "-" or query.startswith("@"):
        return text_of(None if query == "-" else Path(query[1:]), LONGEST)
    return query


def _schema(common: Common, text: str) -> int:
    """The tables, or the columns of those that *text* names, also as `.tables` and `.schema NAME` have it."""
    from fleet.cli.writing import write_rows
    from fleet.inventory.tables import nearest
    from fleet.sql import schema_rows, table_names
    from fleet.sql.schema import table

    words = text.split()
    if words and words[0].startswith("."):
        if words[0] not in (".tables", ".schema"):
            raise UsageError(f"there is no {words[0]}; there are .tables and .schema [TABLE]")
        words = words[1:]
    known = [*table_names(), "_errors"]
    for name in words:
        if name not in known:
            near = nearest(name, known)
            raise UsageError(f"there is no table {name!r}; " + (f"did you mean {near}?" if near else ", ".join(known)))
    if words:
        rows = schema_rows(words, {})
        shown = ["column", "type", "costly", "meaning"] if len(words) == 1 else None
        for row in rows:
            row["costly"] = "a request each" if row["costly"] else ""
    else:
        rows = [{"table": name, "meaning": table(name).meaning} for name in table_names()]
        rows.append({"table": "_errors", "meaning": "tables of sites whose rows are missing, and why"})
        shown = None
    if common.format == "parquet":
        raise UsageError("-o parquet is for answers")
    write_rows(common, rows, title="sql --schema", shown=shown)
    return 0


def _write(common: Common, report: Report, answer: Answered, text: str) -> None:
    """The rows in the format that was asked for; what the answer does not cover is always told."""
    from dataclasses import replace

    from fleet.cli.paging import show_lines
    from fleet.cli.run import say
    from fleet.render.columns import columns, plural
    from fleet.render.plain import as_csv, as_json, as_line, as_markdown, shaped
    from fleet.render.table import summary_lines
    from fleet.render.tones import tones_of

    rows = answer.dicts()
    if common.sort or common.columns or common.format in ("table", "csv", "markdown", "html"):
        names = list(rows[0]) if rows else list(answer.columns)
        header, cells = shaped(rows, common.columns or None, common.sort, say)
        header = header or names
    terminal = terminal_of()
    told = [*([] if common.quiet else [plural(len(rows), "row")]), *summary_lines(report, terminal)]
    if not report.outcomes:
        told = told[: 0 if common.quiet else 1]
    match common.format:
        case "json":
            click.echo(as_json(replace(report, merged=report.merged).to_dict()))
            return
        case "table":
            lines = columns(header, cells, terminal, tones=tones_of(header))
            show_lines(common, [*lines, "", *told], terminal)
            return
        case "html":
            from fleet.render.html import Heading, as_html

            remarks = [text, plural(len(rows), "row")]
            heading = Heading(title="fleet sql", when=report.started, selection=common.selection, remarks=remarks)
            click.echo(as_html(header, cells, heading, report), nl=False)
            return
        case "ndjson":
            for row in rows:
                sys.stdout.write(as_line(row) + "\n")
        case "csv":
            click.echo(as_csv(header, cells), nl=False)
        case "markdown":
            click.echo(as_markdown(header, cells), nl=False)
        case "parquet":
            _write_parquet(answer)
    if not report.ok or not common.quiet:
        click.echo("\n".join(told), err=True)


def _require_parquet() -> None:
    try:
        import duckdb  # noqa: F401
    except ImportError:
        raise UsageError("-o parquet needs DuckDB: install arcgis-fleet[sql]; nothing was sent") from None
    if sys.stdout.isatty():
        raise UsageError("-o parquet is binary: send it to a file (fleet sql … -o parquet > rows.parquet)")


def _write_parquet(answer: Answered) -> None:
    from fleet.sql.parquet import as_parquet

    sys.stdout.flush()
    sys.stdout.buffer.write(as_parquet(answer.dicts(), answer.columns))
