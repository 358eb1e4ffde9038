"""The commands that carry definitions between sites: export, import, copy-settings."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.changing import Consent, change_options, run_verb
from fleet.cli.common import Common, completed_by, output_option, run_options
from fleet.cli.listing import list_rows, where_option
from fleet.cli.service_options import (
    Unfitting,
    chosen,
    missing_option,
    nothing_fits,
    patterns_of,
    services_argument,
    services_needed,
)
from fleet.errors import UsageError
from fleet.given_files import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleet.cli.run import Session
    from fleet.client.site import SiteClient
    from fleet.protocol.fields import ServiceId
    from fleet.report import Report
    from fleet.rows.table import Row

__all__ = ["copy_settings", "export", "import_"]

FILE_CAP = 256 * 1024 * 1024
"""Bytes of a file of definitions that are read."""

only_option = click.option(
    "--only",
    metavar="A,B",
    help="Only these settings and what is below them, such as minInstancesPerNode,properties.maxRecordCount.",
)


def _parts(only: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (only or "").split(",") if part.strip())


@click.command(name="export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@services_argument
@where_option
@click.option("--force", is_flag=True, help="Overwrite the file.")
@output_option()
@run_options
def export(common: Common, file: Path, services: tuple[str, ...], where: str | None, force: bool) -> int:
    """Write the definitions of services into a file, of each site, for `fleet services import` and to be kept.

    What is secret by its name is masked, and not imported. Data and permissions are not in it. The file is written at the
    end, whole or not at all, with the sites that answered.

    \b
    fleet services export prod.json -s prod
    fleet services export planning.json 'Planning/*' -s oslo
    """
    from fleet import places
    from fleet.bulk.portable import document
    from fleet.outcome import timestamp
    from fleet.protocol.fields import ServiceId
    from fleet.rows.services import definitions

    if file.exists() and not force:
        raise UsageError(f"{file} is there already; give --force to overwrite it")
    if not file.absolute().parent.is_dir():
        raise UsageError(f"{file} can't be written: there is no folder {file.absolute().parent}")
    picked = chosen(services, where, ignore_not_found=True)
    unfitting = Unfitting(picked.patterns)
    found: dict[str, Mapping[ServiceId, Mapping[str, Any]]] = {}

    async def read(client: SiteClient) -> Sequence[Row]:
        rows, _ = await picked.rows(client, ("configuredState",))
        told = await definitions(client, [ServiceId.parse(row["service"]) for row in rows])
        unfitting.saw(told)
        found[client.site.name] = told
        return [{"service": str(service), "provider": one.get("provider")} for service, one in told.items()]

    def written(report: Report) -> str | None:
        answered = {outcome: found[outcome] for outcome in report.names if outcome in found}
        if not any(answered.values()):
            return unfitting.told(report) or "no service was found, and no file is written"
        try:
            places.write_atomically(file, document(answered, timestamp(time.time())).encode("ascii"), replace=force)
        except OSError as error:
            return f"{file} can't be written, and nothing of it is: {error.strerror or error}"
        return unfitting.told(report)

    return list_rows(common, read, name="services export", shown=("service", "provider"), none=written)


@click.command(name="import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@services_argument
@click.option("--from", "origin", metavar="SITE", help="The site in the file; needed where it has several.")
@only_option
@click.option("--existing-only", is_flag=True, help="Create nothing: change only services that are there.")
@change_options
def import_(common: Common, consent: Consent, **given: Any) -> int:
    """Bring services to the definitions in a file that `fleet services export` has written.

    Those that are there are edited: names, places on disks and in addresses, runtime and state stay a site's own, unless
    --only names them. Others are created, and need their data where the definition says. --dry-run shows all of it.

    From release 10.5 on sites can also export and import services with their data by themselves: see
    `fleet operations exportServices`.

    \b
    fleet services import prod.json 'Planning/*' --from oslo -s test --dry-run
    fleet services import prod.json --only minInstancesPerNode,maxInstancesPerNode --existing-only -s prod
    """
    from fleet.bulk.portable import read_document
    from fleet.bulk.transfer import ImportServices

    file: Path = given["file"]
    text = text_of(file, FILE_CAP)
    patterns = patterns_of(given["services"])
    definitions = read_document(text, given["origin"])
    unused = patterns.unused(definitions)
    if unused:
        raise UsageError(f"{' or '.join(unused[:5])} fits no service of {file}; nothing was sent")
    meant = {service: one for service, one in definitions.items() if patterns.match(service)}
    return run_verb(common, consent, ImportServices(meant, _parts(given["only"]), given["existing_only"]))


@click.command(name="copy-settings")
@click.option(
    "--from",
    "origin",
    required=True,
    metavar="SITE",
    shell_complete=completed_by("sites"),
    help="Where they are right.",
)
@services_needed
@where_option
@missing_option
@only_option
@change_options
def copy_settings(common: Common, consent: Consent, **given: Any) -> int:
    """Bring services to the settings that they have on another site.

    Names, places on disks and in addresses, runtime and state stay a site's own, unless --only names them. A service that
    is not on both sites is left out.

    \b
    fleet services copy-settings --from test 'Planning/*' --only minInstancesPerNode,properties.maxRecordCount -s prod
    fleet services copy-settings --from test '*.MapServer' -s prod --dry-run
    """
    from fleet.bulk.transfer import CopySettings, Source

    picked = chosen(given["services"], given["where"], given["ignore_not_found"])
    source = Source(given["origin"], picked.patterns)

    async def begin(session: Session) -> None:
        from fleet.errors import SiteError
        from fleet.inventory.tables import nearest

        sites = session.fleet.inventory.sites
        if source.site not in sites:
            near = nearest(source.site, list(sites))
            raise UsageError(f"there is no site {source.site}" + (f"; did you mean {near}?" if near else ""))
        try:
            await source.read(session.fleet.client(source.site))
        except SiteError as error:
            raise UsageError(f"{source.site} can't be read, and nothing was sent: {error.message}") from None

    verb = CopySettings(source, picked, _parts(given["only"]))
    return run_verb(
        common,
        consent,
        verb,
        none=nothing_fits(given["services"], given["where"], given["ignore_not_found"]),
        begin=begin,
    )
