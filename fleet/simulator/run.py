"""`fleet simulate` as a function: sites that run until a signal, a time, or a fault of ours ends them."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import anyio

from fleet import platform
from fleet.simulator.server import PortTaken, Simulator

__all__ = ["SimulateOptions", "serve"]

PROBE_LIMIT = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateOptions:
    """What `fleet simulate` was asked for; times are seconds."""

    sites: int = 5
    port: int = 16080
    username: str = "siteadmin"
    release: str = "11.3"
    faults: Sequence[tuple[str, str]] = ()
    switches: Sequence[tuple[str, str]] = ()
    tls: bool = False
    mutual_tls: bool = False
    latency: float = 0.0
    federated: bool = False
    seed: int = 1
    paths: bool = False
    inventory_out: Path = Path("simulated.toml")
    force: bool = False
    ledger: Path | None = None
    duration: float | None = None


async def serve(options: SimulateOptions, say: Callable[[str], None]) -> int:
    """Run the sites; the exit status. *say* gets the lines for standard error."""
    if options.inventory_out.exists() and not options.force:
        say(f"{options.inventory_out} is there already; give --force to overwrite it, or --inventory-out FILE")
        return 2
    if options.tls or options.mutual_tls:
        try:
            import cryptography  # noqa: F401
        except ImportError:
            say("certificates need an extra that is not installed: install arcgis-fleet[crypto]")
            return 2
    platform.raise_descriptor_limit()
    if options.sites + 100 > platform.descriptor_limit():
        say(f"{options.sites} sites need more descriptors than the {platform.descriptor_limit()} that are allowed here")
        return 2
    given = os.environ.get("FLEET_PASSWORD")
    try:
        simulator = Simulator(
            options.sites,
            port=options.port,
            username=options.username,
            password=given or "simulated",
            release=options.release,
            seed=options.seed,
            faults=options.faults,
            switches=options.switches,
            tls=options.tls,
            mutual_tls=options.mutual_tls,
            latency=options.latency,
            federated=options.federated,
            paths=options.paths,
            ledger=options.ledger,
        )
    except ValueError as error:
        say(str(error))
        return 2
    except OSError as error:
        say(f"the ledger {options.ledger} can't be written: {error.strerror}")
        return 2
    try:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(_end_on_signal, scope)
                async with simulator:
                    text = simulator.inventory_toml(password_from_environment=given is not None)
                    options.inventory_out.write_text(text, encoding="utf-8")
                    await _wait_until_ready(simulator)
                    say(f"ready: {options.sites} sites, inventory {options.inventory_out}")
                    await anyio.sleep(float("inf") if options.duration is None else options.duration)
                group.cancel_scope.cancel()
    except BaseExceptionGroup as errors:
        taken = errors.subgroup(PortTaken)
        if taken is None:
            wrong = errors.subgroup(OSError)
            if wrong is None:
                raise
            say(f"the inventory {options.inventory_out} can't be written")
            return 2
        first: BaseException = taken
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        say(f"port {first.args[0]} is taken; choose another base with --port")
        return 2
    return 0


async def _end_on_signal(scope: anyio.CancelScope) -> None:
    if sys.platform == "win32":
        # Ctrl-C arrives there as KeyboardInterrupt, which ends the loop by itself.
        return
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()
            return


async def _wait_until_ready(simulator: Simulator) -> None:
    """Connect to every site that is meant to listen, until it does; that leaves no trace in the ledger."""
    limiter = anyio.CapacityLimiter(32)
    async with anyio.create_task_group() as group:
        for site in simulator.sites.values():
            if "refused" not in site.faults:
                group.start_soon(_connect, site.url, limiter)


async def _connect(url: str, limiter: anyio.CapacityLimiter) -> None:
    parts = urlsplit(url)
    async with limiter:
        with anyio.fail_after(PROBE_LIMIT):
            async with await anyio.connect_tcp("127.0.0.1", parts.port or 80):
                pass
