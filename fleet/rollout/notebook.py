"""What a script remembers across a crash: values by name, durable before the script goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

__all__ = ["MemoryNotebook", "Notebook"]


@runtime_checkable
class Notebook(Protocol):
    """The memory of one step on one site. The sender of a rollout is one; its values are entries of kind `memo`."""

    def remembered(self, name: str) -> tuple[bool, Any]:
        """Whether something is remembered as *name*, and what: a JSON value."""

    async def remember(self, name: str, value: Any) -> None:
        """Remember *value*, JSON without secrets, as *name*; it is durable when this returns. Raises `StoreFailed`."""


class MemoryNotebook:
    """A memory that lasts as long as the process: for a dry run, and for tests."""

    def __init__(self, known: Mapping[str, Any] | None = None) -> None:
        self.values: dict[str, Any] = dict(known or {})

    def remembered(self, name: str) -> tuple[bool, Any]:
        """Whether something is remembered as *name*, and what."""
        return name in self.values, self.values.get(name)

    async def remember(self, name: str, value: Any) -> None:
        """Remember *value* as *name*."""
        self.values[name] = value
