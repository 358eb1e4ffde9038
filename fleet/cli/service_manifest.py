"""`fleet services manifest`: what services read, and which of them use a database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fleet.cli.common import Common, output_option, run_options
from fleet.cli.listing import where_option
from fleet.cli.service_options import list_services, services_argument

if TYPE_CHECKING:
    from fleet.rows.table import Row

__all__ = ["manifest"]


@click.command(name="manifest")
@services_argument
@where_option
@click.option(
    "--database", metavar="NAME", help="Only what uses this database, server, instance or file; * and ? stand for text."
)
@click.option("--broken", is_flag=True, help="Only services whose manifest is missing or broken.")
@output_option()
@run_options
def manifest(common: Common, services: tuple[str, ...], where: str | None, database: str | None, broken: bool) -> int:
    """What services read: datasets, databases, servers, users. One request per service.

    A service that was not published from a file has no manifest: it has a row that says so in its column problem.
    Passwords of connections are never shown.

    \b
    fleet services manifest --database gisdb -s prod
    fleet services manifest --where 'user=sde and dataset=*ROADS*' -o csv
    fleet services manifest --broken -s all
    """
    from fleet.rows.manifests import MANIFESTS

    return list_services(
        common,
        MANIFESTS,
        name="services manifest",
        services=services,
        where=where,
        fits=lambda row: (not broken or row["problem"] is not None) and (database is None or _uses(row, database)),
        shown=("service", "dataset", "database", "server", "user", "workspace", "problem"),
    )


def _uses(row: Row, name: str) -> bool:
    import re
    from fnmatch import translate

    wanted = re.compile(translate(name.casefold().replace("[", "[[]")))
    told = [row[column] for column in ("database", "server", "instance", "workspace")]
    told += [part for one in told if one for part in re.split(r"[/\\:,]", one)]
    return any(wanted.fullmatch(one.casefold()) for one in told if one)
