"""JSON, lines of JSON, CSV and Markdown: the same values for machines."""

from __future__ import annotations

import csv
import io
import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from fleet.errors import UsageError
from fleet.outcome import Outcome
from fleet.render.clean import csv_cell, markdown_text
from fleet.report import Report

__all__ = [
    "as_csv",
    "as_json",
    "as_line",
    "as_markdown",
    "flat",
    "in_order",
    "outcome_line",
    "rows_of",
    "shaped",
    "short",
    "without_empty",
]


T = TypeVar("T")


def _default(value: Any) -> Any:
    if isinstance(value, bytes):
        return b64encode(value).decode("ascii")
    return str(value)


_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True, allow_nan=False, default=_default).encode


def _compact(value: Any) -> str:
    # The encoder leaves the one ASCII control that JSON allows as it is; inside of JSON it stands in texts only.
    return _encode(value).replace("\x7f", "\\u007f")


def _quickly(value: Any, indent: int = 0) -> str | None:
    """*value* as JSON by the quick encoder, which most answers are plain enough for; None for the others."""
    try:
        raw = _ENCODER.encode(value)
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError):
        return None
    if not raw.isascii() or b"\x7f" in raw:
        return None
    return (msgspec.json.format(raw, indent=indent) if indent else raw).decode("ascii")


def _leave_to_the_other(value: Any) -> Any:
    raise TypeError(type(value).__name__)


_ENCODER = msgspec.json.Encoder(enc_hook=_leave_to_the_other)


def outcome_line(outcome: Outcome) -> str:
    """*outcome* as one line of ndjson, in printable ASCII."""
    return as_line(outcome.to_dict())


def as_line(value: Any) -> str:
    """*value* as JSON on one line, in printable ASCII."""
    return _quickly(value) or _compact(value)


def as_json(value: Any) -> str:
    """*value* as indented JSON in printable ASCII."""
    quick = _quickly(value, indent=2)
    if quick is not None:
        return quick
    text = json.dumps(value, indent=2, ensure_ascii=True, allow_nan=False, default=_default)
    return text.replace("\x7f", "\\u007f")


def short(value: Any) -> str:
    """*value* in a cell for people: a text as it is, anything else as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=_default)


def rows_of(report: Report, *, groups: bool = False) -> list[dict[str, Any]]:
    """The rows of *report*, flat, as its mode of merging makes them; without one, a row per outcome.

    Union: the rows of all sites, `site` first. Statistics: a row per field. Matrix: a row per item, a column per site.
    Groups are the rows only if *groups* asks for them: one per group, and of differences one per step.
    """
    merged = report.merged
    if isinstance(merged, Mapping):
        if isinstance(merged.get("rows"), list) and "sites" in merged:
            return [
                {"item": row["item"], **{site: row["cells"].get(site) for site in merged["sites"]}}
                for row in merged["rows"]
            ]
        if isinstance(merged.get("rows"), list):
            return [_beside({"site": entry["site"]}, entry["row"]) for entry in merged["rows"]]
        if isinstance(merged.get("fields"), Mapping):
            return [{"field": path, **entry} for path, entry in merged["fields"].items()]
        if groups and isinstance(merged.get("groups"), list):
            return [row for number, group in enumerate(merged["groups"], 1) for row in _rows_of_group(number, group)]
    rows = []
    for outcome in report.outcomes:
        data = outcome.to_dict()
        error = data.get("error") or {}
        row: dict[str, Any] = {"site": data["site"], "outcome": data["outcome"]}
        row |= {
            "kind": error.get("kind", ""),
            "message": error.get("message", ""),
            "attempts": data["attempts"],
            "elapsed": data["elapsed"],
        }
        rows.append(_beside(row, data["value"]) if "value" in data else row)
    return rows


def _beside(ours: dict[str, Any], value: Any) -> dict[str, Any]:
    """The columns *ours*, and those of *value* behind them: a member of the same name is the answer's, and called so."""
    if (
        type(value) is dict
        and value
        and ours.keys().isdisjoint(value)
        and _LEAVES.issuperset(map(type, value.values()))
    ):
        if _NAMES.issuperset(map(type, value)):
            return ours | value  # most rows are plain, and tens of thousands of them may come at once
    return {**ours, **{f"value.{key}" if key in ours else key: cell for key, cell in flat(value).items()}}


_LEAVES = frozenset({str, int, float, bool, type(None)})
_NAMES = frozenset({str})


def _rows_of_group(number: int, group: Mapping[str, Any]) -> list[dict[str, Any]]:
    head = {
        "group": number,
        "count": group["count"],
        "reference": group["reference"],
        "sites": ",".join(group["sites"]),
    }
    if "diff" not in group:
        return [_beside(head, group["value"])]
    return [{**head, **{key: _cell(cell) for key, cell in step.items()}} for step in group["diff"]]


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """*value* as one row: members of objects by dotted names, lists as JSON text."""
    if isinstance(value, Mapping):
        row: dict[str, Any] = {}
        for key, inner in value.items():
            name = f"{prefix}.{key}" if prefix else str(key)
            row |= flat(inner, name) if isinstance(inner, Mapping) and inner else {name: _cell(inner)}
        return row
    return {prefix or "value": _cell(value)}


