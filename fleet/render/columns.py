"""Plain columns: fast, no wider than the terminal, and the same with and without colour."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fleet.render.clean import fitted, one_line, width_of

__all__ = ["PLAIN", "Terminal", "columns", "fits", "paint", "plural", "wrapped"]

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
NARROW = 8
"""Columns that every column of a table keeps, however narrow the terminal is."""

FEW = 5
"""Rows up to which a table that is far too wide is shown as a list of records."""

RIGID = 24
"""Columns up to which numbers and times are shown whole: a part of one would be another one."""

_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[T ][\d:.]+Z?)?", re.ASCII)
_NUMBER = re.compile(r"-?\d[\d.,]*(?:[eE][+-]?\d+)?(?: ?(?:ms|s|%))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where a table goes: how wide it is, and whether it takes colour."""

    width: int = 100
    colour: bool = False


PLAIN = Terminal()


def paint(text: str, colour: str | None, terminal: Terminal) -> str:
    """*text* in *colour*, where the terminal takes it."""
    return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m" if colour and terminal.colour else text


def plural(count: int, word: str) -> str:
    """*count* and *word*: `1 site`, `2 sites`."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def columns(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    terminal: Terminal = PLAIN,
    *,
    state: int | None = None,
    compact: bool = False,
) -> list[str]:
    """Lines of a table; numbers stand at the right, and the widest columns give way where the terminal is too narrow.

    *state* is the column whose words are painted. With *compact* a column in which every cell is empty is left out.
    Where not even narrow columns fit, a few rows become records, and of many rows the last columns are left out and
    named below.
    """
    table = [[one_line(cell, 400) for cell in row] for row in rows]
    header = [one_line(name) for name in header]
    if compact and table:
        used = [place for place in range(len(header)) if any(row[place] for row in table)]
        if state is not None:
            state = used.index(state) if state in used else None
        header = [header[place] for place in used]
        table = [[row[place] for place in used] for row in table]
    left_out: list[str] = []
    natural = _natural(header, table)
    least = [
        one if one <= RIGID and (place == state or _whole(row[place] for row in table)) else min(one, NARROW)
        for place, one in enumerate(natural)
    ]
    if not _hold(least, terminal.width):
        # Rather a part of a time than none of its column.
        least = [min(one, NARROW) for one in natural]
    if not _hold(least, terminal.width):
        if len(table) <= FEW and any(header):
            return _records(header, table, terminal)
        while len(header) > 1 and not _hold(least[: len(header)], terminal.width):
            left_out.insert(0, header.pop())
        table = [row[: len(header)] for row in table]
        if state is not None and state >= len(header):
            state = None
    widths = _narrowed(natural[: len(header)], least, terminal.width)
    right = [_numeric(row[place] for row in table) for place in range(len(header))]
    lines = [paint(_line(header, widths, right), "bold", terminal)] if any(header) else []
    for row in table:
        colour = WORDS.get(row[state], "red") if state is not None and terminal.colour else None
        lines.append(_line(row, widths, right, state if colour else None, colour, terminal))
    if left_out:
        note = f"… {plural(len(left_out), 'more column')}: {', '.join(left_out)}; choose with --columns, or use -o csv"
        lines += [paint(line, "dim", terminal) for line in wrapped(note, terminal.width, "  ")]
    return lines


def fits(header: Sequence[str], rows: Sequence[Sequence[str]], terminal: Terminal) -> bool:
    """Whether the table fits the terminal with every cell whole."""
    natural = _natural(header, [[one_line(cell, 400) for cell in row] for row in rows])
    return sum(natural) + 2 * (len(natural) - 1) <= terminal.width


def _natural(header: Sequence[str], table: Sequence[Sequence[str]]) -> list[int]:
    widths = [width_of(name) for name in header]
    for row in table:
        for place, cell in enumerate(row):
            width = len(cell) if cell.isascii() else width_of(cell)
            if width > widths[place]:
                widths[place] = width
    return widths


def _hold(least: Sequence[int], width: int) -> bool:
    """Whether columns that need *least* each fit *width*."""
    return sum(least) + 2 * (len(least) - 1) <= width


def _narrowed(natural: Sequence[int], least: Sequence[int], width: int) -> list[int]:
    """The widths of the columns: the widest are lowered, all of them to one height, until the table fits."""
    room = width - 2 * (len(natural) - 1)
    if sum(natural) <= room:
        return list(natural)

    def lowered(height: int) -> list[int]:
        return [max(floor, min(one, height)) for one, floor in zip(natural, least, strict=False)]

    low, high = 1, max(natural)
    while low < high:
        middle = (low + high + 1) // 2
        if sum(lowered(middle)) <= room:
            low = middle
        else:
            high = middle - 1
    widths = lowered(low)
    for place, one in enumerate(natural):
        if sum(widths) < room and widths[place] < one:
            widths[place] += 1
    return widths


def _whole(cells: Iterable[str]) -> bool:
    """Whether the cells are numbers, or times, of which none should be cut."""
    told = [cell for cell in cells if cell and cell != "-"]
    return bool(told) and all(_NUMBER.fullmatch(cell) or _TIME.fullmatch(cell) for cell in told)


def _numeric(cells: Iterable[str]) -> bool:
    told = [cell for cell in cells if cell and cell != "-"]
    return bool(told) and all(_NUMBER.fullmatch(cell) for cell in told)


def _line(
    cells: Sequence[str],
    widths: Sequence[int],
    right: Sequence[bool],
    painted: int | None = None,
    colour: str | None = None,
    terminal: Terminal = PLAIN,
) -> str:
    parts = []
    for place, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        if place != painted and len(cell) <= width and cell.isascii():
            # Most cells of a long table are so.
            parts.append(cell.rjust(width) if right[place] else cell.ljust(width))
            continue
        text = fitted(cell, width)
        blank = " " * (width - width_of(text))
        shown = paint(text, colour, terminal) if place == painted else text
        parts.append(f"{blank}{shown}" if right[place] else f"{shown}{blank}")
    return "  ".join(parts).rstrip()


def _records(header: Sequence[str], table: Sequence[Sequence[str]], terminal: Terminal) -> list[str]:
    """One block of lines per row, for a few rows of many columns."""
    lines: list[str] = []
    names = min(max(map(width_of, header)), max(NARROW, terminal.width // 2))
    for row in table:
        if lines:
            lines.append("")
        for name, cell in zip(header, row, strict=True):
            text = fitted(name, names)
            line = f"{text}{' ' * (names - width_of(text))}  {fitted(cell, max(NARROW, terminal.width - names - 2))}"
            lines.append(line.rstrip())
    return lines


def wrapped(text: str, width: int, indent: str) -> list[str]:
    """*text* in lines of at most *width* columns, those after the first with *indent* in front.

    Blanks at its begin stay. A word that is wider than a line, such as an address, is not broken: it stays whole to be
    copied, and the terminal folds it.
    """
    words = text.lstrip(" ").split(" ")
    lines = [" " * (len(text) - len(text.lstrip(" "))) + words[0]]
    for word in words[1:]:
        if width_of(lines[-1]) + 1 + width_of(word) > width:
            lines.append(indent + word)
        else:
            lines[-1] += f" {word}"
    return lines
