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
    used = 0
    for entry in order:
        if isinstance(entry, str):
            text, held, count = entry, 1, 1
        else:
            numbers = sorted(set(families[entry]))
            room = max(1, limit - used) if limit else 0
            text, held = _ranges(entry, numbers, room)
            count = len(numbers)
        if limit and parts and used + len(text) > limit:
            left += count
            continue
        parts.append(text)
        used += len(text)
        left += count - held
    return ", ".join(parts) + (f" and {left} more" if left else "")


def _ranges(family: tuple[str, str, int], numbers: list[int], room: int) -> tuple[str, int]:
    """The text of *numbers* as ranges, and how many of them it holds: those that *room* characters take, at least one."""
    before, after, width = family
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    texts: list[str] = []
    held = 0
    used = len(before) + len(after) + 2
    for low, high in runs:
        text = f"{low:0{width}d}" if low == high else f"{low:0{width}d}-{high:0{width}d}"
        if room and texts and used + len(text) + 1 > room:
            break
        texts.append(text)
        used += len(text) + 1
        held += high - low + 1
    if len(texts) == 1 and "-" not in texts[0]:
        return f"{before}{texts[0]}{after}", held
    return f"{before}[{','.join(texts)}]{after}", held
