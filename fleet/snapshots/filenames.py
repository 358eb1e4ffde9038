"""Names out of answers as names of files: harmless on every system, and never the same for two different names."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

__all__ = ["file_names"]

LONGEST = 80
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9]|conin\$|conout\$)(?:\..*)?", re.IGNORECASE | re.DOTALL)


def file_names(names: Iterable[str]) -> dict[str, str]:
    """Each of *names* with a file name of its own: letters, digits, dots, underscores and dashes, at most 100 characters.

    A name that has nothing else in it stays as it is. Any other, one that a system keeps for itself, and those that a
    file system without regard to case takes for one, get a part of the digest of the whole name.
    """
    wanted = sorted(set(names))
    made = {name: name if _is_safe(name) else _with_digest(name, 8) for name in wanted}
    for digits in (8, 16, 64):
        clashes: dict[str, list[str]] = {}
        for name, file in made.items():
            clashes.setdefault(file.lower(), []).append(name)
        alike = [name for group in clashes.values() if len(group) > 1 for name in group]
        if not alike:
            break
        made |= {name: _with_digest(name, digits) for name in alike}
    return made


def _is_safe(name: str) -> bool:
    return (
        0 < len(name) <= LONGEST
        and not _UNSAFE.search(name)
        and name[0] not in ".-_"
        and name[-1] != "."
        and not _RESERVED.fullmatch(name)
    )


def _with_digest(name: str, digits: int) -> str:
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:digits]
    # A name of dots and dashes only leaves nothing, and what a system keeps for itself is behind a letter no more that.
    plain = _UNSAFE.sub("_", name[: LONGEST - digits]).strip(".-_ ")
    plain = f"x{plain}" if not plain or _RESERVED.fullmatch(plain) else plain
    return f"{plain}-{digest}"
