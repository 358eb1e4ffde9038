"""Windows: the twins of the POSIX calls. Access there is by lists that the user's profile folder already sets."""

from __future__ import annotations

import msvcrt
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

assert sys.platform == "win32"

LOCKED_AT = 1 << 30
"""The byte that stands for the whole file in a lock: beyond what anybody reads, which would be refused."""

TERMINATION_SIGNALS: tuple[int, ...] = (
    signal.SIGINT,
    getattr(signal, "SIGBREAK", signal.SIGINT),
)
"""Ctrl-C and Ctrl-Break: the only signals that Windows delivers."""

HANGUP_SIGNALS: tuple[int, ...] = ()
"""The signals that tell that the terminal has gone: none here."""


def descriptor_limit() -> int:
    """Sockets are not limited by a count of descriptors there."""
    return sys.maxsize


def raise_descriptor_limit() -> int:
    """Nothing to raise; the limit that holds."""
    return descriptor_limit()


def lasting_clock() -> float:
    """Seconds by a clock that nobody sets and that goes on while the machine sleeps."""
    return time.monotonic()


def is_private(path: Path) -> bool:
    """Whether the file lies where only its user has access: below the user's profile folder."""
    path.stat()
    return path.resolve().is_relative_to(Path.home())


def only_owner_can_write(path: Path) -> bool:
    """Whether the file lies below the user's profile folder, which other users can't write."""
    return is_private(path)


def kill_family(process: subprocess.Popen[bytes]) -> None:
    """End *process*; what it has started ends when it finds its pipes closed."""
    process.kill()


def open_private(path: Path, *, append: bool = False) -> int:
    """A descriptor of a new file (or, with *append*, of one that may be there)."""
    flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOINHERIT", 0)
    flags |= os.O_APPEND if append else os.O_EXCL
    return os.open(path, flags, 0o600)


def secure_folder(path: Path, ours: tuple[str, ...]) -> None:
    """Make *path*; the profile folder's access list holds below it, whatever *ours* are."""
    path.mkdir(parents=True, exist_ok=True)


def sync_folder(path: Path) -> None:
    """Renames are durable with the file system's journal there."""


def try_lock(descriptor: int) -> bool:
    """Take the lock of an open file for this process alone, until it is closed; False where another one holds it."""
    os.lseek(descriptor, LOCKED_AT, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    finally:
        os.lseek(descriptor, 0, os.SEEK_SET)
    return True
