"""Text from outside, made harmless for the one output that it goes to."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["csv_cell", "markdown_text", "one_line", "width_of"]

CUT = 200

_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def one_line(text: str, cut: int = CUT) -> str:
    """*text* on one line for a terminal or a log: controls, bidirectional and invisible characters become escapes."""
    shown = _UNSEEN.sub(lambda match: _escape(match.group()), text[: cut * 4])
    return shown if len(shown) <= cut else shown[: cut - 1] + "…"


def _escape(character: str) -> str:
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\x1b": "\\e"}
    code = ord(character)
    return named.get(character) or (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
    )


def csv_cell(text: str) -> str:
    """*text* for a spreadsheet: what it would take for a formula gets an apostrophe in front, plain numbers don't."""
    text = text.replace("\x00", "\\x00")
    first = text.lstrip(" ")[:1]
    return f"'{text}" if first and first in _FORMULA and not _NUMBER.fullmatch(text.strip()) else text


def markdown_text(text: str) -> str:
    """*text* for a Markdown table: nothing in it becomes a link, an image, markup or another cell."""
    return re.sub(r"([\\`*_{}\[\]()#+!|<>~&-])", r"\\\1", one_line(text))


def width_of(text: str) -> int:
    """How many columns *text* takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
