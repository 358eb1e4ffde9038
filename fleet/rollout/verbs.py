"""What a step does, as a verb: from its name and its parameters, with every mistake of it told at once."""

from __future__ import annotations

from fleet.bulk.verb import Verb
from fleet.errors import UsageError
from fleet.inventory.tables import nearest
from fleet.rollout.spec import Step
from fleet.rollout.steps import KINDS
from fleet.rollout.steps.calling import named_call
from fleet.rollout.steps.parameters import Making, read_parameters
from fleet.rollout.steps.scripting import RunScript
from fleet.rollout.steps.scripts import is_script, load_script, script_digests

__all__ = ["Making", "script_digests", "verb_of"]


def verb_of(step: Step, making: Making) -> Verb:
    """The verb that *step* means; raises `UsageError` with everything that is wrong with the step."""
    if is_script(step.do):
        try:
            return RunScript(load_script(step.do, making.folder), step.given)
        except UsageError as error:
            raise UsageError(f"step {step.name}: {error}") from None
    kind, told = KINDS.get(step.do), step.given
    mistakes: list[str] = []
    if kind is None:
        try:
            meant = named_call(step.do, told)
        except UsageError as error:
            raise UsageError(f"step {step.name}: {error}") from None
        if meant is None:
            near = nearest(step.do, KINDS)
            hint = f"; did you mean {near}?" if near else ""
            raise UsageError(f"step {step.name}: there is no {step.do[:80]!r} to do{hint}")
        kind, told = KINDS["call"], meant
    given, mistakes = read_parameters(told, kind.parameters, making)
    if not mistakes:
        try:
            return kind.make(given, making)
        except UsageError as error:
            mistakes += str(error).splitlines()
    raise UsageError("\n".join(f"step {step.name}: {mistake}" for mistake in mistakes))
