"""The checks behind gates, by name: what they ask of the sites of a wave, before it and after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fleet.errors import UsageError
from fleet.rollout.gates.condition import Condition
from fleet.rollout.gates.given import Given, nearest
from fleet.rollout.gates.health import Health
from fleet.rollout.gates.latency import Latency
from fleet.rollout.gates.log_errors import LogErrors
from fleet.rollout.gates.saying import NONE
from fleet.rollout.gates.script import ScriptGate
from fleet.rollout.gates.soaking import TELL_AFTER, Repetition, over_soak
from fleet.rollout.spec import Amount, Gate
from fleet.rollout.verbs import Making
from fleet.rollout.verdict import GateCheck

__all__ = ["CHECKS", "Repetition", "gate_check", "over_soak", "repetition_of"]

Maker = Callable[[Gate, Given, Amount, Making], GateCheck | None]

MAKERS: Mapping[str, Maker] = {
    "health": lambda gate, given, share, making: Health.of(gate, given, share),
    "log_errors": lambda gate, given, share, making: LogErrors.of(gate, given, share),
    "latency": lambda gate, given, share, making: Latency.of(gate, given, share),
    "condition": lambda gate, given, share, making: Condition.of(gate, given, share),
    "script": lambda gate, given, share, making: ScriptGate.of(gate, given, making),
}
"""What makes each check; one that comes to None has left a mistake with the options."""

CHECKS: tuple[str, ...] = tuple(MAKERS)
"""The name of every check."""


def gate_check(gate: Gate, making: Making) -> GateCheck:
    """The check behind *gate*; raises `UsageError` with every mistake in its name and its options."""
    maker = MAKERS.get(gate.check)
    if maker is None:
        raise UsageError(f"there is no check {gate.check!r} for a gate; {nearest(gate.check, CHECKS)}")
    given = Given(gate)
    share = given.amount("share", NONE)
    _repetition(gate, given)
    check = maker(gate, given, share, making)
    given.done()
    assert check is not None
    return check


def repetition_of(gate: Gate) -> Repetition:
    """How often a gate `during` a soak must say what it says; for a gate whose options `gate_check` found right."""
    return _repetition(gate, Given(gate))


def _repetition(gate: Gate, given: Given) -> Repetition:
    if gate.when != "during":
        for name in ("fail_after", "tell_after"):
            if given.has(name):
                given.whole(name, 1)
                given.wrong(f'{name} is for a gate that is asked again and again: when = "during"')
        return Repetition()
    fail_after = given.whole("fail_after", 1, most=1000)
    tell_after = given.whole("tell_after", max(TELL_AFTER, fail_after), most=1000)
    if tell_after < fail_after:
        given.wrong(
            f"tell_after ({tell_after}) is at least fail_after ({fail_after}): not to know is no worse than a no"
        )
    return Repetition(fail_after, tell_after)
