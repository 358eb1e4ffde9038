"""A comparison for people: what each group of sites has in place of the reference, folded as far as it goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fleet.aggregate.compare import Comparison, Gap
from fleet.render.clean import one_line
from fleet.render.columns import PLAIN, Terminal, columns, paint, plural, wrapped
from fleet.render.names import fold_names
from fleet.render.plain import short

__all__ = ["ROW", "difference_lines", "difference_rows", "verdict_line"]

ROW = ("what", "item", "op", "path", "old", "new", "count", "sites", "explained")
"""The columns of a row per difference."""

NAMES = 200
LISTED = 4
"""Items with the very same difference that are named; of more, the rest is counted."""
LONG = 120


def explanation(gap: Gap) -> str:
    """What the sites of *gap* alone have, in words; empty where there is no such thing."""
    told = gap.explained
    if told is None:
        return ""
    if told["by"] == "release":
        return f"release {told['value']}"
    return f"group {told['value']}" if told["by"] == "group" else f"{told['key']}={told['value']}"


def difference_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """A row for each property in which some sites differ in the same way."""
    return [
        {
            "what": item.what,
            "item": item.item,
            "op": step["op"],
            "path": step["path"],
            "old": step.get("old"),
            "new": step.get("new"),
            "count": len(gap.sites),
            "sites": ",".join(gap.sites),
            "explained": explanation(gap),
        }
        for item in comparison.items
        for gap in item.gaps
        for step in gap.steps
    ]


def difference_lines(comparison: Comparison, compared: int, terminal: Terminal = PLAIN) -> list[str]:
    """The differences by the sites that share them; *compared* is how many sites there are."""
    lines: list[str] = []
    by_sites: dict[tuple[str, ...], list[tuple[str, str, Gap, Mapping[str, Any]]]] = {}
    for item in comparison.items:
        for gap in item.gaps:
            rows = by_sites.setdefault(gap.sites, [])
            rows += [(item.what, item.item, gap, step) for step in gap.steps]
    for sites, rows in sorted(by_sites.items(), key=lambda pair: -len(pair[0])):
        names = fold_names(sites, max(NAMES, 2 * terminal.width))
        head = f"{len(sites)} of {plural(compared, 'site')}: {names}"
        why = {explanation(gap) for _, _, gap, _ in rows}
        if len(why) == 1 and (told := why.pop()):
            head += f" (those with {told})" if not told.startswith("group ") else f" (those in {told})"
        if lines:
            lines.append("")
        lines += [paint(line, "bold", terminal) for line in wrapped(one_line(head, 4000), terminal.width, "    ")]
        lines += [f"  {line}" for line in _table(rows, comparison.kind, terminal)]
    return lines


def _table(rows: Sequence[tuple[str, str, Gap, Mapping[str, Any]]], kind: str, terminal: Terminal) -> list[str]:
    folded: dict[tuple[str, ...], list[str]] = {}
    for what, item, _, step in rows:
        folded.setdefault((what, *_told(step, kind)), []).append(item)
    table = []
    for (what, path, change), items in folded.items():
        names = ", ".join(one_line(item) for item in items[:LISTED])
        if len(items) > LISTED:
            names = f"{len(items)} items: {names}, …"
        table.append([what, names, path, change])
    return columns(
        ["what", "item", "property", "reference → these" if kind != "snapshot" else "then → now"],
        table,
        Terminal(max(40, terminal.width - 2), terminal.colour),
        compact=True,
    )


def _told(step: Mapping[str, Any], kind: str) -> tuple[str, str]:
    """The property and the change of *step*, for people."""
    if not step["path"]:
        words = ("added", "removed") if kind == "snapshot" else ("only here", "missing here")
        return "", words[step["op"] == "remove"]
    old = _shown(step["old"]) if "old" in step else "(none)"
    new = _shown(step["new"]) if "new" in step else "(none)"
    return step["path"].removeprefix("/").replace("/", ".").replace("~1", "/").replace("~0", "~"), f"{old} → {new}"


def _shown(value: Any) -> str:
    text = one_line(short(value), LONG)
    return text if text else '""'


def verdict_line(comparison: Comparison, compared: int, *, masked: bool) -> str:
    """How much differs, in one sentence."""
    count = len(comparison.items)
    against = {
        "majority": "what most sites have",
        "site": comparison.reference,
        "snapshot": f"the snapshot {comparison.reference}",
    }[comparison.kind]
    if count:
        sites = len({site for item in comparison.items for gap in item.gaps for site in gap.sites})
        return (
            f"{plural(count, 'item')} on {sites} of {plural(compared, 'site')} {'differs' if count == 1 else 'differ'} "
            f"from {against}; {comparison.same} {'is' if comparison.same == 1 else 'are'} the same"
        )
    noise = "; times, ids, paths and names of hosts are not compared (--no-mask compares them)" if masked else ""
    return f"nothing differs from {against}: {plural(comparison.same, 'item')} on {plural(compared, 'site')}{noise}"
