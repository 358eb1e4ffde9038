"""What bulk changes would do, or did: sites that agree on a line, old → new, and what failed with its reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fleet.outcome import Outcome
from fleet.render.columns import PLAIN, Terminal, columns, paint, plural
from fleet.render.names import fold_names
from fleet.render.plain import short
from fleet.render.table import NAMES, summary_lines
from fleet.report import Report

__all__ = ["CHANGE_COLUMNS", "PAGE_COLUMNS", "change_lines", "change_page_rows", "change_rows", "old_to_new"]

CHANGE_COLUMNS = ("site", "item", "outcome", "old", "new", "kind", "message")

PAGE_COLUMNS = ("site", "item", "change", "outcome", "kind", "message")
"""The columns of a page, unless others are asked for."""

WOULD = {"change": "would change", "noop": "noop", "impossible": "impossible"}


def changes_of(outcome: Outcome) -> Sequence[Mapping[str, Any]]:
    """The changes that *outcome* tells of."""
    value = outcome.value
    found = value.get("changes") if isinstance(value, Mapping) else None
    return found if isinstance(found, list) else []


def change_rows(report: Report) -> list[dict[str, Any]]:
    """A row per site and change (`CHANGE_COLUMNS`); a site of which no change is known has one row with its outcome."""
    return [
        {**row, "old": _text(old), "new": _text(new)}
        for row, old, new in _rows(report, dict.fromkeys(CHANGE_COLUMNS, ""))
    ]


def change_page_rows(report: Report) -> list[dict[str, Any]]:
    """The same for a page that people read: with what is old and what is new in one column more, `change`."""
    return [
        {**row, "change": old_to_new(old, new), "old": _text(old), "new": _text(new)}
        for row, old, new in _rows(report, dict.fromkeys((*PAGE_COLUMNS, "old", "new"), ""))
    ]


def _rows(report: Report, columns: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], Any, Any]]:
    """A row with *columns* for each change, and what is old and new of it."""
    for outcome in report.outcomes:
        told = changes_of(outcome)
        for one in told:
            error = one.get("error") or {}
            row = {
                "site": outcome.site,
                "item": one.get("item", ""),
                "outcome": one.get("outcome") or WOULD.get(str(one.get("state")), ""),
                "kind": error.get("kind", ""),
                "message": error.get("message") or one.get("why") or "",
            }
            yield {**columns, **row}, one.get("old"), one.get("new")
        if not told:
            error = getattr(outcome, "error", None)
            row = {"site": outcome.site, "outcome": outcome.outcome}
            row |= {} if error is None else {"kind": error.kind, "message": error.message}
            yield {**columns, **row}, None, None


def _told(one: Mapping[str, Any]) -> str:
    """What the site said of a change that it made."""
    messages = one.get("messages")
    return "; ".join(map(str, messages)) if isinstance(messages, list) else ""


def _text(value: Any) -> str:
    return "" if value is None else short(value)


def old_to_new(old: Any, new: Any) -> str:
    """`min 1 → 2` of objects that differ in few members, `STARTED → STOPPED` of texts."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        names = [name for name in new if name not in old or old[name] != new[name]]
        names += [name for name in old if name not in new]
        return ", ".join(f"{name} {_word(old, name)} → {_word(new, name)}" for name in names)
    if old is None or new is None:
        return _members(new if old is None else old)
    if isinstance(old, Mapping) and isinstance(new, str):
        return f"→ {new} ({_members(old)})"
    return f"{_members(old)} → {_members(new)}"


def _members(value: Any) -> str:
    """`location /backup` of an object that is only there before, or only after."""
    return (
        ", ".join(f"{name} {short(part)}" for name, part in value.items())
        if isinstance(value, Mapping)
        else _text(value)
    )


def _word(value: Mapping[str, Any], name: str) -> str:
    return short(value[name]) if name in value else "–"


def change_lines(report: Report, terminal: Terminal = PLAIN) -> list[str]:
    """The lines of a report of bulk changes: those that are the same on several sites once, noops counted."""
    told: dict[tuple[str, str, str, str], list[str]] = {}
    quiet: list[str] = []
    untouched = 0
    for outcome in report.outcomes:
        changes = changes_of(outcome)
        for one in changes:
            word = one.get("outcome") or WOULD.get(str(one.get("state")), "")
            if word == "noop":
                untouched += 1
                continue
            error = one.get("error") or {}
            change = "" if word == "impossible" else old_to_new(one.get("old"), one.get("new"))
            if one.get("verified") is False:
                word += " (unconfirmed)"
            why = str(error.get("message") or one.get("why") or _told(one))
            told.setdefault((str(one.get("item", "")), change, word, why), []).append(outcome.site)
        if outcome.ok and not any(_moves(one) for one in changes):
            quiet.append(outcome.site)
    rows = [
        [item, change, word, fold_names(sites, NAMES), str(len(sites)), why]
        for (item, change, word, why), sites in told.items()
    ]
    lines = []
    if rows:
        lines = columns(["item", "change", "outcome", "sites", "count", "why"], rows, terminal, state=2, compact=True)
    if untouched:
        lines.append(paint(f"{plural(untouched, 'thing')} left alone: they are so already", "dim", terminal))
    if quiet:
        nothing = f"nothing to do on {plural(len(quiet), 'site')}: {fold_names(quiet, NAMES)}"
        lines.append(paint(nothing, "dim", terminal))
    return [*lines, *([""] if lines else []), *summary_lines(report, terminal)]


def _moves(one: Mapping[str, Any]) -> bool:
    return bool(one.get("outcome", one.get("state")) != "noop")
