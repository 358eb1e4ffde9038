"""One call of the Administrator API as a value: what to send, what it does to the site, and how to see that it did."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any, Generic, TypeVar

from fleet.protocol.message import ANSWER_CAP, FILE_CAP, NOTHING, Method

__all__ = ["Effect", "Operation", "ReadBack"]

T_co = TypeVar("T_co", covariant=True)


class Effect(Enum):
    """What a call does to the site."""

    READ = "read"
    CHANGE = "change"
    DISRUPT = "disrupt"
    """A change that restarts services, a machine, or the site."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBack:
    """How to see whether a change took effect: what to read, and a judgement of what was read.

    `done` gets the answer of `look` and says True (it took effect), False (it did not) or None (can't tell). `whole` is
    False where a part of the change can't be read, such as a password: that it looks done before anything was sent then
    is no reason not to send it, and tells nothing afterwards.
    """

    look: Operation[Any]
    done: Callable[[Any], bool | None]
    whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Generic[T_co]):
    """One admin call as a value.

    `path` is relative to the site's base URL and complete: names in it are percent-encoded (`admin/services/report`).
    `parameters` are texts; a parameter that takes JSON holds JSON text. They travel in the body of a POST, and in the
    address of a GET; secret ones are named in `secrets` and make the operation a POST. `files` are parts of a multipart
    body by the name of their parameter, each a path, which is read as a stream, or the bytes themselves. `answer` is the
    type into which the JSON is converted (`dict` keeps it as it is). `limit` is the time in seconds that a slow operation
    may take.
    """

    name: str
    path: str
    method: Method = "GET"
    parameters: Mapping[str, str] = field(default_factory=lambda: NOTHING, repr=False)
    files: Mapping[str, Path | bytes] = field(default_factory=lambda: NOTHING, repr=False)
    answer: Any = dict
    effect: Effect = Effect.READ
    idempotent: bool = True
    read_back: ReadBack | None = None
    since: str = "10.1"
    limit: float | None = None
    token: bool = True
    """Whether the site wants a token with it."""
    get_only: bool = False
    """Whether a POST to this resource would change something, so that a read must be a GET."""
    binary: bool = False
    into: Path | None = field(default=None, repr=False)
    """Where a binary answer is written while it arrives; its value is then the number of bytes."""
    status_is_data: bool = False
    """Whether a member `status` of the answer is data, not a verdict."""
    success_is_data: bool = False
    """Whether `"success": false` is an answer (a health check), not a failure."""
    anonymous: bool = False
    """Whether it is asked as anybody asks, so that a site that wants a token for it says no."""
    cap: int = ANSWER_CAP
    secrets: frozenset[str] = frozenset()

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent again without a look at the site first: true for reads only."""
        return self.effect is Effect.READ

    @property
    def changes(self) -> bool:
        """Whether it changes the site."""
        return self.effect is not Effect.READ

    def saved_to(self, file: Path) -> Operation[int]:
        """The same read with its answer, which is no JSON, written to *file* as it arrives, up to 4 GiB.

        The file has mode 0600 and is there only once it is whole; its value is the number of its bytes. Several sites
        need a file each: run it on one. One attempt may take an hour.
        """
        return replace(self, binary=True, into=file, cap=FILE_CAP, limit=max(self.limit or 0.0, 3600.0))  # type: ignore[return-value]

    def with_parameters(self, **parameters: str) -> Operation[T_co]:
        """The same operation with *parameters* added."""
        return replace(self, parameters={**self.parameters, **parameters})
