"""Scripts of the user's own as files: loaded only where nobody else can write them, with the digest of what was loaded."""

from __future__ import annotations

import hashlib
import inspect
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.abc import SourceLoader
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from typing import Any

from fleet import platform
from fleet.errors import UsageError
from fleet.given_files import bytes_of
from fleet.inventory.tables import nearest
from fleet.rollout.spec import Rollout

__all__ = ["Script", "is_script", "load_script", "place_of", "script_digests"]

FILE_CAP = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Script:
    """A function in a file: *function* is `async def f(client, context)`, *planner* the one that plans it, if any."""

    do: str
    path: Path
    digest: str
    function: Callable[..., Any] = field(repr=False)
    planner: Callable[..., Any] | None = field(default=None, repr=False)


class _Loader(SourceLoader):
    """Loads the bytes that were read, and no others: what runs is what has the digest."""

    def __init__(self, path: Path, data: bytes) -> None:
        self._path = str(path)
        self._data = data

    def get_filename(self, fullname: str) -> str:
        return self._path

    def get_data(self, path: Any) -> bytes:
        if path != self._path:
            # Nothing compiled earlier is taken.
            raise FileNotFoundError(path)
        return self._data


def is_script(do: str) -> bool:
    """Whether *do* names a function in a file: `FILE.py:function`."""
    file, colon, _ = do.rpartition(":")
    return bool(colon) and file.endswith(".py")


def load_script(do: str, folder: Path) -> Script:
    """The script that *do* names, relative to *folder*.

    Raises `UsageError` where it is not there, others can write it, it can't be loaded, or it has no such function.
    """
    file, _, name = do.rpartition(":")
    path = _own(file, folder)
    data = bytes_of(path, FILE_CAP)
    digest = _digest(data)
    loader = _Loader(path, data)
    spec = ModuleSpec(f"fleet_script_{digest[-16:]}", loader, origin=str(path))
    module = module_from_spec(spec)
    # Some of the standard library looks its own module up: dataclasses, for one.
    sys.modules[spec.name] = module
    try:
        loader.exec_module(module)
    except SyntaxError as error:
        raise UsageError(f"{path.name}:{error.lineno}: it is no Python: {error.msg}") from None
    except (Exception, SystemExit) as error:
        raise UsageError(f"{place_of(error, path)}: it can't be loaded ({type(error).__name__})") from None
    function = getattr(module, name, None)
    if not inspect.iscoroutinefunction(function):
        known = [key for key, value in vars(module).items() if inspect.iscoroutinefunction(value)]
        near = nearest(name, known)
        hint = f"did you mean {near}?" if near else f"it has {', '.join(known) or 'none'}"
        raise UsageError(f"{path.name} has no async function {name!r}; {hint}")
    planner = getattr(function, "plan", None) or getattr(module, f"plan_{name}", None)
    if planner is not None and not inspect.iscoroutinefunction(planner):
        raise UsageError(f"{path.name}: what plans {name} is no async function")
    return Script(do, path, digest, function, planner)


def script_digests(rollout: Rollout, folder: Path) -> Mapping[str, str]:
    """The digest (`sha256:…`) of each script that *rollout* names in steps and gates, by its file as it stands there.

    Raises `UsageError` for one that is not there, or that others can write.
    """
    named = [step.do for step in rollout.steps]
    named += [str(gate.given.get(name, "")) for gate in rollout.gates for name in ("script", "baseline")]
    files = dict.fromkeys(do.rpartition(":")[0] for do in named if is_script(do))
    return {file: _digest(bytes_of(_own(file, folder), FILE_CAP)) for file in files}


def place_of(error: BaseException, path: Path) -> str:
    """`FILE:LINE` of where *error* left the file *path*."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return f"{path.name}:{lines[-1]}" if lines else path.name


def _own(file: str, folder: Path) -> Path:
    path = (folder / Path(file).expanduser()).absolute()
    try:
        if not platform.only_owner_can_write(path):
            raise UsageError(
                f"{path} is not run: others can write it, or its folder; make both yours alone (chmod go-w)"
            )
    except OSError as error:
        raise UsageError(f"the script {path} can't be read: {error.strerror or error}") from None
    return path


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
