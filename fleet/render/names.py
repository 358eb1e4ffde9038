"""Many site names folded into few: `sim-[0001-0003,0007], oslo`."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["fold_names"]

_LAST_NUMBER = re.compile(r"(.*?)(\d+)([^\d]*)", re.DOTALL)


def fold_names(names: Iterable[str], limit: int = 0) -> str:
    """*names* with runs of their last number as ranges, in the order in which they first come.

    What comes back can be read as a selector. With *limit*, what passes that many characters is counted instead.
    """
    families: dict[tuple[str, str, int], list[int]] = {}
    order: list[tuple[str, str, int] | str] = []
    for name in names:
        match = _LAST_NUMBER.fullmatch(name)
        if match is None or len(match[2]) > 9:
            order.append(name)
            continue
        family = (match[1], match[3], len(match[2]))
        if family not in families:
            families[family] = []
            order.append(family)
        families[family].append(int(match[2]))
    parts: list[str] = []
    left = 0
    for entry in order:
        text = entry if isinstance(entry, str) else _ranges(entry, families[entry])
        if limit and parts and sum(map(len, parts)) + len(text) > limit:
            left += 1 if isinstance(entry, str) else len(families[entry])
            continue
        parts.append(text)
    return ", ".join(parts) + (f" and {left} more" if left else "")


def _ranges(family: tuple[str, str, int], numbers: list[int]) -> str:
    before, after, width = family
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    texts = [f"{low:0{width}d}" if low == high else f"{low:0{width}d}-{high:0{width}d}" for low, high in runs]
    if len(texts) == 1 and "-" not in texts[0]:
        return f"{before}{texts[0]}{after}"
    return f"{before}[{','.join(texts)}]{after}"
