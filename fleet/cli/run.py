"""How a command runs on sites: a fleet is opened, signals are heeded, outcomes are written, the run is recorded."""

from __future__ import annotations

import errno
import gc
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, TextIO

import anyio
import click

from fleet import platform
from fleet.admin.operation import Operation
from fleet.cli.common import Common, last_outcomes, load_inventory
from fleet.client.trace import Exchange, render_exchange
from fleet.errors import SiteError
from fleet.fanout.engine import Progress
from fleet.fanout.fleet import Fleet, Selection
from fleet.fanout.stop import Stop
from fleet.inventory.model import Inventory, Site
from fleet.outcome import Outcome
from fleet.render.clean import one_line
from fleet.report import Report

__all__ = ["Session", "lines_writer", "run_on_sites", "say"]

SPARE_DESCRIPTORS = 60


def say(text: str) -> None:
    """A line on standard error."""
    click.echo(one_line(text, 1000), err=True)


class Session:
    """What the work of a command gets: the selection, how to stop it, and how it stands."""

    def __init__(self, fleet: Fleet, selection: Selection, stop: Stop, progress: Progress) -> None:
        self.fleet = fleet
        self.selection = selection
        self.stop = stop
        self.progress = progress


def run_on_sites(
    common: Common, work: Callable[[Session], Awaitable[Report]], *, trace: bool = False, record: bool = True
) -> Report:
    """Open the fleet that *common* names and await *work*; the report, which is recorded in the state database."""
    inventory = load_inventory(common)
    # The inventory lives until the end: the collector need not look at it again and again.
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    platform.raise_descriptor_limit()
    width = _width(common)
    fleet = Fleet(
        inventory,
        timeout=common.timeout,
        deadline=common.deadline,
        width=width,
        keep_clients=False,
        last_run=last_outcomes(inventory),
    )
    if trace:
        _trace(fleet)
    if common.verbose:
        _log(fleet, common)
    selection = fleet.select(common.select or "all", allow_empty=common.allow_empty)
    stop = Stop()
    progress = Progress(len(selection))

    async def main() -> Report:
        from fleet.cli.progress import show

        async with anyio.create_task_group() as group, fleet:
            group.start_soon(_heed_signals, stop)
            if not common.quiet:
                group.start_soon(show, progress)
            report = await work(Session(fleet, selection, stop, progress))
            group.cancel_scope.cancel()
        return report

    try:
        report = anyio.run(main, backend_options=_backend())
    except BaseExceptionGroup as errors:
        first: BaseException = errors
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None
    if record:
        _record(inventory, report, common)
    return report


def _backend() -> dict[str, Any]:
    """Options of the event loop: a faster one where it is installed."""
    if sys.platform == "win32" or os.environ.get("FLEET_LOOP") == "asyncio":
        return {}
    try:
        import uvloop  # noqa: F401
    except ImportError:
        return {}
    return {"use_uvloop": True}


def _width(common: Common) -> int:
    """How many sites at once the limit of descriptors allows."""
    fits = max(1, platform.descriptor_limit() - SPARE_DESCRIPTORS)
    if common.width > fits:
        say(f"--width is reduced to {fits}: this process may have {platform.descriptor_limit()} descriptors only")
        return fits
    return common.width


async def _heed_signals(stop: Stop) -> None:
    """The first Ctrl-C or SIGTERM stops launching, the second cancels what is in flight."""

    def heed() -> None:
        if stop.launching:
            stop.launch_no_more()
            say("stopping: nothing new is started, what is in flight finishes; once more cancels it")
        else:
            stop.cancel_all()

    if sys.platform == "win32":
        loop_token = anyio.lowlevel.current_token()

        def handler(number: int, frame: object) -> None:
            anyio.from_thread.run_sync(heed, token=loop_token)

        previous = [(number, signal.signal(number, handler)) for number in platform.TERMINATION_SIGNALS]
        try:
            await anyio.sleep_forever()
        finally:
            for number, old in previous:
                signal.signal(number, old)
        return
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            heed()


def lines_writer(stream: TextIO, line_of: Callable[[Outcome], str]) -> Callable[[Outcome], None]:
    """A function that writes each outcome as a line the moment it is known, and flushes at most every 50 ms."""
    flushed = 0.0

    def write(outcome: Outcome) -> None:
        nonlocal flushed
        stream.write(line_of(outcome) + "\n")
        now = time.monotonic()
        if now - flushed > 0.05:
            flushed = now
            stream.flush()

    return write


def _trace(fleet: Fleet) -> None:
    from dataclasses import replace

    from fleet.cli.logs import mask
    from fleet.render.clean import one_line

    def show(exchange: Exchange) -> None:
        text = mask(render_exchange(exchange), fleet.clients.live_secrets())
        for line in text.splitlines():
            click.echo(one_line(line, 4000), err=True)
        click.echo(err=True)

    fleet.clients.settings = replace(fleet.clients.settings, on_exchange=show)


def _log(fleet: Fleet, common: Common) -> None:
    from fleet.cli.logs import configure

    log = configure(common.verbose, common.log_format, fleet.clients.live_secrets)
    count = 0

    def attempt(site: Site, operation: Operation[Any] | None, number: int, error: SiteError | None) -> None:
        nonlocal count
        count += 1
        fields = {
            "site": site.name,
            "operation": "login" if operation is None else operation.name,
            "attempt": number,
            "request": f"r{count:06d}",
        }
        if error is None:
            log.info("operation.answered", **fields)
        else:
            log.warning("operation.failed", kind=error.kind, error=error.message, **fields)

    fleet.clients.log_attempt = attempt


def _record(inventory: Inventory, report: Report, common: Common) -> None:
    """Keep which site came to what; a state folder that can't be written costs a sentence, never the results."""
    from fleet.history.store import Store

    if not report.names:
        return
    try:
        with Store.open_default() as store:
            store.record_run(
                inventory.files,
                command=report.command,
                started=report.started,
                elapsed=report.elapsed,
                outcomes=report.names.items(),
            )
    except (OSError, sqlite3.Error) as error:
        reason = "the disk is full" if getattr(error, "errno", None) == errno.ENOSPC else str(error)
        if not common.quiet:
            say(f"this run is not recorded, so @failed does not know it: {reason}")
