"""A report for people: sites that agree are one line, failures come by cause, and what is covered comes last."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fleet.outcome import Answered, Outcome
from fleet.render.clean import fitted, one_line
from fleet.render.columns import PLAIN, Terminal, columns, paint, plural, wrapped
from fleet.render.folding import folded, is_union
from fleet.render.matrix import matrix_lines
from fleet.render.names import fold_names
from fleet.render.plain import as_json, flat, rows_of, shaped, short
from fleet.render.tones import WORDS, tones_of
from fleet.report import Coverage, Report

__all__ = [
    "NAMES",
    "Cause",
    "causes",
    "coverage_line",
    "coverage_text",
    "failure_lines",
    "report_lines",
    "summary_lines",
    "table_lines",
    "warned",
    "warning_lines",
]

NAMES = 60
"""Characters that a list of sites takes on a line before the rest is counted."""

STEPS = 40
"""Differences of one group that are shown."""

LINES = 60
"""Lines of one large answer that are shown."""


def report_lines(
    report: Report,
    terminal: Terminal = PLAIN,
    *,
    names: Sequence[str] | None = None,
    sort: str | None = None,
    unknown: Callable[[str], None] | None = None,
) -> list[str]:
    """The lines of a report of any mode of merging; with *names* or *sort*, its rows.

    A column that no row has is told to *unknown*; without it, raises `UsageError`.
    """
    merged = report.merged
    lines: list[str] = []
    if is_union(report):
        header, rows = folded(rows_of(report), names, sort, unknown, asked=bool(names))
        lines = table_lines(header, rows, terminal, compact=not names)
    elif names or sort:
        header, rows = shaped(rows_of(report), names, sort, unknown)
        lines = table_lines(header, rows, terminal, compact=not names)
    elif isinstance(merged, Mapping) and "groups" in merged:
        lines = _groups(merged["groups"], terminal)
    elif isinstance(merged, Mapping) and "fields" in merged:
        lines = _statistics(merged["fields"], terminal)
    elif isinstance(merged, Mapping) and "sites" in merged and "rows" in merged:
        lines = matrix_lines(merged, terminal)
    elif merged is None:
        lines = _done(report.outcomes, report.dry_run, terminal)
    return [*lines, *([""] if lines else []), *summary_lines(report, terminal)]


def table_lines(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    terminal: Terminal = PLAIN,
    *,
    states: Collection[str] = (),
    compact: bool = False,
) -> list[str]:
    """A table of *rows* with its outcomes and states painted, and the columns in *states*; none where there is no row."""
    if not rows:
        return []
    return columns(header, rows, terminal, tones=tones_of(header, states), compact=compact)


def _groups(groups: Sequence[Mapping[str, Any]], terminal: Terminal) -> list[str]:
    lines: list[str] = []
    for group in groups:
        if lines:
            lines.append("")
        label = plural(group["count"], "site")
        if len(groups) > 1 and group["reference"]:
            label += " (the reference)"
        lines += _headed(label, group["sites"], terminal)
        if "diff" in group:
            steps = group["diff"]
            lines += [_step(step, terminal) for step in steps[:STEPS]]
            if len(steps) > STEPS:
                lines.append(f"  … {plural(len(steps) - STEPS, 'more difference')}; -o json has them all")
        else:
            lines += _value(group["value"], terminal)
    return lines


def _headed(label: str, sites: Sequence[str], terminal: Terminal) -> list[str]:
    """*label* and the sites that it is about, in bold."""
    names = fold_names(sites, max(NAMES, 2 * terminal.width))
    return [paint(line, "bold", terminal) for line in wrapped(f"{label}: {names}", terminal.width, "    ")]


def _step(step: Mapping[str, Any], terminal: Terminal) -> str:
    path = one_line(step["path"] or "/")
    old, new = one_line(short(step.get("old"))), one_line(short(step.get("new")))
    width = max(20, terminal.width)
    match step["op"]:
        case "add":
            return paint(fitted(f"  + {path}  {new}", width), "green", terminal)
        case "remove":
            return paint(fitted(f"  - {path}  {old}", width), "red", terminal)
        case _:
            # Of two long values both must be seen to begin differently.
            half = max(8, (width - len(path) - 9) // 2)
            if len(old) + len(new) > 2 * half:
                old = fitted(old, max(half, 2 * half - len(new)))
            return paint(fitted(f"  ~ {path}  {old} → {new}", width), "yellow", terminal)


def _value(value: Any, terminal: Terminal) -> list[str]:
    """A value below its sites: a line per member where it is small, else indented JSON."""
    if isinstance(value, Mapping):
        members = flat(value)
        if len(members) <= 40:
            pairs = [[str(key), short(inner)] for key, inner in members.items()]
            narrower = Terminal(max(20, terminal.width - 2), terminal.colour)
            return [f"  {line}" for line in columns(["", ""], pairs, narrower)]
    if isinstance(value, str | int | float | bool) or value is None:
        return [f"  {fitted(one_line(short(value), 400), max(20, terminal.width - 2))}"]
    text = as_json(value).splitlines()
    shown = [f"  {fitted(one_line(line, 400), max(20, terminal.width - 2))}" for line in text[:LINES]]
    left = len(text) - LINES
    return [*shown, f"  … {plural(left, 'more line')}; -o json has them all"] if left > 0 else shown


def _statistics(fields: Mapping[str, Mapping[str, Any]], terminal: Terminal) -> list[str]:
    if not fields:
        return ["there are no numbers in these answers"]
    header = ["field", "count", "min", "median", "p95", "max", "sum", "min at", "max at"]
    keys = ("count", "min", "median", "p95", "max", "sum", "min_site", "max_site")
    return columns(header, [[path, *(str(entry[key]) for key in keys)] for path, entry in fields.items()], terminal)


def _done(outcomes: Sequence[Outcome], dry_run: bool, terminal: Terminal) -> list[str]:
    """What was done, or would be: the sites that came to the same on one line. The failures stand below, by cause."""
    found: dict[tuple[str, bool | None], list[Answered[Any]]] = {}
    for outcome in outcomes:
        if isinstance(outcome, Answered):
            found.setdefault((outcome.outcome, outcome.verified), []).append(outcome)
    lines: list[str] = []
    for (name, verified), same in found.items():
        told = f"would be {name}" if dry_run else name
        if verified is False:
            told += ", which nothing that can be read confirms" if not dry_run else ", as far as can be told"
        shown = _headed(f"{plural(len(same), 'site')} {told}", [outcome.site for outcome in same], terminal)
        lines += [line.replace(name, paint(name, WORDS.get(name), terminal), 1) for line in shown[:1]] + shown[1:]
    return lines


# Failures and coverage


@dataclass(frozen=True, slots=True)
class Cause:
    """Sites that failed for one reason; `hint` says what to do, or is empty."""

    outcome: str
    message: str
    sites: Sequence[str]
    hint: str


def causes(outcomes: Sequence[Outcome]) -> list[Cause]:
    """Why sites did not do it, the most frequent cause first."""
    found: dict[tuple[str, str, str], list[Outcome]] = {}
    for outcome in outcomes:
        error = getattr(outcome, "error", None)
        if error is not None:
            message = _alike(error.message, outcome.site)
            found.setdefault((outcome.outcome, error.kind, message), []).append(outcome)
    told = []
    for (name, _, message), failed in sorted(found.items(), key=lambda cause: -len(cause[1])):
        messages = {_error(outcome).message for outcome in failed}
        if len(messages) == 1:
            # Nothing was folded: the words of the one message stay, also those that are a site's name.
            message = messages.pop()
        hint = next((error.hint for outcome in failed if (error := _error(outcome)).hint), "")
        told.append(Cause(name, message, [outcome.site for outcome in failed], hint))
    return told


def failure_lines(outcomes: Sequence[Outcome], terminal: Terminal = PLAIN) -> list[str]:
    """The sites that did not do it, by cause, the most frequent first: `57 × connection refused`."""
    lines: list[str] = []
    for cause in causes(outcomes):
        head = f"{len(cause.sites)} × {cause.outcome}"
        shown = wrapped(f"{head}: {one_line(cause.message)}", terminal.width, "    ")
        lines.append(paint(head, WORDS.get(cause.outcome, "red"), terminal) + shown[0].removeprefix(head))
        lines += shown[1:]
        sites = fold_names(cause.sites, max(NAMES, terminal.width // 2))
        lines += wrapped(f"    {sites}", terminal.width, "    ")
        if cause.hint:
            hint = wrapped(f"    → {one_line(cause.hint)}", terminal.width, "      ")
            lines += [paint(line, "dim", terminal) for line in hint]
    return lines


def _error(outcome: Outcome) -> Any:
    return outcome.error  # type: ignore[union-attr]


def _alike(message: str, site: str) -> str:
    """*message* without what differs from site to site."""
    text = message.replace(site, "…").replace(site.upper(), "…")
    return re.sub(r"\d+(?:\.\d+)? s\b", "… s", text) if "again in" in text else text


def coverage_text(coverage: Coverage) -> str:
    """How many of the selected sites answered, and what became of the rest."""
    text = f"{coverage.answered} of {plural(coverage.selected, 'site')} answered"
    if coverage.missing:
        text += ", missing: " + ", ".join(f"{count} {name}" for name, count in coverage.missing.items())
    return text


def coverage_line(report: Report) -> str:
    """The coverage of *report*, and how long it took."""
    return f"{coverage_text(report.coverage)} (in {report.elapsed:.1f} s)"


def summary_lines(report: Report, terminal: Terminal = PLAIN) -> list[str]:
    """Failures by cause, warnings, and the coverage last."""
    return [
        *failure_lines(report.outcomes, terminal),
        *warning_lines(report, terminal),
        *wrapped(coverage_line(report), terminal.width, "    "),
    ]


def warned(report: Report) -> list[tuple[str, list[str]]]:
    """What every reader must know of some sites, each thing once with the sites that it is about."""
    found: dict[tuple[str, str], list[str]] = {}
    for warning in report.warnings:
        found.setdefault((warning.kind, warning.message), []).append(warning.site)
    return [(message, sites) for (_, message), sites in found.items()]


def warning_lines(report: Report, terminal: Terminal = PLAIN) -> list[str]:
    """A line for each thing that every reader must know of some sites."""
    lines: list[str] = []
    for message, sites in warned(report):
        text = f"warning: {one_line(message)}: {fold_names(sites, NAMES)}"
        lines += [paint(line, "yellow", terminal) for line in wrapped(text, terminal.width, "    ")]
    return lines
