"""How a command runs on sites: a fleet is opened, signals are heeded, outcomes are written, the run is recorded."""

from __future__ import annotations

import errno
import gc
import os
import re
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, TextIO

import anyio
import anyio.to_thread
import click

from fleet import platform
from fleet.auth.choose import needed_secrets
from fleet.cli.common import Common, last_outcomes, load_inventory
from fleet.cli.interrupts import Interrupts
from fleet.cli.progress import LiveLine, show
from fleet.client.settings import DEFAULT_TIMEOUT, RetryPolicy
from fleet.client.sockets import sockets_allowed
from fleet.client.trace import Exchange, render_exchange
from fleet.errors import StoreFailed, UsageError
from fleet.fanout.engine import Progress
from fleet.fanout.fleet import Fleet, Selection
from fleet.fanout.stop import Stop
from fleet.inventory.model import Inventory, Site
from fleet.outcome import Outcome
from fleet.render.clean import one_line
from fleet.render.plain import outcome_line
from fleet.report import Report

__all__ = ["LineWriter", "Session", "run_on_sites", "say"]

WHOLE = 1 << 40
"""Characters of a line that is not cut."""
PATIENCE = 1.0
"""Seconds that a stopped run waits for whoever reads its rows."""
FLUSH_EVERY = 0.05
"""Seconds that a written outcome may wait for company before it is flushed."""


def say(text: str, stream: TextIO | None = None) -> None:
    """A line on standard error, or on *stream*, which stands for it."""
    click.echo(one_line(text, 1000), file=stream, err=True)


