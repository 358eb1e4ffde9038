"""Every touch of the disk that a store makes when it writes, as one object, so that a test can stop it at any of them."""

from __future__ import annotations

import os
from pathlib import Path

from fleet import platform

__all__ = ["Disk"]


class Disk:
    """The real disk. All methods raise `OSError`."""

    def create(self, path: Path) -> int:
        """A descriptor of the new file *path*, with mode 0600."""
        return platform.open_private(path)

    def write(self, descriptor: int, data: bytes) -> None:
        """Write all of *data*."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]

    def sync(self, descriptor: int) -> None:
        """Make what was written durable."""
        os.fsync(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        """Give *old* the name *new*, in place of what had it."""
        old.replace(new)

    def remove(self, path: Path) -> None:
        """Remove the file *path*, if it is there."""
        path.unlink(missing_ok=True)

    def sync_folder(self, path: Path) -> None:
        """Make the names in the folder *path* durable."""
        platform.sync_folder(path)
