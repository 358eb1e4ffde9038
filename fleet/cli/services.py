"""`fleet services`: list, start, stop and change services on many sites."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fleet.cli.changing import Consent, change_options, run_verb
from fleet.cli.common import DURATION, Common, completed_by, output_option, run_options
from fleet.cli.listing import list_rows, where_option
from fleet.cli.service_changes import delete, edit, provider, rename
from fleet.cli.service_jobs import jobs
from fleet.cli.service_manifest import manifest
from fleet.cli.service_options import (
    chosen,
    list_services,
    missing_option,
    nothing_fits,
    services_argument,
)
from fleet.cli.service_permissions import permissions
from fleet.cli.service_publish import publish
from fleet.cli.service_sets import sets
from fleet.cli.service_transfer import copy_settings, export, import_
from fleet.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fleet.bulk import Planned
    from fleet.client.site import SiteClient
    from fleet.history.sets import ServiceSet
    from fleet.rows.table import Row

__all__ = ["command"]


@click.group(name="services")
def command() -> None:
    """List, start, stop and change services.

    SERVICES are Folder/Name.Type, with * and ? as in 'Planning/*' and '*.MapServer'; none stands for all.

    \b
    fleet services report -s prod --where 'configuredState=STARTED and realTimeState!=STARTED'
    fleet services stop 'Planning/*' -s 'prod and emea' --dry-run
    """


@command.command(name="list")
@services_argument
@where_option
@output_option()
@run_options
def list_(common: Common, services: tuple[str, ...], where: str | None) -> int:
    """Names of services, by the listings of folders alone: the fastest look.

    \b
    fleet services list 'Planning/*' -s prod
    fleet services list --where type=GPServer -o csv
    """
    from fleet.rows.listings import LISTING

    shown = ("service", "type", "description")
    return list_services(common, LISTING, name="services list", services=services, where=where, shown=shown)


@command.command(name="report")
@services_argument
@where_option
@output_option()
@run_options
def report(common: Common, services: tuple[str, ...], where: str | None) -> int:
    """States and instances of services.

    \b
    fleet services report
    fleet services report '*.MapServer' --where 'busy>=1' --sort -busy
    fleet services report --columns site,service,provider,minInstancesPerNode -o csv
    """
    from fleet.rows.services import SERVICES

    shown = ("service", "configuredState", "realTimeState", "max", "busy", "free", "transactions")
    return list_services(common, SERVICES, name="services report", services=services, where=where, shown=shown)


STATES = ("service", "configuredState", "realTimeState")


@command.command(name="status")
@services_argument
@where_option
@click.option(
    "--until",
    "wish",
    type=click.Choice(["started", "stopped"]),
    help="Wait until all of them are really so; for a start those that should stand don't count.",
)
@click.option("--for", "patience", type=DURATION, default="5m", show_default=True, help="Wait so long at the most.")
@output_option()
@run_options
def status(common: Common, services: tuple[str, ...], where: str | None, wish: str | None, patience: float) -> int:
    """Wish and measured state of services; those where the two differ come first.

    With --until it ends as soon as the state is reached, or with status 1 when the time is up. A site that does not
    answer meanwhile is asked again.

    \b
    fleet services status 'Planning/*'
    fleet services status -s prod --until started --for 10m
    """
    from functools import partial

    from fleet.rows.services import SERVICES

    if wish is None:
        return list_services(
            common, SERVICES, name="services status", services=services, where=where, shown=STATES, order=_differing
        )
    meant = chosen(services, where, ignore_not_found=True)

    async def now(client: SiteClient) -> Sequence[Row]:
        rows, _ = await meant.rows(client, STATES)
        return [{name: row[name] for name in STATES} for row in rows]

    async def read(client: SiteClient) -> Sequence[Row]:
        from fleet.rows.awaited import until

        return await until(
            partial(now, client), "STARTED" if wish == "started" else "STOPPED", meant.patterns, patience
        )

    return list_rows(common, read, name="services status", shown=STATES, columns=STATES, order=_differing)


def _differing(row: Row) -> bool:
    return bool(row.get("configuredState") == row.get("realTimeState"))


@command.command(name="statistics")
@services_argument
@where_option
@output_option()
@run_options
def statistics(common: Common, services: tuple[str, ...], where: str | None) -> int:
    """Instances and requests of services on each machine, one request per service.

    \b
    fleet services statistics 'Planning/*' -s oslo
    fleet services statistics --where 'isStatisticsAvailable=true and busy>=1' --sort -busy
    """
    from fleet.rows.services import STATISTICS

    shown = ("service", "machineName", "max", "busy", "free", "transactions", "startTime")
    return list_services(common, STATISTICS, name="services statistics", services=services, where=where, shown=shown)


def _change(common: Common, consent: Consent, verb: type, given: dict[str, Any]) -> int:
    picked = chosen(given["services"], given["where"], given["ignore_not_found"])
    switch = verb(picked, together=not given["one_by_one"])
    return run_verb(
        common, consent, switch, none=nothing_fits(given["services"], given["where"], given["ignore_not_found"])
    )


one_by_one_option = click.option(
    "--one-by-one", is_flag=True, help="A call for each service, one after another, in place of one for all of a site."
)


@command.command(name="start")
@services_argument
@where_option
@missing_option
@one_by_one_option
@click.option(
    "--remembered",
    metavar="SET",
    shell_complete=completed_by("remembered_sets"),
    help="Those that a stop with --remember SET has stopped, and no others.",
)
@change_options
def start(common: Common, consent: Consent, remembered: str | None, **given: Any) -> int:
    """Start services; what runs already is left alone.

    \b
    fleet services start --remembered maintenance -s prod
    fleet services start --where 'configuredState=STARTED and realTimeState=STOPPED' -s all
    fleet services start 'Planning/*' -s test --yes
    """
    from fleet.bulk.services import Start

    if remembered is not None:
        return _start_remembered(common, consent, remembered, given)
    return _change(common, consent, Start, given)


def _start_remembered(common: Common, consent: Consent, name: str, given: dict[str, Any]) -> int:
    from fleet.bulk.remembered import StartRemembered
    from fleet.history.sets import SetFile, read_set

    if given["where"] is not None:
        raise UsageError("--where does not go with --remembered: the set says which services are meant")
    picked = chosen(given["services"], None, given["ignore_not_found"])
    together = not given["one_by_one"]
    remembered = read_set(name)
    with SetFile(name, add=True) as memory:
        verb = StartRemembered(picked, together, remembered=remembered, memory=None if consent.dry_run else memory)
        return run_verb(common, consent, verb, none=_none_of_the_set(remembered, given["services"]))


def _none_of_the_set(remembered: ServiceSet, services: tuple[str, ...]) -> Callable[[dict[str, Planned]], str | None]:
    def told(plans: dict[str, Planned]) -> str | None:
        if any(planned.changes for planned in plans.values()):
            return None
        return f"the remembered set {remembered.name} has no service " + (
            f"that fits {' or '.join(services)} on the selected sites" if services else "of the selected sites"
        )

    return told


@command.command(name="stop")
@services_argument
@where_option
@missing_option
@one_by_one_option
@click.option("--remember", metavar="SET", help="Stop what runs, and remember it for `start --remembered SET`.")
@click.option("--add", is_flag=True, help="Add to a remembered set that is there already.")
@change_options
def stop(common: Common, consent: Consent, remember: str | None, add: bool, **given: Any) -> int:
    """Stop services; what stands already is left alone.

    With --remember it stops those that really run, and notes which on this machine before the stop is sent.

    \b
    fleet services stop '*' -s prod --remember maintenance
    fleet services stop 'Planning/*' -s 'prod and emea' --dry-run
    """
    from fleet.bulk.services import Stop

    if remember is None:
        if add:
            raise UsageError("--add goes with --remember")
        return _change(common, consent, Stop, given)
    from fleet.bulk.remembered import StopAndRemember
    from fleet.history.sets import SetFile

    picked = chosen(given["services"], given["where"], given["ignore_not_found"])
    with SetFile(remember, add=add) as memory:
        verb = StopAndRemember(
            picked, not given["one_by_one"], memory=None if consent.dry_run else memory, set_name=remember
        )
        return run_verb(
            common, consent, verb, none=nothing_fits(given["services"], given["where"], given["ignore_not_found"])
        )


@command.command(name="restart")
@services_argument
@where_option
@missing_option
@one_by_one_option
@change_options
def restart(common: Common, consent: Consent, **given: Any) -> int:
    """Stop and start services that should run; those that should stand are left alone.

    \b
    fleet services restart 'Planning/*' -s test
    """
    from fleet.bulk.services import Restart

    return _change(common, consent, Restart, given)


for each in (
    copy_settings,
    delete,
    edit,
    export,
    import_,
    jobs,
    manifest,
    permissions,
    provider,
    publish,
    rename,
    sets,
):
    command.add_command(each)
