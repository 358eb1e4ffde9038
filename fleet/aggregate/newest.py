"""Many sequences, each newest first, into one: a row is given as soon as nothing newer can come from anywhere."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

__all__ = ["NewestFirst"]

R = TypeVar("R")


class NewestFirst(Generic[R]):
    """The merge of *places* sequences whose times never rise.

    Each sequence has a border: everything that it still brings is as old as that, or older. A row is certain when the
    border of every sequence that is open lies behind it. The order is by time, newest first, then by place, then by
    arrival: `sorted` by these three, whatever the order in which the sequences arrive.

    `held` is how many rows are here, `most_held` the most there ever were.
    """

    def __init__(self, places: int) -> None:
        self._rows: list[deque[tuple[int, R]]] = [deque() for _ in range(places)]
        self._borders: list[float] = [math.inf] * places
        self._open = [True] * places
        self._open_count = places
        # One entry a place, negated as the smallest of a heap comes first: the time of its first row, or its border.
        # It may stand for an older state of its place, when it is too new; it is put right when it comes to the top.
        self._heap: list[tuple[float, int]] = [(-math.inf, place) for place in range(places)]
        self.held = 0
        self.most_held = 0

    @property
    def ended(self) -> bool:
        """Whether every sequence has ended and every row was given."""
        return not self._open_count and not self.held

    @property
    def blocked_by(self) -> int | None:
        """The place whose next rows, or end, must come before anything more can be given; None if there is none."""
        self._settle()
        if self._heap and not self._rows[self._heap[0][1]]:
            return self._heap[0][1]
        return None

    def waiting(self, place: int) -> int:
        """How many rows of the sequence *place* are held."""
        return len(self._rows[place])

    def push(self, place: int, rows: Sequence[tuple[int, R]], border: int) -> None:
        """The next *rows* of *place*, as (time, row) newest first, and its *border* from now on.

        Raises `ValueError` for a sequence that rises or has ended: what was given can't be taken back.
        """
        if not self._open[place]:
            raise ValueError("this sequence has ended")
        before = self._borders[place]
        for time, _ in rows:
            if time > before:
                raise ValueError("a row is newer than what came before it")
            before = time
        if border > before:
            raise ValueError("a border is newer than what came before it")
        self._rows[place].extend(rows)
        self._borders[place] = border
        self.held += len(rows)
        self.most_held = max(self.most_held, self.held)

    def end(self, place: int) -> None:
        """Nothing more comes from *place*; what it brought is kept. Twice is once."""
        if self._open[place]:
            self._open[place] = False
            self._open_count -= 1

    def take(self, most: int = 1000) -> list[tuple[int, R]]:
        """At most *most* of the rows that are certain, as (place, row) in their order."""
        taken: list[tuple[int, R]] = []
        heap = self._heap
        while len(taken) < most and self._settle():
            place = heap[0][1]
            mine = self._rows[place]
            if not mine:
                break
            # What follows in the same sequence may go with it, as long as it comes before the next one's first.
            rival = min(heap[1:3]) if len(heap) > 1 else (math.inf, 0)
            while mine and len(taken) < most and (-mine[0][0], place) < rival:
                taken.append((place, mine.popleft()[1]))
        self.held -= len(taken)
        return taken

    def _settle(self) -> bool:
        """Let the top of the heap be true; whether there is one."""
        heap = self._heap
        while heap:
            key, place = heap[0]
            mine = self._rows[place]
            if not mine and not self._open[place]:
                heapq.heappop(heap)
                continue
            actual = -mine[0][0] if mine else -self._borders[place]
            if actual == key:
                return True
            heapq.heapreplace(heap, (actual, place))
        return False
