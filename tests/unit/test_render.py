"""What people and machines read: rows, columns, folded names, tables, and the formats of other systems."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any
from xml.etree import ElementTree

import pytest

from fleet.errors import ConnectFailed, LoginRefused, SiteError, TimedOut, Unhealthy, UsageError
from fleet.outcome import Answered, Failed, NotReached, Outcome, outcome_of
from fleet.render.chart import chart_of
from fleet.render.clean import csv_cell, fitted, markdown_text, one_line, paragraph, width_of
from fleet.render.columns import Terminal, columns, plural, wrapped
from fleet.render.monitors import as_junit, as_nagios
from fleet.render.names import fold_names
from fleet.render.plain import as_csv, as_json, as_markdown, flat, in_order, outcome_line, rows_of, shaped
from fleet.render.sweep import health_lines
from fleet.render.table import coverage_line, failure_lines, report_lines, summary_lines, table_lines
from fleet.render.tones import tones_of
from fleet.report import Report, ReportWarning


def failed(site: str, error: SiteError) -> Outcome:
    return Failed(site=site, error=error, outcome=outcome_of(error), value=error.value)


def report(*outcomes: Outcome, **members: Any) -> Report:
    return Report(command="call", started=0.0, elapsed=1.25, outcomes=outcomes, **members)


# Names


def test_names_fold_into_ranges_that_a_selector_reads() -> None:
    assert fold_names(["sim-0001", "sim-0002", "sim-0003", "sim-0007", "oslo"]) == "sim-[0001-0003,0007], oslo"
    assert fold_names(["a1", "a10", "a2"]) == "a[1-2], a10"
    assert fold_names(["gis2-prod", "gis3-prod"]) == "gis[2-3]-prod"
    assert fold_names(["one"]) == "one"
    assert fold_names([]) == ""


def test_what_does_not_fit_is_counted_also_within_one_family() -> None:
    assert fold_names(["oslo", "bergen", "trondheim"], 12) == "oslo, bergen and 1 more"
    odd = [f"sim-{number:04d}" for number in range(1, 2000, 2)]
    shown = fold_names(odd, 40)
    assert shown.startswith("sim-[0001,0003,")
    assert shown.endswith(" more")
    assert len(shown) < 60
    assert shown.count("0") > 0
    listed = shown[shown.index("[") + 1 : shown.index("]")].split(",")
    assert int(shown.rsplit(" and ", 1)[1].split(" ")[0]) + len(listed) == len(odd)


# Rows and cells


def test_rows_have_an_outcome_each_with_the_value_s_members_beside() -> None:
    rows = rows_of(
        report(
            Answered(site="a", value={"x": {"y": 1}, "list": [1], "site": "own"}), failed("b", TimedOut("no answer"))
        )
    )
    assert rows[0]["site"] == "a"
    assert rows[0]["x.y"] == 1
    assert rows[0]["list"] == "[1]"
    assert rows[0]["value.site"] == "own", "a member of the answer does not hide which site gave it"
    assert rows[1] == {
        "site": "b", "outcome": "timeout", "kind": "timeout", "message": "no answer", "attempts": 1, "elapsed": 0.0,
    }  # fmt: skip


def test_rows_of_a_union_are_its_rows() -> None:
    merged = {"rows": [{"site": "a", "row": {"n": 1}}, {"site": "a", "row": "text"}, {"site": "b", "row": {"n": None}}]}
    assert rows_of(report(merged=merged)) == [
        {"site": "a", "n": 1},
        {"site": "a", "value": "text"},
        {"site": "b", "n": None},
    ]


def test_flat_names_members_by_dots_and_keeps_empty_objects() -> None:
    assert flat({"a": {"b": {"c": 1}}, "d": {}, "e": [{"f": 1}]}) == {"a.b.c": 1, "d": "{}", "e": '[{"f":1}]'}
    assert flat("text") == {"value": "text"}


def test_shaped_chooses_sorts_and_names_the_column_that_is_missing() -> None:
    rows = [{"site": "a", "n": 10}, {"site": "b", "n": 9, "more": True}, {"site": "c"}]
    assert shaped(rows, None, None) == (["site", "n", "more"], [["a", "10", ""], ["b", "9", "true"], ["c", "", ""]])
    assert shaped(rows, ["n", "site"], "n") == (["n", "site"], [["9", "b"], ["10", "a"], ["", "c"]])
    assert [row[0] for row in shaped(rows, ["site"], "-n")[1]] == ["a", "b", "c"], "without a value: last"
    with pytest.raises(UsageError, match="no column 'nn'; there are site, n, more"):
        shaped(rows, ["nn"], None)
    with pytest.raises(UsageError, match="no column 'x'"):
        shaped(rows, None, "-x")


@pytest.mark.parametrize(
    ("values", "ordered"),
    [
        ([10, 9, None, 9.5], [9, 9.5, 10, None]),
        (["10", "9", "", "9.5", 1], [1, "9", "9.5", "10", ""]),
        (["-1", "1e3", "+2", 0], ["-1", 0, "+2", "1e3"]),
        (["sim-10", "sim-9", "SIM-1"], ["SIM-1", "sim-9", "sim-10"]),
        (["11.1", "10.9.1", "10.10"], ["10.9.1", "10.10", "11.1"]),
        (["a", True, 10, 9, "9"], [9, "9", 10, "a", True]),
        (["9" * 5000, "1" + "0" * 5000, "x"], ["9" * 5000, "1" + "0" * 5000, "x"]),
    ],
)
def test_rows_are_sorted_by_size_also_where_numbers_are_texts(values: list[Any], ordered: list[Any]) -> None:
    assert in_order(values, values) == ordered
    full = [value for value in ordered if value not in ("", None)]
    down = in_order(values, values, down=True)
    assert (down[0], down[len(full) :]) == (full[-1], ordered[len(full) :]), "what is empty comes last in either order"


# Colours and charts


def test_states_have_colours_and_what_stands_because_it_should_has_none_that_alarms() -> None:
    tones = tones_of(["service", "configuredState", "realTimeState", "outcome"])
    assert tones is not None
    assert tones(["a", "STARTED", "STARTED", "ok"]) == {2: "green", 3: "green"}
    assert tones(["a", "STARTED", "STOPPED", "unreachable"]) == {2: "red", 3: "red"}
    assert tones(["a", "STOPPED", "STOPPED", "skipped"]) == {2: "dim", 3: "dim"}
    assert tones(["a", "STARTED", "STARTING", ""]) == {2: "yellow"}
    assert tones(["STOPPED", "STOPPED", "what is this", "would change"]) == {3: "yellow"}
    assert tones_of(["site", "service"]) is None
    chosen = tones_of(["kind"], ["kind"])
    assert chosen is not None
    assert chosen(["FAILED"]) == {0: "red"}


def test_a_table_paints_states_and_stays_aligned() -> None:
    header, rows = ["service", "configuredState", "realTimeState", "n"], [["a", "STARTED", "STOPPED", "1"]]
    plain, painted = (table_lines(header, rows, Terminal(80, colour)) for colour in (False, True))
    assert painted[1] == "a        STARTED          \x1b[31mSTOPPED\x1b[0m        1"
    assert [re.sub("\x1b\\[[0-9]+m", "", line) for line in painted] == plain


def bars(header: list[str], rows: list[list[str]]) -> list[tuple[str, list[tuple[str, float, str]]]]:
    chart = chart_of(header, rows, tones_of(header))
    assert chart is not None
    return [(bar.label, [(part.word, part.value, part.tone) for part in bar.parts]) for bar in chart.bars]


def test_a_chart_shows_states_by_site_and_of_many_sites_all_together() -> None:
    header = ["site", "realTimeState"]
    rows = [["a", "STARTED"], ["b", "STOPPED"], ["a", "STARTED"], ["b", "STARTED"]]
    assert bars(header, rows) == [
        ("a", [("STARTED", 2.0, "green")]),
        ("b", [("STARTED", 1.0, "green"), ("STOPPED", 1.0, "red")]),
    ]
    many = [[f"sim-{number}", "STARTED"] for number in range(50)]
    assert bars(header, [*many, ["x", "STOPPED"]]) == [("all", [("STARTED", 50.0, "green"), ("STOPPED", 1.0, "red")])]


def test_a_chart_shows_the_largest_counts_and_the_fewest_days() -> None:
    counts = [[f"code {number}", str(number)] for number in range(1, 41)]
    found = bars(["code", "count"], counts)
    assert (len(found), found[0]) == (30, ("code 40", [("40", 40.0, "blue")]))
    days = [["a", "x", "400"], ["b", "y", "-3"], ["c", "z", ""], ["d", "w", "20"]]
    assert bars(["site", "alias", "daysLeft"], days) == [
        ("b y", [("-3", 0.0, "red")]),
        ("d w", [("20", 20.0, "yellow")]),
        ("a x", [("400", 400.0, "green")]),
    ]


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        (["site", "outcome"], [["a", "ok"]]),
        (["site", "url"], [["a", "x"], ["b", "y"]]),
        (["site", "outcome"], [["a", "ok"], ["b", "ok"]]),
        (["what", "item", "op", "path", "old", "new", "count"], [["a"] * 6 + ["1"]] * 3),
        (["code", "count"], [["a", "0"], ["b", "x"]]),
    ],
)
def test_there_is_no_chart_where_it_says_nothing(header: list[str], rows: list[list[str]]) -> None:
    assert chart_of(header, rows, tones_of(header)) is None


# Cleaning


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x1b[31mred\x1b[0m", "\\e[31mred\\e[0m"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202eevil", "\\u202eevil"),
        ("zero\u200bwidth\u200d", "zero\\u200bwidth\\u200d"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800", "\\ud800"),
        ("héllo 日本 👍", "héllo 日本 👍"),
    ],
)
def test_one_line_shows_what_is_not_seen(text: str, shown: str) -> None:
    assert one_line(text) == shown


def test_one_line_cuts_and_a_paragraph_keeps_its_lines() -> None:
    assert one_line("x" * 500) == "x" * 199 + "…"
    assert len(one_line("\x00" * 200_000)) == 200
    assert paragraph("a\r\nb\tc\x1b[0m\u2028") == "a\nb\tc\\e[0m\\u2028"


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=cmd|'/C calc'!A0", "'=cmd|'/C calc'!A0"),
        ("  =1+1", "'  =1+1"),
        ("\u00a0@SUM(A1)", "'\u00a0@SUM(A1)"),
        ("＝1", "'＝1"),
        ("-5", "-5"),
        ("+1.5e3", "+1.5e3"),
        ("-5-5", "'-5-5"),
        ("\tx", "'\tx"),
        ("a\nb", "a\nb"),
        ("a\x1b[0m", "a\\e[0m"),
        ("plain", "plain"),
    ],
)
def test_a_spreadsheet_gets_no_formula(text: str, cell: str) -> None:
    assert csv_cell(text) == cell


def test_markdown_stays_text() -> None:
    assert markdown_text("[x](javascript:y) | `z` <b> ![i](j)") == r"\[x\]\(javascript:y\) \| \`z\` \<b\> \!\[i\]\(j\)"
    assert markdown_text("see https://evil.example and www.evil.example") == (
        r"see https\://evil.example and www\.evil.example"
    )
    assert markdown_text("two\nlines") == r"two\\nlines"


def test_widths_are_those_of_a_terminal() -> None:
    assert [width_of(text) for text in ("abc", "日本", "e\u0301", "→", "👍", "")] == [3, 4, 1, 1, 2, 0]
    assert fitted("日本語", 4) == "日…"
    assert fitted("日本語", 6) == "日本語"
    assert fitted("abcdef", 4) == "abc…"


# Columns


def test_columns_align_by_what_is_seen() -> None:
    lines = columns(["name", "n"], [["日本", "1"], ["e\u0301", "22"], ["👍x", "333"]], Terminal(40))
    assert lines == ["name    n", "日本    1", "e\u0301      22", "👍x   333"]
    assert {width_of(line) for line in lines} == {9}


def test_the_widest_columns_give_way_and_every_line_fits() -> None:
    rows = [["sim-0001", "x" * 100, "y" * 100, "ok"], ["sim-0002", "short", "日" * 60, "failed"]]
    for width in (40, 60, 80, 120, 200):
        lines = columns(["site", "a", "b", "state"], rows, Terminal(width))
        assert max(map(width_of, lines)) <= width
        assert all("sim-000" in line for line in lines[1:]), "what is short stays whole"


def test_an_empty_column_is_left_out_of_a_compact_table() -> None:
    lines = columns(
        ["site", "groups", "state"], [["a", "", "ok"], ["b", "", "failed"]], Terminal(40), state=2, compact=True
    )
    assert lines[0].split() == ["site", "state"]
    coloured = columns(["site", "groups", "state"], [["a", "", "ok"]], Terminal(40, colour=True), state=2, compact=True)
    assert "\x1b[32mok\x1b[0m" in coloured[1]


def test_too_many_columns_become_records_or_are_named_below() -> None:
    header = [f"column-{number}" for number in range(20)]
    row = [f"value-{number}" for number in range(20)]
    few = columns(header, [row], Terminal(60))
    assert few[19].split() == ["column-19", "value-19"]
    many = columns(header, [row] * 6, Terminal(60))
    assert max(map(width_of, many)) <= 60
    told = " ".join(line.strip() for line in many[7:])
    assert told.startswith("… 14 more columns: column-6,")
    assert "--columns" in told


def test_numbers_stand_at_the_right_and_words_at_the_left() -> None:
    lines = columns(["n", "state"], [["5", "ok"], ["1234", "ok"], ["-", "ok"]], Terminal(40))
    assert lines == ["   n  state", "   5  ok", "1234  ok", "   -  ok"]


def test_a_number_and_a_time_are_not_cut_while_texts_can_be() -> None:
    row = ["sim-0001", "x" * 60, "1795496374211", "2026-11-24 22:21:03", "changed"]
    lines = columns(["site", "text", "time", "at", "outcome"], [row], Terminal(72), state=4)
    assert lines[1].split() == ["sim-0001", "x" * 16 + "…", "1795496374211", "2026-11-24", "22:21:03", "changed"]
    narrow = columns(["site", "text", "time", "at", "outcome"], [row], Terminal(50), state=4)
    assert max(map(width_of, narrow)) <= 50


def test_wrapped_lines_keep_their_indent() -> None:
    lines = wrapped("    one two three four", 14, "      ")
    assert lines == ["    one two", "      three", "      four"]
    assert plural(1, "site") == "1 site"


# Machines' formats


def test_json_is_printable_ascii() -> None:
    value = {"k\x7f": "\x1b日\x7f\x85\u2028"}
    for text in (as_json(value), outcome_line(Answered(site="a", value=value))):
        assert all(character == "\n" or " " <= character <= "~" for character in text)
    assert json.loads(as_json(value)) == value


def test_csv_reads_back() -> None:
    text = as_csv(["site", "text"], [["a", 'quo"te, and\nline'], ["b", "-1"]])
    assert list(csv.reader(io.StringIO(text))) == [["site", "text"], ["a", 'quo"te, and\nline'], ["b", "-1"]]


def test_markdown_has_a_cell_per_column() -> None:
    lines = as_markdown(["a", "b"], [["x|y", "z"]]).splitlines()
    assert lines == ["| a | b |", "| --- | --- |", r"| x\|y | z |"]


def checked(site: str, *checks: tuple[str, str], items: tuple[str, ...] = ()) -> Outcome:
    rank = {"skipped": -1, "ok": 0, "warning": 1, "unknown": 2, "critical": 3}
    worst = max((status for _, status in checks), key=lambda status: rank[status])
    value = {
        "status": worst,
        "release": "11.3",
        "checks": [
            {
                "check": name, "status": status, "saw": f"{name} is so", "wanted": "better", "elapsed": 0.25,
                "advice": f"look: fleet call admin/{name} -s {site}", "items": list(items),
            }
            for name, status in checks
        ],
    }  # fmt: skip
    if worst != "critical":
        return Answered(site=site, value=value)
    error = Unhealthy("ill")
    error.value = value
    return failed(site, error)


def sweep_of(*outcomes: Outcome) -> Report:
    verdicts = dict.fromkeys(("ok", "warning", "critical", "unknown"), 0)
    for outcome in outcomes:
        value = getattr(outcome, "value", None)
        verdicts["unknown" if value is None else value["status"]] += 1
    return Report(command="health", started=0.0, elapsed=2.0, outcomes=outcomes, merged={"verdicts": verdicts})


def test_junit_reads_back_with_the_right_counts() -> None:
    report = sweep_of(
        checked("a", ("tls", "ok"), ("mode", "warning"), ("license", "skipped")),
        checked("b", ("tls", "critical"), ("mode", "unknown"), items=("\x1b[31m", "<b>")),
        failed("c", LoginRefused("no\x00 <login> & \ud800")),
    )
    for strict, failures in ((False, 1), (True, 2)):
        root = ElementTree.fromstring(as_junit(report, strict=strict).encode("ascii"))
        assert root.tag == "testsuites"
        assert {key: root.get(key) for key in ("tests", "failures", "errors")} == {
            "tests": "6", "failures": str(failures), "errors": "2",
        }  # fmt: skip
        assert [suite.get("skipped") for suite in root] == ["1", "0", "0"]
        assert [suite.get("name") for suite in root] == ["a", "b", "c"]
    fault = root.find("./testsuite[@name='b']/testcase[@name='tls']/failure")
    assert fault is not None
    assert fault.get("message") == "saw tls is so; wanted better"
    assert fault.text == "look: fleet call admin/tls -s b\n\\e[31m\n<b>"
    error = root.find("./testsuite[@name='c']/testcase[@name='reach']/error")
    assert error is not None
    assert error.get("message") == "auth: no\\x00 <login> & \\ud800"
    assert root[0][0].get("time") == "0.250"


def test_nagios_has_one_line_of_verdict_with_performance_data() -> None:
    text, status = as_nagios(
        sweep_of(checked("a", ("tls", "ok")), checked("b", ("mode", "warning")), failed("c", TimedOut("x | y\n"))),
    )
    first, *rest = text.splitlines()
    assert status == 2
    told, perf = first.split(" | ")
    assert told == "FLEET CRITICAL - 1 ok, 1 warning, 1 critical (c, b)"
    assert perf == "ok=1;;;0;3 warning=1;;;0;3 critical=1;;;0;3 unknown=0;;;0;3 time=2.000s;;;0"
    assert rest == ["CRITICAL c: x ¦ y\\n", "WARNING b: mode: mode is so"]
    assert as_nagios(sweep_of(checked("a", ("tls", "ok"))))[1] == 0
    assert as_nagios(sweep_of(checked("a", ("tls", "warning"))))[1] == 1
    assert as_nagios(sweep_of(checked("a", ("tls", "unknown"))))[1] == 3


# Tables for people


def test_failures_come_by_cause_the_most_frequent_first() -> None:
    outcomes = [
        *(failed(f"sim-{number:04d}", ConnectFailed("connection refused")) for number in range(1, 5)),
        failed("oslo", LoginRefused("the account was refused", hint="check username and password")),
        Answered(site="bergen", value={}),
        NotReached(site="sim-0009", error=SiteError("the deadline passed"), outcome="not_run"),
    ]
    assert failure_lines(outcomes) == [
        "4 × unreachable: connection refused",
        "    sim-[0001-0004]",
        "1 × auth_failed: the account was refused",
        "    oslo",
        "    → check username and password",
        "1 × not_run: the deadline passed",
        "    sim-0009",
    ]
    assert coverage_line(report(*outcomes)) == (
        "1 of 7 sites answered, missing: 4 unreachable, 1 auth_failed, 1 not_run (in 1.2 s)"
    )


def test_a_site_s_name_is_taken_out_of_messages_only_where_that_makes_them_one() -> None:
    refused = failed("refused", ConnectFailed("connection refused", hint="refused again"))
    assert failure_lines([refused]) == [
        "1 × unreachable: connection refused",
        "    refused",
        "    → refused again",
    ]
    unknown = [failed(name, ConnectFailed(f"the name {name}.example.com is not known")) for name in ("oslo", "bergen")]
    assert failure_lines(unknown) == ["2 × unreachable: the name ….example.com is not known", "    oslo, bergen"]


def test_totals_come_last_and_warnings_before_them() -> None:
    lines = summary_lines(
        report(
            Answered(site="a", value=1),
            warnings=[ReportWarning(site="a", kind="tls_unverified", message="the certificate is not verified")],
        )
    )
    assert lines == ["warning: the certificate is not verified: a", "1 of 1 site answered (in 1.2 s)"]


def test_groups_show_their_value_and_differences() -> None:
    same = {"sites": ["a", "b"], "count": 2, "reference": True, "value": {"version": "11.3", "deep": {"n": 1}}}
    steps = [
        {"op": "add", "path": "/x", "new": [1]},
        {"op": "remove", "path": "/y", "old": "gone"},
        {"op": "change", "path": "/z", "old": 1, "new": 2},
    ]
    odd = {"sites": ["c"], "count": 1, "reference": False, "diff": steps}
    lines = report_lines(report(merged={"groups": [same, odd]}))
    assert lines[:9] == [
        "2 sites (the reference): a, b",
        "  version  11.3",
        "  deep.n      1",
        "",
        "1 site: c",
        "  + /x  [1]",
        "  - /y  gone",
        "  ~ /z  1 → 2",
        "",
    ]
    long = [{"op": "change", "path": f"/{n}", "old": "o" * 300, "new": "n" * 300} for n in range(50)]
    shown = report_lines(report(merged={"groups": [{**odd, "diff": long}]}), Terminal(60))
    assert max(map(width_of, shown)) <= 60
    assert all("o…" in line and "→ n" in line for line in shown[1:41]), "both values are seen to begin"
    assert "… 10 more differences; -o json has them all" in shown[41]


def test_what_was_done_is_told_by_outcome() -> None:
    outcomes = [
        *(Answered(site=f"sim-{number:04d}", value={}, outcome="changed") for number in range(1, 4)),
        Answered(site="oslo", value=None, outcome="noop"),
        Answered(site="bergen", value={}, outcome="changed", verified=False),
        failed("rome", TimedOut("no answer in 3 s")),
    ]
    lines = report_lines(report(*outcomes))
    assert lines[:4] == [
        "3 sites changed: sim-[0001-0003]",
        "1 site noop: oslo",
        "1 site changed, which nothing that can be read confirms: bergen",
        "",
    ]
    assert report_lines(report(*outcomes, dry_run=True))[0] == "3 sites would be changed: sim-[0001-0003]"
    table = report_lines(report(*outcomes), names=["site", "outcome"], sort="outcome")
    assert table[0].split() == ["site", "outcome"]
    assert [line.split()[1] for line in table[1:7]] == ["changed"] * 4 + ["noop", "timeout"]


def matrix(sites: int, items: int, value: str = "v") -> dict[str, Any]:
    names = [f"sim-{number:04d}" for number in range(1, sites + 1)]
    return {
        "sites": names,
        "rows": [
            {"item": f"/item{item}", "cells": {name: f"{value}{place % 2}" for place, name in enumerate(names)}}
            for item in range(items)
        ],
    }


def test_a_matrix_takes_the_layout_that_fits() -> None:
    beside = report_lines(report(merged=matrix(3, 2)), Terminal(80))
    assert beside[0].split() == ["item", "sim-0001", "sim-0002", "sim-0003"]
    folded = report_lines(report(merged=matrix(30, 2)), Terminal(80))
    assert folded[0].startswith("item    sim-[0001,0003,")
    assert folded[1].split() == ["/item0", "v0", "v1"]
    merged = matrix(3, 2)
    for place, name in enumerate(merged["sites"]):
        merged["rows"][0]["cells"][name] = f"{'long value ' * 3}{place}"
    below = report_lines(report(merged=merged), Terminal(70))
    assert below[0].split() == ["site", "/item0", "/item1"]
    assert len(below[1:4]) == 3
    listed = report_lines(report(merged=matrix(30, 4, value="w" * 40)), Terminal(80))
    assert listed[0].split() == ["item", "value", "sites"]
    assert listed[1].split()[0] == "/item0"
    assert "15 sites: sim-0001" in listed[1]
    assert max(map(width_of, listed)) <= 80
    merged["rows"].append({"item": "/rare", "cells": {"sim-0001": 1}})
    assert any("-" in line.split() for line in report_lines(report(merged=merged), Terminal(200)) if "/rare" in line)


def test_a_sweep_folds_the_well_and_those_with_the_same_trouble() -> None:
    outcomes = [
        *(checked(f"sim-{number:04d}", ("tls", "ok")) for number in range(1, 4)),
        checked("warm-1", ("mode", "warning")),
        *(checked(f"ill-{number}", ("services", "critical"), items=("Roads is STOPPED",)) for number in range(1, 4)),
        failed("gone", ConnectFailed("connection refused")),
    ]
    assert health_lines(sweep_of(*outcomes), Terminal(100)) == [
        "ok  3 sites: sim-[0001-0003]",
        "critical  3 sites: ill-[1-3]  11.3",
        "    services is critical: services is so (wanted: better)",
        "      Roads is STOPPED",
        "      → look: fleet call admin/services -s 'ill-[1-3]'",
        "warning  warm-1  11.3",
        "    mode is warning: mode is so (wanted: better)",
        "      → look: fleet call admin/mode -s warm-1",
        "",
        "1 × unreachable: connection refused",
        "    gone",
        "3 ok, 1 warning, 3 critical, 1 unknown; 7 of 8 sites answered, missing: 1 unreachable (in 2.0 s)",
    ]


def test_an_advised_command_stays_whole() -> None:
    lines = health_lines(sweep_of(checked("a" * 60, ("services", "critical"))), Terminal(60))
    assert f"        fleet call admin/services -s {'a' * 60}" in lines


def test_colour_changes_nothing_but_colour() -> None:
    import re

    outcomes = [checked("a", ("tls", "ok")), checked("b", ("mode", "critical")), failed("c", TimedOut("x"))]
    for make in (health_lines, report_lines):
        painted = make(sweep_of(*outcomes), Terminal(70, colour=True))
        assert any("\x1b[" in line for line in painted)
        assert [re.sub("\x1b\\[[0-9]+m", "", line) for line in painted] == make(sweep_of(*outcomes), Terminal(70))


def test_rows_follow_the_mode_of_merging_and_no_answer_takes_the_name_of_its_site() -> None:
    def merged(value: Any) -> Report:
        return Report(command="call", started=0.0, elapsed=0.0, outcomes=[], merged=value)

    union = merged({"rows": [{"site": "oslo", "row": {"site": "FORGED", "a": 1}}]})
    assert rows_of(union) == [{"site": "oslo", "value.site": "FORGED", "a": 1}]
    statistics = merged({"fields": {"/a": {"count": 2, "min": 1}}})
    assert rows_of(statistics) == [{"field": "/a", "count": 2, "min": 1}]
    matrix = merged({"sites": ["oslo", "bergen"], "rows": [{"item": "/a", "cells": {"oslo": 1}}]})
    assert rows_of(matrix) == [{"item": "/a", "oslo": 1, "bergen": None}]
    groups = merged(
        {
            "groups": [
                {"sites": ["a", "b"], "count": 2, "reference": True, "value": {"v": 1}},
                {
                    "sites": ["c"],
                    "count": 1,
                    "reference": False,
                    "diff": [{"op": "change", "path": "/v", "old": 1, "new": 2}],
                },
            ]
        }
    )
    assert rows_of(groups) == []
    assert rows_of(groups, groups=True) == [
        {"group": 1, "count": 2, "reference": True, "sites": "a,b", "v": 1},
        {"group": 2, "count": 1, "reference": False, "sites": "c", "op": "change", "path": "/v", "old": 1, "new": 2},
    ]


def test_a_column_that_no_row_has_costs_a_sentence_and_no_answer() -> None:
    told: list[str] = []
    header, rows = shaped([{"site": "a", "n": 10**400}, {"site": "b", "n": 2}], ["nope", "site"], "n", told.append)
    assert (header, rows) == (["site"], [["b"], ["a"]])
    assert told == ["there is no column 'nope'; there are site, n"]
    assert shaped([{"site": "a"}], None, "-nope", told.append)[1] == [["a"]]
    with pytest.raises(UsageError, match="no column"):
        shaped([{"site": "a"}], ["nope"], None)
