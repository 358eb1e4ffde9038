"""A live line on a terminal's standard error: done, failed, running, the slowest sites, the time left."""

from __future__ import annotations

import shutil
import sys
import time

import anyio

from fleet.durations import format_duration
from fleet.fanout.engine import Progress
from fleet.render.clean import one_line

__all__ = ["show"]

FIRST = 0.7
EVERY = 0.25


def line_of(progress: Progress, started: float, now: float, width: int) -> str:
    """The line for the state of *progress* at *now*; times are monotonic seconds."""
    parts = [f"{progress.done}/{progress.total} done"]
    if progress.failed:
        parts.append(f"{progress.failed} failed")
    if progress.running:
        parts.append(f"{len(progress.running)} running")
        slowest = sorted(progress.running.items(), key=lambda item: item[1])[:3]
        parts.append("slowest " + ", ".join(f"{name} {now - since:.0f} s" for name, since in slowest))
    if 0 < progress.done < progress.total:
        left = (now - started) / progress.done * (progress.total - progress.done)
        parts.append(f"about {format_duration(max(1.0, float(round(left))))} left")
    return one_line(" · ".join(parts), max(20, width - 1))


async def show(progress: Progress) -> None:
    """Draw the line until cancelled, and take it away then; nothing where standard error is no terminal."""
    if not sys.stderr.isatty():
        return
    started = time.monotonic()
    try:
        await anyio.sleep(FIRST)
        while True:
            width = shutil.get_terminal_size((80, 24)).columns
            sys.stderr.write(f"\r\x1b[2K{line_of(progress, started, time.monotonic(), width)}")
            sys.stderr.flush()
            await anyio.sleep(EVERY)
    finally:
        sys.stderr.write("\r\x1b[2K")
        sys.stderr.flush()
