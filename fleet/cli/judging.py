"""How a command judges sites: rows with a verdict, of sites that fail it too, and exit status 1 where one does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fleet.cli.common import Common

if TYPE_CHECKING:
    from fleet.cli.run import Session
    from fleet.client.site import SiteClient
    from fleet.report import Report
    from fleet.rows.table import Row

__all__ = ["judge_rows"]


def judge_rows(
    common: Common,
    read: Callable[[SiteClient], Awaitable[Sequence[Row]]],
    *,
    name: str,
    verdict: Callable[[Sequence[Row]], str | None],
    shown: Callable[[Row], bool] = lambda row: True,
    columns: Sequence[str] = (),
    visible: Sequence[str] | None = None,
    state: Sequence[str] = ("state",),
    hint: str | None = None,
    fold: bool = False,
    prepare: Callable[[Session], Awaitable[None]] | None = None,
    order: Callable[[Row], Any] | None = None,
    none: Callable[[Report], str | None] | None = None,
) -> int:
    """Read rows on every selected site by *read* and write those that are *shown*; the exit status.

    A site of whose rows *verdict* gives a sentence fails with it, and its rows are written all the same: its value is
    `{"rows": […]}`. *columns* are those that rows have, *visible* those that people see. With *fold* people see rows
    that are the same on several sites once. *prepare* is awaited first.
    *order* puts folded rows in order. *none* may have a sentence to say at the end: then the status is not 0.
    """
    from fleet.cli.listing import check_columns
    from fleet.cli.run import run_on_sites, say
    from fleet.cli.writing import write_report
    from fleet.errors import Unhealthy

    check_columns(common, columns)

    async def work(client: SiteClient) -> Any:
        rows = list(await read(client))
        value = {"rows": rows}
        told = verdict(rows)
        if told is not None:
            error = Unhealthy(told, hint=hint, may_have_arrived=False)
            error.value = value
            raise error
        return value

    async def run(session: Session) -> Report:
        if prepare is not None:
            await prepare(session)
        told = await session.selection.run(
            work,
            command=name,
            query=common.query,
            on_outcome=session.lines,
            stop=session.stop,
            progress=session.progress,
        )
        if common.query is not None:
            return told
        return replace(told, merged={"rows": [{"site": row.pop("site"), "row": row} for row in rows_of(told)]})

    def rows_of(report: Report) -> list[dict[str, Any]]:
        return [
            {"site": outcome.site, **row}
            for outcome in report.outcomes
            for row in ((outcome.value or {}).get("rows", ()) if isinstance(outcome.value, dict) else ())
            if shown(row)
        ]

    def folded(report: Report) -> list[dict[str, Any]]:
        from fleet.render.names import fold_names

        sites: dict[tuple[str, ...], list[str]] = {}
        kept: dict[tuple[str, ...], dict[str, Any]] = {}
        for row in rows_of(report):
            rest = {key: value for key, value in row.items() if key != "site"}
            key = tuple(f"{name}={value!r}" for name, value in rest.items())
            sites.setdefault(key, []).append(row["site"])
            kept.setdefault(key, rest)
        found = [{**kept[key], "sites": fold_names(names, 60)} for key, names in sites.items()]
        return found if order is None else sorted(found, key=order)

    people = common.format == "table" and fold and not common.columns and not common.sort
    if common.query is not None:
        visible = None
    elif visible is not None:
        visible = [*visible, "sites"] if people else ["site", *visible]
    rows = folded if people else rows_of

    def write(report: Report) -> int | None:
        if common.query is not None:
            write_report(common, report)
        else:
            write_report(common, report, rows=rows, shown=visible, state=state, blank=["site", *columns])
        told = none(report) if none is not None and not report.interrupted and not common.allow_empty else None
        if told is None:
            return None
        say(told)
        return report.exit_code(common.require_coverage) or 1

    return run_on_sites(common, run, write)
