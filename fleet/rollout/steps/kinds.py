"""What a kind of step is: what `do` calls it, the verbs that it makes, its parameters, and whether it can be undone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from fleet.bulk.verb import Verb
from fleet.rollout.steps.parameters import Given, Making, Parameter

__all__ = ["SERVICES", "Kind", "Make", "chosen"]

Make: TypeAlias = Callable[[Given, Making], Verb]
"""Makes the verb of parameters that were read; raises `UsageError` for what does not go together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of step, as `do` names it.

    *verbs* are the classes that it makes. *undo* says in words what a rollback does with it, empty where nothing is left
    behind that could be put back.
    """

    do: str
    meaning: str
    verbs: tuple[type[Verb], ...]
    parameters: tuple[Parameter, ...]
    make: Make
    undo: str = ""
    source: str = ""

    @property
    def names(self) -> Sequence[str]:
        """What its parameters are called."""
        return [parameter.name for parameter in self.parameters]


SERVICES = (
    Parameter(
        name="services",
        type="texts",
        meaning="which services: patterns such as Planning/*, *.MapServer or Planning/Roads.MapServer, or @file:PATH",
        required=True,
    ),
    Parameter(name="where", type="condition", meaning="only services whose row fits"),
    Parameter(name="ignore_not_found", type="flag", meaning="a service that is not there is no failure", default=False),
)
"""The parameters that say which services are meant."""


def chosen(given: Given) -> Any:
    """The services that `SERVICES` say."""
    from fleet.bulk.services import Chosen
    from fleet.protocol.patterns import ServicePatterns

    return Chosen(ServicePatterns(given["services"]), given["where"], bool(given["ignore_not_found"]))
