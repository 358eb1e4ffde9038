"""Long tables on a terminal go through the user's pager; everything else is written as it is."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

from fleet.cli.common import Common

if TYPE_CHECKING:
    from fleet.render.columns import Terminal

__all__ = ["pager", "show_lines"]

LESS = "FRSX"
"""What `less` is told unless `LESS` says otherwise: end by itself at a short text, show colours, cut no line into two,
leave the text on the screen."""


def show_lines(common: Common, lines: Sequence[str], terminal: Terminal) -> None:
    """*lines* on standard output, with their colours where *terminal* takes them; through a pager where they are long."""
    if not lines:
        return
    command = None if common.no_pager or not _is_long(lines) else pager()
    if command is None or not _paged(command, lines, colour=terminal.colour):
        click.echo("\n".join(lines), color=terminal.colour)


def pager() -> list[str] | None:
    """The pager as `PAGER` names it, else `less` where there is one; None for an empty one, and for `cat`."""
    told = os.environ.get("PAGER")
    try:
        words = ["less"] if told is None else shlex.split(told, posix=os.name == "posix")
    except ValueError:
        return None
    if not words or words == ["cat"]:
        return None
    program = shutil.which(words[0])
    return None if program is None else [program, *words[1:]]


def _is_long(lines: Sequence[str]) -> bool:
    """Whether *lines* are more than fit a terminal at once; what is no terminal, or a dumb one, holds any number."""
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return False
    return len(lines) >= shutil.get_terminal_size((100, 24)).lines


def _paged(command: Sequence[str], lines: Sequence[str], *, colour: bool) -> bool:
    """Let *command* show *lines*; False where it could not be started. Who leaves it early has read enough."""
    environment = {"LESS": LESS, **os.environ}
    text = "\n".join(lines) + "\n"
    if not colour:
        text = click.unstyle(text)
    sys.stdout.flush()
    sys.stderr.flush()
    with _interrupts_left_to_it():
        try:
            running = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment)
        except OSError:
            return False
        assert running.stdin is not None
        with suppress(BrokenPipeError):
            running.stdin.write(text.encode(sys.stdout.encoding or "utf-8", "backslashreplace"))
        with suppress(BrokenPipeError):
            running.stdin.close()
        running.wait()
    return True


@contextmanager
def _interrupts_left_to_it() -> Iterator[None]:
    """While a pager runs, Ctrl-C is its own: it ends a search there, and must not take the terminal away from it."""
    try:
        # A handler, other than to ignore the signal, is not handed on to the child.
        before = signal.signal(signal.SIGINT, lambda number, frame: None)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)
