"""The step `state`: services, machines, logs and the site itself as they should be; what is so already is left alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fleet.bulk.change import Change
from fleet.bulk.edits import Edit, MoveRuntime
from fleet.bulk.logs import EditLogs
from fleet.bulk.machines import ChosenMachines
from fleet.bulk.machines import Start as StartMachines
from fleet.bulk.machines import Stop as StopMachines
from fleet.bulk.services import Start, Stop
from fleet.bulk.site import SetMode
from fleet.bulk.verb import Verb
from fleet.client.site import SiteClient
from fleet.errors import UsageError
from fleet.rollout.steps.kinds import SERVICES, Kind, chosen
from fleet.rollout.steps.parameters import Given, Making, Parameter, as_text
from fleet.rollout.steps.services import edits_of

__all__ = ["KINDS", "Desired"]


@dataclass(frozen=True)
class Desired(Verb):
    """Bring a site to a state: what each of *parts* plans, in this order, with one change for each thing.

    The changes of several parts to one thing are one change: all of it is made, and put back in the reverse order.
    """

    parts: tuple[Verb, ...]
    given: Mapping[str, Any] = field(default_factory=dict)

    name = "state"
    doing: str = field(default="bring to its state", init=False)
    thing: str = field(default="thing", init=False)

    @property
    def disrupts(self) -> bool:  # type: ignore[override]
        """Whether any of its parts does."""
        return any(part.disrupts for part in self.parts)

    def parameters(self) -> Mapping[str, Any]:
        return dict(self.given)

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        found: dict[str, Change] = {}
        for part in self.parts:
            for change in await part.plan(client):
                named = replace(change, item=change.item or "site")
                before = found.get(named.item)
                found[named.item] = named if before is None else _both(before, named)
        return list(found.values())


def _both(first: Change, second: Change) -> Change:
    """What two changes of one thing are together."""
    if "impossible" in (first.state, second.state):
        return first if first.state == "impossible" else second
    old, new = _joined(first.old, second.old), _joined(first.new, second.new)
    if (first.state, second.state) == ("noop", "noop"):
        return replace(first, old=old, new=new, why=first.why or second.why)
    # What can be put back by half only is not put back at all.
    whole = all(one.undo for one in (first, second) if one.state == "change")
    return Change(
        item=first.item,
        old=old,
        new=new,
        operations=(*first.operations, *second.operations),
        undo=(*second.undo, *first.undo) if whole else (),
        why="; ".join(one.why for one in (first, second) if one.why),
    )


def _joined(one: Any, other: Any) -> Any:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return {**one, **other}
    return one if other is None else other


def _state(given: Given, making: Making) -> Verb:
    parts: list[Verb] = []
    if given["mode"] == "EDITABLE":
        parts.append(SetMode("EDITABLE"))
    if given["logs"] is not None:
        parts.append(EditLogs({name: _log_value(value) for name, value in given["logs"].items()}))
    if given["machine_state"] is not None:
        picked = ChosenMachines(given["machines"])
        parts.append(StartMachines(picked) if given["machine_state"] == "started" else StopMachines(picked))
    elif given["machines"]:
        raise UsageError("machine_state is missing: machines are started or stopped")
    parts += _of_services(given)
    if given["mode"] == "READ_ONLY":
        # Nothing else can be changed from then on.
        parts.append(SetMode("READ_ONLY"))
    if not parts:
        raise UsageError("there is nothing that should be so: give services, logs, machines or mode")
    return Desired(tuple(parts), {name: told for name, value in given.items() if (told := _told(value)) is not None})


def _of_services(given: Given) -> list[Verb]:
    names = ("set", "enable", "disable", "capabilities", "runtime", "state")
    wanted = [name for name in names if given[name]]
    if not given["services"]:
        if wanted:
            raise UsageError(f"services is missing: {wanted[0]} is of services ('*' for all)")
        return []
    if not wanted:
        raise UsageError(f"services should be how? give one of {', '.join(names)}")
    picked, edits = chosen(given), edits_of(given)
    found: list[Verb] = []
    if edits.to_dict().keys() - {"force"}:
        found.append(Edit(picked, edits))
    own = [name for name, _ in edits.settings if name in ("minInstancesPerNode", "maxInstancesPerNode")]
    if own and given["runtime"] == "shared":
        raise UsageError(f"set: a service that uses shared instances has no {own[0]} of its own")
    # After an edit, which sends the definition back with the runtime that it has.
    if given["runtime"] is not None:
        found.append(MoveRuntime(picked, given["runtime"]))
    if given["state"] is not None:
        found.append(Start(picked) if given["state"] == "started" else Stop(picked))
    return found


def _log_value(value: Any) -> Any:
    return value if isinstance(value, int) else as_text(value)


def _told(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value) or None
    return value if value is None or isinstance(value, str | bool | int | dict) else str(value)


KINDS = (
    Kind(
        do="state",
        meaning=(
            "Bring services, machines, logs and the mode of a site to what they should be, in one step; what is so already "
            "is left alone. Each service is one change: settings first, then its runtime, then whether it runs."
        ),
        verbs=(Desired,),
        parameters=(
            Parameter(name="services", type="texts", meaning="which services, as patterns such as Planning/*"),
            *SERVICES[1:],
            Parameter(name="set", type="table", meaning="settings by name, such as minInstancesPerNode = 2"),
            Parameter(name="enable", type="texts", meaning="extensions that are on"),
            Parameter(name="disable", type="texts", meaning="extensions that are off"),
            Parameter(name="capabilities", type="any", meaning="what clients may do, as in services.edit"),
            Parameter(name="force", type="flag", meaning="add settings that a service has not", default=False),
            Parameter(name="runtime", type="text", meaning="which instances", choices=("shared", "dedicated")),
            Parameter(name="state", type="text", meaning="whether they run", choices=("started", "stopped")),
            Parameter(name="logs", type="table", meaning="log settings, such as logLevel = WARNING"),
            Parameter(name="machines", type="texts", meaning="which machines, with * and ?; all"),
            Parameter(
                name="machine_state", type="text", meaning="whether machines run", choices=("started", "stopped")
            ),
            Parameter(name="mode", type="text", meaning="the site's mode", choices=("EDITABLE", "READ_ONLY")),
        ),
        make=_state,
        undo="each thing is put back as it was, where all of it can be",
    ),
)
"""The step that says how things should be."""
