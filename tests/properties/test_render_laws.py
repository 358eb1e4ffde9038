"""Text from outside is data in every output, whatever it is: no control reaches a terminal, no cell becomes a formula,
no markup is built, and what machines read can be read back."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterable
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from fleet.cli.logs import configure, watch_calls
from fleet.cli.progress import line_of
from fleet.client.calls import CallEvent
from fleet.client.trace import Exchange, render_exchange
from fleet.errors import ServerFailed, Unhealthy
from fleet.fanout.engine import Progress
from fleet.outcome import Answered, Failed, Outcome, outcome_of
from fleet.protocol.message import Request, Response
from fleet.render.clean import csv_cell, one_line, width_of
from fleet.render.columns import Terminal, columns
from fleet.render.folding import fold_rows
from fleet.render.html import Heading, as_html
from fleet.render.monitors import as_junit, as_nagios
from fleet.render.names import fold_names
from fleet.render.plain import as_csv, as_json, as_markdown, outcome_line, rows_of, shaped
from fleet.render.sweep import health_lines
from fleet.render.table import report_lines
from fleet.report import Report, ReportWarning

HOSTILE = [
    "\x1b[2J\x1b[31mred", "\x1b]0;title\x07", "\x9b31m", "\x90q\x9c", "a\rb", "a\nb", "\x00", "\x7f", "\x08\x08",
    "\u202egnp.exe", "\u2066x\u2069", "zero\u200bwidth", "\ufeff", "\u2028", "\u2029", "\ud800", "\U000e0041", "\u3164",
    "=cmd|'/C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "＝1", "|", "`code`", "```", "[x](javascript:alert(1))",
    "![i](http://e/x.png)", "<script>alert(1)</script>", "<https://e.example>", "https://e.example", "www.e.example",
    "**bold**", "[bold red]x[/]", "{0.__class__}", "%s%n", "&amp;", "]]>", "-->", "\\", '"', "'", "日本語",
    "\U0001f469\u200d\U0001f680", "e\u0301" * 20,    "x" * 200_000, "日" * 300,
]  # fmt: skip
text = st.one_of(
    st.sampled_from(HOSTILE),
    st.lists(st.sampled_from([part for part in HOSTILE if len(part) < 1000]), min_size=2, max_size=4).map("".join),
    st.text(max_size=30),
    st.text(st.characters(), max_size=10),
)
value = st.recursive(
    st.one_of(
        text, st.integers(-(2**53), 2**53), st.booleans(), st.none(), st.floats(allow_nan=False, allow_infinity=False)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(text, inner, max_size=3)),
    max_leaves=8,
)
site = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
terminal = st.builds(Terminal, st.integers(40, 200), st.booleans())

SEEN = re.compile("\x1b\\[[0-9]+m")


def harmless(lines: Iterable[str]) -> None:
    """No line holds anything that a terminal obeys or hides, but for our own colours."""
    for line in lines:
        for character in SEEN.sub("", line):
            assert unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp"), (character, line)


def within(lines: Iterable[str], width: int) -> None:
    """No line is wider than the terminal, but for a word that can't be broken."""
    for line in lines:
        shown = SEEN.sub("", line)
        words = shown.split()
        assert width_of(shown) <= width or max(map(width_of, words)) > width - 20, (width, shown)


@st.composite
def outcomes(draw: st.DrawFn) -> Outcome:
    name = draw(site)
    if draw(st.booleans()):
        return Answered(site=name, value=draw(value), outcome=draw(st.sampled_from(["ok", "changed", "noop"])))
    error = ServerFailed(draw(text), hint=draw(st.one_of(st.none(), text)), code=500)
    return Failed(site=name, error=error, outcome=outcome_of(error))


def report_of(found: list[Outcome], merged: Any, message: str = "w") -> Report:
    warnings = [ReportWarning(site="a", kind="odd", message=message)]
    return Report(command="call", started=0.0, elapsed=1.0, outcomes=found, merged=merged, warnings=warnings)


steps = st.builds(
    lambda op, path, old, new: {"op": op, "path": path, "old": old, "new": new},
    st.sampled_from(["add", "remove", "change"]), text, value, value,
)  # fmt: skip
merges = st.one_of(
    st.none(),
    st.builds(lambda rows: {"rows": [{"site": "a", "row": row} for row in rows]}, st.lists(value, max_size=4)),
    st.builds(
        lambda shown, differs: {
            "groups": [
                {"sites": ["a", "b"], "count": 2, "reference": True, "value": shown},
                {"sites": ["c"], "count": 1, "reference": False, "diff": differs},
            ]
        },
        value,
        st.lists(steps, max_size=4),
    ),
    st.builds(
        lambda items: {
            "sites": ["a", "b"],
            "rows": [{"item": item, "cells": {"a": cell}} for item, cell in items.items()],
        },
        st.dictionaries(text, value, max_size=4),
    ),
    st.builds(
        lambda names: {
            "fields": {
                name: {
                    "count": 1,
                    "min": 1,
                    "median": 1,
                    "p95": 1,
                    "max": 1,
                    "sum": 1,
                    "min_site": "a",
                    "max_site": "b",
                }
                for name in names
            }
        },
        st.lists(text, max_size=3),
    ),
)


