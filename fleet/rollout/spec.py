"""What a rollout is to do, as values: its sites, waves, steps, gates and budgets. Pure; made from a file or in Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

__all__ = [
    "EVERY_WAVE",
    "Amount",
    "Budget",
    "Gate",
    "OnFailure",
    "Order",
    "Rollout",
    "Step",
    "Wave",
    "When",
    "Window",
]

OnFailure: TypeAlias = Literal["stop", "rollback_site", "rollback_all", "continue"]
Order: TypeAlias = Literal["inventory", "name", "shuffle"]
When: TypeAlias = Literal["before", "after", "during"]

NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})
EVERY_WAVE: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Amount:
    """A count of sites, or a percentage of the planned ones."""

    number: int
    percent: bool = False

    @classmethod
    def parse(cls, value: int | str) -> Amount:
        """`2` or `"5%"`; raises `ValueError` for anything else."""
        if isinstance(value, int) and not isinstance(value, bool):
            if value < 0:
                raise ValueError("a count is 0 or more")
            return cls(value)
        digits = value[:-1].strip() if isinstance(value, str) and value.endswith("%") else ""
        if not (digits.isascii() and digits.isdigit()) or int(digits) > 100:
            raise ValueError('an amount is a count such as 2, or a percentage such as "5%"')
        return cls(int(digits), True)

    def of(self, planned: int) -> int:
        """How many sites that is of *planned*; a percentage is rounded down."""
        return self.number * planned // 100 if self.percent else self.number

    def to_value(self) -> int | str:
        """As a file has it."""
        return f"{self.number}%" if self.percent else self.number

    def __str__(self) -> str:
        return str(self.to_value())


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How many sites may fail before no further step starts; None is no limit of its own.

    Sites that are `unreachable`, `timeout` or `auth_failed` count in *unreachable* if that is set, else in *failed*.
    """

    failed: Amount | None = None
    unreachable: Amount | None = None

    def to_dict(self) -> dict[str, Any]:
        told = {"failed": self.failed, "unreachable": self.unreachable}
        return {name: amount.to_value() for name, amount in told.items() if amount is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """One wave: *size* is a count, a percentage of the planned sites (`"10%"`, at least one), `"rest"`, or a selector.

    With *approve* somebody must approve it first. *soak* is in seconds, None for the rollout's own.
    """

    size: int | str
    approve: bool = False
    soak: float | None = None

    def to_dict(self) -> dict[str, Any]:
        told: dict[str, Any] = {"size": self.size}
        if self.approve:
            told["approve"] = True
        if self.soak is not None:
            told["soak"] = self.soak
        return told


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step on each site: *do* is a bulk verb (`services.edit`), an operation of the catalogue, `state`, `wait`, or
    a script (`file.py:function`), and *given* its parameters (`with` in a file)."""

    name: str
    do: str
    given: Mapping[str, Any] = field(default_factory=lambda: NO_OPTIONS)

    def to_dict(self) -> dict[str, Any]:
        told: dict[str, Any] = {"name": self.name, "do": self.do}
        if self.given:
            told["with"] = dict(self.given)
        return told


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A check that answers go, no, or cannot tell: *check* names it, *given* its options (`no = "new_failures"`, …).

    It is asked *when* a wave is about to begin, is over (after its soak), or during the soak, again and again; *waves*
    (from 1) are those that it is for, all where none is named.
    """

    when: When
    check: str
    given: Mapping[str, Any] = field(default_factory=lambda: NO_OPTIONS)
    waves: tuple[int, ...] = EVERY_WAVE

    def is_for(self, wave: int) -> bool:
        """Whether it is asked of *wave*, counted from 1."""
        return not self.waves or wave in self.waves

    def to_dict(self) -> dict[str, Any]:
        told: dict[str, Any] = {"when": self.when, "check": self.check, **self.given}
        if self.waves:
            told["waves"] = list(self.waves)
        return told


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When changes may be made: from *begin* to *end* (`"22:00"`, `"04:00"` of the next day) on *days*, in *zone*.

    *days* are 0 (Monday) to 6, those on which the window begins; *zone* is a name such as `Europe/Oslo`.
    """

    days: frozenset[int]
    begin: str
    end: str
    zone: str

    def to_dict(self) -> dict[str, Any]:
        names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
        return {
            "days": ",".join(names[day] for day in sorted(self.days)),
            "from": self.begin,
            "to": self.end,
            "zone": self.zone,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A change of many sites: which, in which waves, by which steps, and what decides whether it goes on.

    *canary* is a selector of sites that come first of all; *width* is how many sites of a wave are worked on at once.
    Sites of one wave are spread over the values of the label *spread*, and no two of them have the same value of the
    label *apart*. *soak* is seconds between the last step of a wave and its gates, and *soak_every* how often the gates
    `during` it are asked. *run* and *wave* are the budgets, in all and of each wave; with *strict* so few sites are
    worked on at once that the budget of the run is passed by one at most.
    """

    name: str
    select: str
    steps: tuple[Step, ...]
    waves: tuple[Wave, ...] = (Wave(size="rest"),)
    canary: str | None = None
    width: int = 10
    order: Order = "inventory"
    spread: str | None = None
    apart: str | None = None
    soak: float = 0.0
    soak_every: float = 30.0
    on_failure: OnFailure = "stop"
    windows: tuple[Window, ...] = ()
    run: Budget = Budget(failed=Amount(0))
    wave: Budget = Budget()
    strict: bool = False
    gates: tuple[Gate, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As a plan keeps it: plain JSON values, durations in seconds; `fleet.rollout.files.rollout_of` reads it."""
        strategy: dict[str, Any] = {
            "waves": [wave.to_dict() for wave in self.waves],
            "width": self.width,
            "order": self.order,
            "soak": self.soak,
            "soak_every": self.soak_every,
            "on_failure": self.on_failure,
            "windows": [window.to_dict() for window in self.windows],
        }
        optional = {"canary": self.canary, "spread": self.spread, "apart": self.apart}
        strategy |= {name: value for name, value in optional.items() if value is not None}
        budget: dict[str, Any] = {"run": self.run.to_dict(), "wave": self.wave.to_dict()}
        if self.strict:
            budget["strict"] = True
        return {
            "name": self.name,
            "select": self.select,
            "strategy": strategy,
            "budget": budget,
            "steps": [step.to_dict() for step in self.steps],
            "gates": [gate.to_dict() for gate in self.gates],
        }
