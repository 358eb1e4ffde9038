"""`fleet simulate` as a function: sites that run until a signal, a time, or a fault of ours ends them."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

import anyio

from fleet import places, platform
from fleet.simulator.ledger import Entry
from fleet.simulator.server import PortTaken, Simulator

__all__ = ["SimulateOptions", "serve"]

PROBE_LIMIT = 10.0

SPARE = 100
"""Descriptors beside the listeners: for connections, the ledger, and what the interpreter holds."""


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
    quiet: bool = False
    verbose: int = 0
    log_format: str = "console"


class Refused(Exception):
    """The sites can't be run as was asked; the argument is a sentence for standard error."""


async def serve(options: SimulateOptions, say: Callable[[str], None]) -> int:
    """Run the sites; the exit status. *say* gets the lines for standard error.

    The inventory is written once every site answers, so that whoever finds the file finds the sites.
    """
    try:
        simulator = _simulator(options)
        if options.verbose:
            simulator.ledger_book.watch = lambda entry: say(_line(entry, options.log_format))
        lost: list[OSError] = []
        with anyio.CancelScope() as scope, _ending(scope.cancel), _quiet_about_descriptors(say):

            def ledger_lost(error: OSError) -> None:
                lost.append(error)
                scope.cancel()

            simulator.ledger_book.on_loss = ledger_lost
            async with simulator:
                await _wait_until_ready(simulator)
                _write_inventory(simulator, options)
                if not options.quiet:
                    say(f"ready: {options.sites} sites, inventory {options.inventory_out}")
                await anyio.sleep(float("inf") if options.duration is None else options.duration)
    except (Refused, PortTaken) as refusal:
        say(str(refusal))
        return 2
    if lost:
        say(f"the ledger {options.ledger} can't be written any more, so the sites end: {lost[0].strerror or lost[0]}")
        return 1
    return 0


def _simulator(options: SimulateOptions) -> Simulator:
    """The sites, not running yet; raises `Refused`."""
    out, ledger = options.inventory_out, options.ledger
    if str(out) != "-":
        if _is_file(out) and not options.force:
            raise Refused(f"{out} is there already; give --force to overwrite it, or --inventory-out FILE")
        if not out.absolute().parent.is_dir():
            raise Refused(f"the inventory {out} can't be written: there is no folder {out.absolute().parent}")
    if ledger is not None and _is_file(ledger) and ledger.stat().st_size and not options.force:
        # Two runs in one file would be two sequences of the same numbers.
        raise Refused(f"the ledger {ledger} is there already; give --force to begin it anew, or another file")
    if options.tls or options.mutual_tls:
        try:
            import cryptography  # noqa: F401
        except ImportError:
            raise Refused("certificates need an extra that is not installed: install arcgis-fleet[crypto]") from None
    platform.raise_descriptor_limit()
    needed = (1 if options.paths else options.sites) + SPARE
    if needed > platform.descriptor_limit():
        raise Refused(
            f"{options.sites} sites on ports of their own need {needed} descriptors, and {platform.descriptor_limit()} "
            "are allowed here: raise the limit with `ulimit -n`, or put all on one port with --paths"
        )
    try:
        return Simulator(
            options.sites,
            port=options.port,
            username=options.username,
            password=os.environ.get("FLEET_PASSWORD") or "simulated",
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
        raise Refused(str(error)) from None
    except OSError as error:
        raise Refused(f"the ledger {options.ledger} can't be written: {error.strerror or error}") from None


def _is_file(path: Path) -> bool:
    """Whether *path* is a file that would be overwritten; a device or a pipe is not."""
    return path.is_file() or path.is_dir() or (path.is_symlink() and not path.exists())


def _write_inventory(simulator: Simulator, options: SimulateOptions) -> None:
    text = simulator.inventory_toml(password_from_environment=bool(os.environ.get("FLEET_PASSWORD")))
    if str(options.inventory_out) == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    out = options.inventory_out
    try:
        # A link stays a link; what leads to a pipe, such as /dev/stdout, has no place of its own.
        places.write_atomically(
            out if out.exists() and not out.is_file() else out.resolve(), text.encode(), replace=True
        )
    except OSError as error:
        raise Refused(f"the inventory {options.inventory_out} can't be written: {error.strerror or error}") from None


def _line(entry: Entry, form: str) -> str:
    """A request of the ledger as a line of a log."""
    if form == "json":
        return json.dumps(asdict(entry))
    code = "" if entry.code is None else f" (code {entry.code})"
    token = "" if entry.token_in == "none" else f", token in the {entry.token_in}"
    return f"{entry.at} {entry.site} {entry.method} {entry.path} {entry.status}{code}{token}"


@contextmanager
def _ending(end: Callable[[], None]) -> Iterator[None]:
    """Call *end* in the running loop at Ctrl-C, SIGTERM, or what stands for it on this platform."""
    loop = asyncio.get_running_loop()

    def arrived(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(end)

    before = [(number, signal.signal(number, arrived)) for number in platform.TERMINATION_SIGNALS]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


@contextmanager
def _quiet_about_descriptors(say: Callable[[str], None]) -> Iterator[None]:
    """One sentence, instead of a traceback a second, where a connection can't be accepted for want of a descriptor."""
    loop = asyncio.get_running_loop()
    said = False

    def report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal said
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in (errno.EMFILE, errno.ENFILE):
            loop.default_exception_handler(context)
        elif not said:
            said = True
            limit = platform.descriptor_limit()
            say(f"more connections come than {limit} descriptors allow, so some wait: raise the limit with `ulimit -n`")

    loop.set_exception_handler(report)
    try:
        yield
    finally:
        loop.set_exception_handler(None)


async def _wait_until_ready(simulator: Simulator) -> None:
    """Connect to every site that is meant to listen, until it does; that leaves no trace in the ledger."""
    limiter = anyio.CapacityLimiter(32)
    async with anyio.create_task_group() as group:
        for port in {urlsplit(site.url).port for site in simulator.sites.values() if "refused" not in site.faults}:
            group.start_soon(_connect, port or 80, limiter)


async def _connect(port: int, limiter: anyio.CapacityLimiter) -> None:
    async with limiter:
        with anyio.fail_after(PROBE_LIMIT):
            async with await anyio.connect_tcp("127.0.0.1", port):
                pass
