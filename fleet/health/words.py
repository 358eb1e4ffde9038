"""Words that several checks have in common: times that are left, and things that are counted."""

from __future__ import annotations

__all__ = ["DAY", "counted", "days", "ends"]

DAY = 86_400.0


def days(seconds: float) -> str:
    """*seconds* in days."""
    number = seconds / DAY
    return f"{number:.0f} days" if abs(number) >= 2 else f"{number:.1f} days"


def ends(left: float) -> str:
    """How something ends, or ended, of which *left* seconds are left."""
    return f"ends in {days(left)}" if left >= 0 else f"ended {days(-left)} ago"


def counted(count: int, word: str) -> str:
    """*count* of the things called *word*."""
    return f"{count} {word}{'' if count == 1 else 's'}"
