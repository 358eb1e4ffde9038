"""A real terminal for tests: a process on a pseudo-terminal, and what stands on its screen."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import pexpect
import pyte

FLEET = [sys.executable, "-m", "fleet"]
LIMIT = 30.0


class Terminal:
    """`fleet` on a terminal of *columns* by *rows*; a context manager that ends it. *raw* is all that was written."""

    def __init__(
        self,
        *arguments: str,
        columns: int = 100,
        rows: int = 40,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] = FLEET,
        **options: Any,
    ) -> None:
        given = {**os.environ, "TERM": "xterm-256color", "PAGER": "", **(environment or {})}
        given.pop("COLUMNS", None)
        given.pop("LINES", None)
        self.screen = pyte.HistoryScreen(columns, rows, history=5000)
        self._stream = pyte.Stream(self.screen)
        self.raw = ""
        self.process = pexpect.spawn(
            command[0],
            [*command[1:], *arguments],
            dimensions=(rows, columns),
            encoding="utf-8",
            codec_errors="replace",
            env=given,
            **options,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.close(force=True)

    @property
    def lines(self) -> list[str]:
        """The lines on the screen and above it, without blanks at their ends and without empty ones at the end."""
        above = ["".join(line[x].data for x in range(self.screen.columns)).rstrip() for line in self.screen.history.top]
        found = [*above, *(line.rstrip() for line in self.screen.display)]
        while found and not found[-1]:
            found.pop()
        return found

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def pump(self, seconds: float = 0.05) -> bool:
        """Take in what was written within *seconds*; False once the process has closed the terminal."""
        try:
            data = self.process.read_nonblocking(65536, timeout=seconds)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += data
        self._stream.feed(data)
        return True

    def wait_for(self, what: str | Callable[[list[str]], bool]) -> list[str]:
        """The lines, as soon as they hold the text *what*, or satisfy it."""
        holds = what if callable(what) else (lambda lines: any(what in line for line in lines))
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            if holds(self.lines):
                return self.lines
            if not self.pump():
                break
        assert holds(self.lines), f"{what} never came:\n{self.text}"
        return self.lines

    def type(self, text: str) -> None:
        """Type *text*, with a return at its end."""
        self.process.send(text + "\r")

    def press(self, key: str) -> None:
        """Press Ctrl and *key*."""
        self.process.sendcontrol(key)

    def leave(self, key: str) -> None:
        """Press Ctrl and *key* until the process ends, as people do.

        One that comes in the moment in which a question is put, and the terminal's mode is changed for it, may be lost.
        """
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            self.press(key)
            again = time.monotonic() + 1.0
            while time.monotonic() < again:
                if not self.pump():
                    return

    def end(self) -> int:
        """The exit status, when all that is written has been taken in."""
        end = time.monotonic() + LIMIT
        while self.pump():
            assert time.monotonic() < end, f"it does not end:\n{self.text}"
        self.process.wait()
        self.process.close()
        assert self.process.signalstatus is None
        return int(self.process.exitstatus)
