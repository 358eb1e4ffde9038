"""The three standard streams, made fit to rely on: whatever the caller closed, filled up, or set to not block."""

from __future__ import annotations

import io
import os
import sys
from typing import Any

__all__ = ["prepare", "silence"]


class _Forgiving(io.FileIO):
    """Standard error that loses what can't be written: no result may be lost for the sake of a remark."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(data)


def prepare() -> None:
    """Let all three streams be there, and no failure of standard error matter.

    A stream that is closed would otherwise be None, and its descriptor would go to the next file or connection that is
    opened, which remarks would then be written into. Nobody reads a standard output that is closed: writing to it fails
    as to a pipe without a reader.
    """
    _fill(0, os.open(os.devnull, os.O_RDONLY))
    _fill(2, os.open(os.devnull, os.O_WRONLY))
    if not _is_open(1):
        reader, writer = os.pipe()
        if writer != 1:
            os.dup2(writer, 1)
            os.close(writer)
        if reader != 1:
            os.close(reader)
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), encoding="utf-8")
    if sys.stdout is None:
        sys.stdout = _writer(io.FileIO(1, "w", closefd=False), "utf-8")
    if sys.platform == "win32":
        if sys.stderr is None:
            sys.stderr = _writer(_Forgiving(2, "w", closefd=False), "utf-8")
        return
    for descriptor in (1, 2):
        os.set_blocking(descriptor, True)
    encoding = "utf-8" if sys.stderr is None else sys.stderr.encoding
    sys.stderr = _writer(_Forgiving(2, "w", closefd=False), encoding, line_buffering=True)
    if isinstance(getattr(sys.stdout, "buffer", None), io.RawIOBase):
        # With PYTHONUNBUFFERED a write to a pipe that takes only a part of it would lose the rest without a word.
        sys.stdout = _writer(io.FileIO(1, "w", closefd=False), sys.stdout.encoding, line_buffering=sys.stdout.isatty())


def _writer(raw: io.FileIO, encoding: str, *, line_buffering: bool = False) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=encoding, errors="backslashreplace", line_buffering=line_buffering
    )


def silence() -> None:
    """Nobody reads standard output any more: what is still buffered must not raise when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _fill(descriptor: int, nothing: int) -> None:
    """Let *descriptor* be *nothing* if it is closed; *nothing* is used up."""
    if nothing == descriptor:
        return
    if not _is_open(descriptor):
        os.dup2(nothing, descriptor)
    os.close(nothing)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
