"""How a command lists rows of the selected sites: one table of every site's rows, with a condition where one is given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.common import Common
from fleet.errors import UsageError

if TYPE_CHECKING:
    from fleet.aggregate.where import Where
    from fleet.cli.run import Session
    from fleet.cli.writing import Lines
    from fleet.client.site import SiteClient
    from fleet.report import Report
    from fleet.rows.table import Row, Table, Wanted

__all__ = ["Named", "check_columns", "condition", "list_rows", "list_table", "where_option"]

where_option = click.option(
    "--where",
    metavar="CONDITION",
    help="Only rows that fit, such as 'configuredState=STARTED and realTimeState!=STARTED'.",
)


class Named:
    """The names of a command line, which may be patterns: what they mean, and which of them fit nothing on any site.

    *fitting* makes of one of *texts* the test of a name; *thing* is the word for what has the name.
    """

    def __init__(self, texts: Sequence[str], fitting: Callable[[str], Callable[[str], bool]], thing: str) -> None:
        self._tests = {text: fitting(text) for text in texts}
        self._unused = dict(self._tests)
        self._thing = thing

    def match(self, name: str) -> bool:
        """Whether *name* is meant; without texts each is."""
        for text in [text for text, fits in self._unused.items() if fits(name)]:
            del self._unused[text]
        return not self._tests or any(fits(name) for fits in self._tests.values())

    def told(self, report: Report) -> str | None:
        """The sentence about texts that fit nothing, once a site has answered: the *none* of `list_rows`."""
        answered = report.coverage.answered
        if not answered or not self._unused:
            return None
        where = f"any of {answered} sites" if answered > 1 else "the site"
        return f"{' or '.join(self._unused)} fits no {self._thing} of {where}"


def condition(text: str | None, fields: Collection[str]) -> Where | None:
    """The condition in *text*, which may look at *fields*; raises `UsageError`."""
    from fleet.aggregate.where import parse, require_fields

    if text is None:
        return None
    where = parse(text)
    require_fields(where, fields)
    return where


def list_rows(
    common: Common,
    read: Callable[[SiteClient], Awaitable[Sequence[Row]]],
    *,
    name: str,
    where: Where | None = None,
    shown: Sequence[str] | None = None,
    columns: Sequence[str] = (),
    state: Sequence[str] = ("realTimeState", "state", "status", "outcome"),
    order: Callable[[Row], Any] | None = None,
    none: Callable[[Report], str | None] | None = None,
    bad: Callable[[Row], bool] | None = None,
    times: Collection[str] = (),
    lines: Lines | None = None,
    blank: Sequence[str] = (),
) -> int:
    """Read rows on every selected site by *read*, keep those that fit *where*, merge and write them; the exit status.

    *name* is the command's name in the report; *columns* are the columns that rows may have, for the check of
    `--columns` and `--sort` before anything is sent (empty: any); *shown* are those that people see. *order* sorts the
    rows of all sites unless `--sort` does. *none* may have a sentence to say at the end, and then the exit status is 1
    where it would be 0; so it is for a row that is *bad*. *times* are columns in epoch milliseconds, which people see as
    times in UTC. *lines* makes the table for people. *blank* are the columns of csv where there is no row, *columns* if
    they are not given.
    """
    from fleet.aggregate.where import matches
    from fleet.cli.run import run_on_sites, say
    from fleet.cli.writing import write_report
    from fleet.render.plain import rows_of

    check_columns(common, columns)

    found_bad = False

    async def work(client: SiteClient) -> Sequence[Row]:
        nonlocal found_bad
        rows = await read(client)
        kept = list(rows) if where is None else [row for row in rows if matches(where, row)]
        found_bad = found_bad or (bad is not None and any(map(bad, kept)))
        return kept

    async def run(session: Session) -> Report:
        return await session.selection.run(
            work,
            command=name,
            merge=None if session.lines is not None else "union",
            query=common.query,
            on_outcome=session.lines,
            keep=session.lines is None,
            stop=session.stop,
            progress=session.progress,
        )

    blank = () if common.query is not None else blank or (["site", *columns] if columns else ())
    visible = None if shown is None or common.query is not None else ["site", *shown]

    def rows(report: Report) -> Sequence[Row]:
        dated = bool(times) and common.query is None and common.format in ("table", "markdown", "html")
        found = _dated_rows(times, report) if dated else rows_of(report)
        return found if order is None else sorted(found, key=order)

    def write(report: Report) -> int | None:
        write_report(common, report, rows=rows, lines=lines, shown=visible, state=state, blank=blank)
        told = none(report) if none is not None and not report.interrupted and not common.allow_empty else None
        if told is not None:
            say(told)
        if told is None and not found_bad:
            return None
        return report.exit_code(common.require_coverage) or 1

    return run_on_sites(common, run, write)


def _dated_rows(times: Collection[str], report: Report) -> list[dict[str, Any]]:
    """The rows of *report* with *times* as people write them."""
    from fleet.outcome import timestamp
    from fleet.protocol.fields import as_int
    from fleet.render.plain import rows_of

    def shown(name: str, value: Any) -> Any:
        number = as_int(value) if name in times else None
        return value if number is None or not 0 <= number < 10**14 else timestamp(number / 1000)[:16].replace("T", " ")

    return [{name: shown(name, value) for name, value in row.items()} for row in rows_of(report)]


def check_columns(common: Common, columns: Sequence[str]) -> None:
    """A column that there can't be is told before anything is sent."""
    if not columns or common.query is not None:
        return
    from fleet.inventory.tables import nearest

    known = ["site", *columns]
    for name in [*common.columns, *([common.sort.removeprefix("-")] if common.sort else [])]:
        if name not in known and name.partition(".")[0] not in known:
            near = nearest(name, known)
            told = f"did you mean {near}?" if near else f"there are {', '.join(known)}"
            raise UsageError(f"there is no column {name!r}; {told}")