@given(st.lists(outcomes(), max_size=4), merges, text, terminal)
def test_a_table_shows_no_control_and_fits_the_terminal(
    found: list[Outcome], merged: Any, message: str, where: Terminal
) -> None:
    lines = report_lines(report_of(found, merged, message), where)
    harmless(lines)
    within(lines, where.width)


@given(st.lists(outcomes(), max_size=4), value)
def test_json_and_lines_read_back_and_are_printable(found: list[Outcome], extra: Any) -> None:
    for line in map(outcome_line, found):
        assert re.fullmatch("[ -~]*", line)
        assert json.loads(line)["site"]
    shown = as_json({"value": extra})
    assert re.fullmatch("[ -~\n]*", shown)
    assert json.loads(shown) == json.loads(json.dumps({"value": extra}))


@given(st.lists(outcomes(), min_size=1, max_size=4), text)
def test_csv_has_every_cell_and_no_formula(found: list[Outcome], extra: str) -> None:
    header, rows = shaped(rows_of(report_of(found, None)), None, None)
    shown = as_csv([*header, extra], [[*row, extra] for row in rows])
    harmless(shown.replace("\n", "").replace("\t", "").splitlines())
    back = list(csv.reader(io.StringIO(shown, newline="")))
    assert [len(row) for row in back] == [len(header) + 1] * (len(rows) + 1)
    for cell in (cell for row in back for cell in row):
        first = cell.lstrip()[:1]
        assert first not in tuple("=@＝＋－＠")
        assert first not in ("+", "-") or re.fullmatch(r" *[+-]?\d+(\.\d+)?([eE][+-]?\d+)? *", cell)


@given(st.lists(st.lists(text, min_size=2, max_size=2), max_size=4))
def test_markdown_is_one_table_of_plain_text(rows: list[list[str]]) -> None:
    shown = as_markdown(["a", "b"], rows)
    harmless(shown.splitlines())
    tokens = MarkdownIt("commonmark").enable("table").enable("strikethrough").parse(shown)
    assert [token.type for token in tokens].count("table_open") == 1
    assert tokens[-1].type == "table_close"
    assert [token.type for token in tokens].count("td_open") == 2 * len(rows)
    for token in tokens:
        assert token.type != "html_block"
        for inner in token.children or []:
            assert inner.type in ("text", "text_special"), inner


