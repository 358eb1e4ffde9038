"""How many sockets one run may have open: who finds no descriptor left waits for one, and no site fails for want of it."""

from __future__ import annotations

import errno
import socket
from types import TracebackType
from typing import Any

import anyio

from fleet import platform
from fleet.errors import ConnectFailed

__all__ = ["NoDescriptor", "Sockets", "sockets_allowed"]

SPARE = 60
"""Descriptors that are left for everything else: name look-ups, files of certificates and secrets, the database."""

POLL = 0.02
"""Seconds after which the first in the queue looks again although no request of ours has ended."""

PATIENCE = 10.0
"""Seconds for which a run without any request under way waits for descriptors that somebody else holds."""


EXHAUSTED = (errno.EMFILE, errno.ENFILE, getattr(errno, "WSAEMFILE", errno.EMFILE))


class NoDescriptor(Exception):
    """There is no descriptor for a socket just now. Not an `OSError`: the libraries in between must not take it for one."""


def sockets_allowed() -> int:
    """How many sockets the limit of descriptors leaves room for."""
    limit = platform.descriptor_limit()
    return max(limit - SPARE, limit // 2, 1)


class Sockets:
    """The descriptors of one run's sockets. A new one always gets the lowest free number, so the number itself tells how
    many are taken, whoever holds them: nothing is counted, and nothing can be counted wrong.

    Beyond half of what is allowed, connections are not to be kept idle; at the limit, requests wait in turn. That wait
    counts towards no request's time limit.
    """

    def __init__(self, allowed: int, *, patience: float = PATIENCE) -> None:
        self.allowed = allowed
        self._patience = patience
        self.tight = False
        """Whether a connection should rather be closed than be kept for later."""
        self._queue = anyio.Lock(fast_acquire=True)
        self._busy = 0
        self._ended = anyio.Event()
        self._in_vain_since: float | None = None

    @property
    def crowded(self) -> bool:
        """Whether somebody waits already, so that newcomers queue up behind."""
        return self._queue.locked()

    def make(self, address: Any) -> socket.socket:
        """A socket for *address*, one of `getaddrinfo`; raises `NoDescriptor`."""
        family, kind, protocol = address[:3]
        try:
            made = socket.socket(family, kind, protocol)
        except OSError as error:
            if error.errno in EXHAUSTED:
                raise NoDescriptor from None
            raise
        number = made.fileno()
        if number >= self.allowed:
            made.close()
            raise NoDescriptor
        self.tight = number * 2 > self.allowed
        return made

    def __enter__(self) -> None:
        """A request is under way: its socket will come free, so that waiting for it is not in vain."""
        self._busy += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._busy -= 1
        if self._queue.locked():
            self._ended.set()

    async def room(self) -> None:
        """Wait in turn until there is a descriptor; raises `ConnectFailed` where none comes free and none of ours will."""
        async with self._queue:
            while not self._available():
                now = anyio.current_time()
                if self._busy:
                    self._in_vain_since = None
                elif self._in_vain_since is None:
                    self._in_vain_since = now
                elif now - self._in_vain_since > self._patience:
                    raise ConnectFailed(
                        "this machine has no file descriptor left for a connection",
                        hint="raise the limit with `ulimit -n`, or end what else holds descriptors open",
                    )
                self._ended = anyio.Event()
                with anyio.move_on_after(POLL):
                    await self._ended.wait()
            self._in_vain_since = None

    def _available(self) -> bool:
        try:
            self.make((socket.AF_INET, socket.SOCK_STREAM, 0)).close()
        except NoDescriptor:
            return False
        return True