def list_table(
    common: Common,
    table: Table,
    *,
    name: str,
    wanted: Wanted | None = None,
    where: str | None = None,
    fits: Callable[[Row], bool] | None = None,
    shown: Sequence[str] | None = None,
    every: bool = False,
    saw: Callable[[str, Sequence[Row]], None] | None = None,
    **options: Any,
) -> int:
    """List *table*: with its cheap columns, and those costly ones that `--columns`, `--sort` or *where* name.

    With *every* all columns, whatever they cost. *fits* is a condition of the command's own, *wanted* bounds what is read,
    *saw* is told the rows of each site before any condition, and *options* are those of `list_rows`. The exit status;
    raises `UsageError` for a column or a field that there is not.
    """
    from dataclasses import replace

    from fleet.aggregate.where import fields_of
    from fleet.rows.table import EVERYTHING

    found = condition(where, table.names)
    named = {*common.columns, *([common.sort.removeprefix("-")] if common.sort else [])}
    named |= fields_of(found) if found is not None else set()
    roots = {one.partition(".")[0] for one in named}
    costly = {column.name for column in table.columns if column.costly and (every or column.name in roots)}
    cheap = {column.name for column in table.columns if not column.costly}
    columns = frozenset(costly | cheap) if costly else None
    times = [column.name for column in table.columns if column.type == "time"]

    async def read(client: SiteClient) -> Sequence[Any]:
        rows = await table.read(client, replace(wanted or EVERYTHING, columns=columns))
        if saw is not None:
            saw(client.site.name, rows)
        return rows if fits is None else [row for row in rows if fits(row)]

    options.setdefault("times", times)
    options.setdefault("blank", ["site", *(one.name for one in table.columns if not one.costly or one.name in costly)])
    return list_rows(common, read, name=name, where=found, shown=shown, columns=table.names, **options)
