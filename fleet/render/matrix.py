"""A site-by-item matrix in the layout that the terminal has room for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fleet.render.columns import Terminal, columns, fits, plural
from fleet.render.names import fold_names
from fleet.render.plain import short

__all__ = ["matrix_lines"]

ABSENT = "-"
NAMES = 24
"""Characters that the names of folded sites take at the head of a column."""


def matrix_lines(merged: Mapping[str, Any], terminal: Terminal) -> list[str]:
    """The lines of a merged matrix.

    Items beside sites if that fits; else sites with the same answers share a column; else sites stand below each
    other; and where that is still too wide, each item lists its values with the sites that have them.
    """
    sites: Sequence[str] = merged["sites"]
    items = [row["item"] for row in merged["rows"]]
    if not items:
        return []
    cells = {
        site: tuple(short(row["cells"][site]) if site in row["cells"] else ABSENT for row in merged["rows"])
        for site in sites
    }
    header = ["item", *sites]
    rows = [[item, *(cells[site][place] for site in sites)] for place, item in enumerate(items)]
    if fits(header, rows, terminal):
        return columns(header, rows, terminal)
    alike: dict[tuple[str, ...], list[str]] = {}
    for site in sites:
        alike.setdefault(cells[site], []).append(site)
    folded = {_label(names): found for found, names in alike.items()}
    if len(folded) == len(alike):
        header = ["item", *folded]
        rows = [[item, *(found[place] for found in folded.values())] for place, item in enumerate(items)]
        if fits(header, rows, terminal):
            return columns(header, rows, terminal)
        header = ["site", *items]
        rows = [[label, *found] for label, found in folded.items()]
        if fits(header, rows, terminal):
            return columns(header, rows, terminal)
    return _by_value(items, cells, terminal)


def _label(names: Sequence[str]) -> str:
    return fold_names(names, NAMES)


def _by_value(items: Sequence[str], cells: Mapping[str, Sequence[str]], terminal: Terminal) -> list[str]:
    """A line per item and value, the most frequent value of an item first, with the sites that have it."""
    room = max(12, terminal.width // 3 - len("100 sites: "))
    rows: list[list[str]] = []
    for place, item in enumerate(items):
        having: dict[str, list[str]] = {}
        for site, found in cells.items():
            having.setdefault(found[place], []).append(site)
        for turn, (value, names) in enumerate(sorted(having.items(), key=lambda pair: -len(pair[1]))):
            told = names[0] if len(names) == 1 else plural(len(names), "site")
            if 1 < len(names) < len(cells):
                told += f": {fold_names(names, room)}"
            rows.append(["" if turn else item, value, told])
    return columns(["item", "value", "sites"], rows, terminal)
