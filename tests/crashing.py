"""A process that writes a snapshot, or prunes, and kills itself at the Nth touch of the disk: `FOLDER N ACTION`.

It writes how often it touched the disk where it lived through all of them. A write may get half of its bytes down first.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from fleet.snapshots.disk import Disk
from fleet.snapshots.store import Store

__all__ = ["Deadly", "write_one"]


class Deadly(Disk):
    """A disk that ends the process before its *last* touch, or in the middle of it where that is a write."""

    def __init__(self, last: int) -> None:
        self.touches = 0
        self._last = last

    def _touch(self) -> None:
        self.touches += 1
        if self.touches == self._last:
            os.kill(os.getpid(), signal.SIGKILL)

    def create(self, path: Path) -> int:
        self._touch()
        return super().create(path)

    def write(self, descriptor: int, data: bytes) -> None:
        if self.touches + 1 == self._last:
            os.write(descriptor, data[: len(data) // 2])
        self._touch()
        super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        self._touch()
        super().sync(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        self._touch()
        super().rename(old, new)

    def remove(self, path: Path) -> None:
        self._touch()
        super().remove(path)

    def sync_folder(self, path: Path) -> None:
        self._touch()
        super().sync_folder(path)


def write_one(store: Store, number: int, name: str | None = None) -> None:
    """A snapshot of three sites, of which a part is different with each *number*."""
    with store.writing(name=name) as writer:
        sites: list[tuple[str, dict[str, Any]]] = []
        for site in range(3):
            pieces = {
                f"services/definition/S{place}.MapServer": writer.put(
                    {
                        "name": f"S{place}",
                        "site": site,
                        "version": number if place % 4 == 0 else 0,
                        "text": "x" * 200_000,
                    }
                    if place == 0
                    else {"name": f"S{place}", "site": site, "version": number if place % 4 == 0 else 0}
                )
                for place in range(20)
            }
            sites.append((f"s{site}", {"outcome": "ok", "tree": writer.put({"pieces": pieces})}))
        writer.finish(
            sites,
            name=name,
            made=1_800_000_000.0 + number,
            elapsed=0.1,
            selection="all",
            coverage={"selected": 3, "answered": 3, "missing": {}},
            pieces=60,
            failed=0,
        )


def main(folder: str, last: str, action: str) -> None:
    disk = Deadly(int(last))
    store = Store(Path(folder), disk)
    if action == "prune":
        store.prune(keep=1)
    else:
        write_one(store, int(action))
    sys.stdout.write(f"{disk.touches}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
