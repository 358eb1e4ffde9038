"""A sweep for other systems: JUnit XML for builds, and a Nagios plug-in's output."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

from fleet.outcome import Outcome
from fleet.render.clean import one_line, paragraph
from fleet.render.names import fold_names
from fleet.render.sweep import gathered
from fleet.render.table import warning_lines
from fleet.report import Report

__all__ = ["as_junit", "as_nagios", "nagios_unknown"]

NAGIOS = {"ok": 0, "warning": 1, "critical": 2, "unknown": 3}
URGENCY = {"critical": 0, "unknown": 1, "warning": 2}
NAGIOS_ROOM = 7000
"""Characters of a plug-in's output: a monitor reads 8 KiB of it, and some of ours take more than a byte."""

TEXT = 10_000
"""Characters of one text that a build's report holds."""

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _xml(text: str) -> str:
    """*text* with what XML can't hold, and what a terminal would obey, shown as escapes."""
    return _NOT_XML.sub(lambda match: f"\\u{ord(match.group()):04x}", paragraph(text[:TEXT]))


def _checks(outcome: Outcome) -> list[Mapping[str, Any]]:
    value = getattr(outcome, "value", None)
    return list(value["checks"]) if isinstance(value, Mapping) and "checks" in value else []


def as_junit(report: Report, *, strict: bool = False) -> str:
    """A suite per site with a case per check; critical fails, what could not be carried out is an error.

    With *strict* a warning fails too. A site that was not reached has the one case `reach`. Elements and attributes are
    those of the schema by which Jenkins' xUnit plug-in judges: there the whole counts nothing as skipped, its suites do.
    """
    suites = ElementTree.Element("testsuites", name="fleet health", time=f"{report.elapsed:.3f}")
    totals = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    warned: dict[str, list[str]] = {}
    for warning in report.warnings:
        warned.setdefault(warning.site, []).append(warning.message)
    for outcome in report.outcomes:
        suite = ElementTree.SubElement(
            suites,
            "testsuite",
            name=outcome.site,
            time=f"{outcome.elapsed:.3f}",
            timestamp=datetime.fromtimestamp(outcome.at, UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        )
        counts = dict.fromkeys(totals, 0)
        if outcome.site in warned:
            properties = ElementTree.SubElement(suite, "properties")
            for message in warned[outcome.site]:
                ElementTree.SubElement(properties, "property", name="warning", value=_xml(message))
        for check in _checks(outcome):
            counts["tests"] += 1
            case = ElementTree.SubElement(
                suite,
                "testcase",
                classname=outcome.site,
                name=_xml(check["check"]),
                time=f"{check.get('elapsed') or 0:.3f}",
            )
            status = check["status"]
            text = one_line(_xml(f"saw {check['saw']}; wanted {check['wanted']}"), 1000)
            body = _xml("\n".join([str(check.get("advice") or ""), *map(str, check.get("items") or [])]).strip())
            if status == "critical" or (strict and status == "warning"):
                counts["failures"] += 1
                ElementTree.SubElement(case, "failure", message=text, type=status).text = body
            elif status == "unknown":
                counts["errors"] += 1
                ElementTree.SubElement(case, "error", message=text, type=status).text = body
            elif status == "skipped":
                counts["skipped"] += 1
                ElementTree.SubElement(case, "skipped", message=text)
            elif status == "warning":
                ElementTree.SubElement(case, "system-out").text = f"warning: {text}"
        if not counts["tests"]:
            counts["tests"] = counts["errors"] = 1
            case = ElementTree.SubElement(suite, "testcase", classname=outcome.site, name="reach", time="0")
            error = getattr(outcome, "error", None)
            message = outcome.outcome if error is None else f"{error.kind}: {error.message}"
            ElementTree.SubElement(case, "error", message=one_line(_xml(message), 1000), type=outcome.outcome)
        for key, count in counts.items():
            suite.set(key, str(count))
            totals[key] += count
    for key in ("tests", "failures", "errors"):
        suites.set(key, str(totals[key]))
    ElementTree.indent(suites)
    # In ASCII it is the same file whatever the encoding of standard output is.
    data: bytes = ElementTree.tostring(suites, encoding="us-ascii", xml_declaration=True)
    return data.decode("ascii") + "\n"


def as_nagios(report: Report, *, require_coverage: float | None = None) -> tuple[str, int]:
    """The lines of a Nagios plug-in, and its exit status (0 to 3).

    The first line has the verdict, the sites that are not well, and performance data; then comes a line for each such
    site, the worst first, as far as a monitor reads. Fewer answers than the share *require_coverage* are critical.
    """
    counts = dict.fromkeys(NAGIOS, 0)
    ill: list[tuple[int, str, str]] = []
    for outcome in report.outcomes:
        value = getattr(outcome, "value", None)
        checks = _checks(outcome)
        status = str(value["status"]) if checks and isinstance(value, Mapping) else "unknown"
        if not checks and outcome.outcome in ("unreachable", "auth_failed", "timeout", "protocol", "failed"):
            status = "critical"
        counts[status] = counts.get(status, 0) + 1
        if status == "ok":
            continue
        found = gathered([check for check in checks if check["status"] not in ("ok", "skipped")])
        telling = [f"{check['check']}: {check['saw']}" for check in found]
        error = getattr(outcome, "error", None)
        if not telling and error is not None:
            telling = [error.message]
        line = f"{status.upper()} {outcome.site}: {_perf_safe('; '.join(telling))}"
        ill.append((URGENCY.get(status, 3), outcome.site, line))
    ill.sort(key=lambda entry: entry[0])
    worst = max(
        (status for status in counts if counts[status]), key=lambda s: (0, 1, 3, 2)[NAGIOS[s]], default="unknown"
    )
    told = ", ".join(f"{count} {status}" for status, count in counts.items() if count) or "no site"
    if ill:
        told += f" ({fold_names([site for _, site, _ in ill], 60)})"
    share = report.coverage.share
    if require_coverage is not None and share < require_coverage:
        worst = "critical"
        told += f", {100 * share:.0f}% of the sites answered and {100 * require_coverage:.0f}% should"
    perf = " ".join(f"{status}={count};;;0;{len(report.outcomes)}" for status, count in counts.items())
    lines = [f"FLEET {worst.upper()} - {told} | {perf} time={report.elapsed:.3f}s;;;0"]
    warned = [_perf_safe(line) for line in warning_lines(report)]
    room = NAGIOS_ROOM - len("\n".join([lines[0], *warned]))
    for place, (_, _, line) in enumerate(ill):
        room -= len(line) + 1
        if room < 0:
            lines.append(f"and {len(ill) - place} more; fleet health tells them all")
            break
        lines.append(line)
    return "\n".join([*lines, *warned]) + "\n", NAGIOS[worst]


def nagios_unknown(text: str) -> tuple[str, int]:
    """The lines and the exit status of a plug-in that could not even begin: *text* says why."""
    first, *rest = text.splitlines() or [""]
    return "\n".join([f"FLEET UNKNOWN - {_perf_safe(first)}", *map(_perf_safe, rest)]) + "\n", NAGIOS["unknown"]


def _perf_safe(text: str) -> str:
    """A bar would begin performance data."""
    return one_line(text).replace("|", "¦")
