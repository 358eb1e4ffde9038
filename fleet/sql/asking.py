"""Asking the fleet in SQL: fetch what a query names, run it, and say of which sites the answer knows nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import anyio.to_thread

from fleet.client.site import SiteClient
from fleet.errors import SiteError
from fleet.fanout.engine import Progress
from fleet.fanout.fleet import Selection
from fleet.fanout.stop import Stop
from fleet.inventory.model import Site
from fleet.outcome import error_object, outcome_of, timestamp
from fleet.report import Report
from fleet.rows.reading import each
from fleet.rows.table import Column, Row, Wanted
from fleet.sql.database import Database, rows_as_dicts
from fleet.sql.pruning import Demand, demands_of
from fleet.sql.query import read_query
from fleet.sql.schema import ALIASES, ERRORS, FETCHED, SITE, label_columns, table

if TYPE_CHECKING:
    from fleet.sql.past import Past

__all__ = ["MOST_ROWS", "Answered", "Kept", "ask"]

MOST_ROWS = 1_000_000
"""Rows that an answer may have."""


class Kept(Protocol):
    """Rows that were fetched before, as a cache or a snapshot has them."""

    def recall(self, site: Site, name: str, wanted: Wanted) -> tuple[Sequence[Row], float] | None:
        """The rows of the table *name* of *site*, and when they were read (epoch seconds); None where they must be read.

        Raises `SiteError` where they can't be had at all.
        """

    def keep(self, site: Site, name: str, wanted: Wanted, rows: Sequence[Row], at: float) -> None:
        """Keep rows that were read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The answer to a query: its columns and rows, and the report that says which sites it covers.

    A site that failed is in the report and in `_errors`; its rows are missing in the answer.
    """

    columns: Sequence[str]
    rows: Sequence[tuple[Any, ...]]
    report: Report

    def dicts(self) -> list[dict[str, Any]]:
        """The rows by the names of their columns."""
        return list(rows_as_dicts(self.columns, self.rows))


async def ask(
    selection: Selection,
    text: str,
    *,
    pruned: bool = True,
    most: int = MOST_ROWS,
    kept: Kept | None = None,
    past: Past | None = None,
    stop: Stop | None = None,
    progress: Progress | None = None,
    before: Callable[[int], None] | None = None,
    now: float | None = None,
) -> Answered:
    """The answer of the sites of *selection* to the SQL query *text*.

    The tables that it names are fetched from all sites at once, as far as the query needs them; with *pruned* False
    from every site, with every row. *kept* has rows that need not be fetched; with *past*, whose inventory the selection
    must be of, all come from a snapshot and nothing is asked. *most* bounds the rows of the answer,
    *before* is told how many sites are asked. Raises `UsageError` for a query that can't be read or answered, with
    nothing sent, and `QueryFailed` where it fails on what was fetched.
    """
    labels = label_columns(selection.fleet.inventory.sites.values())
    query = read_query(text, labels=labels)
    if past is not None:
        past.check(query.tables)
    database = Database(now)
    limit = selection.fleet.deadline
    ends = None if limit is None else time.monotonic() + limit
    try:
        demands = demands_of(query, selection.sites, database, pruned=pruned)
        label_table = [Column(name, "text", "") for name in labels]
        for demand in demands:
            database.create(demand.table, [SITE, *demand.columns, FETCHED, *label_table])
        for alias, name in ALIASES.items():
            if name in query.tables:
                database.also_call(name, alias)
        database.create("_errors", ERRORS)
        database.check(text)
        wanted = {demand.table: demand for demand in demands}
        needed = frozenset().union(*(demand.sites for demand in demands))
        sites = [site for site in selection.sites if site.name in needed]
        if before is not None:
            before(len(sites))
        fetch = _Fetch(database, wanted, labels, kept, past)
        report = await Selection(selection.fleet, sites).run(fetch.work, command="sql", stop=stop, progress=progress)
        fetch.note_failures(report)
        # By now nothing is in flight at any site: the first signal already ends the answering.
        unlisten = None if stop is None else stop.listen(database.stop)
        try:
            left = None if ends is None else max(0.1, ends - time.monotonic())
            columns, rows = await anyio.to_thread.run_sync(database.run, text, most, left)
        finally:
            if unlisten is not None:
                unlisten()
    finally:
        database.close()
    answer = Answered(columns=columns, rows=rows, report=report)
    return replace(answer, report=replace(report, merged={"columns": list(columns), "rows": answer.dicts()}))


@dataclass
class _Fetch:
    """Fetches what is demanded of each site into the database, every table of a site at once."""

    database: Database
    demands: Mapping[str, Demand]
    labels: Mapping[str, str]
    kept: Kept | None
    past: Past | None = None
    told: dict[tuple[str, str], SiteError] = field(default_factory=dict)

    async def work(self, client: SiteClient) -> dict[str, int]:
        """How many rows each table of the site has; raises the first error, with the counts of the others in it."""
        name = client.site.name
        mine = [demand for demand in self.demands.values() if name in demand.sites]
        found = await each([partial(self._one, client, demand) for demand in mine])
        counts = {}
        first: SiteError | None = None
        for demand, result in zip(mine, found, strict=True):
            if isinstance(result, SiteError):
                self.told[name, demand.table] = result
                first = first or result
            else:
                counts[demand.table] = result
        if first is not None:
            first.value = counts or None
            raise first
        return counts

    async def _one(self, client: SiteClient, demand: Demand) -> int:
        at = time.time()
        if self.past is not None:
            return self._insert(
                client, demand, await self.past.rows(client.site, demand.table, demand.wanted), self.past.kept.made
            )
        known = None if self.kept is None else self.kept.recall(client.site, demand.table, demand.wanted)
        if known is None:
            rows = await table(demand.table).read(client, demand.wanted)
            if self.kept is not None:
                self.kept.keep(client.site, demand.table, demand.wanted, rows, at)
        else:
            rows, at = known
        return self._insert(client, demand, rows, at)

    def _insert(self, client: SiteClient, demand: Demand, rows: Sequence[Row], at: float) -> int:
        labels = {column: client.site.labels.get(key) for column, key in self.labels.items()}
        more = {"site": client.site.name, "_fetched_at": timestamp(at), **labels}
        return self.database.insert(demand.table, rows, more)

    def note_failures(self, report: Report) -> None:
        """Fill `_errors`: each table of each site whose rows are not there."""
        rows = []
        for outcome in report.outcomes:
            if outcome.ok:
                continue
            tables = [demand.table for demand in self.demands.values() if outcome.site in demand.sites]
            counted = outcome.value or {}
            for name in tables:
                error = self.told.get((outcome.site, name))
                if error is None and name in counted:
                    continue
                error_told = error_object(error or outcome.error)  # type: ignore[union-attr]
                rows.append(
                    {
                        "table_name": name,
                        "site": outcome.site,
                        "outcome": outcome.outcome if error is None else outcome_of(error),
                        "kind": error_told["kind"],
                        "message": error_told["message"],
                    }
                )
        self.database.insert("_errors", rows)
