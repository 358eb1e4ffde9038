"""What need not be fetched for a query: sites, folders, times and levels that no row of the answer can come from."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

from sqlglot import exp, parse_one

from fleet.inventory.model import Site
from fleet.rows.table import Column, Wanted
from fleet.sql.database import Database
from fleet.sql.query import Mention, Query, Term
from fleet.sql.schema import SITE, label_columns, table

__all__ = ["Demand", "demands_of"]

LEVELS = ("SEVERE", "WARNING", "INFO", "FINE", "VERBOSE", "DEBUG")


@dataclass(frozen=True, slots=True)
class Demand:
    """What of one table is needed: of which sites, and what of their rows."""

    table: str
    sites: frozenset[str]
    wanted: Wanted

    @property
    def columns(self) -> tuple[Column, ...]:
        """The table's own columns that are fetched: all that cost nothing, and those that are named."""
        return tuple(
            column for column in table(self.table).columns if not column.costly or self.wanted.wants(column.name)
        )


def demands_of(query: Query, sites: Sequence[Site], database: Database, *, pruned: bool = True) -> list[Demand]:
    """What *query* needs of *sites*; without *pruned* all rows of every site."""
    labels = label_columns(sites)
    if pruned and query.mentions:
        database.create("_sites", [SITE, *(Column(name, "text", "") for name in labels)])
        database.insert("_sites", ({"site": site.name, **_labels(site, labels)} for site in sites))
    demands = []
    for name in query.tables:
        found = table(name)
        named = {column.name for column in found.columns if column.name.lower() in query.columns}
        costly = {column.name for column in found.columns if column.costly and column.name in named}
        columns = frozenset({*costly, *(column.name for column in found.columns if not column.costly)})
        wanted = Wanted(columns=columns if costly else None)
        every = frozenset(site.name for site in sites)
        if pruned:
            mentions = [mention for mention in query.mentions if mention.table == name]
            every = frozenset().union(*(_sites_of(mention, labels, database, every) for mention in mentions))
            wanted = reduce(_either, (_bounded(mention, wanted, database) for mention in mentions))
        demands.append(Demand(name, every, wanted))
    return demands


def _labels(site: Site, columns: Mapping[str, str]) -> dict[str, str | None]:
    return {column: site.labels.get(key) for column, key in columns.items()}


def _sites_of(mention: Mention, labels: Mapping[str, str], database: Database, every: frozenset[str]) -> frozenset[str]:
    conditions = [term.sql for term in mention.terms if term.column == "site" or term.column in labels]
    try:
        return frozenset(database.fitting("_sites", "site", conditions)) if conditions else every
    except sqlite3.Error:
        return every


def _bounded(mention: Mention, wanted: Wanted, database: Database) -> Wanted:
    """*wanted* without what no row wanted at *mention* can be in."""
    for term in mention.terms:
        if term.column == "foldername":
            folders = _texts(term)
            if folders is not None:
                known = wanted.folders
                wanted = replace(wanted, folders=folders if known is None else known & folders)
        elif term.column == "level":
            levels = _texts(term)
            if levels is not None and levels <= set(LEVELS):
                least = max((LEVELS.index(level) for level in levels), default=0)
                known_least = len(LEVELS) if wanted.level is None else LEVELS.index(wanted.level)
                wanted = replace(wanted, level=LEVELS[min(least, known_least)])
        elif term.column == "time":
            wanted = _timed(term, wanted, database)
    return wanted


def _texts(term: Term) -> frozenset[str] | None:
    """The texts that the column may be, where *term* names them: `= 'a'` or `in ('a', 'b')`."""
    node = parse_one(term.sql, dialect="sqlite")
    if isinstance(node, exp.EQ):
        values = [node.expression]
    elif isinstance(node, exp.In):
        values = list(node.expressions)
    else:
        return None
    if not all(isinstance(value, exp.Literal) and value.is_string for value in values):
        return None
    return frozenset(str(value.this) for value in values)


def _timed(term: Term, wanted: Wanted, database: Database) -> Wanted:
    node = parse_one(term.sql, dialect="sqlite")
    low = high = None
    try:
        if isinstance(node, exp.Between):
            low, high = (_number(node.args[name], database) for name in ("low", "high"))
        elif isinstance(node, exp.GT | exp.GTE):
            low = _number(node.expression, database)
        elif isinstance(node, exp.LT | exp.LTE):
            high = _number(node.expression, database)
        elif isinstance(node, exp.EQ):
            low = high = _number(node.expression, database)
    except sqlite3.Error:
        return wanted
    # A millisecond more on both sides: whether a site counts a border in is not for us to know.
    if low is not None:
        wanted = replace(wanted, oldest=max(int(low) - 1, wanted.oldest if wanted.oldest is not None else 0, 0))
    if high is not None:
        most = int(high) + 1
        wanted = replace(wanted, newest=most if wanted.newest is None else min(most, wanted.newest))
    return wanted


def _number(node: exp.Expr, database: Database) -> float | None:
    value = database.value(node.sql(dialect="sqlite"))
    return value if isinstance(value, int | float) and abs(value) < 2**53 else None


def _either(one: Wanted, other: Wanted) -> Wanted:
    """What takes in both: a bound holds only where both have one, and then the wider of the two."""

    folders = one.folders | other.folders if one.folders is not None and other.folders is not None else None
    newest = max(one.newest, other.newest) if one.newest is not None and other.newest is not None else None
    oldest = min(one.oldest, other.oldest) if one.oldest is not None and other.oldest is not None else None
    level = None
    if one.level is not None and other.level is not None:
        level = max(one.level, other.level, key=LEVELS.index)
    return replace(one, folders=folders, newest=newest, oldest=oldest, level=level)
