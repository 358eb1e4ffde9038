"""Patterns of services: `Planning/*`, `*.MapServer`, `Planning/Hydrants.MapServer`, `Planning/Hydrants`, `Planning/`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import translate

from fleet.errors import UsageError
from fleet.protocol.fields import ServiceId

__all__ = ["ServicePatterns"]

_TYPED = re.compile(r"\.[A-Za-z*?]+$")


@dataclass(frozen=True, slots=True)
class ServicePatterns:
    """Which services are meant: those that fit any of *texts*, or all where there are none.

    `*` stands for any text, `?` for one character; letters may be large or small. A name without type stands for every
    type, and one that ends in a slash for all services of that folder. Raises `UsageError` for an empty text.
    """

    texts: tuple[str, ...] = ()
    _patterns: tuple[re.Pattern[str], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_patterns", tuple(map(_compiled, self.texts)))

    def match(self, service: ServiceId) -> bool:
        """Whether *service* is meant."""
        name = str(service).casefold()
        return not self._patterns or any(pattern.fullmatch(name) for pattern in self._patterns)

    @property
    def folders(self) -> frozenset[str] | None:
        """The folders in which all that is meant lies (the root is the empty text); None if it may lie anywhere."""
        found = set()
        for text in self.texts:
            folder, slash, _ = text.strip().lstrip("/").rpartition("/")
            if _is_glob(folder) or (not slash and _is_glob(text)):
                return None
            found.add(folder)
        return frozenset(found) if self.texts else None

    def missing(self, services: Iterable[ServiceId]) -> list[str]:
        """Texts without `*` and `?` that fit none of *services*: whoever names a service means it to be there."""
        names = [str(service).casefold() for service in services]
        return [
            text
            for text, pattern in zip(self.texts, self._patterns, strict=True)
            if not _is_glob(text) and not text.endswith("/") and not any(map(pattern.fullmatch, names))
        ]

    def nearest(self, text: str, services: Sequence[ServiceId]) -> str | None:
        """The one of *services* that *text* may have meant."""
        found = get_close_matches(text, [str(service) for service in services], n=1)
        return found[0] if found else None


def _is_glob(text: str) -> bool:
    return "*" in text or "?" in text


def _compiled(text: str) -> re.Pattern[str]:
    text = text.strip().lstrip("/")
    if not text:
        raise UsageError("the name of a service is empty; '*' stands for all services")
    if text.endswith("/"):
        text += "*"
    elif not _TYPED.search(text) and not text.endswith("*"):
        text += ".*"
    # Brackets stand for themselves: names of services may hold them.
    return re.compile(translate(text.casefold().replace("[", "[[]")))
