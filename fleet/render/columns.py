"""Plain columns: fast, no wider than the terminal, and the same with and without colour."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fleet.render.clean import fitted, one_line, width_of
from fleet.render.tones import WORDS, Tones

__all__ = ["PLAIN", "Terminal", "columns", "fits", "numeric", "paint", "plural", "wrapped"]

COLOURS = {"red": "31", "green": "32", "yellow": "33", "cyan": "36", "dim": "2", "bold": "1"}
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
    tones: Tones | None = None,
    compact: bool = False,
) -> list[str]:
    """Lines of a table; numbers stand at the right, and the widest columns give way where the terminal is too narrow.

    *state* is the column whose words are painted as outcomes; *tones* says of each row's cells which have which colour.
    With *compact* a column in which every cell is empty is left out. Where not even narrow columns fit, a few rows become
    records, and of many rows the last columns are left out and named below.
    """
    rows = rows if isinstance(rows, Sequence) else list(rows)
    told = [Cells(cells) for cells in zip(*rows, strict=True)] if rows else [Cells(()) for _ in header]
    header = [one_line(name) for name in header]
    if terminal.colour:
        _paint(told, rows, state, tones)
    if compact and rows:
        used = [place for place in range(len(header)) if not told[place].empty]
        state = used.index(state) if state is not None and state in used else None
        header = [header[place] for place in used]
        told = [told[place] for place in used]
    left_out: list[str] = []
    natural = [max(width_of(name), cells.width) for name, cells in zip(header, told, strict=True)]
    least = [
        one if one <= RIGID and (place == state or told[place].whole) else min(one, NARROW)
        for place, one in enumerate(natural)
    ]
    if not _hold(least, terminal.width):
        # Rather a part of a time than none of its column.
        least = [min(one, NARROW) for one in natural]
    if not _hold(least, terminal.width):
        if len(rows) <= FEW and any(header):
            return _records(header, list(zip(*(cells.texts for cells in told), strict=True)), terminal)
        while len(header) > 1 and not _hold(least[: len(header)], terminal.width):
            left_out.insert(0, header.pop())
        told = told[: len(header)]
    widths = _narrowed(natural[: len(header)], least, terminal.width)
    lines = []
    if any(header):
        parts = [_set(name, width, cells.numeric) for name, width, cells in zip(header, widths, told, strict=True)]
        lines.append(paint("  ".join(parts).rstrip(), "bold", terminal))
    set_in_columns = [cells.set(width, terminal) for cells, width in zip(told, widths, strict=True)]
    lines += ["  ".join(parts).rstrip() for parts in zip(*set_in_columns, strict=True)] if told else [""] * len(rows)
    if left_out:
        note = f"… {plural(len(left_out), 'more column')}: {', '.join(left_out)}; choose with --columns, or use -o csv"
        lines += [paint(line, "dim", terminal) for line in wrapped(note, terminal.width, "  ")]
    return lines


class Cells:
    """The cells of one column. What is found out about a text is found out once, however often it stands there."""

    __slots__ = ("_clean", "_raw", "colours", "empty", "numeric", "whole", "width")

    def __init__(self, cells: Sequence[str]) -> None:
        self._raw = cells
        self._clean = {cell: one_line(cell, 400) for cell in set(cells)}
        words = {cell for cell in self._clean.values() if cell and cell != "-"}
        self.width = max(map(width_of, self._clean.values()), default=0)
        self.empty = not any(self._clean.values())
        self.numeric = bool(words) and all(map(_NUMBER.fullmatch, words))
        self.whole = bool(words) and all(_NUMBER.fullmatch(cell) or _TIME.fullmatch(cell) for cell in words)
        self.colours: Sequence[str | None] | None = None

    @property
    def texts(self) -> list[str]:
        return [self._clean[cell] for cell in self._raw]

    def set(self, width: int, terminal: Terminal) -> list[str]:
        """The cells in *width* columns each."""
        if self.colours is None:
            shown = {cell: _set(text, width, self.numeric) for cell, text in self._clean.items()}
            return [shown[cell] for cell in self._raw]
        pairs = list(zip(self._raw, self.colours, strict=True))
        painted = {
            (cell, colour): _set(self._clean[cell], width, self.numeric, colour, terminal)
            for cell, colour in set(pairs)
        }
        return [painted[pair] for pair in pairs]


def _paint(told: Sequence[Cells], rows: Sequence[Sequence[str]], state: int | None, tones: Tones | None) -> None:
    """Give the cells in *told* their colours."""
    if state is not None:
        told[state].colours = [WORDS.get(row[state], "red") for row in rows]
    if tones is not None:
        found = [tones(row) for row in rows]
        for place in {place for one in found for place in one}:
            told[place].colours = [one.get(place) for one in found]


def _set(text: str, width: int, right: bool, colour: str | None = None, terminal: Terminal = PLAIN) -> str:
    """*text* in *width* columns, at their *right* or left, in *colour*."""
    text = fitted(text, width)
    blank = " " * (width - width_of(text))
    shown = paint(text, colour, terminal) if text else text
    return f"{blank}{shown}" if right else f"{shown}{blank}"


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


def numeric(cells: Iterable[str]) -> bool:
    """Whether the cells are numbers, as far as they are not empty."""
    told = {cell for cell in cells if cell and cell != "-"}
    return bool(told) and all(_NUMBER.fullmatch(cell) for cell in told)


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
