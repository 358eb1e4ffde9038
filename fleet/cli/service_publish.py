"""`fleet services publish`: a service definition on many sites."""

from __future__ import annotations

from pathlib import Path

import click

from fleet.cli.changing import Consent, change_options, run_verb
from fleet.cli.common import DURATION, Common
from fleet.errors import UsageError

__all__ = ["publish"]


@click.command(name="publish")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="FILE...")
@click.option("--folder", metavar="FOLDER", help="Publish into this folder; / is the root (the definition's own).")
@click.option("--overwrite", is_flag=True, help="Publish although there is a service of that name already.")
@click.option(
    "--wait", "patience", type=DURATION, default="30m", show_default=True, help="Limit for each site to publish it."
)
@change_options
def publish(
    common: Common, consent: Consent, files: tuple[Path, ...], folder: str | None, overwrite: bool, patience: float
) -> int:
    """Publish service definitions (.sd): upload each, let the site publish it, wait, and see that the service runs.

    A folder stands for the .sd files in it. Uploads are deleted at the end. Whether a service that is there is really
    replaced is for the site, and for what the definition says of itself.

    \b
    fleet services publish Hydrants.sd --folder Planning -s test
    fleet services publish definitions/ --overwrite -s 'prod and emea' --yes
    """
    from fleet.bulk.publishing import Publish

    found: dict[Path, None] = {}
    for file in files:
        inside = sorted(file.glob("*.sd")) if file.is_dir() else [file]
        if not inside:
            raise UsageError(f"there is no .sd file in {file}")
        found |= dict.fromkeys(inside)
    return run_verb(common, consent, Publish(tuple(found), folder, overwrite, patience))
