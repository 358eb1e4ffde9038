"""A plan: which sites come in which wave, and what each step would change there, with a digest of what was seen. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from fleet.rollout.spec import Rollout

if TYPE_CHECKING:
    from fleet.bulk.change import Change

__all__ = ["SCHEMA", "Plan", "PlannedStep", "SitePlan", "digest_of", "seen_digest"]

SCHEMA = "fleet.plan/1"

StepState: TypeAlias = Literal["change", "noop", "impossible"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """What the step *name* would do to *item* of one site: from *old* to *new* (JSON values, no secret).

    `noop` is so already; `impossible` can't be made, and *why* says why. *undo* says whether it can be put back.
    """

    name: str
    item: str
    state: StepState = "change"
    old: Any = None
    new: Any = None
    why: str = ""
    undo: bool = False

    def to_dict(self) -> dict[str, Any]:
        told: dict[str, Any] = {"name": self.name, "item": self.item, "state": self.state}
        told |= {"old": self.old, "new": self.new, "undo": self.undo}
        return {**told, "why": self.why} if self.why else told

    @classmethod
    def of(cls, name: str, change: Change, state: StepState | None = None, why: str | None = None) -> PlannedStep:
        """What *change* is in a plan, as a part of the step *name*."""
        return cls(
            name=name,
            item=change.item,
            state=change.state if state is None else state,
            old=change.old,
            new=change.new,
            why=change.why if why is None else why,
            undo=bool(change.undo),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SitePlan:
    """What is to be done on one site, in order; *digest* is that of what was read of it."""

    digest: str
    steps: tuple[PlannedStep, ...]

    @property
    def state(self) -> StepState:
        """`impossible` where any step is, `noop` where there is nothing to do."""
        states = {step.state for step in self.steps}
        return "impossible" if "impossible" in states else "change" if "change" in states else "noop"

    def to_dict(self) -> dict[str, Any]:
        return {"digest": self.digest, "steps": [step.to_dict() for step in self.steps]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A rollout with its waves and what each site would come to, as it was when it was planned.

    *made* is epoch seconds, *tool* the version of fleet, *inventory* the digest of the inventory's files, *folder* where
    the files that steps name lie, *scripts* the digest of each of those, and *seconds* the estimated duration without
    soaks, windows and approvals. *unread* are sites that could not be read, with why; they are in no wave.
    """

    rollout: Rollout
    waves: tuple[tuple[str, ...], ...]
    sites: Mapping[str, SitePlan]
    made: float
    tool: str
    inventory: str
    folder: str = ""
    scripts: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    unread: Mapping[str, str] = field(default_factory=dict)

    @property
    def planned(self) -> int:
        """How many sites are in its waves: percentages of budgets are of these."""
        return sum(map(len, self.waves))

    @property
    def digest(self) -> str:
        """`sha256:…` of everything that the plan says, in any order of its members."""
        return digest_of(self.content())

    def wave_of(self, site: str) -> int:
        """The number of the wave of *site*, from 0; raises `KeyError`."""
        for number, names in enumerate(self.waves):
            if site in names:
                return number
        raise KeyError(site)

    def content(self) -> dict[str, Any]:
        """The plan as JSON values, without its own digest."""
        return {
            "schema": SCHEMA,
            "made": self.made,
            "tool": self.tool,
            "inventory": self.inventory,
            "folder": self.folder,
            "scripts": dict(self.scripts),
            "seconds": self.seconds,
            "unread": dict(self.unread),
            "rollout": self.rollout.to_dict(),
            "waves": [list(wave) for wave in self.waves],
            "sites": {name: site.to_dict() for name, site in self.sites.items()},
        }

    def to_dict(self) -> dict[str, Any]:
        """The plan as a file has it (schema `fleet.plan/1`)."""
        content = self.content()
        return {"schema": content.pop("schema"), "digest": self.digest, **content}


def digest_of(value: Any) -> str:
    """`sha256:…` of a JSON value, the same for any order of its members."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return f"sha256:{hashlib.sha256(text.encode('ascii')).hexdigest()}"


def seen_digest(steps: Sequence[tuple[str, Sequence[Change]]]) -> str:
    """`sha256:…` of what the *steps* (name, changes) of one site saw: also of what they would send, of which only this
    much is kept."""
    seen = [
        [
            name,
            [
                [
                    change.to_dict(),
                    [[one.method, one.path, sorted(one.parameters.items())] for one in change.operations],
                ]
                for change in changes
            ],
        ]
        for name, changes in steps
    ]
    return digest_of(seen)
