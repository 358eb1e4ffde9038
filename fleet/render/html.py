"""A report as one page that can be mailed: everything it needs is in it, and it asks for nothing from anywhere."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from fleet.outcome import timestamp
from fleet.render.chart import Chart, chart_of
from fleet.render.clean import csv_cell, one_line
from fleet.render.columns import numeric
from fleet.render.names import fold_names
from fleet.render.table import causes, coverage_text, warned
from fleet.render.tones import Tones, tones_of

if TYPE_CHECKING:
    from jinja2 import Environment

    from fleet.report import Report

__all__ = ["Heading", "as_html"]

CELL = 4000
"""Characters of a cell before it is cut."""

LONG = 40
"""Characters up to which a cell is one line."""

NAMES = 4000
"""Characters that the names of sites take."""

WIDTH, LABELS, NUMBERS, ROW = 760, 220, 70, 22
"""Units of a chart: as a whole, of the names at its left, of the numbers at its right, and of a bar with its gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """What stands above the rows: which command it was, which sites were selected, when (epoch seconds), and remarks."""

    title: str
    when: float
    selection: str = ""
    remarks: Sequence[str] = ()


def as_html(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    heading: Heading,
    report: Report | None = None,
    *,
    states: Collection[str] = (),
) -> str:
    """The page of *rows* with a chart where one helps, and of *report*, if there is one, the coverage and the failures.

    Works without scripts, in the light and in the dark, and on paper; one small script sorts and filters, and the page
    forbids every other, and everything that is not in it. All text is escaped; what a spreadsheet would take for a
    formula gets an apostrophe in front, since such tables are copied.
    """
    tones = tones_of(header, states)
    style, script = _static("report.css"), _static("report.js")
    failures = [
        {
            "head": f"{len(cause.sites)} × {cause.outcome}",
            "message": one_line(cause.message, CELL),
            "sites": fold_names(cause.sites, NAMES),
            "hint": one_line(cause.hint, CELL) if cause.hint else "",
        }
        for cause in (causes(report.outcomes) if report is not None else ())
    ]
    warnings = [
        {"message": one_line(message, CELL), "sites": fold_names(sites, NAMES)}
        for message, sites in (warned(report) if report is not None else ())
    ]
    right = [numeric(row[place] for row in rows) for place in range(len(header))]
    body = _body(rows, right, tones)
    page: str = (
        _templates()
        .get_template("report.html")
        .render(
            title=one_line(heading.title),
            when=timestamp(heading.when)[:19].replace("T", " "),
            selection=one_line(heading.selection, CELL),
            remarks=[one_line(text, CELL) for text in heading.remarks],
            coverage=coverage_text(report.coverage) if report is not None else "",
            complete=report is None or report.ok,
            elapsed=report.elapsed if report is not None else None,
            interrupted=report is not None and report.interrupted,
            dry_run=report is not None and report.dry_run,
            failures=failures,
            warnings=warnings,
            chart=_drawn(chart_of(header, rows, tones)),
            head=[(_cell(name), "n" if mark else "") for name, mark in zip(header, right, strict=True)],
            body=Markup(body),  # noqa: S704  (every cell of it is escaped above)
            count=len(rows),
            style=Markup(style),  # noqa: S704  (ours)
            script=Markup(script),  # noqa: S704  (ours)
            style_hash=_hash(style),
            script_hash=_hash(script),
        )
    )
    return page


def _body(rows: Sequence[Sequence[str]], right: Sequence[bool], tones: Tones | None) -> str:
    """The rows of the table; what a text becomes is found out once, however often it stands there."""
    known: dict[str, tuple[str, bool]] = {}
    parts: list[str] = []
    for row in rows:
        told = tones(row) if tones is not None else {}
        parts.append("<tr>")
        for place, cell in enumerate(row):
            shown = known.get(cell)
            if shown is None:
                text = _cell(cell)
                shown = known[cell] = (str(escape(text)), len(text) > LONG)
            mark = told.get(place, "") or ("n" if right[place] else "")
            if shown[1]:
                mark = f"{mark} w".lstrip()
            parts.append(f'<td class="{mark}">{shown[0]}' if mark else f"<td>{shown[0]}")
        parts.append("\n")
    return "".join(parts)


def _cell(text: str) -> str:
    return csv_cell(one_line(text, CELL))


@dataclass(frozen=True, slots=True)
class Drawn:
    """A chart with its sizes: `bars` are a label, its whole, the y, the total, the end of it, and pieces of x, width,
    tone and words."""

    title: str
    height: int
    bars: Sequence[tuple[str, str, float, str, float, Sequence[tuple[float, float, str, str]]]]
    legend: Sequence[tuple[str, str]]
    more: int


def _drawn(chart: Chart | None) -> Drawn | None:
    if chart is None:
        return None
    room = WIDTH - LABELS - NUMBERS
    longest = max((bar.total for bar in chart.bars), default=0.0) or 1.0
    bars = []
    for number, bar in enumerate(chart.bars):
        at = float(LABELS)
        pieces = []
        for part in bar.parts:
            width = part.value / longest * room
            pieces.append(
                (round(at, 1), round(max(width, 0.5), 1), part.tone, f"{one_line(part.word)}: {part.value:g}")
            )
            at += width
        label = one_line(bar.label)
        told = one_line(bar.parts[0].word, 12) if len(bar.parts) == 1 and bar.parts[0].tone != "dim" else ""
        total = told if chart.title == "Days left" else f"{bar.total:g}"
        bars.append((one_line(label, 32), label, number * ROW + 4.0, total, round(at + 6, 1), pieces))
    legend = dict.fromkeys((one_line(part.word), part.tone) for bar in chart.bars for part in bar.parts)
    stacked = len(legend) <= 12 and any(len(bar.parts) > 1 for bar in chart.bars)
    states = stacked or (len(legend) < len(chart.bars) and all(tone != "blue" for _, tone in legend))
    return Drawn(
        one_line(chart.title),
        len(bars) * ROW + 8,
        bars,
        list(legend) if states and len(legend) <= 12 else [],
        chart.more,
    )


@cache
def _static(name: str) -> str:
    return files("fleet.render").joinpath("templates", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + b64encode(sha256(text.encode()).digest()).decode()


@cache
def _templates() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("fleet.render"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
