"""The headers that every request carries; the constant `Referer` is what tokens are bound to."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fleet._version import __version__

__all__ = ["HEADERS", "REFERER", "USER_AGENT"]

REFERER = "arcgis-fleet"
"""A fixed text: sites compare it letter by letter with the one that the token was asked for with."""

USER_AGENT = f"arcgis-fleet/{__version__}"

HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Referer": REFERER,
        "User-Agent": USER_AGENT,
        "Accept": "application/json, text/plain, */*",
        "Accept-Encoding": "gzip",
    }
)
