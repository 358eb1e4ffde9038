"""Plain columns: fast, no wider than the terminal, and the same with and without colour."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fleet.render.clean import one_line, width_of

__all__ = ["PLAIN", "Terminal", "columns", "paint", "wrapped"]

COLOURS = {"red": "31", "green": "32", "yellow": "33", "cyan": "36", "dim": "2", "bold": "1"}
WORDS = {
    "ok": "green",
    "changed": "green",
    "noop": "green",
    "warning": "yellow",
    "unknown": "yellow",
    "skipped": "dim",
    "not_run": "yellow",
    "cancelled": "yellow",
}


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where a table goes: how wide it is, and whether it takes colour."""

    width: int = 100
    colour: bool = False


PLAIN = Terminal()


def paint(text: str, colour: str | None, terminal: Terminal) -> str:
    """*text* in *colour*, where the terminal takes it."""
    return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m" if colour and terminal.colour else text


def columns(
    header: Sequence[str], rows: Iterable[Sequence[str]], terminal: Terminal = PLAIN, *, state: int | None = None
) -> list[str]:
    """Lines of a table; the widest columns give way where the terminal is too narrow.

    *state* is the column whose words are painted.
    """
    table = [[one_line(cell, 400) for cell in row] for row in rows]
    widths = [width_of(cell) for cell in header]
    for row in table:
        for place, cell in enumerate(row):
            widths[place] = max(widths[place], width_of(cell))
    room = terminal.width - 2 * (len(header) - 1)
    while sum(widths) > room and max(widths) > 8:
        widest = widths.index(max(widths))
        second = max((width for place, width in enumerate(widths) if place != widest), default=0)
        widths[widest] = max(8, min(widths[widest] - 1, max(second, widths[widest] - (sum(widths) - room))))
    lines = [paint(_line(header, widths), "bold", terminal)] if any(header) else []
    for row in table:
        cells = list(row)
        colour = None
        if state is not None and terminal.colour:
            colour = WORDS.get(cells[state], "red")
        lines.append(_line(cells, widths, state if colour else None, colour, terminal))
    return lines


def _line(
    cells: Sequence[str],
    widths: Sequence[int],
    painted: int | None = None,
    colour: str | None = None,
    terminal: Terminal = PLAIN,
) -> str:
    parts = []
    for place, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        text = _fit(cell, width)
        if place < len(cells) - 1:
            text += " " * (width - width_of(text))
        parts.append(paint(text, colour, terminal) if place == painted else text)
    return "  ".join(parts).rstrip()


def _fit(text: str, width: int) -> str:
    if width_of(text) <= width:
        return text
    shown, used = "", 0
    for c in text:
        used += width_of(c)
        if used > width - 1:
            break
        shown += c
    return shown + "…"


def wrapped(text: str, width: int, indent: str) -> list[str]:
    """*text* in lines of at most *width* columns, those after the first with *indent* in front."""
    words = text.lstrip(" ").split(" ")
    lines = [" " * (len(text) - len(text.lstrip(" "))) + words[0]]
    for word in words[1:]:
        if width_of(lines[-1]) + 1 + width_of(word) > width:
            lines.append(indent + word)
        else:
            lines[-1] += f" {word}"
    return lines
