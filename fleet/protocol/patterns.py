"""Patterns of services: `Planning/*`, `*.MapServer`, `Planning/Hydrants.MapServer`, `Planning/Hydrants`, `Planning/`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import translate

from fleet.errors import UsageError
from fleet.protocol.fields import ServiceId

__all__ = ["ServicePatterns", "typed"]

_TYPED = re.compile(r"\.[A-Za-z*?]+$")
_MEANT = re.compile(r"[^\w./~-]|^-")
"""What may mean something to a shell or to a command line, in the name of a service or a machine."""
LONGEST = 200


def typed(name: str) -> str:
    """*name*, which is a site's text, as a word of a command line that people copy: nothing in it means anything to a shell.

    Where it has other characters than names usually have it is a pattern that fits it, in quotes.
    """
    shown = _MEANT.sub("?", name[:LONGEST]) + ("*" if len(name) > LONGEST else "")
    return shown if shown == name else f'"{shown}"'


@dataclass(frozen=True, slots=True)
class ServicePatterns:
    """Which services are meant: those that fit any of *texts*, or all where there are none.

    `*` stands for any text, `?` for one character; letters may be large or small. A name without type stands for every
    type, and one that ends in a slash for all services of that folder. Raises `UsageError` for an empty text.
    """

    texts: tuple[str, ...] = ()
    _names: frozenset[str] = field(init=False, repr=False, compare=False)
    """Whole names among the texts: a list of thousands is looked up, and not tried one after another."""
    _patterns: tuple[tuple[str, re.Pattern[str]], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        texts = [_cleaned(text) for text in self.texts]
        whole = [_is_whole(text) for text in texts]
        names = frozenset(text.casefold() for text, is_whole in zip(texts, whole, strict=True) if is_whole)
        rest = [
            (given, _compiled(text))
            for given, text, is_whole in zip(self.texts, texts, whole, strict=True)
            if not is_whole
        ]
        object.__setattr__(self, "_names", names)
        object.__setattr__(self, "_patterns", tuple(rest))

    def match(self, service: ServiceId) -> bool:
        """Whether *service* is meant."""
        if not self.texts:
            return True
        name = str(service).casefold()
        return name in self._names or any(pattern.fullmatch(name) for _, pattern in self._patterns)

    def names(self, service: ServiceId) -> bool:
        """Whether *service* is named without `*` and `?`: whoever does so means this one."""
        name = str(service).casefold()
        return name in self._names or any(
            _is_name(text) and pattern.fullmatch(name) for text, pattern in self._patterns
        )

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
        return [text for text in self.unused(services) if _is_name(text)]

    def unused(self, services: Iterable[ServiceId]) -> list[str]:
        """Texts of any kind that fit none of *services*."""
        names = dict.fromkeys(str(service).casefold() for service in services)
        patterns = dict(self._patterns)
        return [
            text
            for text in self.texts
            if not (
                any(map(patterns[text].fullmatch, names)) if text in patterns else _cleaned(text).casefold() in names
            )
        ]

    def nearest(self, text: str, services: Sequence[ServiceId]) -> str | None:
        """The one of *services* that *text* may have meant."""
        found = get_close_matches(text, [str(service) for service in services], n=1)
        return found[0] if found else None


def _is_glob(text: str) -> bool:
    return "*" in text or "?" in text


def _is_name(text: str) -> bool:
    return not _is_glob(text) and not text.strip().endswith("/")


def _is_whole(text: str) -> bool:
    """Whether *text* is a whole name with its type."""
    return _is_name(text) and _TYPED.search(text) is not None


def _cleaned(text: str) -> str:
    text = text.strip().lstrip("/")
    if not text:
        raise UsageError("the name of a service is empty; '*' stands for all services")
    return text


def _compiled(text: str) -> re.Pattern[str]:
    if text.endswith("/"):
        text += "*"
    elif not _TYPED.search(text) and not text.endswith("*"):
        text += ".*"
    # Brackets stand for themselves: names of services may hold them.
    return re.compile(translate(text.casefold().replace("[", "[[]")))
