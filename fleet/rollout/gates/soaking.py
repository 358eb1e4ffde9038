"""What a gate that is asked again and again during a soak says in the end. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fleet.rollout.verdict import GateAnswer

__all__ = ["Repetition", "over_soak"]

TELL_AFTER = 3


@dataclass(frozen=True, slots=True)
class Repetition:
    """How many answers in a row it takes: *fail_after* times no, or *tell_after* times anything but go."""

    fail_after: int = 1
    tell_after: int = TELL_AFTER


def over_soak(answers: Iterable[GateAnswer], repetition: Repetition, *, ended: bool = False) -> GateAnswer:
    """What *answers*, in the order in which they were given, come to; asked after each, so that a soak ends early.

    A go wipes out what stood before it. Since the last one, `fail_after` times no is no, with any number of cannot-tells
    between them; `tell_after` answers that are not go are cannot tell. What a soak came to once it stays, and no comes
    before cannot tell. When it has *ended*, it is go only if the last answer was: what stands open then cannot be told.
    """
    noes = open_ones = 0
    verdict: GateAnswer = "go"
    last: GateAnswer = "cannot_tell"
    for last in answers:
        if last == "go":
            noes = open_ones = 0
            continue
        open_ones += 1
        noes += last == "no"
        if noes >= repetition.fail_after:
            return "no"
        if open_ones >= max(repetition.tell_after, repetition.fail_after):
            verdict = "cannot_tell"
    return "cannot_tell" if ended and last != "go" else verdict
