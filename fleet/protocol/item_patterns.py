"""Patterns of names that sites give, such as paths of data items: `/enterpriseDatabases/*`, `gis?`, `gis_publishers`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import translate

from fleet.errors import UsageError

__all__ = ["NamePatterns"]


@dataclass(frozen=True, slots=True)
class NamePatterns:
    """Which names are meant: those that fit any of *texts*, or all where there are none.

    `*` stands for any text, `?` for one character; letters may be large or small. Raises `UsageError` for an empty text.
    """

    texts: tuple[str, ...] = ()
    _patterns: tuple[re.Pattern[str], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for text in self.texts:
            if not text.strip():
                raise UsageError("a name is empty; '*' stands for all")
        # Brackets stand for themselves: names may hold them.
        patterns = (re.compile(translate(text.strip().casefold().replace("[", "[[]"))) for text in self.texts)
        object.__setattr__(self, "_patterns", tuple(patterns))

    def match(self, name: str) -> bool:
        """Whether *name* is meant."""
        return not self._patterns or any(pattern.fullmatch(name.casefold()) for pattern in self._patterns)

    def missing(self, names: Iterable[str]) -> list[str]:
        """Texts without `*` and `?` that fit none of *names*: whoever names a thing means it to be there."""
        folded = [name.casefold() for name in names]
        return [
            text
            for text, pattern in zip(self.texts, self._patterns, strict=True)
            if "*" not in text and "?" not in text and not any(map(pattern.fullmatch, folded))
        ]

    def nearest(self, text: str, names: Sequence[str]) -> str | None:
        """The one of *names* that *text* may have meant."""
        found = get_close_matches(text, names, n=1)
        return found[0] if found else None
