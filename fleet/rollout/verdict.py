"""What a gate says: go, no, or cannot tell; and what one that asks the sites is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from fleet.fanout.fleet import Selection
    from fleet.fanout.stop import Stop

__all__ = ["Asked", "GateAnswer", "GateCheck", "Verdict", "worst"]

GateAnswer: TypeAlias = Literal["go", "no", "cannot_tell"]

NOTHING: Mapping[str, Any] = {}
ORDER: tuple[GateAnswer, ...] = ("go", "cannot_tell", "no")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a gate says, and *why* in one sentence; *sites* are those that made it say so, *data* what was seen (JSON)."""

    answer: GateAnswer
    why: str
    sites: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=lambda: NOTHING)

    def to_dict(self) -> dict[str, Any]:
        return {"why": self.why, "sites": list(self.sites), **({"saw": dict(self.data)} if self.data else {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a gate is asked about: the sites of *selection*, which are those of *wave* (from 0) that were not lost.

    *began* is when the wave began (epoch seconds), *lost* are its sites that failed. Reading ends early by *stop*.
    """

    selection: Selection
    wave: int
    began: float
    lost: Sequence[str] = ()
    stop: Stop | None = None


class GateCheck(Protocol):
    """A check behind a gate. What it raises as a `SiteError` is no verdict: a site that can't be asked is `cannot_tell`."""

    async def baseline(self, asked: Asked) -> Any:
        """What is remembered of the sites from before the wave: JSON, without secrets; None where nothing need be."""

    async def judge(self, asked: Asked, baseline: Any) -> Verdict:
        """What it says of the sites now, beside *baseline*."""


def worst(verdicts: Sequence[Verdict]) -> GateAnswer:
    """What all of *verdicts* say together: no before cannot tell before go; go where there is none."""
    return max((verdict.answer for verdict in verdicts), key=ORDER.index, default="go")