class Tags(HTMLParser):
    """The elements of a page with their attributes, and what stands in the cells."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.cells: list[str] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, attrs))
        self._open = tag == "td"
        if self._open:
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self._open:
            self.cells[-1] += data


OURS = set(
    "html head meta title style body header h1 p code section h2 dl dt dd b br span figure figcaption svg rect text "
    "table thead tbody tr th td script".split()
)


@given(
    st.lists(outcomes(), max_size=3),
    st.lists(st.lists(text, min_size=3, max_size=3), max_size=4),
    st.lists(text, max_size=2),
)
def test_a_page_has_our_elements_only_and_every_cell(
    found: list[Outcome], rows: list[list[str]], remarks: list[str]
) -> None:
    heading = Heading(title="t" + "".join(remarks), when=0.0, selection="".join(remarks), remarks=remarks)
    page = as_html(["site", "outcome", "count"], rows, heading, report_of(found, None, "".join(remarks) or "w"))
    harmless(page.split("\n"))
    tags = Tags()
    tags.feed(page)
    tags.close()
    assert {tag for tag, _ in tags.found} <= OURS
    assert [tag for tag, _ in tags.found].count("script") == 1
    for _, attributes in tags.found:
        assert all(name in ALLOWED for name, _ in attributes), attributes
    shown = [cell.rstrip("\n") for cell in tags.cells]
    assert shown == [csv_cell(one_line(cell, 4000)) for row in rows for cell in row]


ALLOWED = set(
    "lang charset http-equiv content name class width height aria-hidden viewbox role aria-label x y text-anchor scope".split()
)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.sampled_from("12")), max_size=12),
    st.booleans(),
)
def test_folded_rows_hold_every_row_of_every_site(rows: list[tuple[str, str, str]], sited: bool) -> None:
    header = ["site", "one", "two"] if sited else ["one", "two"]
    cells = [list(row) if sited else list(row[1:]) for row in rows]
    names, folded_cells = fold_rows(header, cells, [row[0] for row in rows])
    if names == header:
        assert folded_cells == cells
        return
    assert names == ["sites", "one", "two"]
    back = []
    for sites, *rest in folded_cells:
        for site_name in sites.partition(": ")[2].split(", ") if ": " in sites else [sites]:
            back.append((site_name, *rest))
    assert sorted(back) == sorted(rows)
    kinds = list(dict.fromkeys(tuple(row[1:]) for row in folded_cells))
    assert kinds == list(dict.fromkeys(row[1:] for row in rows)), "each stands where it first came"


@st.composite
def swept(draw: st.DrawFn) -> Outcome:
    name = draw(site)
    checks = [
        {
            "check": draw(st.sampled_from(["tls", "services", "mode"])),
            "status": draw(st.sampled_from(["ok", "warning", "critical", "unknown", "skipped"])),
            "saw": draw(text), "wanted": draw(text), "advice": draw(text), "items": draw(st.lists(text, max_size=3)),
            "elapsed": 0.1,
        }
        for _ in range(draw(st.integers(0, 3)))
    ]  # fmt: skip
    found = {"status": checks[0]["status"] if checks else "ok", "release": draw(text), "checks": checks}
    if found["status"] not in ("critical", "unknown"):
        return Answered(site=name, value={**found, "status": "ok" if found["status"] == "skipped" else found["status"]})
    error = Unhealthy(draw(text))
    error.value = found
    return Failed(site=name, error=error, outcome="failed", value=found)


@given(st.lists(swept(), max_size=4), terminal)
def test_a_sweep_is_harmless_in_all_its_formats(found: list[Outcome], where: Terminal) -> None:
    report = Report(command="health", started=0.0, elapsed=1.0, outcomes=found, merged={"verdicts": {}})
    lines = health_lines(report, where)
    harmless(lines)
    within(lines, where.width)
    xml = as_junit(report)
    harmless(xml.replace("\t", "").split("\n"))
    assert xml.isascii()
    assert len(ElementTree.fromstring(xml)) == len(found)
    shown, _ = as_nagios(report)
    harmless(shown.splitlines())
    assert len(shown.splitlines()) <= 1 + len(found)
    assert shown.count("|") == 1


@given(text, text, text)
def test_a_log_line_is_one_line_in_both_forms(operation: str, message: str, site_name: str) -> None:
    for form in ("console", "json"):
        stream = io.StringIO()
        log = configure(2, form, str, stream)
        for ended in (False, True):
            watch_calls(log)(
                CallEvent(
                    site=site_name, operation=operation, request="r000001", attempt=1, seconds=0.1,
                    error=ServerFailed(message, code=500), ended=ended,
                )
            )  # fmt: skip
        lines = stream.getvalue().splitlines()
        assert len(lines) == 2
        harmless(lines)
        if form == "json":
            assert [json.loads(line)["event"] for line in lines] == ["attempt.failed", "operation.failed"]


@given(st.dictionaries(st.sampled_from(["Server", "X-Note", "Set-Cookie"]), text), text)
def test_a_trace_is_lines_of_text(headers: dict[str, str], body: str) -> None:
    request = Request(method="GET", url="https://gis.example.com/arcgis/rest/info", headers={})
    response = Response(status=200, headers=headers, body=body.encode("utf-8", "surrogatepass"))
    shown = render_exchange(Exchange(site="a", request=request, response=response, error=None, elapsed=0.1))
    harmless(one_line(line, 4000) for line in shown.splitlines())


@given(st.lists(site, min_size=1, max_size=60, unique=True), st.integers(0, 80))
def test_folded_names_can_be_told_apart_and_none_is_lost(names: list[str], limit: int) -> None:
    shown = fold_names(names, limit)
    left = re.search(r" and (\d+) more$", shown)
    body = shown[: left.start()] if left else shown
    held = 0
    for part in re.sub(r"\[[^\]]*\]", lambda match: match.group().replace(",", ";"), body).split(", "):
        ranges = re.search(r"\[([^\]]*)\]", part)
        if ranges is None:
            assert part in names
            held += 1
            continue
        for one in ranges[1].split(";"):
            low, _, high = one.partition("-")
            for number in range(int(low), int(high or low) + 1):
                assert part.replace(ranges.group(), f"{number:0{len(low)}d}") in names
                held += 1
    assert held + (int(left[1]) if left else 0) == len(names)


@given(
    st.dictionaries(site, st.floats(0, 1000), max_size=120),
    st.integers(0, 5000), st.integers(0, 5000), st.integers(0, 500), st.floats(0, 1e6), st.integers(10, 250),
)  # fmt: skip
def test_the_live_line_never_passes_the_width(
    running: dict[str, float], done: int, waiting: int, failures: int, spent: float, width: int
) -> None:
    progress = Progress(done + waiting + len(running))
    progress.done, progress.failed, progress.spent = done, min(done, failures), spent
    progress.running = running
    line = line_of(progress, 0.0, 1000.0, width)
    assert width_of(line) <= width
    assert line.startswith(f"{done}/{progress.total}"[: width - 1])
    harmless([line])
    progress.expect(done + waiting, "service", 10.0)
    progress.steps, progress.moved, progress.stage = failures, waiting**4, "wave 2/5"
    line = line_of(progress, 0.0, 1000.0, width)
    assert width_of(line) <= width
    assert f"/{done + waiting}"[: width - 5] in line or not done + waiting
    harmless([line])


@given(st.lists(st.lists(text, min_size=3, max_size=3), max_size=5), terminal)
def test_columns_of_any_text_fit_and_stay_aligned(rows: list[list[str]], where: Terminal) -> None:
    lines = columns(["one", "two", "three"], rows, where)
    harmless(lines)
    assert len(lines) == 1 + len(rows)
    assert all(width_of(SEEN.sub("", line)) <= where.width for line in lines)
