"""`fleet simulate`: local sites to try things on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fleet.cli.common import DURATION, DURATION_OR_NONE, completed_by, speech_options
from fleet.errors import UsageError

__all__ = ["command"]


def _faults(given: tuple[str, ...]) -> list[tuple[str, str]]:
    faults = []
    for text in given:
        site, equals, kind = text.partition("=")
        if not equals or not site or not kind:
            raise UsageError(f"a fault is written SITE=KIND, as in sim-0003=hang, and {text[:60]!r} is not")
        faults.append((site, kind))
    return faults


def _switches(given: tuple[str, ...]) -> list[tuple[str, str]]:
    switches = []
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"a switch is written NAME=VALUE, as in header-token=ignored, and {text[:60]!r} is not")
        switches.append((name, value))
    return switches


@click.command(name="simulate")
@click.option("--sites", type=click.IntRange(1, 20_000), default=5, show_default=True, help="How many sites.")
@click.option("--port", type=click.IntRange(1, 65_000), default=16080, show_default=True, help="Site i is at this + i.")
@click.option("--username", default="siteadmin", show_default=True, help="The administrator of every site.")
@click.option(
    "--release", default="11.3", show_default=True, help="The release of the sites: 10.5.1, 10.9.1, 11.1 or 11.3."
)
@click.option(
    "--fault",
    multiple=True,
    metavar="SITE=KIND",
    shell_complete=completed_by("faults"),
    help="Let a site (or a pattern) be ill; repeatable.",
)
@click.option(
    "--switch",
    multiple=True,
    metavar="[SITE:]NAME=VALUE",
    help="Let all sites (or some) behave in another of the ways that real ones do; repeatable.",
)
@click.option("--tls", is_flag=True, help="Serve https with an authority made for this run.")
@click.option("--mutual-tls", is_flag=True, help="The same, for clients that show the inventory's certificate only.")
@click.option("--latency", type=DURATION_OR_NONE, default="0ms", help="Wait this long before each answer.")
@click.option("--federated", is_flag=True, help="Put a portal in front, at the base port.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed makes the same sites.")
@click.option("--paths", is_flag=True, help="All sites on the base port, told apart by path.")
@click.option(
    "--inventory-out",
    type=click.Path(path_type=Path),
    default=Path("simulated.toml"),
    show_default=True,
    help="Where the matching inventory goes; - is standard output.",
)
@click.option("--force", is_flag=True, help="Overwrite that file, and the ledger.")
@click.option("--ledger", type=click.Path(path_type=Path), help="Write every request there, one JSON object a line.")
@click.option("--for", "duration", type=DURATION, help="End by itself after this time.")
@speech_options("Say each request on standard error.", "Say nothing, not even that the sites are ready.")
def command(**given: Any) -> int:
    """Run local ArcGIS Server sites that speak the real wire protocol, until Ctrl-C.

    \b
    fleet simulate --sites 25 --fault sim-0003=service-down --fault 'sim-001*=slow'
    fleet health -i simulated.toml

    The administrator's password comes from FLEET_PASSWORD, and is `simulated` without it.
    """
    import anyio

    from fleet.simulator.run import SimulateOptions, serve

    faults, switches = _faults(given.pop("fault")), _switches(given.pop("switch"))
    options = SimulateOptions(faults=faults, switches=switches, **given)
    return anyio.run(serve, options, lambda text: click.echo(text, err=True))
