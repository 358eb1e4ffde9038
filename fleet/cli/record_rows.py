"""Log records as they come: lines of JSON, CSV, a table, Markdown; and the rows of a report, kept on disk until its end."""

from __future__ import annotations

import csv
import io
import sys
import tempfile
import uuid
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any, Protocol

from fleet.logs.rows import COLUMNS, as_row, time_text
from fleet.render.clean import csv_cell, fitted, markdown_text, one_line, width_of
from fleet.render.columns import Terminal, paint
from fleet.render.plain import as_json, as_line, short

if TYPE_CHECKING:
    from fleet.report import Report

__all__ = [
    "ON_TERMINAL",
    "CsvRows",
    "HtmlRows",
    "JsonRows",
    "MarkdownRows",
    "NdjsonRows",
    "Rows",
    "TableRows",
    "rows_writer",
]

Records = Sequence[tuple[str, dict[str, Any]]]

ON_TERMINAL = ("at", "type", "site", "machine", "code", "source", "message")
"""The columns of a table, unless others are asked for."""

HEADINGS = {"at": "time (UTC)", "type": "level"}
COLOURS = {"SEVERE": "red", "WARNING": "yellow", "FINE": "dim", "VERBOSE": "dim", "DEBUG": "dim"}

WIDEST = 32
"""Columns that a column takes at the most, but for the last one."""

IN_MEMORY = 8 * 1024 * 1024
"""Bytes of rows that a report keeps in memory; more of them wait on disk."""


class Rows(Protocol):
    """What makes text of records; the first text has the heading, if the format has one."""

    def text(self, records: Records) -> str:
        """The lines for *records*, each with its end."""
        ...


class NdjsonRows:
    """A row a line, `site` first."""

    def text(self, records: Records) -> str:
        return "".join(as_line(as_row(site, record)) + "\n" for site, record in records)


class CsvRows:
    """Comma-separated values, the heading first, also where there is no record."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._begun = False

    def text(self, records: Records) -> str:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        if not self._begun:
            self._begun = True
            writer.writerow(self._names)
        for site, record in records:
            row = as_row(site, record)
            writer.writerow([csv_cell(_text(row.get(name))) for name in self._names])
        return out.getvalue()


class MarkdownRows:
    """A Markdown table."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._begun = False

    def text(self, records: Records) -> str:
        lines = []
        if not self._begun:
            self._begun = True
            lines += [f"| {' | '.join(self._names)} |", f"|{' --- |' * len(self._names)}"]
        for site, record in records:
            row = as_row(site, record)
            lines.append(f"| {' | '.join(markdown_text(_text(row.get(name))) for name in self._names)} |")
        return "".join(line + "\n" for line in lines)


class TableRows:
    """A table whose widths follow from the first records, so that each further one is a line at once."""

    def __init__(self, names: Sequence[str], terminal: Terminal) -> None:
        self._names = names
        self._terminal = terminal
        self._widths: list[int] = []

    def text(self, records: Records) -> str:
        table = [self._cells(site, record) for site, record in records]
        lines = []
        if not self._widths and table:
            self._measure(table)
            heading = [HEADINGS.get(name, name) for name in self._names]
            lines.append(paint(self._line(heading), "bold", self._terminal))
        for cells, (_, record) in zip(table, records, strict=True):
            lines.append(paint(self._line(cells), COLOURS.get(str(record.get("type"))), self._terminal))
        return "".join(line + "\n" for line in lines)

    def _cells(self, site: str, record: dict[str, Any]) -> list[str]:
        row = as_row(site, record)
        row["at"] = time_text(record.get("time"))[:19].replace("T", " ")
        return [one_line(_text(row.get(name)), 1000) for name in self._names]

    def _measure(self, table: list[list[str]]) -> None:
        heading = [HEADINGS.get(name, name) for name in self._names]
        widths = [
            min(WIDEST, max(width_of(cells[place]) for cells in [heading, *table])) for place in range(len(heading))
        ]
        room = self._terminal.width - 2 * (len(widths) - 1)
        # The last column, the message, has two fifths; what is wide gives way to it, but for times.
        least = [19 if name == "at" else min(width, 6) for name, width in zip(self._names, widths, strict=True)]
        wanted = max(20, room * 2 // 5)
        while sum(widths[:-1]) + wanted > room:
            place = max(range(len(widths) - 1), key=lambda one: (widths[one] > least[one], widths[one]))
            if widths[place] <= least[place]:
                break
            widths[place] -= 1
        widths[-1] = max(20, room - sum(widths[:-1]))
        self._widths = widths

    def _line(self, cells: Sequence[str]) -> str:
        parts = []
        for cell, width in zip(cells, self._widths, strict=True):
            text = fitted(cell, width)
            parts.append(text + " " * (width - width_of(text)))
        return "  ".join(parts).rstrip()


class JsonRows:
    """The rows of a report: they are kept aside, on disk where they are many, until the report is there."""

    def __init__(self) -> None:
        self._aside: IO[str] = tempfile.SpooledTemporaryFile(IN_MEMORY, mode="w+", encoding="ascii")  # noqa: SIM115
        self._count = 0

    def text(self, records: Records) -> str:
        for site, record in records:
            self._aside.write(f"{',' if self._count else ''}\n      ")
            self._aside.write(as_line({"site": site, "row": record}))
            self._count += 1
        return ""

    def finish(self, report: Report) -> None:
        """Write *report* to standard output, with the rows as its merged answer."""
        mark = uuid.uuid4().hex
        data = report.to_dict()
        data["merged"] = {"rows": [mark]}
        head, _, tail = as_json(data).partition(f'"{mark}"')
        out = sys.stdout
        out.write(head.rstrip())
        self._aside.seek(0)
        while piece := self._aside.read(1024 * 1024):
            out.write(piece)
        out.write((tail if self._count else tail.lstrip()) + "\n")
        self._aside.close()


class HtmlRows:
    """The rows of a page, of which there are no more than somebody looks at: the first of them that come."""

    MOST = 20_000

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._cells: list[list[str]] = []
        self._count = 0

    def text(self, records: Records) -> str:
        self._count += len(records)
        for site, record in records[: self.MOST - len(self._cells)]:
            row = as_row(site, record)
            row["at"] = time_text(record.get("time"))[:19].replace("T", " ")
            self._cells.append([_text(row.get(name)) for name in self._names])
        return ""

    def finish(self, report: Report, selection: str) -> None:
        """Write the page to standard output."""
        from fleet.render.html import Heading, as_html

        remarks = [f"{self._count} records, all times in UTC"]
        if self._count > self.MOST:
            remarks.append(f"Only the first {self.MOST} of them are on this page; -o csv has all.")
        title = f"fleet {report.command.replace('.', ' ')}"
        heading = Heading(title=title, when=report.started, selection=selection, remarks=remarks)
        sys.stdout.write(as_html(self._names, self._cells, heading, report, states=["type"]))


def rows_writer(form: str, names: Sequence[str], terminal: Terminal) -> Rows:
    """What writes records in the format *form*, with the columns *names* where it has columns."""
    match form:
        case "ndjson":
            return NdjsonRows()
        case "csv":
            return CsvRows(names or COLUMNS)
        case "markdown":
            return MarkdownRows(names or ON_TERMINAL)
        case "json":
            return JsonRows()
        case "html":
            return HtmlRows(names or ON_TERMINAL)
        case _:
            return TableRows(names or ON_TERMINAL, terminal)


def _text(value: Any) -> str:
    return "" if value is None else short(value)
