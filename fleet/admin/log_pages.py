"""The log of one site as one sequence, newest first: which page to ask for next, and what is new in the answer."""

from __future__ import annotations

import fnmatch
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fleet.admin import logs
from fleet.admin.operation import Operation
from fleet.errors import BadAnswer, UsageError
from fleet.protocol.fields import as_bool, as_int

__all__ = ["LEVELS", "LogPages", "LogQuery", "Record", "identity"]

Record = dict[str, Any]
"""A record as the site tells it: `type`, `message`, `time` (epoch milliseconds), `source`, `machine`, `user`, `code`, …"""

LEVELS = ("SEVERE", "WARNING", "INFO", "FINE", "VERBOSE", "DEBUG")
"""The levels of records, the most severe one first."""

MOST = 10_000
"""Records that one page has at the most, whatever is asked for."""

FRUITLESS = 100
"""Pages in a row that may bring nothing new before the site is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """Which records are wanted; what is empty or None lets everything through.

    *level* is the least severe one. *newest* and *oldest* are epoch milliseconds, both included. *services*, *machines*
    and *users* take globs and don't look at the case of letters; a service is written as records name it,
    `Folder/Name.Type`. *contains* is a part of the message, in any case. *since_start* leaves out what was written
    before the server started. Raises `UsageError` for a level that there is not.
    """

    level: str = "WARNING"
    newest: int | None = None
    oldest: int | None = None
    codes: tuple[int, ...] = ()
    services: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    contains: str = ""
    since_start: bool = False

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise UsageError(f"there is no log level {self.level!r}; there are {', '.join(LEVELS)}")

    def operation(self, newest: int | None, page: int) -> Operation[dict[str, Any]]:
        """The question for the page whose newest end is *newest*."""
        operation = logs.query(level=self.level, newest=newest, oldest=self.oldest, page=page)
        more = {"filter": json.dumps(self.pushed_down())}
        if self.since_start:
            # The help of older and of newer releases has a name each.
            more |= {"sinceServerStart": "true", "sinceLastStart": "true"}
        return operation.with_parameters(**more)

    def pushed_down(self) -> dict[str, Any]:
        """The part of the question that the site can answer: whole names and codes.

        No page says whether a site looks at the case of a machine's name, so the usual ways to write it are all sent.
        """
        asked: dict[str, Any] = {"services": "*", "machines": "*"}
        if self.codes:
            asked["codes"] = list(self.codes)
        if self.services and not any(map(_is_glob, self.services)):
            asked["services"] = list(self.services)
        if self.machines and not any(map(_is_glob, self.machines)):
            asked["machines"] = list(
                dict.fromkeys(form for name in self.machines for form in (name, name.upper(), name.lower()))
            )
        return asked

    def filtered(self) -> Callable[[Mapping[str, Any]], bool] | None:
        """Whether a record is wanted, also where the site does not heed the question; None where all are."""
        tests: list[Callable[[Mapping[str, Any]], bool]] = []
        if self.codes:
            codes = frozenset(self.codes)
            tests.append(lambda record: as_int(record.get("code")) in codes)
        for member, globs in (("source", self.services), ("machine", self.machines), ("user", self.users)):
            if globs:
                tests.append(_one_of(member, globs))
        if self.contains:
            part = self.contains.casefold()
            tests.append(lambda record: part in str(record.get("message", "")).casefold())
        if not tests:
            return None
        return lambda record: all(test(record) for test in tests)


def _is_glob(text: str) -> bool:
    return any(character in text for character in "*?[")


def _one_of(member: str, globs: tuple[str, ...]) -> Callable[[Mapping[str, Any]], bool]:
    lowered = [glob.lower() for glob in globs]

    def test(record: Mapping[str, Any]) -> bool:
        value = str(record.get(member, "")).lower()
        return any(fnmatch.fnmatchcase(value, glob) for glob in lowered)

    return test


class LogPages:
    """The pages of one site: ask `operation()`, give the answer to `take`, until `done`.

    The record at the border of a page comes again with the next one, and so does every other of the same millisecond:
    what is the same in time, code, machine, process, thread, message and request id, and was given already, is left out,
    as often as it was given. *size* is how many records a page is asked to have; a page on which all are of one
    millisecond is asked for again with 10,000. At most *keep* new ones are taken of a page (default *size*): the others
    are asked for again, so that what is held of a site has a bound whatever it answers.
    """

    def __init__(self, query: LogQuery, *, size: int = 1000, keep: int | None = None) -> None:
        self._query = query
        self._usual = self._size = max(1, min(size, MOST))
        self._keep = self._usual if keep is None else max(1, keep)
        self._most = MOST
        self._asked = query.newest
        self._seen: dict[int, Counter[int]] = {}
        self._fruitless = 0
        self.done = False
        self.pages = 0
        self.now: int | None = None
        """The newest end of the first page as the site has it: its own clock's now, where none was asked for."""
        self.notes: dict[str, str] = {}
        """What a reader of these records must know: kind -> message."""

    @property
    def border(self) -> float:
        """The time that all further records are as old as, or older."""
        return math.inf if self._asked is None else self._asked

    @property
    def large(self) -> bool:
        """Whether the next page is a larger one than usual."""
        return self._size > self._usual

    def operation(self) -> Operation[dict[str, Any]]:
        """What to ask next."""
        return self._query.operation(self._asked, self._size)

    def smaller(self) -> bool:
        """After a page that was too large to be read: ask for fewer records; whether that is possible."""
        if self._size == 1:
            return False
        self._size = self._most = max(1, self._size // 4)
        self._usual = min(self._usual, self._size)
        return True

    def take(self, answer: Mapping[str, Any]) -> list[tuple[int, Record]]:
        """What is new in *answer*, as (time, record), newest first and none newer than `border` was.

        A record without a time takes that of the one before it. Raises `BadAnswer` where the answer is no page, or where
        the paging does not move.
        """
        told = answer.get("logMessages")
        if not isinstance(told, list) or not all(isinstance(record, dict) for record in told):
            raise BadAnswer("the answer holds no log records")
        self.pages += 1
        if self.pages == 1:
            self.now = as_int(answer.get("startTime"))
        timed = self._timed(told, as_int(answer.get("startTime")))
        fresh, shown, cut = self._fresh(timed)
        self._fruitless = 0 if fresh else self._fruitless + 1
        if cut:
            self._move(fresh[-1][0], shown, large=True)
        elif as_bool(answer.get("hasMore")) is not True:
            self.done = True
        else:
            self._turn(timed, shown, as_int(answer.get("endTime")))
        if self._asked is not None and self._query.oldest is not None and self._asked < self._query.oldest:
            self.done = True
        if not self.done and self._fruitless > FRUITLESS:
            raise BadAnswer(f"the log's paging does not come to an end: {FRUITLESS} pages in a row brought nothing new")
        return fresh

    def _timed(self, told: list[Record], start: int | None) -> list[tuple[int, Record]]:
        """The records with their times, newest first, without those outside of what was asked for."""
        newest, oldest = self.border, -math.inf if self._query.oldest is None else self._query.oldest
        last = self._asked if self._asked is not None else start or 0
        timed: list[tuple[int, Record]] = []
        previous = math.inf
        ordered = True
        for record in told:
            time = record.get("time")
            if type(time) is not int:
                time = as_int(time)
                if time is None:
                    self.notes["log_time"] = "log records without a time stand where the site told them"
                    time = last
            if time > newest:
                self.notes["log_border"] = "log records newer than was asked for are left out"
                continue
            if time < oldest:
                continue
            ordered = ordered and time <= previous
            previous = last = time
            timed.append((time, record))
        if not ordered:
            self.notes["log_order"] = "log records are not told newest first, and were put in order page by page"
            timed.sort(key=lambda pair: -pair[0])
        return timed

    def _fresh(
        self, timed: list[tuple[int, Record]]
    ) -> tuple[list[tuple[int, Record]], list[tuple[int, Record]], bool]:
        """The new ones of *timed*, all that are known with them, and whether more new ones were left for later."""
        seen = self._seen
        if not seen and len(timed) <= self._keep:
            return timed, timed, False
        left = {time: Counter(bucket) for time, bucket in seen.items()}
        fresh: list[tuple[int, Record]] = []
        shown: list[tuple[int, Record]] = []
        cut = False
        for pair in timed:
            bucket = left.get(pair[0])
            if bucket:
                name = identity(pair[1])
                if bucket[name] > 0:
                    bucket[name] -= 1
                    shown.append(pair)
                    continue
            if len(fresh) >= self._keep:
                cut = True
                continue
            fresh.append(pair)
            shown.append(pair)
        return fresh, shown, cut

    def _turn(self, timed: list[tuple[int, Record]], shown: list[tuple[int, Record]], end: int | None) -> None:
        """Where the next page begins; raises `BadAnswer` where that is the same place."""
        last = timed[-1][0] if timed else None
        full = len(timed) >= self._usual
        if last is None and end is None:
            raise BadAnswer("the log's paging does not move: the site says that there is more, and not from where")
        if last is not None and last < self.border:
            # Its records tell down to where the page reaches, whatever end it claims.
            self._move(last, shown)
        elif end is not None and end < self.border and not full:
            self._move(end, shown)
        elif not self.large and self._size < self._most and self._asked is not None:
            self._move(self._asked, shown, large=True)
        elif full and self._asked is not None:
            self.notes["log_burst"] = (
                f"more log records are of one millisecond ({self._asked}) than a page can hold: some of them are missing"
            )
            self._fruitless += 1
            self._move(self._asked - 1, [])
        else:
            raise BadAnswer("the log's paging does not move: the same page comes again and again")

    def _move(self, border: int, shown: list[tuple[int, Record]], *, large: bool = False) -> None:
        """The next page begins at *border*; what was given of that time, or before, will come again."""
        seen: dict[int, Counter[int]] = {}
        for time, record in reversed(shown):
            if time > border:
                break
            seen.setdefault(time, Counter())[identity(record)] += 1
        for time, bucket in self._seen.items():
            if time <= border:
                seen[time] = seen.get(time, Counter()) | bucket
        self._seen = seen
        self._size = self._most if large and border == self._asked else self._usual
        self._asked = border


def identity(record: Record) -> int:
    """What makes a record this one, as a number."""
    get = record.get
    return hash(tuple(map(str, map(get, ("time", "code", "machine", "process", "thread", "message", "requestID")))))
