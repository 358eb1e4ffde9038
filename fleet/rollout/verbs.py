"""What a step does, as a verb: from its name and its parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from fleet.bulk.edits import Edit
from fleet.bulk.services import Chosen, Restart, Start, Stop
from fleet.bulk.settings import Edits
from fleet.bulk.verb import Verb
from fleet.errors import UsageError
from fleet.inventory.model import Inventory
from fleet.protocol.patterns import ServicePatterns
from fleet.rollout.spec import Step

__all__ = ["Making", "verb_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """What making a verb may need: the inventory, and the folder that relative paths of a rollout start from."""

    inventory: Inventory
    folder: Path


Maker: TypeAlias = Callable[[Mapping[str, Any], Making], Verb]


def _chosen(given: Mapping[str, Any]) -> Chosen:
    return Chosen(ServicePatterns(given["services"]))


MAKERS: Mapping[str, Maker] = {
    "services.edit": lambda given, making: Edit(
        _chosen(given), Edits(tuple((path, str(value)) for path, value in given["set"].items()))
    ),
    "services.start": lambda given, making: Start(_chosen(given)),
    "services.stop": lambda given, making: Stop(_chosen(given)),
    "services.restart": lambda given, making: Restart(_chosen(given)),
}


def verb_of(step: Step, making: Making) -> Verb:
    """The verb that *step* means; raises `UsageError` for a name or parameters that there are not."""
    maker = MAKERS.get(step.do)
    if maker is None:
        raise UsageError(f"step {step.name}: there is nothing called {step.do!r} to do")
    return maker(step.given, making)
