"""Passwords of new users: made and kept in a file of one's own before they are used, or read from such a file."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

from fleet import platform
from fleet.bulk.rotation import new_password
from fleet.errors import ConfigFailed, UsageError
from fleet.given_files import bytes_of
from fleet.inventory.secrets import Secret

__all__ = ["GivenPasswords", "MadePasswords"]

CAP = 16 * 1024 * 1024


class MadePasswords:
    """A password of its own for each user of each site; `keep` writes it down, durably, before it is used.

    Raises `UsageError` where *path* is there already or its folder can't be written.
    """

    def __init__(self, path: Path, length: int = 24) -> None:
        self.path = path
        self._length = length
        self._made: dict[tuple[str, str], Secret] = {}
        self._kept: set[tuple[str, str]] = set()
        self._lock = Lock()
        new_password(length)
        if path.exists() or path.is_symlink():
            raise UsageError(f"{path} is there already: passwords are written to a new file")
        if not os.access(path.absolute().parent, os.W_OK | os.X_OK):
            raise UsageError(f"nothing can be written into {path.absolute().parent}")

    def __call__(self, site: str, user: str) -> Secret:
        """The password of *user* on *site*, the same each time."""
        with self._lock:
            return self._made.setdefault((site, user), new_password(self._length))

    def keep(self, site: str, users: Sequence[str]) -> None:
        """Write the passwords of *users* on *site* down; raises `ConfigFailed` where that can't be done."""
        rows = [(site, user, self(site, user).reveal()) for user in users if (site, user) not in self._kept]
        if not rows:
            return
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        with self._lock:
            try:
                if not self._kept:
                    os.close(platform.open_private(self.path))
                    writer.writerow(("site", "username", "password"))
                writer.writerows(rows)
                with os.fdopen(platform.open_private(self.path, append=True), "ab") as file:
                    file.write(text.getvalue().encode("utf-8"))
                    file.flush()
                    os.fsync(file.fileno())
                platform.sync_folder(self.path.absolute().parent)
            except OSError as error:
                raise ConfigFailed(
                    f"the new passwords can't be kept in {self.path}: {error.strerror or error}; nothing was sent"
                ) from None
            self._kept |= {(site, user) for site, user, _ in rows}


class GivenPasswords:
    """Passwords from a CSV file with the columns username, password and perhaps site, which only its owner may read.

    Raises `UsageError` for a file that others can read, or that holds something else.
    """

    def __init__(self, path: Path) -> None:
        try:
            if not platform.is_private(path):
                raise UsageError(f"{path} can be read or written by others: chmod 600 {path}")
        except OSError as error:
            raise UsageError(f"{path} can't be read: {error.strerror or error}") from None
        data = bytes_of(path, CAP)
        self._known: dict[tuple[str, str], Secret] = {}
        try:
            reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
            names = [name.strip().lower() for name in reader.fieldnames or ()]
            if not {"username", "password"} <= set(names) or set(names) - {"site", "username", "password"}:
                raise UsageError(f"{path} has the columns username, password and perhaps site, and no others")
            reader.fieldnames = names
            for row in reader:
                if row["username"] and row["password"]:
                    self._known[(row.get("site") or "", row["username"])] = Secret(row["password"])
        except (UnicodeDecodeError, csv.Error):
            # What is wrong may stand beside a password: it is not repeated.
            raise UsageError(f"{path} is no CSV in UTF-8") from None

    def __call__(self, site: str, user: str) -> Secret | None:
        """The password of *user* on *site*, or on any."""
        return self._known.get((site, user)) or self._known.get(("", user))
