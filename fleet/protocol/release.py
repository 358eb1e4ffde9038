"""Releases of ArcGIS Server: reading the several ways in which they are written, and comparing them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

__all__ = ["Release"]


@dataclass(frozen=True, slots=True, order=True)
class Release:
    """A release such as 10.9.1 or 11.3."""

    parts: tuple[int, int, int]

    @classmethod
    def parse(cls, text: str) -> Release | None:
        """The release that *text* names (`11.3`, `10.9.1`, `11.3.0.51575`); None where it names none."""
        match = re.match(r"\s*(\d{1,3})(?:\.(\d{1,3}))?(?:\.(\d{1,6}))?", text)
        if match is None:
            return None
        third = int(match[3] or 0)
        # A fourth part, and a third one of more than two digits, are builds.
        return cls((int(match[1]), int(match[2] or 0), third if third < 100 else 0))

    @classmethod
    def of(cls, answer: dict[str, Any]) -> Release | None:
        """The release that an answer of `rest/info`, `admin/` or `admin/info` tells.

        `fullVersion` is the text to trust. `currentVersion` is a number that drops zeros and dots: 10.51 is 10.5.1,
        and 10.9 is before 10.91.
        """
        full = answer.get("fullVersion")
        if isinstance(full, str) and (release := cls.parse(full)) is not None:
            return release
        current = answer.get("currentVersion", answer.get("currentversion"))
        if isinstance(current, bool) or not isinstance(current, int | float | str):
            return None
        match = re.fullmatch(r"(\d{1,3})(?:\.(\d)(\d?)\d*)?", str(current).strip())
        if match is None:
            return cls.parse(current) if isinstance(current, str) else None
        return cls((int(match[1]), int(match[2] or 0), int(match[3] or 0)))

    def __str__(self) -> str:
        major, minor, patch = self.parts
        return f"{major}.{minor}.{patch}" if patch else f"{major}.{minor}"
