"""Texts as TOML writes them; the standard library only reads TOML."""

from __future__ import annotations

import json

__all__ = ["quoted"]


def quoted(text: str) -> str:
    """*text* as a basic string of TOML, with its quotes."""
    # JSON's escapes are TOML's, but for characters beyond 16 bits, which stay as they are, and for one control.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
