"""Every table of the fleet by its name; each is loaded when it is asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from fleet.rows.table import Table

__all__ = ["TABLES", "table"]

TABLES: dict[str, str] = {
    "datastores": "fleet.rows.data:DATASTORES",
    "extensions": "fleet.rows.services:EXTENSIONS",
    "logs": "fleet.rows.logs:LOGS",
    "members": "fleet.rows.accounts:MEMBERS",
    "roles": "fleet.rows.accounts:ROLES",
    "security": "fleet.rows.security:SECURITY",
    "services": "fleet.rows.services:SERVICES",
    "sites": "fleet.rows.sites:SITES",
    "statistics": "fleet.rows.services:STATISTICS",
    "users": "fleet.rows.accounts:USERS",
}
"""Name -> where the table stands; a place rather than a table, so that one table costs no look at the others."""


@cache
def table(name: str) -> Table:
    """The table *name*; raises `KeyError`."""
    module, _, attribute = TABLES[name].partition(":")
    found: Table = getattr(import_module(module), attribute)
    return found
