"""Every table of the fleet by its name; each is loaded when it is asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from fleet.rows.table import Table

__all__ = ["TABLES", "table", "table_at"]

TABLES: dict[str, str] = {
    "certificates": "fleet.rows.certificates:CERTIFICATES",
    "datastores": "fleet.rows.data:DATASTORES",
    "directories": "fleet.rows.system:DIRECTORIES",
    "extensions": "fleet.rows.services:EXTENSIONS",
    "licenses": "fleet.rows.licenses:LICENSES",
    "logs": "fleet.rows.logs:LOGS",
    "machines": "fleet.rows.machines:MACHINES",
    "manifests": "fleet.rows.manifests:MANIFESTS",
    "members": "fleet.rows.accounts:MEMBERS",
    "roles": "fleet.rows.accounts:ROLES",
    "security": "fleet.rows.security:SECURITY",
    "services": "fleet.rows.services:SERVICES",
    "sites": "fleet.rows.sites:SITES",
    "statistics": "fleet.rows.services:STATISTICS",
    "users": "fleet.rows.accounts:USERS",
    "web_adaptors": "fleet.rows.system:WEB_ADAPTORS",
}
"""Name -> where the table stands; a place rather than a table, so that one table costs no look at the others."""


def table(name: str) -> Table:
    """The table *name*; raises `KeyError`."""
    return table_at(TABLES[name])


@cache
def table_at(place: str) -> Table:
    """The table that stands at *place*, such as `fleet.rows.machines:MACHINES`."""
    module, _, attribute = place.partition(":")
    found: Table = getattr(import_module(module), attribute)
    return found
