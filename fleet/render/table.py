"""A report for people: sites that agree are one line, failures come by cause, and what is covered comes last."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fleet.outcome import Outcome
from fleet.render.clean import one_line
from fleet.render.columns import PLAIN, Terminal, columns, paint, wrapped
from fleet.render.names import fold_names
from fleet.render.plain import as_json, flat, rows_of, shaped
from fleet.report import Report

__all__ = ["coverage_line", "failure_lines", "health_lines", "report_lines", "summary_lines"]

NAMES = 60
"""Characters that a list of sites takes on a line before the rest is counted."""


def report_lines(
    report: Report, terminal: Terminal = PLAIN, *, names: Sequence[str] | None = None, sort: str | None = None
) -> list[str]:
    """The lines of a report of any mode of merging."""
    merged = report.merged
    lines: list[str] = []
    if isinstance(merged, Mapping) and "groups" in merged:
        lines = _groups(merged["groups"], terminal)
    elif isinstance(merged, Mapping) and "fields" in merged:
        lines = _statistics(merged["fields"], terminal)
    elif isinstance(merged, Mapping) and "sites" in merged and "rows" in merged:
        lines = _matrix(merged, terminal)
    elif isinstance(merged, Mapping) and "rows" in merged:
        header, rows = shaped(rows_of(report), names, sort)
        lines = columns(header, rows, terminal) if rows else []
    elif merged is None:
        header, rows = shaped(rows_of(report), names, sort)
        lines = columns(header, rows, terminal, state=header.index("outcome") if "outcome" in header else None)
    return [*lines, *([""] if lines else []), *summary_lines(report, terminal)]


def _groups(groups: Sequence[Mapping[str, Any]], terminal: Terminal) -> list[str]:
    lines: list[str] = []
    for group in groups:
        if lines:
            lines.append("")
        count = group["count"]
        label = f"{count} site{'' if count == 1 else 's'}"
        if len(groups) > 1 and group["reference"]:
            label += " (the reference)"
        lines.append(paint(f"{label}: {fold_names(group['sites'], max(NAMES, terminal.width - 30))}", "bold", terminal))
        if "diff" in group:
            lines += [f"  {_step(step, terminal)}" for step in group["diff"]]
        else:
            lines += _value(group["value"], terminal)
    return lines


def _step(step: Mapping[str, Any], terminal: Terminal) -> str:
    path = one_line(step["path"] or "/")
    old, new = one_line(_short(step.get("old"))), one_line(_short(step.get("new")))
    match step["op"]:
        case "add":
            return paint(f"+ {path}  {new}", "green", terminal)
        case "remove":
            return paint(f"- {path}  {old}", "red", terminal)
        case _:
            return paint(f"~ {path}  {old} → {new}", "yellow", terminal)


def _value(value: Any, terminal: Terminal) -> list[str]:
    """A value below its sites: a line per member where it is small, else indented JSON."""
    if isinstance(value, Mapping):
        members = flat(value)
        if len(members) <= 40:
            pairs = [[str(key), _short(inner)] for key, inner in members.items()]
            narrower = Terminal(max(20, terminal.width - 2), terminal.colour)
            return [f"  {line}" for line in columns(["", ""], pairs, narrower)]
    text = as_json(value).splitlines()
    return [f"  {one_line(line, max(20, terminal.width - 2))}" for line in text[:60]] + (
        [f"  … {len(text) - 60} more lines; -o json has them all"] if len(text) > 60 else []
    )


def _short(value: Any) -> str:
    if isinstance(value, str):
        return value
    return " ".join(as_json(value).split())


def _statistics(fields: Mapping[str, Mapping[str, Any]], terminal: Terminal) -> list[str]:
    header = ["field", "count", "min", "median", "p95", "max", "sum", "min at", "max at"]
    keys = ("count", "min", "median", "p95", "max", "sum", "min_site", "max_site")
    return columns(header, [[path, *(str(entry[key]) for key in keys)] for path, entry in fields.items()], terminal)


def _matrix(merged: Mapping[str, Any], terminal: Terminal) -> list[str]:
    sites = merged["sites"]
    rows = [
        [row["item"], *(_short(row["cells"][site]) if site in row["cells"] else "-" for site in sites)]
        for row in merged["rows"]
    ]
    if len(sites) > 12:
        return [f"{len(sites)} sites don't fit beside each other; use -o csv, or select fewer", ""]
    return columns(["item", *sites], rows, terminal)


# Failures and coverage


def failure_lines(outcomes: Sequence[Outcome], terminal: Terminal = PLAIN) -> list[str]:
    """The failures by cause, the commonest first, each with its sites and what to do."""
    causes: dict[tuple[str, str, str], list[Outcome]] = {}
    for outcome in outcomes:
        if not outcome.ok and outcome.error is not None:  # type: ignore[union-attr]
            message = _alike(outcome.error.message, outcome.site)  # type: ignore[union-attr]
            causes.setdefault((outcome.outcome, outcome.error.kind, message), []).append(outcome)  # type: ignore[union-attr]
    lines: list[str] = []
    for (name, _, message), failed in sorted(causes.items(), key=lambda cause: -len(cause[1])):
        sites = fold_names([outcome.site for outcome in failed], max(NAMES, terminal.width // 2))
        first = paint(f"{len(failed)} × {name}", "red", terminal)
        text = f"{len(failed)} × {name}: {one_line(message)}"
        shown = wrapped(text, terminal.width, "    ")
        lines.append(shown[0].replace(f"{len(failed)} × {name}", first, 1))
        lines += shown[1:]
        lines += wrapped(f"    {sites}", terminal.width, "    ")
        hint = failed[0].error.hint  # type: ignore[union-attr]
        if hint:
            lines += [
                paint(line, "dim", terminal) for line in wrapped(f"    → {one_line(hint)}", terminal.width, "      ")
            ]
    return lines


def _alike(message: str, site: str) -> str:
    """*message* without what differs from site to site."""
    text = message.replace(site, "…").replace(site.upper(), "…")
    return re.sub(r"\d+(?:\.\d+)? s\b", "… s", text) if "again in" in text else text


def coverage_line(report: Report) -> str:
    """How many of the selected sites answered, and what became of the rest."""
    coverage = report.coverage
    text = f"{coverage.answered} of {coverage.selected} sites answered"
    if coverage.missing:
        text += ", missing: " + ", ".join(f"{count} {name}" for name, count in coverage.missing.items())
    return f"{text} (in {report.elapsed:.1f} s)"


def summary_lines(report: Report, terminal: Terminal = PLAIN) -> list[str]:
    """Failures by cause, warnings, and the coverage last."""
    lines = failure_lines(report.outcomes, terminal)
    warned: dict[tuple[str, str], list[str]] = {}
    for warning in report.warnings:
        warned.setdefault((warning.kind, warning.message), []).append(warning.site)
    for (_, message), sites in warned.items():
        lines.append(paint(f"warning: {message}: {fold_names(sites, NAMES)}", "yellow", terminal))
    return [*lines, coverage_line(report)]


# Health


def health_lines(report: Report, terminal: Terminal = PLAIN) -> list[str]:
    """A sweep: the sites that are well on one line, every other one with the checks that say why."""
    well: list[str] = []
    lines: list[str] = []
    silent: list[Outcome] = []
    for outcome in report.outcomes:
        value = getattr(outcome, "value", None)
        if not isinstance(value, Mapping) or "checks" not in value:
            silent.append(outcome)
            continue
        telling = [check for check in value["checks"] if check["status"] not in ("ok", "skipped")]
        if telling and all(check["status"] == "unknown" for check in telling) and not outcome.ok:
            # Nothing was found out but what stood in the way: that is told by cause, for all such sites at once.
            silent.append(outcome)
            continue
        if not telling:
            well.append(outcome.site)
            continue
        release = f"  {value['release']}" if value.get("release") else ""
        colour = {"critical": "red", "warning": "yellow"}.get(value["status"], "yellow")
        lines.append(f"{paint(value['status'], colour, terminal)}  {paint(outcome.site, 'bold', terminal)}{release}")
        for check in _gathered(telling):
            lines += _check(check, terminal)
    if well:
        shown = fold_names(well, max(NAMES, terminal.width - 20))
        lines.insert(0, f"{paint('ok', 'green', terminal)}  {len(well)} sites: {shown}")
    verdicts = (report.merged or {}).get("verdicts", {})
    told = ", ".join(f"{count} {status}" for status, count in verdicts.items() if count)
    summary = summary_lines(_only(report, silent), terminal)[:-1]
    return [*lines, *([""] if lines else []), *summary, f"{told or 'no site was looked at'}; {coverage_line(report)}"]


def _gathered(checks: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """*checks*, with those that could not be carried out for one reason put together."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for check in checks:
        key = (check["status"], check["saw"] if check["status"] == "unknown" else check["check"])
        if key in found:
            found[key]["check"] += f", {check['check']}"
        else:
            found[key] = dict(check)
    return list(found.values())


def _only(report: Report, outcomes: Sequence[Outcome]) -> Report:
    return Report(
        command=report.command,
        started=report.started,
        elapsed=report.elapsed,
        outcomes=outcomes,
        warnings=report.warnings,
        counts=report.counts,
    )


def _check(check: Mapping[str, Any], terminal: Terminal) -> list[str]:
    head = f"    {check['check']} is {check['status']}: {one_line(str(check['saw']))} (wanted: {one_line(str(check['wanted']))})"
    lines = wrapped(head, terminal.width, "      ")
    items = check.get("items") or []
    if items:
        shown = ", ".join(one_line(str(item), 80) for item in items[:5])
        more = f" and {len(items) - 5} more" if len(items) > 5 else ""
        lines += wrapped(f"      {shown}{more}", terminal.width, "      ")
    if check.get("advice"):
        lines += [
            paint(line, "dim", terminal)
            for line in wrapped(f"      → {one_line(str(check['advice']))}", terminal.width, "        ")
        ]
    return lines
