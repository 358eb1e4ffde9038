"""A health sweep for people: the sites that are well on one line, the others with what is wrong and what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fleet.outcome import Outcome
from fleet.render.clean import one_line
from fleet.render.columns import PLAIN, Terminal, paint, plural, wrapped
from fleet.render.names import fold_names
from fleet.render.table import NAMES, coverage_line, failure_lines, warning_lines
from fleet.report import Report

__all__ = ["gathered", "health_lines"]

COLOUR = {"critical": "red", "warning": "yellow", "unknown": "yellow"}
URGENCY = {"critical": 0, "unknown": 1, "warning": 2}
SITE = "\x00"
"""Stands for the site in a command that is advised, while sites are compared; no text that is shown holds it."""

ITEMS = 5
"""Things that one check is about that are named before the rest is counted."""


def health_lines(report: Report, terminal: Terminal = PLAIN) -> list[str]:
    """A sweep: the sites that are well on one line, then the ill ones, the worst first.

    Sites with the very same trouble share one entry. A site of which nothing was found out is told by cause below,
    and the totals come last.
    """
    well: list[str] = []
    ill: dict[tuple[Any, ...], list[str]] = {}
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
        elif telling:
            ill.setdefault(_trouble(value, telling, outcome.site), []).append(outcome.site)
        else:
            well.append(outcome.site)
    lines: list[str] = []
    if well:
        names = fold_names(well, max(NAMES, 2 * terminal.width))
        shown = wrapped(f"ok  {plural(len(well), 'site')}: {names}", terminal.width, "    ")
        lines += [paint("ok", "green", terminal) + shown[0][2:], *shown[1:]]
    for trouble, sites in sorted(ill.items(), key=lambda entry: URGENCY.get(entry[0][0], 3)):
        lines += _entry(trouble, sites, terminal)
    verdicts = (report.merged or {}).get("verdicts", {})
    told = ", ".join(f"{count} {status}" for status, count in verdicts.items() if count)
    below = [*failure_lines(silent, terminal), *warning_lines(report, terminal)]
    totals = f"{told or 'no site was looked at'}; {coverage_line(report)}"
    return [*lines, *([""] if lines else []), *below, *wrapped(totals, terminal.width, "    ")]


def _trouble(value: Mapping[str, Any], telling: Sequence[Mapping[str, Any]], site: str) -> tuple[Any, ...]:
    """What is wrong with a site, as a value that is equal for sites with the same trouble."""

    return (
        value["status"],
        value.get("release") or "",
        tuple(
            (
                check["check"],
                check["status"],
                str(check["saw"]),
                str(check["wanted"]),
                re.sub(rf"(?<= -s ){re.escape(site)}$", SITE, str(check.get("advice") or "").replace(SITE, "")),
                tuple(str(item) for item in check.get("items") or []),
            )
            for check in gathered(telling)
        ),
    )


def gathered(checks: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """*checks*, with those that could not be carried out for one reason put together."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for check in checks:
        key = (check["status"], check["saw"] if check["status"] == "unknown" else check["check"])
        if key in found:
            found[key]["check"] += f", {check['check']}"
        else:
            found[key] = dict(check)
    return list(found.values())


def _entry(trouble: tuple[Any, ...], sites: Sequence[str], terminal: Terminal) -> list[str]:
    status, release, checks = trouble
    names = sites[0] if len(sites) == 1 else f"{len(sites)} sites: {fold_names(sites, max(NAMES, terminal.width))}"
    head = wrapped(f"{status}  {names}" + (f"  {one_line(release)}" if release else ""), terminal.width, "    ")
    lines = [paint(status, COLOUR.get(status, "yellow"), terminal) + head[0].removeprefix(status), *head[1:]]
    selector = sites[0] if len(sites) == 1 else f"'{fold_names(sites)}'"
    for check, found, saw, wanted, advice, items in checks:
        told = f"    {check} is {found}: {one_line(saw)} (wanted: {one_line(wanted)})"
        lines += wrapped(told, terminal.width, "      ")
        if items:
            shown = ", ".join(one_line(item, 80) for item in items[:ITEMS])
            more = f" and {len(items) - ITEMS} more" if len(items) > ITEMS else ""
            lines += wrapped(f"      {shown}{more}", terminal.width, "      ")
        if advice:
            text = one_line(advice.replace(SITE, selector), 1000)
            lines += [paint(line, "dim", terminal) for line in _advised(text, terminal.width)]
    return lines


def _advised(text: str, width: int) -> list[str]:
    """*text* in lines; a command at its end stays whole, so that it can be copied."""
    prose, colon, command = text.rpartition(": fleet ")
    if text.startswith("fleet ") or len(text) + 8 <= width or not colon:
        return [f"      → {text}"] if text.startswith("fleet ") else wrapped(f"      → {text}", width, "        ")
    return [*wrapped(f"      → {prose}:", width, "        "), f"        fleet {command}"]
