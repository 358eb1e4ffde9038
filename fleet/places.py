"""Where configuration, state and cache lie: the platform's user folders, or where `FLEET_*_DIR` says; and safe writing."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from fleet import platform

__all__ = ["cache_folder", "config_folder", "state_folder", "write_atomically"]


def _folder(variable: str, kind: str, environment: Mapping[str, str]) -> Path:
    if given := environment.get(variable):
        return Path(given).expanduser()
    import platformdirs

    return Path(getattr(platformdirs, f"user_{kind}_dir")("fleet", appauthor=False))


def config_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the user's own inventory lies."""
    return _folder("FLEET_CONFIG_DIR", "config", environment)


KEPT = ("fleet.db", "audit.jsonl", "sets", "snapshots", "rollouts", "leases")
"""How the names of all files begin that lie in the state folder."""


def state_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where runs and the audit log are kept."""
    return _folder("FLEET_STATE_DIR", "state", environment)


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where things lie that can be had again."""
    return _folder("FLEET_CACHE_DIR", "cache", environment)


def write_atomically(path: Path, data: bytes, *, replace: bool) -> None:
    """Write *data* to *path* with mode 0600, whole or not at all, durable when this returns.

    Raises `FileExistsError` if the file is there and *replace* is False, and other kinds of `OSError` as they come.
    """
    if not replace and (path.exists() or path.is_symlink()):
        raise FileExistsError(f"{path} is there already")
    if path.exists() and not path.is_file():
        # A terminal, a pipe or a device is written to, and not replaced by a file.
        with path.open("wb", buffering=0) as device:
            device.write(data)
        return
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        with os.fdopen(platform.open_private(draft), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        platform.sync_folder(path.parent)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
