"""Names of services that were read before, so that a shell can complete them without asking a site."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

from fleet import places, platform

__all__ = ["recall", "remember"]

MOST = 20_000
"""Names that are kept of one site, and that are recalled together."""

LONGEST = 300
FILE_CAP = 4 * 1024 * 1024
_SITE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def remember(site: str, names: Iterable[str]) -> None:
    """Keep *names*, all services of *site* as `Folder/Name.Type`, in place of those that were kept before.

    Whatever stands in the way (no room, no right to write) is no reason to stop: then they are not kept.
    """
    if not _SITE.fullmatch(site):
        return
    kept = sorted({name for name in names if 0 < len(name) <= LONGEST and name.isprintable()})[:MOST]
    folder = _folder()
    draft = folder / f".{site}.{secrets.token_hex(6)}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            # It can be had again: that it is not lost in a power cut is not worth waiting for the disk.
            with os.fdopen(platform.open_private(draft), "w", encoding="utf-8") as file:
                json.dump(kept, file, ensure_ascii=True)
            draft.replace(folder / f"{site}.json")
        finally:
            draft.unlink(missing_ok=True)
    except OSError:
        return


def recall(sites: Iterable[str] | None = None) -> list[str]:
    """The names of services that are kept of *sites*, or of every site: each once, in order."""
    found: set[str] = set()
    for path in _files(sites):
        found.update(_read(path))
        if len(found) >= MOST:
            break
    return sorted(found)


def _folder() -> Path:
    return places.cache_folder() / "services"


def _files(sites: Iterable[str] | None) -> Iterator[Path]:
    if sites is None:
        yield from sorted(_folder().glob("*.json"))
        return
    for site in sites:
        if _SITE.fullmatch(site):
            yield _folder() / f"{site}.json"


def _read(path: Path) -> list[str]:
    """What *path* holds; nothing where it is not what `remember` writes."""
    try:
        if path.stat().st_size > FILE_CAP:
            return []
        names = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    if not isinstance(names, list):
        return []
    return [name for name in names[:MOST] if isinstance(name, str) and name.isprintable() and 0 < len(name) <= LONGEST]
