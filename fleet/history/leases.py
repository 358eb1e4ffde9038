"""Leases of sites, as rows: who may change a site now, until when, and a fencing number that only ever grows.

A lease is good for 60 seconds by the database's clock, unless it is renewed. Whoever takes it next gets a greater
number, so that what the holder before still writes to a journal is refused, however late it notices.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fleet import platform
from fleet.errors import LockHeld, StoreFailed
from fleet.history.database import Connection, Database, Row, in_list
from fleet.history.holding import FileLock, holder_of, is_held, oneself
from fleet.history.sqlite import Sqlite, explained

__all__ = ["LASTS", "LeaseRows", "fences", "living_folder"]

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

    Another *connection* may be set in place of one that has failed. In the folder *living* the holder has a file that it
    holds the lock of, and the kernel gives that back when it dies: what it has may then be taken at once. Where there is
    none, as with holders on other machines, a lease of a dead one ends with its time.
    """

    def __init__(self, connection: Connection, what: str, *, lasts: float = LASTS, living: Path | None = None) -> None:
        self.connection = connection
        self._what = what
        self._lasts = lasts
        self._token = secrets.token_hex(16)
        self._living = living
        self._alive: FileLock | None = None

    def take(self, urls: Mapping[str, str], *, over: str | None = None) -> dict[str, int]:
        """URL -> fence of each of *urls* (URL -> name of its site), of all or none; what this holder has keeps its fence.

        A lease that was taken for *over* is taken at once: whoever says so holds what makes sure that its holder is
        dead. Raises `LockHeld`, which says of every site in the way by whom it is held, since when and until when.
        """
        self._live()
        with self.connection.transaction():
            if self.connection.dialect == "postgresql":
                self.connection.execute(ONE_AT_A_TIME)
            now = self.connection.now()
            there = [self._curbed(row, now) for row in _rows(self.connection, FOUND, sorted(urls))]
            dead = {row[2] for row in there if row[2] is not None and self._is_dead(row[2])}
            for token in sorted(dead):
                self.connection.change(RELEASE, (token,))
            in_the_way = [row for row in there if row[2] not in dead and self._is_held(row, now, over)]
            taken = {} if in_the_way else self._taken(urls, {row[0] for row in there if row[2] == self._token}, now)
        # Not inside: that leases of the dead, and of a clock which was set back, do end lasts whatever is said here.
        for token in dead:
            self._forget(token)
        if in_the_way:
            raise LockHeld(_told(in_the_way, urls))
        return taken

    def _taken(self, urls: Collection[str], mine: Collection[str], now: float) -> dict[str, int]:
        """Take *urls*, of which *mine* are this holder's already: URL -> fence."""
        who, expires = oneself(self._what), now + self._lasts
        fresh = [(url, self._token, self._what, who, now, expires) for url in sorted(urls) if url not in mine]
        self.connection.execute_many(TAKE, fresh)
        self.connection.execute_many(CURB, [(expires, url) for url in sorted(mine)])
        return {url: fence for url, fence in self.connection.execute(MINE, (self._token,)) if url in urls}

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

    def _live(self) -> None:
        if self._alive is None and self._living is not None:
            with explained(self._living):
                platform.secure_folder(self._living, ("",))
                self._alive = FileLock(self._living / self._token, self._what, "a lease's file is in use")

    def _is_dead(self, token: str) -> bool:
        """Whether it is known that the holder with *token* has died."""
        if self._living is None or token == self._token:
            return False
        path = self._living / token
        with explained(path):
            return path.exists() and not is_held(path)

    def _forget(self, token: str) -> None:
        if self._living is not None:
            with suppress(OSError):
                (self._living / token).unlink(missing_ok=True)

    def close(self) -> None:
        """Be alive no longer: what was not given back may be taken by anybody."""
        if self._alive is None:
            return
        with suppress(StoreFailed):
            if not self.connection.execute(MINE, (self._token,)):
                self._forget(self._token)
        self._alive.close()
        self._alive = None

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


def living_folder(database: Database) -> Path | None:
    """Where the holders of leases in *database* show that they live; None where they are on several machines."""
    return database.path.parent / "leases" if isinstance(database, Sqlite) else None


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
