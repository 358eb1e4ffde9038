"""Linux and macOS: modes, owners, descriptor limits. Nothing else in the package makes calls that only POSIX has."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

assert sys.platform != "win32"

OPEN_MAX = 10_240
"""Descriptors that macOS allows where it names no limit."""

TERMINATION_SIGNALS: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM)
"""The signals by which a person, or a service manager, asks a command to end."""

# Linux's monotonic clock stands still while the machine is suspended, and that of macOS does not.
_LASTING: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

HANGUP_SIGNALS: tuple[int, ...] = (signal.SIGHUP,)
"""The signals that tell that the terminal has gone."""


def descriptor_limit() -> int:
    """How many descriptors this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def raise_descriptor_limit() -> int:
    """Raise the soft limit of open descriptors to the hard one; the limit that then holds."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft in (hard, resource.RLIM_INFINITY):
        return descriptor_limit()
    # macOS may say that there is no hard limit, and yet take no more than the kernel's own.
    for wanted in (hard, OPEN_MAX):
        if wanted != resource.RLIM_INFINITY and wanted <= soft:
            break
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):
            continue
        break
    return descriptor_limit()


def lasting_clock() -> float:
    """Seconds by a clock that nobody sets and that goes on while the machine sleeps, where there is one."""
    return time.clock_gettime(_LASTING)


def is_private(path: Path) -> bool:
    """Whether the file is ours and neither group nor others may read or write it; raises `OSError` if it is not there."""
    status = path.stat()
    return status.st_uid in (os.getuid(), 0) and not status.st_mode & (stat.S_IRWXG | stat.S_IRWXO)


def only_owner_can_write(path: Path) -> bool:
    """Whether the file, and the folder it lies in, are ours and nobody else may write them; a link is followed."""
    real = path.resolve()
    for place in dict.fromkeys((real, real.parent, path.parent)):
        status = place.stat()
        shared = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        sticky = stat.S_ISDIR(status.st_mode) and bool(status.st_mode & stat.S_ISVTX)
        if status.st_uid not in (os.getuid(), 0) or (shared and not sticky):
            return False
    return path.stat().st_uid == os.getuid()


def kill_family(process: subprocess.Popen[bytes]) -> None:
    """End *process*, which was started in a session of its own, and whatever it has started there."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def open_private(path: Path, *, append: bool = False) -> int:
    """A descriptor of a file with mode 0600 that we made (or, with *append*, that is there), never through a link."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    flags |= os.O_APPEND if append else os.O_EXCL
    descriptor = os.open(path, flags, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


def secure_folder(path: Path, ours: tuple[str, ...]) -> None:
    """Make *path* with mode 0700 whatever the umask; a folder with other things in it keeps the mode it has.

    *ours* are the beginnings of the names that this program gives. Raises `PermissionError` if the folder belongs to
    somebody else, or if it is shared with others who may write to it, as /tmp is.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.stat()
    if status.st_uid != os.getuid():
        raise PermissionError(f"{path} belongs to another user")
    if stat.S_IMODE(status.st_mode) == 0o700:
        return
    if not path.is_symlink() and all(name.startswith(ours) for name in os.listdir(path)):
        path.chmod(0o700)
    elif status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(f"{path} is a folder that others may write to; name one of your own")


def sync_folder(path: Path) -> None:
    """Make renames in *path* durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def try_lock(descriptor: int) -> bool:
    """Take the lock of an open file for this process alone, until it is closed; False where another one holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