def _cell(value: Any) -> Any:
    return _compact(value) if isinstance(value, list | dict) else value


def shaped(
    rows: Sequence[Mapping[str, Any]],
    names: Sequence[str] | None,
    sort: str | None,
    unknown: Callable[[str], None] | None = None,
) -> tuple[list[str], list[list[str]]]:
    """The header and the cells of *rows*: the columns *names*, sorted by the column *sort* (`-name` downwards).

    A column that no row has is told to *unknown* and left out: by then sites were asked, and what they said must not
    be lost. Without *unknown* it raises `UsageError`.
    """
    # Rows of one table have the same keys in the same order: each such order is looked at once.
    known = list(dict.fromkeys(key for keys in dict.fromkeys(map(tuple, rows)) for key in keys))
    missing = [
        name for name in [*(names or ()), *([sort.removeprefix("-")] if sort else ())] if rows and name not in known
    ]
    for name in dict.fromkeys(missing):
        told = f"there is no column {name!r}; there are {', '.join(known[:20])}"
        if unknown is None:
            raise UsageError(told)
        unknown(told)
    if sort and sort.removeprefix("-") not in missing:
        name = sort.removeprefix("-")
        rows = in_order(rows, [row.get(name) for row in rows], down=sort.startswith("-"))
    header = [name for name in names or () if name not in missing] or known
    if not header:
        return [], [[] for _ in rows]
    return header, list(map(list, zip(*(_texts([row.get(name) for row in rows]) for name in header), strict=True)))


def without_empty(header: Sequence[str], cells: Sequence[Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    """The columns in which some cell is not empty."""
    used = [place for place in range(len(header)) if any(row[place] for row in cells)]
    return [header[place] for place in used], [[row[place] for place in used] for row in cells]


def in_order(rows: Sequence[T], values: Sequence[Any], *, down: bool = False) -> list[T]:
    """*rows* by *values*, one for each: numbers by size, also where they are texts; texts with the numbers in them by size.

    Rows without a value come last in either direction.
    """
    told = [(value, row) for value, row in zip(values, rows, strict=True) if value is not None and value != ""]
    empty = [row for value, row in zip(values, rows, strict=True) if value is None or value == ""]
    keys: list[Any] = [_as_number(value) for value, _ in told]
    if None in keys:
        keys = [_as_words(value) for value, _ in told]
    order = sorted(range(len(told)), key=keys.__getitem__, reverse=down)
    return [*(told[place][1] for place in order), *empty]


def _as_number(value: Any) -> int | float | None:
    if isinstance(value, int | float):
        return value
    if isinstance(value, str) and len(value) < 300 and _NUMBER.fullmatch(value):
        return float(value) if "." in value or "e" in value.lower() else int(value)
    return None


def _as_words(value: Any) -> list[Any]:
    """The text of *value* in turns of words and digits; digits by their size, whatever it is."""
    parts: list[Any] = _DIGITS.split(_text(value).casefold())
    for place in range(1, len(parts), 2):
        digits = parts[place].lstrip("0")
        parts[place] = (len(digits), digits)
    return parts


_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?", re.ASCII)
_DIGITS = re.compile(r"(\d+)", re.ASCII)


def _texts(values: Sequence[Any]) -> Sequence[str]:
    """The cells of one column."""
    types = set(map(type, values))
    if types <= {str}:
        return values
    if types == {int}:
        return list(map(str, values))
    if types == {str, type(None)}:
        return ["" if value is None else value for value in values]
    return list(map(_text, values))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if type(value) is int:
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return _compact(value)
    return str(value)


class Known(dict[str, str]):
    """What *make* makes of a text: in a long table most texts come again and again."""

    KEPT = 50_000

    def __init__(self, make: Callable[[str], str]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, text: str) -> str:
        if len(self) >= self.KEPT:
            self.clear()
        made = self[text] = self._make(text)
        return made


def as_csv(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Comma-separated values that a spreadsheet takes for text, not for formulas."""
    out = io.StringIO()
    known = Known(csv_cell)
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([known[cell] for cell in header])
    writer.writerows([known[cell] for cell in row] for row in rows)
    return out.getvalue()


def as_markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    known = Known(markdown_text)
    lines = [f"| {' | '.join(known[cell] for cell in header)} |", f"|{' --- |' * len(header)}"]
    lines += [f"| {' | '.join([known[cell] for cell in row])} |" for row in rows]
    return "\n".join(lines) + "\n"
