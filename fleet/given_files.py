"""Files that somebody names on the command line, read whole: never more than they may have, whatever they are."""

from __future__ import annotations

import sys
from pathlib import Path

from fleet.errors import UsageError

__all__ = ["bytes_of", "text_of"]


def bytes_of(path: Path | None, cap: int) -> bytes:
    """What is in the file *path*, or in standard input for None: *cap* bytes at the most.

    Raises `UsageError` where it can't be read, or is larger.
    """
    name = "standard input" if path is None else str(path)
    try:
        if path is None:
            data = sys.stdin.buffer.read(cap + 1)
        else:
            with path.open("rb") as file:
                data = file.read(cap + 1)
    except OSError as error:
        raise UsageError(f"{name} can't be read: {error.strerror or error}") from None
    if len(data) > cap:
        raise UsageError(f"{name} is larger than {cap >> 20} MiB")
    return data


def text_of(path: Path | None, cap: int) -> str:
    """The same as text; raises `UsageError` where it is no UTF-8."""
    try:
        return bytes_of(path, cap).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{'standard input' if path is None else path} is no UTF-8 text") from None
