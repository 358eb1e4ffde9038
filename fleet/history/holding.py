"""Locks between processes: one holds it, and whoever comes second is told who that is, in which process, since when."""

from __future__ import annotations

import getpass
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fleet import platform
from fleet.errors import LockHeld
from fleet.outcome import timestamp

__all__ = ["FileLock", "holder_of", "is_held", "locked", "oneself"]

TRIES = 10
PAUSE = 0.02
"""Whoever only looks whether a lock is held, holds it for that moment: it is tried again so often, so many seconds apart."""


class FileLock:
    """The lock file *path*, taken for *what*, until `close`.

    The kernel gives it back when its holder dies, in whatever way: it never has to be removed by hand. Raises `LockHeld`,
    with *held* before who holds it, where another process does, and `OSError`.
    """

    def __init__(self, path: Path, what: str, held: str) -> None:
        self._descriptor = platform.open_private(path, append=True)
        try:
            tries = 0
            while not platform.try_lock(self._descriptor):
                tries += 1
                if tries == TRIES:
                    raise LockHeld(f"{held}: {_in_file(path)}")
                time.sleep(PAUSE)
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, oneself(what).encode())
        except BaseException:
            os.close(self._descriptor)
            raise

    def close(self) -> None:
        """Give it back; a second time is nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


@contextmanager
def locked(path: Path, what: str, held: str) -> Iterator[None]:
    """Hold the lock file *path* while *what* is done; raises `LockHeld`, with *held* first, where another process does."""
    lock = FileLock(path, what, held)
    try:
        yield
    finally:
        lock.close()


def is_held(path: Path) -> bool:
    """Whether a process holds the lock file *path* now."""
    if not path.exists():
        return False
    descriptor = platform.open_private(path, append=True)
    try:
        return not platform.try_lock(descriptor)
    finally:
        os.close(descriptor)


def oneself(what: str) -> str:
    """Who holds something, as it is kept: this user, machine and process, for *what*, from now on (JSON)."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        user = "unknown"
    told = {"what": what, "user": user, "host": socket.gethostname(), "pid": os.getpid()}
    return json.dumps({**told, "since": timestamp(time.time())})


def holder_of(text: str | bytes) -> str | None:
    """Who *text* says holds it, in words; None where it is not what `oneself` gives."""
    try:
        told = json.loads(text)
        return f"{told['what']} by {told['user']} on {told['host']} (process {told['pid']}) since {told['since'][:19]}Z"
    except (ValueError, KeyError, TypeError):
        return None


def _in_file(path: Path) -> str:
    try:
        holder = holder_of(path.read_bytes()[:4096])
    except OSError:
        holder = None
    return f"{holder or 'another process has just begun'}; try again when it has ended"
