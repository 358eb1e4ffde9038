"""The options of a gate, read one by one: every mistake is kept, and all are told at once."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import TypeVar

from fleet.durations import parse_duration
from fleet.errors import UsageError
from fleet.rollout.spec import Amount, Gate

__all__ = ["Given", "nearest"]

T = TypeVar("T")


def nearest(name: str, known: Collection[str]) -> str:
    """Which of *known* may have been meant by *name*, as the end of a sentence."""
    near = get_close_matches(name, list(known), n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"


class Given:
    """The options of *gate*: each is asked for by its name, and what is left over at `done` is a mistake."""

    def __init__(self, gate: Gate) -> None:
        self._options = dict(gate.given)
        self._told = f"gate {gate.check!r} ({gate.when})"
        self._asked: list[str] = []
        self.mistakes: list[str] = []

    def wrong(self, message: str) -> None:
        """*message* is a mistake of this gate."""
        self.mistakes.append(message)

    def _get(self, name: str) -> object:
        self._asked.append(name)
        return self._options.get(name)

    def has(self, name: str) -> bool:
        """Whether the option *name* was given."""
        return self._options.get(name) is not None

    def text(self, name: str) -> str | None:
        """A text that is not empty, or None."""
        value = self._get(name)
        if value is None or (isinstance(value, str) and value):
            return value
        self.wrong(f"{name} is a text, not {value!r}")
        return None

    def names(self, name: str) -> tuple[str, ...]:
        """A list of texts, or one text."""
        value = self._get(name)
        if value is None:
            return ()
        many = [value] if isinstance(value, str) else value
        if isinstance(many, Sequence) and all(isinstance(one, str) and one for one in many):
            return tuple(many)
        self.wrong(f"{name} is a list of names, not {value!r}")
        return ()

    def choice(self, name: str, choices: Sequence[str], default: str) -> str:
        """One of *choices*."""
        value = self._get(name)
        if value is None:
            return default
        if isinstance(value, str) and value in choices:
            return value
        self.wrong(f"{name} can't be {value!r}; {nearest(str(value), choices)}")
        return default

    def whole(self, name: str, default: int, *, least: int = 1, most: int = 1_000_000) -> int:
        """A whole number."""
        value = self._get(name)
        if value is None:
            return default
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        self.wrong(f"{name} is a whole number from {least} to {most}, not {value!r}")
        return default

    def number(self, name: str, default: float, *, least: float) -> float:
        """A number that is finite."""
        value = self._get(name)
        if value is None:
            return default
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= least:
            return float(value)
        self.wrong(f"{name} is a number from {least:g} on, not {value!r}")
        return default

    def seconds(self, name: str, default: float) -> float:
        """A time with a unit, which is more than none."""
        value = self._get(name)
        if value is None:
            return default
        try:
            seconds = parse_duration(value) if isinstance(value, str) else 0.0
        except ValueError:
            seconds = 0.0
        if seconds > 0:
            return seconds
        self.wrong(f'{name} is a time such as "30s" or "10m", not {value!r}')
        return default

    def amount(self, name: str, default: Amount) -> Amount:
        """A count, or a percentage."""
        value = self._get(name)
        if value is None:
            return default
        if isinstance(value, int | str):
            try:
                return Amount.parse(value)
            except ValueError:
                pass
        self.wrong(f'{name} is a count such as 2, or a percentage such as "10%", not {value!r}')
        return default

    def done(self) -> None:
        """Raise `UsageError` with every mistake, if there is one."""
        for name in self._options:
            if name not in self._asked:
                self.wrong(f"there is no option {name!r}; {nearest(name, self._asked)}")
        if self.mistakes:
            raise UsageError("\n".join(f"{self._told}: {mistake}" for mistake in self.mistakes))
