"""`fleet licenses`: what each site is licensed for, and until when."""

from __future__ import annotations

from dataclasses import replace

import click

from fleet.cli.common import DURATION, Common, output_option, run_options
from fleet.cli.listing import list_table, where_option

__all__ = ["command"]


@click.group(name="licenses")
def command() -> None:
    """Show licences: levels, extensions, when they end.

    \b
    fleet licenses list --within 60d
    """


@command.command(name="list")
@click.option("--within", type=DURATION, metavar="DURATION", help="Status 1 if one ends sooner than this, such as 60d.")
@where_option
@output_option()
@run_options
def list_(common: Common, within: float | None, where: str | None) -> int:
    """Editions, levels, extensions and features with their days left, the one that ends first on top.

    \b
    fleet licenses list --where 'kind=extension' -o csv
    """
    from fleet.cli.certificates import ends_within
    from fleet.rows.licenses import LICENSES

    sorted_by = common if common.query is not None else replace(common, sort=common.sort or "daysLeft")
    return list_table(
        sorted_by,
        LICENSES,
        name="licenses list",
        where=where,
        shown=("kind", "name", "displayName", "version", "daysLeft", "expiration"),
        bad=None if within is None else lambda row: ends_within(row, within),
    )