class Session:
    """What the work of a command gets: the selection, how to stop it, how it stands, and where outcomes are written."""

    def __init__(
        self,
        fleet: Fleet,
        selection: Selection,
        stop: Stop,
        progress: Progress,
        lines: LineWriter | None,
        asking: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.fleet = fleet
        self.selection = selection
        self.stop = stop
        self.progress = progress
        self.lines = lines
        self.asking = asking
        """A context in which a person is asked something while the event loop waits."""


def run_on_sites(
    common: Common,
    work: Callable[[Session], Awaitable[Report]],
    write: Callable[[Report], int | None],
    *,
    trace: bool = False,
    record: bool = True,
    changes: bool = False,
    before: Callable[[Fleet, Selection], None] | None = None,
    rows: bool = False,
    live: bool = True,
    retry: RetryPolicy | None = None,
) -> int:
    """Open the fleet that *common* names, await *work*, *write* its report and record it; the exit status.

    *write* may return a status of its own in place of the report's. *before* is called before the event loop runs and
    before anything is sent: it may ask the user, and raise. *changes* says that what is in flight must not be cancelled
    only because nobody reads the answers any more. With *rows* the work writes rows by itself, in any format: `lines` of
    its session takes them. *live* False is for work without an end, of which no line tells how far it is.
    *retry* is another patience than the usual one.
    """
    inventory = load_inventory(common)
    # The inventory lives until the end: the collector need not look at it again and again.
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    platform.raise_descriptor_limit()
    fleet = Fleet(
        inventory,
        timeout=common.timeout,
        deadline=common.deadline,
        keep_clients=changes,
        last_run=last_outcomes(inventory),
        retry=retry,
    )
    selection = fleet.select(common.selection, allow_empty=common.allow_empty)
    fleet.width = _width(common, len(selection))
    _refuse_commands(selection.sites)
    if before is not None:
        before(fleet, selection)
    line = LiveLine.on_stderr(wanted=live and not common.quiet)
    stderr = line.above(sys.stderr)
    if trace:
        _trace(fleet, stderr)
    log = _log(fleet, common, stderr) if common.verbose else None
    stop = Stop()
    progress = Progress(len(selection))

    def broken(error: OSError) -> None:
        # Who closed a pipe has read enough; what a full disk can't take is at least known the next time.
        if error.errno == errno.EPIPE and not changes:
            stop.cancel_all()
        else:
            stop.launch_no_more()

    lines = LineWriter(line.above(sys.stdout), broken) if rows or common.format == "ndjson" else None
    if lines is not None:
        stop.listen(lines.soon)
    interrupts = Interrupts(stop, lambda text: say(text, stderr))

    @contextmanager
    def asking() -> Iterator[None]:
        line.erase()
        with interrupts.asking():
            yield

    async def main() -> Report:
        with interrupts.in_loop():
            return await watched()

    async def watched() -> Report:
        async with anyio.create_task_group() as group, fleet:
            if line.on:
                limit = common.timeout or DEFAULT_TIMEOUT
                group.start_soon(partial(show, progress, line, site_limit=limit, deadline=common.deadline))
            if lines is not None:
                group.start_soon(lines.keep_flushing)
            report = await work(Session(fleet, selection, stop, progress, lines, asking))
            group.cancel_scope.cancel()
        return report

    if log is not None:
        log.info("run.started", sites=len(selection), selection=common.selection)
    with interrupts:
        try:
            report = anyio.run(main, backend_options=_backend())
        except BaseExceptionGroup as errors:
            first: BaseException = errors
            while isinstance(first, BaseExceptionGroup):
                first = first.exceptions[0]
            raise first from None
        if log is not None:
            coverage = report.coverage
            log.info(
                "run.ended",
                command=report.command,
                selected=coverage.selected,
                answered=coverage.answered,
                seconds=round(report.elapsed, 3),
            )
        try:
            if lines is not None:
                lines.finish()
            status = write(report)
            sys.stdout.flush()
        finally:
            # Whatever becomes of the output: what was done at the sites is known the next time.
            if record:
                _record(inventory, report, common)
        if status is None:
            status = 130 if interrupts.count else report.exit_code(common.require_coverage)
    return status


def _refuse_commands(sites: Sequence[Site]) -> None:
    """Raise `UsageError` where a secret of *sites* comes from a command that its inventory may not run."""
    told: set[int] = set()
    for site in sites:
        for reference in needed_secrets(site):
            if id(reference) in told:
                continue
            told.add(id(reference))
            if reference.refusal is not None:
                raise UsageError(f"{site.name}: the secret command is not run: {reference.refusal}; nothing was sent")


def _backend() -> dict[str, Any]:
    """Options of the event loop: a faster one where it is installed."""
    if sys.platform == "win32" or os.environ.get("FLEET_LOOP") == "asyncio":
        return {}
    try:
        import uvloop  # noqa: F401
    except ImportError:
        return {}
    return {"use_uvloop": True}


def _width(common: Common, sites: int) -> int:
    """How many sites at once the limit of descriptors allows."""
    fits = sockets_allowed()
    if min(common.width, sites) <= fits:
        return common.width
    if not common.quiet:
        say(f"--width is reduced to {fits}: this process may have {platform.descriptor_limit()} descriptors only")
    return fits


class LineWriter:
    """Writes each outcome as a line the moment it is known; many that come at once are flushed together.

    Where *stream* takes no more, *broken* is told once why, nothing further is written, and `finish` raises the error.
    """

    def __init__(self, stream: TextIO, broken: Callable[[OSError], None]) -> None:
        self._stream = stream
        self._broken = broken
        self._error: OSError | None = None
        self._flushed = 0.0
        self._waiting = False
        self._writing: anyio.CancelScope | None = None
        self._ending = False
        self._given_up = False

    def __call__(self, outcome: Outcome) -> None:
        if self._error is not None:
            return
        try:
            self._stream.write(outcome_line(outcome) + "\n")
            now = time.monotonic()
            self._waiting = now - self._flushed <= FLUSH_EVERY
            if not self._waiting:
                self._flushed = now
                self._stream.flush()
        except OSError as error:
            self._failed(error)

    async def text(self, text: str) -> None:
        """Write *text*, whole lines, beside the event loop: who reads slowly must not let the sites seem slow.

        Not so on a terminal, which is quick, and on which the live line must not be drawn in between.
        """
        if self._error is not None or self._given_up:
            return
        try:
            if self._stream.isatty():
                self._put(text)
                return
            with anyio.CancelScope() as self._writing:
                if self._ending:
                    self.soon()
                await anyio.to_thread.run_sync(self._put, text, abandon_on_cancel=True)
            self._given_up = self._writing.cancelled_caught
        except OSError as error:
            self._failed(error)
        finally:
            self._writing = None

    def soon(self) -> None:
        """The run is stopped: a reader who does not take what is being written is not waited for much longer."""
        self._ending = True
        if self._writing is not None:
            self._writing.deadline = min(self._writing.deadline, anyio.current_time() + PATIENCE)

    def _put(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()

    async def keep_flushing(self) -> None:
        """Flush what was written last, until cancelled: no line waits for the next one."""
        while self._error is None:
            await anyio.sleep(FLUSH_EVERY)
            if self._waiting:
                self._waiting = False
                self._flushed = time.monotonic()
                try:
                    self._stream.flush()
                except OSError as error:
                    self._failed(error)

    def _failed(self, error: OSError) -> None:
        self._error = error
        self._broken(error)

    def finish(self) -> None:
        """Nothing more comes; raises the `OSError` that ended the writing, if one did."""
        if self._error is not None:
            raise self._error
        if self._given_up:
            # A thread is held up in the stream, and would hold up everybody else who writes to it, or closes it.
            sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
            return
        self._stream.flush()


_ESCAPED = re.compile(r"\\+u00([2-7][0-9A-Fa-f])")


def _trace(fleet: Fleet, stderr: TextIO) -> None:
    from dataclasses import replace

    def show_exchange(exchange: Exchange) -> None:
        text = render_exchange(exchange)
        plain = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)
        if plain != text and fleet.clients.masked(plain) != plain:
            # A secret that a site gives back in escapes is found in what they stand for.
            text = plain
        lines = [one_line(line, WHOLE) for line in fleet.clients.masked(text).splitlines()]
        click.echo("\n".join([*lines, ""]), file=stderr)

    fleet.clients.settings = replace(fleet.clients.settings, on_exchange=show_exchange)


def _log(fleet: Fleet, common: Common, stderr: TextIO) -> Any:
    from fleet.cli.logs import configure, watch_calls

    log = configure(common.verbose, common.log_format, fleet.clients.masked, stderr)
    fleet.clients.on_call = watch_calls(log)
    return log


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
    except (StoreFailed, UsageError) as error:
        if not common.quiet:
            say(f"this run is not recorded, so @failed does not know it: {error}")
