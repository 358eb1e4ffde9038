"""A cap on the bytes of undecoded answers that one run holds at once: further reads wait for their turn."""

from __future__ import annotations

import anyio

__all__ = ["Holding"]


class Holding:
    """Bytes held by answers that are still being read.

    Nobody waits while the cap is not reached. Beyond it only the oldest reader goes on, since a reader that waits
    keeps what it has: so one reader always gets to its end, and the cap is passed by one answer's cap at most.
    """

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._held: dict[int, int] = {}
        self._total = 0
        self._next = 0
        self._changed = anyio.Event()

    def enter(self) -> int:
        """A new reader's ticket."""
        self._next += 1
        self._held[self._next] = 0
        return self._next

    async def take(self, ticket: int, size: int) -> None:
        """Count *size* bytes more for *ticket*, after waiting for room where the cap is reached."""
        while self._total + size > self._cap and next(iter(self._held)) != ticket:
            changed = self._changed
            await changed.wait()
        self._held[ticket] += size
        self._total += size

    def leave(self, ticket: int) -> None:
        """The answer of *ticket* is decoded or dropped."""
        self._total -= self._held.pop(ticket)
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    @property
    def total(self) -> int:
        return self._total
