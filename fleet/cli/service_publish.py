"""`fleet services publish`: a service definition on many sites."""

from __future__ import annotations

from pathlib import Path

import click

from fleet.cli.changing import Consent, change_options, run_verb
from fleet.cli.common import DURATION, Common

__all__ = ["publish"]


@click.command(name="publish")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--folder", metavar="FOLDER", help="Publish into this folder; / is the root (the definition's own).")
@click.option("--overwrite", is_flag=True, help="Publish although there is a service of that name already.")
@click.option("--for", "patience", type=DURATION, default="30m", show_default=True, help="Wait so long for each site.")
@change_options
def publish(common: Common, consent: Consent, file: Path, folder: str | None, overwrite: bool, patience: float) -> int:
    """Publish a service definition (.sd): upload it, let the site publish it, wait, and see that the service runs.

    The upload is deleted at the end. Whether a service that is there is really replaced is for the site, and for what
    the definition says of itself.

    \b
    fleet services publish Hydrants.sd --folder Planning -s test
    fleet services publish Hydrants.sd --overwrite -s 'prod and emea' --yes
    """
    from fleet.bulk.publishing import Publish

    return run_verb(common, consent, Publish(file, folder, overwrite, patience))
