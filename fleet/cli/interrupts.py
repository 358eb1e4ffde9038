"""Ctrl-C and SIGTERM while a command runs on sites: the first stops launching, the second cancels what is in flight.

A terminal that hangs up counts as the first: whoever closes it does not ask for changes to be torn.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any, Self

from fleet import platform
from fleet.fanout.stop import Stop

__all__ = ["Interrupts"]

HAMMERING = 2.0
"""Seconds after the second signal within which further ones are taken for impatience, not for a third."""


class Interrupts:
    """A context that heeds the signals from before the first request until the last byte of the answer is written.

    Python's own handlers are used, which run in the main thread, and not those of an event loop: a loop's end with the
    loop, and what is known is still to be printed then. A third signal, some time after the second, ends at once.
    """

    def __init__(self, stop: Stop, say: Callable[[str], None]) -> None:
        self.count = 0
        self._stop = stop
        self._say = say
        self._loop: asyncio.AbstractEventLoop | None = None
        self._before: list[tuple[int, Any]] = []
        self._second_at = 0.0

    def __enter__(self) -> Self:
        try:
            for number in platform.TERMINATION_SIGNALS:
                self._before.append((number, signal.signal(number, self._arrived)))
            for number in platform.HANGUP_SIGNALS:
                # Under nohup it is ignored, and stays so.
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before.append((number, signal.signal(number, self._arrived)))
        except ValueError:
            # Not in the main thread: signals are the business of whoever runs us there.
            pass
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before:
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    @contextmanager
    def in_loop(self) -> Iterator[None]:
        """While the running event loop does the work: a signal is heeded by the loop, between two steps of the work."""
        self._loop = asyncio.get_running_loop()
        try:
            yield
        finally:
            self._loop = None

    @contextmanager
    def asking(self) -> Iterator[None]:
        """While a person is asked something: nothing is in flight, and an interrupt ends the question."""
        if not self._before:
            yield
            return
        for number, _ in self._before:
            signal.signal(number, _end)
        try:
            yield
        finally:
            for number, _ in self._before:
                signal.signal(number, self._arrived)

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        if number in platform.HANGUP_SIGNALS and self.count:
            # The system and the shell both tell of the terminal's end: it is the same one.
            return
        self.count += 1
        now = time.monotonic()
        if self.count == 2:
            self._second_at = now
        if self.count > 2:
            if now - self._second_at > HAMMERING:
                raise KeyboardInterrupt
        elif self._loop is None:
            self._heed()
        else:
            self._loop.call_soon_threadsafe(self._heed, self.count)

    def _heed(self, count: int | None = None) -> None:
        """Stop a little, or all; *count* is given where there is time for a sentence."""
        if (count or self.count) == 1:
            self._stop.launch_no_more()
            if count is not None:
                # Nobody may be there any more to read it.
                with suppress(OSError):
                    self._say("stopping: nothing new is started, what is in flight finishes; once more cancels it")
        else:
            self._stop.cancel_all()


def _end(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
