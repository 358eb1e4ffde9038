"""Rows of many sites that say the same are one row, with the sites beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fleet.render.names import fold_names
from fleet.render.plain import shaped
from fleet.report import Report

__all__ = ["fold_rows", "folded", "is_union"]

NAMES = 40
"""Characters that the names of sites take beside a row."""


def is_union(report: Report) -> bool:
    """Whether *report* has the rows of all sites, each beside its site."""
    merged = report.merged
    rows = merged.get("rows") if isinstance(merged, Mapping) and "sites" not in merged else None
    return isinstance(rows, list) and all(entry.keys() == {"site", "row"} for entry in rows[:1])


def folded(
    rows: Sequence[Mapping[str, Any]],
    names: Sequence[str] | None,
    sort: str | None,
    unknown: Callable[[str], None] | None = None,
    *,
    asked: bool = False,
) -> tuple[list[str], list[list[str]]]:
    """The header and the cells of *rows* as `shaped` gives them, with the sites of a row in front where several agree.

    Not so where `site` is a column or an order that was *asked* for.
    """
    order = sort.removeprefix("-") if sort else ""
    if order == "site" or (asked and names and "site" in names) or not all("site" in row for row in rows):
        return shaped(rows, names, sort, unknown)
    known = any(order in row for row in rows) if order else False
    more = ["site", *([order] if known else [])]
    header, cells = shaped(rows, names, sort, unknown)
    _, beside = shaped(rows, more, sort if known else None)
    return fold_rows(header, cells, [row[0] for row in beside], apart=[row[-1] for row in beside] if known else ())


def fold_rows(
    header: Sequence[str], cells: Sequence[Sequence[str]], sites: Sequence[str], *, apart: Sequence[str] = ()
) -> tuple[list[str], list[list[str]]]:
    """The header and the rows with `sites` in front, where some of *sites* (one for each row) agree in all other cells.

    A column `site` gives way to it. The place of a row is that of the first of those that agree. Rows with different
    texts in *apart*, one for each row, are kept apart, and rows that one site has twice stay two. Where no two sites
    agree, nothing is changed.
    """
    place = list(header).index("site") if "site" in header else None
    found: dict[tuple[tuple[str, ...], str, int], list[str]] = {}
    turns: Counter[tuple[tuple[str, ...], str, str]] = Counter()
    for number, row in enumerate(cells):
        rest = tuple(row) if place is None else (*row[:place], *row[place + 1 :])
        site, kept_apart = sites[number], apart[number] if apart else ""
        turn = turns[(rest, kept_apart, site)]
        turns[(rest, kept_apart, site)] += 1
        found.setdefault((rest, kept_apart, turn), []).append(site)
    if len(found) == len(cells):
        return list(header), [list(row) for row in cells]
    names = [name for name in header if name != "site"]
    return ["sites", *names], [[_told(agreeing), *rest] for (rest, _, _), agreeing in found.items()]


def _told(sites: Sequence[str]) -> str:
    """The names of *sites*; of more than one, also how many they are."""
    return sites[0] if len(sites) == 1 else f"{len(sites)}: {fold_names(sites, NAMES)}"
