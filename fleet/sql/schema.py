"""The tables that a query may name, with the columns that every table has besides its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fleet.inventory.model import Site
from fleet.rows import registry
from fleet.rows.table import Column, Table

__all__ = ["ALIASES", "ERRORS", "SITE", "label_columns", "schema_rows", "table", "table_names"]

SITE = Column("site", "text", "the site that the row is of")
FETCHED = Column("_fetched_at", "text", "when it was read, UTC: 2026-11-23T10:15:00.123Z")
ERRORS = (
    Column("table_name", "text", "the table of which a site's rows are missing"),
    SITE,
    Column("outcome", "text", "unreachable, auth_failed, timeout, failed, …"),
    Column("kind", "text", "the kind of the error"),
    Column("message", "text", "what was said"),
)
ALIASES = {"data_stores": "datastores", "licences": "licenses", "webadaptors": "web_adaptors"}
"""Other spellings of tables, which a query may use too."""
OWN = {"checks": "fleet.sql.checks:CHECKS"}


def table_names() -> list[str]:
    """The names of all tables."""
    return sorted([*registry.TABLES, *OWN])


def table(name: str) -> Table:
    """The table *name*; raises `KeyError`."""
    return registry.table_at(OWN[name]) if name in OWN else registry.table(name)


def label_columns(sites: Iterable[Site]) -> dict[str, str]:
    """Column -> label, for every label of *sites*: `label_tier` for `tier`; what no name may hold becomes `_`.

    Of labels that become the same column, the first by name has it.
    """
    columns: dict[str, str] = {}
    for key in sorted({key for site in sites for key in site.labels}):
        columns.setdefault(f"label_{re.sub(r'[^A-Za-z0-9_]', '_', key)}".lower(), key)
    return columns


def schema_rows(names: Sequence[str], labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """A row per column of the tables *names*: `{"table", "column", "type", "costly", "meaning"}`."""
    rows = []
    for name in names:
        found = ERRORS if name == "_errors" else (SITE, *table(name).columns, FETCHED)
        for column in found:
            told = {"type": column.type, "costly": column.costly, "meaning": column.meaning}
            rows.append({"table": name, "column": column.name, **told})
        if name != "_errors":
            for column_name, key in labels.items():
                meaning = f"the site's label {key}"
                rows.append({"table": name, "column": column_name, "type": "text", "costly": False, "meaning": meaning})
    return rows
