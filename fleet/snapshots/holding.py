"""The store's lock: one process writes or prunes at a time, and whoever comes second is told who it is."""

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

__all__ = ["locked"]


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file *path* while *what* is done; raises `LockHeld` where another process does.

    The kernel gives the lock back when its holder dies, in whatever way: it never has to be removed by hand.
    """
    descriptor = platform.open_private(path, append=True)
    try:
        if not platform.try_lock(descriptor):
            raise LockHeld(f"the snapshots are in use: {_holder(path)}")
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps(_oneself(what)).encode())
        yield
    finally:
        os.close(descriptor)


def _oneself(what: str) -> dict[str, object]:
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        user = "unknown"
    return {
        "what": what,
        "user": user,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": timestamp(time.time()),
    }


def _holder(path: Path) -> str:
    try:
        told = json.loads(path.read_bytes()[:4096])
        return (
            f"{told['what']} by {told['user']} on {told['host']} (process {told['pid']}) since {told['since'][:19]}Z; "
            "try again when it has ended"
        )
    except (OSError, ValueError, KeyError, TypeError):
        return "another process has just begun; try again when it has ended"
