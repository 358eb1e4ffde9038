"""One change of one thing on one site as a value: what is now, what will be, what is sent for it, and what undoes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from fleet.admin.operation import Operation
from fleet.errors import ServerFailed, SiteError

__all__ = ["Change", "ChangeState", "Planned", "impossible"]

ChangeState: TypeAlias = Literal["change", "noop", "impossible"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is to be done to *item* (a service, a machine, a setting; empty for the site itself).

    `state` is `change`, `noop` where it is so already, or `impossible`, and `why` then says why. `old` and `new` are
    JSON values for people and for plans: what differs, not more, and no secret. `operations` are sent in order, each
    one after the one before was seen to have taken effect; `undo` are those that put *old* back, empty where nothing can.
    """

    item: str
    state: ChangeState = "change"
    old: Any = None
    new: Any = None
    operations: tuple[Operation[Any], ...] = field(default=(), repr=False)
    undo: tuple[Operation[Any], ...] = field(default=(), repr=False)
    why: str = ""
    error: SiteError | None = field(default=None, compare=False)
    """What an impossible one comes to."""

    def to_dict(self) -> dict[str, Any]:
        """`{"item", "state", "old", "new"}`, and `why` where there is something to say."""
        told = {"item": self.item, "state": self.state, "old": self.old, "new": self.new}
        return {**told, "why": self.why} if self.why else told

    def same_as(self, other: Change) -> bool:
        """Whether both would do the same to the same thing in the same state."""
        return self.to_dict() == other.to_dict()


def impossible(item: str, error: SiteError | str, *, old: Any = None, new: Any = None) -> Change:
    """A change that can't be made, with the error that it comes to; a text is what the site would say no with."""
    if isinstance(error, str):
        error = ServerFailed(error, may_have_arrived=False)
    return Change(item=item, state="impossible", old=old, new=new, why=error.message, error=error)


@dataclass(frozen=True, slots=True)
class Planned:
    """What would change on one site, in the order in which it is done."""

    site: str
    changes: Sequence[Change]

    @property
    def pending(self) -> Sequence[Change]:
        """Those that are still to be made."""
        return [change for change in self.changes if change.state == "change"]

    @property
    def impossible(self) -> Sequence[Change]:
        """Those that can't be made."""
        return [change for change in self.changes if change.state == "impossible"]
