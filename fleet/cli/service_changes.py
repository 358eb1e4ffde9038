"""The commands that change what services are: edit, provider, delete, rename."""

from __future__ import annotations

from typing import Any

import click

from fleet.cli.changing import Consent, change_options, run_verb
from fleet.cli.common import Common, completed_by
from fleet.cli.listing import where_option
from fleet.cli.service_options import chosen, missing_option, nothing_fits, services_needed
from fleet.errors import UsageError

__all__ = ["delete", "edit", "provider", "rename"]


@click.command(name="edit")
@services_needed
@where_option
@missing_option
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Change a setting (repeatable).")
@click.option("--enable", multiple=True, metavar="EXTENSION", help="Switch an extension on, such as WMSServer.")
@click.option("--disable", multiple=True, metavar="EXTENSION", help="Switch an extension off, such as KmlServer.")
@click.option(
    "--capabilities",
    multiple=True,
    metavar="[EXTENSION=]A,B",
    help="What clients may do: of the service, or FeatureServer=Query,Create of an extension.",
)
@click.option("--force", is_flag=True, help="Add settings and extensions that a service has not.")
@change_options
def edit(common: Common, consent: Consent, **given: Any) -> int:
    """Change settings of services, and nothing else of them; services that run are restarted by it.

    NAME is a setting as the Administrator Directory calls it: minInstancesPerNode, properties.maxRecordCount,
    extensions.FeatureServer.properties.allowGeometryUpdates.

    \b
    fleet services edit 'Planning/*' -s prod --set minInstancesPerNode=2 --set maxInstancesPerNode=4 --dry-run
    fleet services edit '*.MapServer' -s all --enable WMSServer --disable KmlServer
    fleet services edit Roads.MapServer -s test --capabilities FeatureServer=Query,Create
    """
    from fleet.bulk.edits import Edit
    from fleet.bulk.settings import Edits

    capabilities = []
    for text in given["capabilities"]:
        name, equals, words = text.partition("=")
        capabilities.append((name.strip(), words) if equals else ("", text))
    edits = Edits(
        settings=tuple(_pair(text) for text in given["settings"]),
        enable=given["enable"],
        disable=given["disable"],
        capabilities=tuple(capabilities),
        force=given["force"],
    )
    if not edits.to_dict().keys() - {"force"}:
        raise UsageError("there is nothing to change: give --set, --enable, --disable or --capabilities")
    picked = chosen(given["services"], given["where"], given["ignore_not_found"])
    return run_verb(
        common,
        consent,
        Edit(picked, edits),
        none=nothing_fits(given["services"], given["where"], given["ignore_not_found"]),
    )


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise UsageError(f"--set is written NAME=VALUE, as in minInstancesPerNode=2, and {text!r} is not")
    return name.strip(), value


@click.command(name="provider")
@click.argument("runtime", type=click.Choice(["shared", "dedicated"]))
@services_needed
@where_option
@missing_option
@change_options
def provider(common: Common, consent: Consent, **given: Any) -> int:
    """Let map services use shared instances, or instances of their own.

    Only map services of the current runtime can be moved; those that a pattern fits and that can't be are left out. The
    older runtime is found with `fleet services report --columns site,service,provider --where provider=ArcObjects`.

    \b
    fleet services provider shared '*.MapServer' -s test --where 'transactions<100' --dry-run
    """
    from fleet.bulk.edits import MoveRuntime

    picked = chosen(given["services"], given["where"], given["ignore_not_found"])
    verb = MoveRuntime(picked, given["runtime"])
    return run_verb(
        common, consent, verb, none=nothing_fits(given["services"], given["where"], given["ignore_not_found"])
    )


@click.command(name="delete")
@services_needed
@where_option
@missing_option
@change_options
def delete(common: Common, consent: Consent, **given: Any) -> int:
    """Delete services, with their definitions and files. Nothing puts them back.

    Those that belong to the server itself, such as System/PublishingTools, are left alone unless they are named whole.

    \b
    fleet services delete @file:old-services.txt -s 'prod and emea' --ignore-not-found --dry-run
    """
    from fleet.bulk.removals import Delete

    picked = chosen(given["services"], given["where"], given["ignore_not_found"])
    return run_verb(
        common, consent, Delete(picked), none=nothing_fits(given["services"], given["where"], given["ignore_not_found"])
    )


@click.command(name="rename")
@click.argument("service", shell_complete=completed_by("services"))
@click.argument("new_name", metavar="NEWNAME")
@change_options
def rename(common: Common, consent: Consent, service: str, new_name: str) -> int:
    """Give a service another name; it stays in its folder, and every address of it changes.

    \b
    fleet services rename Planning/Roads.MapServer Streets -s test
    """
    from fleet.bulk.removals import Rename
    from fleet.protocol.fields import ServiceId

    return run_verb(common, consent, Rename(ServiceId.parse(service), new_name))
