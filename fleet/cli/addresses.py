"""An address as people paste it, turned into a site's base URL, with a sentence for everything that was changed."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from fleet.inventory.tables import NAME, RESERVED

__all__ = ["base_url", "name_for"]

BELOW = frozenset(
    "admin rest manager services tokens login soap mapserver featureserver portaladmin sharing home webadaptor".split()
)
"""First parts of paths below a site's base URL; from such a part on, an address names something in the site."""


def base_url(text: str) -> tuple[str, list[str]]:
    """The base URL that *text* means, and a sentence for each thing that was left out or added.

    What can't be a base URL comes back as it is, for the inventory's own reader to refuse.
    """
    told: list[str] = []
    text = text.strip().strip("<>\"'").strip()
    if "://" not in text and text and not text.startswith("/"):
        text = f"https://{text}"
        told.append("https:// is put in front")
    try:
        parts = urlsplit(text)
    except ValueError:
        return text, []
    host = parts.netloc
    if "@" in host:
        host = host.rpartition("@")[2]
        told.append("the account in the address is left out: it is asked for apart, and never kept in an address")
    if parts.query or parts.fragment or text.endswith(("?", "#")):
        told.append("what follows ? or # is left out")
    pieces = [piece for piece in parts.path.split("/") if piece]
    cut = next((place for place, piece in enumerate(pieces) if piece.lower() in BELOW), len(pieces))
    if cut < len(pieces):
        told.append(f"/{'/'.join(pieces[cut:])} is left out: the base URL ends before it")
    elif not pieces and parts.scheme in ("http", "https") and host:
        pieces, cut = ["arcgis"], 1
        told.append("/arcgis is added, where most sites are")
    path = "".join(f"/{piece}" for piece in pieces[:cut])
    return f"{parts.scheme}://{host}{path}", told


def name_for(url: str) -> str:
    """A name for the site at *url*: the first part of its host's name, or `site-1` where that is none."""
    host = urlsplit(url).hostname or ""
    first = re.sub(r"[^a-z0-9._-]", "-", host.split(".")[0].lower())
    if re.fullmatch(r"[\d.]+", host) or ":" in host or host == "localhost":
        return "site-1"
    return first if NAME.fullmatch(first) and first not in RESERVED else "site-1"
