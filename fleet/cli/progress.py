"""A live line on a terminal's standard error: done, failed, running, time left, the slowest sites."""

from __future__ import annotations

import math
import os
import sys
import time
from typing import TextIO

import anyio

from fleet.durations import format_duration
from fleet.fanout.engine import Progress
from fleet.render.clean import fitted, width_of

__all__ = ["Above", "LiveLine", "line_of", "show", "time_left"]

FIRST = 0.7
"""Seconds before the line appears: what is faster needs none."""

EVERY = 0.25
"""Seconds between two drawings."""

SLOWEST = 3


def line_of(progress: Progress, started: float, now: float, width: int, limits: Limits | None = None) -> str:
    """The line for the state of *progress* at *now*, in at most *width* columns; times are monotonic seconds.

    Where the room is short, the slowest sites give way first, then words.
    """
    failed = f"{progress.failed} failed" if progress.failed else ""
    running = f"{len(progress.running)} running" if progress.running else ""
    seconds = time_left(progress, started, now, limits or Limits())
    left = "" if seconds is None else f"{_about(seconds)} left"
    about = f"about {left}" if left else ""
    oldest = sorted(progress.running.items(), key=lambda item: item[1])[:SLOWEST]
    slow = [f"{name} {now - since:.0f} s" for name, since in oldest]
    done = f"{progress.done}/{progress.total} done"
    brief = done
    if progress.all_steps:
        steps = f"{min(progress.steps, progress.all_steps)}/{progress.all_steps}"
        brief = f"{steps} done"
        done = f"{steps} {progress.thing}s on {progress.done}/{progress.total} sites"
    moved = _bytes(progress.moved) if progress.moved else ""
    counts = [progress.stage, done, failed, running]
    tries = [[*counts, moved, about, f"slowest {', '.join(slow[:count])}"] for count in range(len(slow), 0, -1)]
    tries += [[*counts, moved, about], [*counts, moved, left], [*counts, left], [done, failed, running, left]]
    tries += [[done, failed, left], [done, left], [brief, left]]
    for parts in tries:
        for between in (" · ", ", "):
            line = between.join(filter(None, parts))
            if width_of(line) <= width:
                return line
    return fitted(brief, width)


def _bytes(count: int) -> str:
    """*count* bytes as exactly as somebody who waits needs it."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}" if count < 10 * size else f"{count / size:.0f} {unit}"
    return f"{count} B"


def _about(seconds: float) -> str:
    """*seconds* as exactly as an estimate deserves."""
    step = 1 if seconds < 60 else 5 if seconds < 600 else 60
    return format_duration(float(max(1, round(seconds / step) * step)))


class Limits:
    """What bounds the time that is left: *site*, seconds that one request may take, and *deadline*, a monotonic time."""

    __slots__ = ("deadline", "site")

    def __init__(self, site: float = math.inf, deadline: float = math.inf) -> None:
        self.site = site
        self.deadline = deadline


def time_left(progress: Progress, started: float, now: float, limits: Limits) -> float | None:
    """About how many seconds a run will go on; None while nothing is known.

    A site that waits takes as long as the finished ones did on average. A site that runs takes what is missing to that;
    one that runs longer already is expected to take as long again, but no longer than one request may. Where steps within
    sites are counted, the rest of them goes on as they went until now.
    """
    if 0 < progress.steps < progress.all_steps:
        pace = (now - progress.began) / progress.steps
        return min(max(0.0, pace * (progress.all_steps - progress.steps)), max(0.0, limits.deadline - now))
    if not progress.done or progress.done >= progress.total:
        return None
    usual = progress.spent / progress.done
    rests = []
    for since in progress.running.values():
        age = now - since
        rest = usual - age if age < usual else age
        rests.append(min(rest, limits.site - age) if age < limits.site else rest)
    waiting = progress.total - progress.done - len(progress.running)
    work = waiting * usual + sum(rests)
    return min(max(work / max(1, len(rests)), max(rests, default=0.0)), max(0.0, limits.deadline - now))


class LiveLine:
    """The one line at the foot of a terminal that is drawn over and over; what else is written goes above it.

    It is made of blanks and carriage returns only, which every terminal knows. *stream* None makes it do nothing.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._shown = 0

    @classmethod
    def on_stderr(cls, *, wanted: bool = True) -> LiveLine:
        """On standard error, where that is a terminal that can draw a line again."""
        able = wanted and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        return cls(sys.stderr if able else None)

    @property
    def on(self) -> bool:
        """Whether there is a terminal to draw on."""
        return self._stream is not None

    @property
    def room(self) -> int:
        """Columns that the line may take: one less than there are, so that the cursor never leaves it."""
        assert self._stream is not None
        try:
            columns = os.get_terminal_size(self._stream.fileno()).columns
        except (OSError, ValueError):
            columns = 80
        return max(10, (columns or 80) - 1)

    def draw(self, text: str) -> None:
        """Show *text* in place of what was shown."""
        if self._stream is None:
            return
        width = width_of(text)
        self._stream.write(f"\r{text}{' ' * (min(self._shown, self.room) - width)}")
        self._stream.flush()
        self._shown = width

    def erase(self) -> None:
        """Take the line away; it comes back with the next drawing."""
        if self._stream is None or not self._shown:
            return
        self._stream.write(f"\r{' ' * min(self._shown, self.room)}\r")
        self._stream.flush()
        self._shown = 0

    def above(self, stream: TextIO) -> TextIO:
        """*stream* for everybody else: a write to it erases the line first, if both are on a terminal."""
        return Above(stream, self) if self.on and stream.isatty() else stream  # type: ignore[return-value]


class Above:
    """A text stream on the terminal of a live line, which makes room before each write."""

    def __init__(self, stream: TextIO, line: LiveLine) -> None:
        self._stream = stream
        self._line = line

    def write(self, text: str) -> int:
        self._line.erase()
        return self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()


async def show(progress: Progress, line: LiveLine, *, site_limit: float, deadline: float | None) -> None:
    """Draw *line* until cancelled, and take it away then. *site_limit* and *deadline* are seconds."""
    if not line.on:
        return
    started = time.monotonic()
    limits = Limits(site_limit, math.inf if deadline is None else started + deadline)
    try:
        await anyio.sleep(FIRST)
        while True:
            line.draw(line_of(progress, started, time.monotonic(), line.room, limits))
            await anyio.sleep(EVERY)
    finally:
        line.erase()
