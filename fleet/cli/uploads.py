"""`fleet uploads`: files that were uploaded to sites, and deleting them."""

from __future__ import annotations

import click

from fleet.cli.changing import Consent, change_options, none_fits, run_verb
from fleet.cli.common import DURATION, Common, output_option, run_options
from fleet.cli.listing import list_table, where_option

__all__ = ["command"]


@click.group(name="uploads")
def command() -> None:
    """List and delete files that were uploaded, such as service definitions.

    \b
    fleet uploads list -s prod
    """


@command.command(name="list")
@where_option
@output_option()
@run_options
def list_(common: Common, where: str | None) -> int:
    """Files that were uploaded and not deleted.

    \b
    fleet uploads list --where 'itemName=*.sd' --sort date
    """
    from fleet.rows.uploads import UPLOADS

    shown = ("itemID", "itemName", "date", "committed", "description")
    return list_table(common, UPLOADS, name="uploads list", where=where, shown=shown)


@command.command(name="delete")
@click.argument("items", nargs=-1, required=True, metavar="ITEM...")
@click.option("--older-than", type=DURATION, metavar="DURATION", help="Only those that are older, such as 30d.")
@change_options
def delete(common: Common, consent: Consent, items: tuple[str, ...], older_than: float | None) -> int:
    """Delete uploads by their ID, or by their name with * and ?.

    \b
    fleet uploads delete '*.sd' --older-than 30d -s all
    """
    from fleet.bulk.jobs import DeleteUploads

    # Of old ones there may well be none; a name alone is meant to fit something.
    none = none_fits("upload", items) if older_than is None else None
    return run_verb(common, consent, DeleteUploads(items, older_than), none=none)
