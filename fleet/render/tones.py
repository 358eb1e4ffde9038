"""Which words of a row stand out, and how: good, bad, on the way, of no weight."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

__all__ = ["STATES", "WORDS", "Tones", "tones_of"]

Tones = Callable[[Sequence[str]], Mapping[int, str]]
"""The cells of a row -> the colours of those places that have one."""

WORDS = {
    "ok": "green",
    "changed": "green",
    "noop": "green",
    "would change": "yellow",
    "changed (unconfirmed)": "yellow",
    "warning": "yellow",
    "unknown": "yellow",
    "skipped": "dim",
    "not_run": "yellow",
    "cancelled": "yellow",
}
"""Words of outcomes and checks. Every other word of such a column tells of a failure."""

STATES = {
    "STARTED": "green",
    "RUNNING": "green",
    "STOPPED": "red",
    "FAILED": "red",
    "ERROR": "red",
    "STARTING": "yellow",
    "STOPPING": "yellow",
    "PAUSED": "yellow",
    "READ_ONLY": "yellow",
    "SEVERE": "red",
    "WARNING": "yellow",
}
"""Words of states; others have no colour."""

_OUTCOMES = ("outcome", "status")
_STATES = ("realTimeState", "state", "siteMode", "level")


def tones_of(header: Sequence[str], names: Collection[str] = ()) -> Tones | None:
    """What colours the rows below *header*: its columns of outcomes and states, and those in *names*; None where none is.

    A service that stands because it should stand is of no weight.
    """
    places = [
        (place, name in _OUTCOMES)
        for place, name in enumerate(header)
        if name in _OUTCOMES or name in _STATES or name in names
    ]
    if not places:
        return None
    wish = header.index("configuredState") if "configuredState" in header else None

    def tones(row: Sequence[str]) -> Mapping[int, str]:
        found = {}
        for place, outcome in places:
            word = row[place]
            colour = WORDS.get(word) or STATES.get(word.upper())
            if colour is None and outcome and word:
                colour = "red"
            if word == "STOPPED" and wish is not None and row[wish] == "STOPPED":
                colour = "dim"
            if colour is not None:
                found[place] = colour
        return found

    return tones
