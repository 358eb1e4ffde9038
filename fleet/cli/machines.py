"""`fleet machines`: list, start, stop, restart and set the machines of many sites."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fleet.cli.changing import Consent, Nothing, change_options, none_fits, run_verb
from fleet.cli.common import DURATION, Common, output_option, run_options
from fleet.cli.listing import Named, condition, list_table, where_option

if TYPE_CHECKING:
    from fleet.bulk import Planned
    from fleet.bulk.machines import ChosenMachines
    from fleet.rows.table import Row

__all__ = ["command"]

machines_argument = click.argument("machines", nargs=-1)
needed_machines = click.argument("machines", nargs=-1, required=True)
missing_option = click.option("--ignore-not-found", is_flag=True, help="A machine that is not there is no failure.")
outage_option = click.option(
    "--allow-outage", is_flag=True, help="Also where no machine of a site would be left running."
)


@click.group(name="machines")
def command() -> None:
    """List, start, stop, restart and set machines.

    MACHINES are names with * and ?, in large or small letters, with or without their domain; none stands for all.

    \b
    fleet machines list
    fleet machines restart --rolling -s prod --dry-run
    """


def chosen(machines: tuple[str, ...], where: str | None = None, ignore_not_found: bool = False) -> ChosenMachines:
    """The machines that the command line means; raises `UsageError`."""
    from fleet.bulk.machines import ChosenMachines
    from fleet.rows.machines import MACHINES

    return ChosenMachines(machines, condition(where, MACHINES.names), ignore_not_found)


def nothing_fits(machines: tuple[str, ...], where: str | None = None, ignored: bool = False) -> Nothing:
    """What `run_verb` asks with all plans: a sentence where no machine of any site is meant, unless that is *ignored*."""
    return none_fits("machine", machines, where, ignored)


def is_down(row: Row) -> bool:
    """Whether the machine of *row* should run and does not."""
    return str(row["configuredState"]).upper() == "STARTED" and str(row["realTimeState"]).upper() != "STARTED"


def _list(common: Common, name: str, machines: tuple[str, ...], **options: Any) -> int:
    from fleet.rows.machines import MACHINES

    picked = Named(machines, lambda text: chosen((text,)).match, "machine")
    return list_table(
        common, MACHINES, name=name, fits=lambda row: picked.match(row["machineName"]), none=picked.told, **options
    )


@command.command(name="list")
@machines_argument
@where_option
@output_option()
@run_options
def list_(common: Common, machines: tuple[str, ...], where: str | None) -> int:
    """Machines with their states; --columns also reads what they are set to.

    \b
    fleet machines list
    fleet machines list --columns site,machineName,socMaxHeapSize,webServerCertificateAlias -o csv
    """
    shown = ("machineName", "configuredState", "realTimeState", "adminURL")
    return _list(common, "machines list", machines, where=where, shown=shown)


@command.command(name="status")
@machines_argument
@where_option
@output_option()
@run_options
def status(common: Common, machines: tuple[str, ...], where: str | None) -> int:
    """Wish and measured state of machines; exit status 1 where one should run and does not.

    \b
    fleet machines status -s prod
    fleet machines status --where 'configuredState=STARTED and realTimeState!=STARTED'
    """
    shown = ("machineName", "configuredState", "realTimeState", "synchronize")
    return _list(common, "machines status", machines, where=where, shown=shown, bad=is_down)


@command.command(name="hardware")
@machines_argument
@where_option
@output_option()
@run_options
def hardware(common: Common, machines: tuple[str, ...], where: str | None) -> int:
    """Processor, memory, operating system, release and build.

    Sites before 10.6.1 tell neither processor nor memory; their cells are empty. Free disk space is told by no site.

    \b
    fleet machines hardware --sort -systemMemoryMB
    fleet machines hardware --where 'systemMemoryMB<16000' -o csv
    """
    shown = ("machineName", "cpu", "numPhysicalProcessors", "systemMemoryMB", "os", "release", "build")
    return _list(common, "machines hardware", machines, where=where, shown=shown, every=True)


@command.command(name="start")
@machines_argument
@where_option
@missing_option
@change_options
def start(common: Common, consent: Consent, **given: Any) -> int:
    """Start machines; what runs already is left alone.

    \b
    fleet machines start --where 'configuredState=STARTED and realTimeState=STOPPED' -s all
    """
    from fleet.bulk.machines import Start

    picked = chosen(given["machines"], given["where"], given["ignore_not_found"])
    return run_verb(
        common, consent, Start(picked), none=nothing_fits(given["machines"], given["where"], given["ignore_not_found"])
    )


@command.command(name="stop")
@needed_machines
@where_option
@missing_option
@outage_option
@change_options
def stop(common: Common, consent: Consent, **given: Any) -> int:
    """Stop machines, with all services on them; a site keeps one that runs unless --allow-outage is given.

    \b
    fleet machines stop gis-a02 -s oslo --dry-run
    fleet machines stop '*' -s oslo --allow-outage
    """
    from fleet.bulk.machines import Stop

    picked = chosen(given["machines"], given["where"], given["ignore_not_found"])
    verb = Stop(picked, allow_outage=given["allow_outage"])
    return run_verb(
        common, consent, verb, none=nothing_fits(given["machines"], given["where"], given["ignore_not_found"])
    )


@command.command(name="restart")
@machines_argument
@where_option
@missing_option
@outage_option
@click.option("--rolling", is_flag=True, help="One machine of a site after another: this is how it is always done.")
@click.option(
    "--wait",
    type=DURATION,
    default="10m",
    show_default=True,
    metavar="DURATION",
    help="Limit for a machine to be back.",
)
@change_options
def restart(common: Common, consent: Consent, **given: Any) -> int:
    """Stop and start machines, one of each site after another; those that should stand are left alone.

    Before each stop the other machines must run and carry every service. After each start the machine, the services
    and the health of the site must be as before. A site's round ends at the first machine that does not come back.

    \b
    fleet machines restart --rolling -s prod --dry-run
    fleet machines restart --rolling -s prod --width 5
    """
    from fleet.bulk.rolling import Restart

    picked = chosen(given["machines"], given["where"], given["ignore_not_found"])
    verb = Restart(picked, allow_outage=given["allow_outage"], wait=given["wait"])
    return run_verb(
        common, consent, verb, none=nothing_fits(given["machines"], given["where"], given["ignore_not_found"])
    )


@command.command(name="edit")
@machines_argument
@click.option("--set", "settings", multiple=True, required=True, metavar="NAME=VALUE", help="A setting (repeatable).")
@where_option
@missing_option
@change_options
def edit(common: Common, consent: Consent, **given: Any) -> int:
    """Change heap sizes (MB), ports or the admin URL; what is not named is kept. The machine's web server restarts.

    \b
    Settings: adminURL webServerMaxHeapSize appServerMaxHeapSize socMaxHeapSize
              OpenEJBPort JMXPort NamingPort DerbyPort
    \b
    fleet machines edit --set socMaxHeapSize=128 -s 'role=hosting' --dry-run
    """
    from fleet.bulk.machine_settings import Edit

    settings = pairs(given["settings"])
    picked = chosen(given["machines"], given["where"], given["ignore_not_found"])
    verb = Edit(picked, settings=settings)
    return run_verb(
        common, consent, verb, none=nothing_fits(given["machines"], given["where"], given["ignore_not_found"])
    )


def pairs(texts: tuple[str, ...]) -> dict[str, str]:
    """NAME=VALUE each; raises `UsageError`."""
    from fleet.errors import UsageError

    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--set is written NAME=VALUE, and {text!r} is not")
        found[name.strip()] = value.strip()
    return found


@command.command(name="synchronize")
@machines_argument
@where_option
@missing_option
@change_options
def synchronize(common: Common, consent: Consent, **given: Any) -> int:
    """Bring machines to the state of their site, where the site says that they need it.

    \b
    fleet machines synchronize -s all --dry-run
    """
    from fleet.bulk.machine_settings import Synchronize

    picked = chosen(given["machines"], given["where"], given["ignore_not_found"])
    return run_verb(
        common,
        consent,
        Synchronize(picked),
        none=nothing_fits(given["machines"], given["where"], given["ignore_not_found"]),
    )


@command.command(name="unregister")
@needed_machines
@where_option
@missing_option
@change_options
def unregister(common: Common, consent: Consent, **given: Any) -> int:
    """Take machines out of their site for good; the last one stays.

    \b
    fleet machines unregister gis-a03 -s oslo
    """
    from fleet.bulk.machine_settings import Unregister

    picked = chosen(given["machines"], given["where"], given["ignore_not_found"])
    return run_verb(
        common,
        consent,
        Unregister(picked),
        none=nothing_fits(given["machines"], given["where"], given["ignore_not_found"]),
    )


@command.command(name="register")
@click.argument("machine")
@click.option(
    "--admin-url", required=True, metavar="URL", help="The machine's own address, https://HOST:6443/arcgis/admin."
)
@change_options
def register(common: Common, consent: Consent, machine: str, admin_url: str) -> int:
    """Let a machine that has the software and is in no site join one site.

    \b
    fleet machines register GIS-A03.EXAMPLE.NET --admin-url https://gis-a03.example.net:6443/arcgis/admin -s oslo
    """
    from fleet.bulk.machine_settings import Register

    def one_site(plans: dict[str, Planned]) -> str | None:
        return f"a machine joins one site, and {len(plans)} are selected" if len(plans) > 1 else None

    return run_verb(common, consent, Register(machine, admin_url), none=one_site)
