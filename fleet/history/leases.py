"""Leases of sites, as rows: who may change a site now, until when, and a fencing number that only ever grows.

A lease is good for 60 seconds by the database's clock, unless it is renewed. Whoever takes it next gets a greater
number, so that what the holder before still writes to a journal is refused, however late it notices.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from fleet.errors import LockHeld
from fleet.history.database import Connection, Row, in_list
from fleet.history.holding import holder_of, oneself

__all__ = ["LASTS", "LeaseRows", "fences"]

LASTS = 60.0
"""Seconds that a lease is good for when it was taken or renewed."""

SLACK = 5.0
"""Seconds by which a lease may seem to last longer than it can before the clock is taken to have been set back."""

AT_ONCE = 500
"""Addresses in one question."""

NAMED = 10
"""Sites that are named where more are held by others."""

ONE_AT_A_TIME = "lock table lease in share row exclusive mode"
"""With PostgreSQL: nobody else takes, renews or gives back leases until the transaction ends; reading goes on."""

FOUND = "select url, fence, token, what, who, expires from lease where url in "
CURB = "update lease set expires = ? where url = ?"
TAKE = """
    insert into lease (url, fence, token, what, who, taken, expires) values (?, 1, ?, ?, ?, ?, ?)
    on conflict (url) do update set fence = lease.fence + 1, token = excluded.token, what = excluded.what,
        who = excluded.who, taken = excluded.taken, expires = excluded.expires
"""
MINE = "select url, fence from lease where token = ?"
RENEW = "update lease set expires = ? where token = ?"
RELEASE = "update lease set token = null where token = ?"
RELEASE_SOME = "update lease set token = null where token = ? and url in "
FENCES = "select url, fence from lease where token is not null and url in "


class LeaseRows:
    """The leases that one holder has, for *what* it does, on *connection*; its methods raise `StoreFailed`.

    Another *connection* may be set in place of one that has failed.
    """

    def __init__(self, connection: Connection, what: str, *, lasts: float = LASTS) -> None:
        self.connection = connection
        self._what = what
        self._lasts = lasts
        self._token = secrets.token_hex(16)

    def take(self, urls: Mapping[str, str], *, over: str | None = None) -> dict[str, int]:
        """URL -> fence of each of *urls* (URL -> name of its site), of all or none; what this holder has keeps its fence.

        A lease that was taken for *over* is taken at once: whoever says so holds what makes sure that its holder is
        dead. Raises `LockHeld`, which says of every site in the way by whom it is held, since when and until when.
        """
        with self.connection.transaction():
            if self.connection.dialect == "postgresql":
                self.connection.execute(ONE_AT_A_TIME)
            now = self.connection.now()
            there = {row[0]: self._curbed(row, now) for row in _rows(self.connection, FOUND, sorted(urls))}
            in_the_way = [row for row in there.values() if self._is_held(row, now, over)]
            if not in_the_way:
                mine = {url for url, row in there.items() if row[2] == self._token}
                who, expires = oneself(self._what), now + self._lasts
                fresh = [(url, self._token, self._what, who, now, expires) for url in sorted(urls) if url not in mine]
                self.connection.execute_many(TAKE, fresh)
                self.connection.execute_many(CURB, [(expires, url) for url in sorted(mine)])
                return {url: fence for url, fence in self.connection.execute(MINE, (self._token,)) if url in urls}
        # Not inside: that leases of a clock which was set back do end must last, whatever is said of them here.
        raise LockHeld(_told(in_the_way, urls))

    def _curbed(self, row: Row, now: float) -> Row:
        """*row*, which ends no later than any lease can: one from before the clock was set back would last for ever."""
        *rest, expires = row
        if expires <= now + self._lasts + SLACK:
            return row
        self.connection.execute(CURB, (now + self._lasts, row[0]))
        return (*rest, now + self._lasts)

    def _is_held(self, row: Row, now: float, over: str | None) -> bool:
        _, _, token, what, _, expires = row
        return token not in (None, self._token) and expires > now and (over is None or what != over)

    def renew(self) -> dict[str, int]:
        """URL -> fence of what this holder still has, each good for as long again."""
        with self.connection.transaction():
            if self.connection.dialect == "postgresql":
                self.connection.execute(ONE_AT_A_TIME)
            self.connection.change(RENEW, (self.connection.now() + self._lasts, self._token))
            return dict(self.connection.execute(MINE, (self._token,)))

    def release(self, urls: Collection[str] | None = None) -> None:
        """Give *urls* back, or everything; what somebody else has taken meanwhile is left alone."""
        with self.connection.transaction():
            if self.connection.dialect == "postgresql":
                self.connection.execute(ONE_AT_A_TIME)
            if urls is None:
                self.connection.change(RELEASE, (self._token,))
                return
            for some in _chunks(sorted(urls)):
                self.connection.change(RELEASE_SOME + in_list(len(some)), (self._token, *some))


def fences(connection: Connection, urls: Collection[str]) -> Mapping[str, int]:
    """URL -> fence of the leases of *urls* that somebody has; within a transaction they stay so until it ends."""
    # Nobody writes beside a transaction of SQLite. In PostgreSQL the rows are held, always in the same order.
    hold = " order by url for share" if connection.dialect == "postgresql" else ""
    return dict(_rows(connection, FENCES, sorted(urls), hold))


def _rows(connection: Connection, sql: str, urls: Sequence[str], more: str = "") -> Iterator[Row]:
    for some in _chunks(urls):
        yield from connection.execute(sql + in_list(len(some)) + more, some)


def _chunks(urls: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(urls), AT_ONCE):
        yield urls[start : start + AT_ONCE]


def _told(rows: Sequence[Row], names: Mapping[str, str]) -> str:
    """Who holds the sites of *rows*, in words, by their *names*: a line for each holder."""
    by_holder: dict[Any, list[Row]] = {}
    for row in rows:
        by_holder.setdefault((row[2], row[4]), []).append(row)
    lines = []
    for (_, who), held in by_holder.items():
        sites = sorted(names[row[0]] for row in held)
        told = ", ".join(sites[:NAMED]) + (f" and {len(sites) - NAMED} more" if len(sites) > NAMED else "")
        until = datetime.fromtimestamp(max(row[5] for row in held), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        lines.append(
            f"{told} {'is' if len(sites) == 1 else 'are'} being changed: {holder_of(who) or held[0][3]}; "
            f"unless it is renewed, that ends at {until}"
        )
    return "\n".join(lines)
