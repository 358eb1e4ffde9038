"""`fleet services permissions`: who may use what, and changing that."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.changing import Consent, change_options, run_verb
from fleet.cli.common import Common, output_option, run_options
from fleet.cli.listing import where_option
from fleet.cli.service_options import (
    chosen,
    list_services,
    missing_option,
    nothing_fits,
    services_argument,
)
from fleet.errors import UsageError
from fleet.given_files import text_of

if TYPE_CHECKING:
    from fleet.bulk.permissions import Listed

__all__ = ["permissions"]

LIST_CAP = 16 * 1024 * 1024
"""Bytes that a list of permissions may have."""

folder_option = click.option(
    "--folder",
    "folders",
    multiple=True,
    metavar="FOLDER",
    help="What stands at this folder; / is the root (repeatable).",
)


@click.group(name="permissions")
def permissions() -> None:
    """Who may use services: the roles that are named at a service, at its folder, and at the root.

    \b
    fleet services permissions list --everyone -s prod
    fleet services permissions add planners 'Planning/*' -s all --dry-run
    """


@permissions.command(name="list")
@services_argument
@where_option
@click.option("--everyone", is_flag=True, help="Only services that everybody may use.")
@output_option()
@run_options
def list_(common: Common, services: tuple[str, ...], where: str | None, everyone: bool) -> int:
    """Which role may use which service, and where that stands: one request per service.

    A role that is not named at a service has what its folder says, and then what the root says.

    \b
    fleet services permissions list 'Planning/*' -s prod
    fleet services permissions list --everyone -s all -o csv
    """
    from fleet.rows.permissions import EVERYONE, PERMISSIONS

    def open_to_all(row: dict[str, Any]) -> bool:
        return row["principal"] == EVERYONE and row["isAllowed"] is True

    return list_services(
        common,
        PERMISSIONS,
        name="services permissions list",
        services=services,
        where=where,
        fits=open_to_all if everyone else None,
        shown=("service", "principal", "isAllowed", "from"),
    )


@permissions.command(name="add")
@click.argument("role", required=False)
@services_argument
@where_option
@folder_option
@missing_option
@click.option(
    "--from-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="CSV",
    help="A list with the columns service, role and perhaps allowed and site, in place of ROLE.",
)
@change_options
def add(common: Common, consent: Consent, **given: Any) -> int:
    """Let a role use services or folders; the role esriEveryone is everybody.

    A list names in its column service a service, or a folder with a slash at its end (/ is the root).

    \b
    fleet services permissions add planners 'Planning/*' -s prod
    fleet services permissions add esriEveryone --folder Public -s prod
    fleet services permissions add --from-file permissions.csv -s all --dry-run
    """
    if given["from_file"] is not None:
        if given["role"] is not None or given["services"] or given["folders"] or given["where"]:
            raise UsageError("--from-file says all: no ROLE, no SERVICES and no --folder beside it")
        from fleet.bulk.permissions import GrantListed

        return run_verb(common, consent, GrantListed(tuple(_listed(given["from_file"]))))
    return _grant(common, consent, given, allowed=True)


@permissions.command(name="remove")
@click.argument("role")
@services_argument
@where_option
@folder_option
@missing_option
@change_options
def remove(common: Common, consent: Consent, **given: Any) -> int:
    """Take from a role that it may use services or folders: it stands there as not allowed then.

    \b
    fleet services permissions remove esriEveryone 'Internal/*' -s prod
    """
    return _grant(common, consent, given, allowed=False)


def _grant(common: Common, consent: Consent, given: dict[str, Any], *, allowed: bool) -> int:
    from fleet.bulk.permissions import Grant

    if given["role"] is None:
        raise UsageError("which role? give its name, or --from-file")
    verb = Grant(_chosen(given), given["folders"], role=given["role"], allowed=allowed)
    return run_verb(
        common, consent, verb, none=nothing_fits(given["services"], given["where"], given["ignore_not_found"])
    )


def _chosen(given: dict[str, Any]) -> Any:
    """The services that are meant: none where only folders are named."""
    if not given["services"] and given["where"] is None:
        if not given["folders"]:
            raise UsageError("which services? give SERVICES ('*' for all), --where, or --folder")
        return None
    return chosen(given["services"], given["where"], given["ignore_not_found"])


@permissions.command(name="copy")
@click.option("--from-role", required=True, metavar="ROLE", help="The role that may use them now.")
@click.option("--to-role", required=True, metavar="ROLE", help="The role that may use them then as well.")
@services_argument
@where_option
@folder_option
@missing_option
@change_options
def copy(common: Common, consent: Consent, **given: Any) -> int:
    """Let a role use what another role may use.

    Only what stands at the services and folders themselves is copied; take it from the old role with `remove` or `clean`.

    \b
    fleet services permissions copy --from-role planners --to-role 'Planning Users' '*' --folder / -s prod
    """
    from fleet.bulk.permissions import CopyRole

    verb = CopyRole(_chosen(given), given["folders"], from_role=given["from_role"], to_role=given["to_role"])
    return run_verb(common, consent, verb)


@permissions.command(name="clean")
@click.argument("role")
@change_options
def clean(common: Common, consent: Consent, role: str) -> int:
    """Take every permission of a role away: at the root, in every folder and at every service.

    \b
    fleet services permissions clean former-contractor -s all
    """
    from fleet.bulk.permissions import CleanRole

    return run_verb(common, consent, CleanRole(role))


def _listed(file: Path) -> list[Listed]:
    """The lines of a CSV list; raises `UsageError` with the line that is wrong."""
    import csv
    import io

    from fleet.bulk.permissions import Listed
    from fleet.protocol.fields import as_bool

    text = text_of(file, LIST_CAP)
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""))
        names = {name.strip().lower(): name for name in reader.fieldnames or () if name}
        role = names.get("role") or names.get("principal")
        if "service" not in names or role is None:
            raise UsageError(f"{file}: the first line must name the columns service and role")
        found = []
        for row in reader:
            place, who = (row[names["service"]] or "").strip(), (row[role] or "").strip()
            word = (row[names["allowed"]] or "").strip() if "allowed" in names else ""
            allowed = as_bool(word) if word else True
            if allowed is None:
                raise UsageError(f"{file}, line {reader.line_num}: allowed is true or false, not {word!r}")
            site = (row[names["site"]] or "").strip() if "site" in names else ""
            try:
                found.append(Listed(place, who, allowed, site))
            except UsageError as error:
                raise UsageError(f"{file}, line {reader.line_num}: {error}") from None
    except csv.Error as error:
        raise UsageError(f"{file} is no CSV: {error}") from None
    if not found:
        raise UsageError(f"{file} has no line below its first one")
    return found
