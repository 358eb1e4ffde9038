"""Functions out of the user's own files: `FILE.py:function`, run only where nobody else could have written the file."""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from fleet import platform
from fleet.errors import UsageError
from fleet.given_files import bytes_of

__all__ = ["digest", "load_function", "script_file", "told_place"]

CAP = 1 << 20
"""Bytes that a script may have."""

_NAMED = re.compile(r"(?P<file>.+\.py):(?P<function>[A-Za-z_]\w*)", re.DOTALL)


def script_file(text: str, folder: Path) -> tuple[Path, str]:
    """The file that *text* (`FILE.py:function`) names, from *folder* on, and the name of the function.

    Raises `UsageError` for a text of another form.
    """
    match = _NAMED.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} names no function of a file: write FILE.py:function")
    return folder / match["file"], match["function"]


def digest(path: Path) -> str:
    """`sha256:HEX` of the file *path*; raises `UsageError` where it can't be read, or is larger than 1 MiB."""
    return _digest_of(bytes_of(path, CAP))


def _digest_of(source: bytes) -> str:
    return f"sha256:{hashlib.sha256(source).hexdigest()}"


def load_function(text: str, folder: Path, *, expected: str | None = None) -> Callable[..., Any]:
    """The asynchronous function that *text* (`FILE.py:function`) names; what the file does at its top is done.

    With *expected*, the `digest` that a plan has of it, a file that was changed since is refused. What is run is what was
    read once: between the look and the run nobody can put another file in its place. Raises `UsageError` for a file that
    others can write, that can't be read or run, or that has no such function, with what it does have.
    """
    path, name = script_file(text, folder)
    try:
        if not platform.only_owner_can_write(path):
            raise UsageError(f"others can write {path}, or its folder; make both yours alone (chmod go-w)")
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror or error}") from None
    source = bytes_of(path, CAP)
    if expected is not None and _digest_of(source) != expected:
        raise UsageError(f"{path} is not the file that was planned with; plan again")
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    try:
        # The user's own file, as `python FILE.py` would run it.
        exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102
    except (Exception, SystemExit) as error:
        raise UsageError(f"{path} can't be run: {told_place(error, path)}") from None
    found = vars(module).get(name)
    if not inspect.iscoroutinefunction(found):
        there = [key for key, value in vars(module).items() if inspect.iscoroutinefunction(value)]
        hint = f"; it has {', '.join(there)}" if there else ""
        raise UsageError(f"{path} has no function `async def {name}`{hint}")
    function: Callable[..., Any] = found
    return function


def told_place(error: BaseException, path: Path) -> str:
    """What kind of *error* it is and in which line of *path* it came up, without its text, which may hold a secret."""
    if isinstance(error, SyntaxError):
        return f"SyntaxError in line {error.lineno}"
    lines = []
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return f"{type(error).__name__} in line {lines[-1]}" if lines else type(error).__name__
