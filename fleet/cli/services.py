"""`fleet services`: list, start, stop and change services on many sites."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.changing import Consent, change_options, run_verb
from fleet.cli.common import Common, output_option, run_options
from fleet.cli.listing import condition, list_table, where_option

if TYPE_CHECKING:
    from fleet.bulk import Planned
    from fleet.bulk.services import Chosen
    from fleet.protocol.patterns import ServicePatterns
    from fleet.rows.table import Row, Table

__all__ = ["command"]

services_argument = click.argument("services", nargs=-1)
missing_option = click.option("--ignore-not-found", is_flag=True, help="A service that is not there is no failure.")


@click.group(name="services")
def command() -> None:
    """List, start, stop and change services.

    SERVICES are Folder/Name.Type, with * and ? as in 'Planning/*' and '*.MapServer'; none stands for all.

    \b
    fleet services report -s prod --where 'configuredState=STARTED and realTimeState!=STARTED'
    fleet services stop 'Planning/*' -s 'prod and emea' --dry-run
    """


def _patterns(services: tuple[str, ...]) -> ServicePatterns:
    from fleet.protocol.patterns import ServicePatterns

    return ServicePatterns(services)


def chosen(services: tuple[str, ...], where: str | None, ignore_not_found: bool) -> Chosen:
    """The services that the command line means; raises `UsageError`."""
    from fleet.bulk.services import Chosen
    from fleet.rows.services import SERVICES

    return Chosen(_patterns(services), condition(where, SERVICES.names), ignore_not_found)


def nothing_fits(services: tuple[str, ...], where: str | None) -> Callable[[dict[str, Planned]], str | None]:
    """What `run_verb` asks with all plans: a sentence where no service on any site is meant."""

    def told(plans: dict[str, Planned]) -> str | None:
        if any(planned.changes for planned in plans.values()):
            return None
        what = " or ".join(services) if services else "what was asked for"
        fits = f"{what} fits no service" + (f" with {where}" if where else "")
        return f"{fits} on any of {len(plans)} sites" if len(plans) > 1 else f"{fits} of {next(iter(plans))}"

    return told


def _list(common: Common, table: Table, name: str, services: tuple[str, ...], **options: Any) -> int:
    from fleet.protocol.fields import ServiceId
    from fleet.rows.table import Wanted

    patterns = _patterns(services)

    def fits(row: Row) -> bool:
        return patterns.match(ServiceId(row["folderName"], row["serviceName"], row["type"]))

    return list_table(
        common, table, name=name, wanted=Wanted(folders=patterns.folders), fits=fits if services else None, **options
    )


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
    return _list(common, SERVICES, "services report", services, where=where, shown=shown)


def _change(common: Common, consent: Consent, verb: type, given: dict[str, Any]) -> int:
    picked = chosen(given["services"], given["where"], given["ignore_not_found"])
    return run_verb(common, consent, verb(picked), none=nothing_fits(given["services"], given["where"]))


@command.command(name="start")
@services_argument
@where_option
@missing_option
@change_options
def start(common: Common, consent: Consent, **given: Any) -> int:
    """Start services; what runs already is left alone.

    \b
    fleet services start --where 'configuredState=STARTED and realTimeState=STOPPED' -s all
    fleet services start 'Planning/*' -s test --yes
    """
    from fleet.bulk.services import Start

    return _change(common, consent, Start, given)


@command.command(name="stop")
@services_argument
@where_option
@missing_option
@change_options
def stop(common: Common, consent: Consent, **given: Any) -> int:
    """Stop services; what stands already is left alone.

    \b
    fleet services stop 'Planning/*' -s 'prod and emea' --dry-run
    """
    from fleet.bulk.services import Stop

    return _change(common, consent, Stop, given)


@command.command(name="restart")
@services_argument
@where_option
@missing_option
@change_options
def restart(common: Common, consent: Consent, **given: Any) -> int:
    """Stop and start services that should run; those that should stand are left alone.

    \b
    fleet services restart 'Planning/*' -s test
    """
    from fleet.bulk.services import Restart

    return _change(common, consent, Restart, given)
