"""Text from outside, made harmless for the one output that it goes to."""

from __future__ import annotations

import re

__all__ = ["csv_cell", "fitted", "markdown_text", "one_line", "paragraph", "width_of"]

CUT = 200

_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # controls
    "\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\ud800-\udfff"  # halves of characters
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""What a terminal obeys or does not show: controls, bidirectional and zero-width characters, tags, selectors."""

_UNSEEN_BUT_LINES = re.compile(_UNSEEN.pattern.replace("\x00-\x1f", "\x00-\x08\x0b-\x1f"))
_PLAIN = re.compile("[\x20-\u02ff\u2010-\u2027\u2190-\u21ff\u2500-\u257f]*")
"""Characters of which each takes one column, as our own texts have them."""

_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_HARMLESS = re.compile(r"[A-Za-z0-9/_.][ -~]*")
"""Printable ASCII that no spreadsheet takes for a formula, and a terminal for nothing but text."""

_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
_MARKUP = re.compile(r"[\\`*_{}\[\]()#+!|<>~&^=$-]|:(?=//)|(?<=www)\.", re.IGNORECASE)


def one_line(text: str, cut: int = CUT) -> str:
    """*text* on one line for a terminal or a log: controls, bidirectional and invisible characters become escapes."""
    if text.isascii() and text.isprintable() and len(text) <= cut:
        return text
    shown = _UNSEEN.sub(_escape, text[: cut * 4])
    return shown if len(shown) <= cut else shown[: cut - 1] + "…"


def paragraph(text: str) -> str:
    """*text* with its line breaks and tabs, and with everything else that is not seen as escapes."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSEEN_BUT_LINES.sub(_escape, text.replace("\r\n", "\n"))


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\x1b": "\\e"}
    code = ord(character)
    return named.get(character) or (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
    )


def csv_cell(text: str) -> str:
    """*text* for a spreadsheet: what it would take for a formula gets an apostrophe in front, plain numbers don't."""
    if _HARMLESS.fullmatch(text):
        return text
    text = paragraph(text)
    first = text.lstrip()[:1]
    risky = text[:1] in ("\t", "\n") or (first and first in _FORMULA)
    return f"'{text}" if risky and not _NUMBER.fullmatch(text.strip(" ")) else text


def markdown_text(text: str) -> str:
    """*text* for a Markdown table: nothing in it becomes a link, an image, markup or another cell."""
    return _MARKUP.sub(r"\\\g<0>", one_line(text).strip())


def width_of(text: str) -> int:
    """How many columns *text* takes on a terminal."""
    if text.isascii() or _PLAIN.fullmatch(text):
        return len(text)
    # Loaded only where it is needed: most output has plain characters, and help must come at once.
    from rich.cells import cell_len

    return cell_len(text)


def fitted(text: str, width: int) -> str:
    """*text* in at most *width* columns; what does not fit ends in an ellipsis."""
    if width_of(text) <= width:
        return text
    if len(text) == width_of(text):
        return text[: max(0, width - 1)] + "…"
    from rich.cells import set_cell_size

    return set_cell_size(text, width - 1).rstrip(" ") + "…" if width > 1 else "…"
