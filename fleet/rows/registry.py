"""Every table of the fleet by its name; each is loaded when it is asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from fleet.rows.table import Table

__all__ = ["TABLES", "table"]

TABLES: dict[str, str] = {
    "extensions": "fleet.rows.services:EXTENSIONS",
    "logs": "fleet.rows.logs:LOGS",
    "services": "fleet.rows.services:SERVICES",
    "sites": "fleet.rows.sites:SITES",
    "statistics": "fleet.rows.services:STATISTICS",
}
"""Name -> where the table stands; a place rather than a table, so that one table costs no look at the others."""


@cache
def table(name: str) -> Table:
    """The table *name*; raises `KeyError`."""
    module, _, attribute = TABLES[name].partition(":")
    found: Table = getattr(import_module(module), attribute)
    return found
