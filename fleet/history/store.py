"""Runs and their outcomes, and what was kept of each site: enough to select the sites that failed last."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from fleet.history.database import Connection, Database, state_database
from fleet.history.sqlite import Sqlite

__all__ = ["KEPT_RUNS", "SiteRecord", "Store"]

KEPT_RUNS = 200
"""Runs of one inventory that are kept."""

ADD_RUN = "insert into run (inventory, command, started, elapsed) values (?, ?, ?, ?) returning id"
ADD_OUTCOME = "insert into outcome (run, site, outcome) values (?, ?, ?)"
DROP_OLD_RUNS = """
    delete from run where inventory = ? and id not in
        (select id from run where inventory = ? order by id desc limit ?)
"""
LAST_RUN = "select id from run where inventory = ? order by id desc limit 1"
OUTCOMES = "select site, outcome from outcome where run = ?"
ADD_RECORD = "insert into site_record (kind, site, url, at, value) values (?, ?, ?, ?, ?)"
RECORDS = "select site, url, at, value from site_record where kind = ? order by at desc, id desc"
DROP_RECORDS = "delete from site_record where kind = ? and url = ? and at < ?"


@dataclass(frozen=True, slots=True)
class SiteRecord:
    """What was kept of one site at one time (epoch seconds)."""

    site: str
    url: str
    at: float
    value: Any


class Store:
    """What is kept in a state database (or in the SQLite file of that path); a context manager that closes it.

    Every method raises `StoreFailed` where the database can't be read or written.
    """

    def __init__(self, database: Database | Path) -> None:
        found = Sqlite(database) if isinstance(database, Path) else database
        # That the last run is lost with the machine's power is not worth waiting for the disk.
        self._connection: Connection = found.connect(durable=False)

    @classmethod
    def open_default(cls) -> Self:
        """The store at its usual place, or the one that `FLEET_DATABASE_URL` names."""
        return cls(state_database())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def record_run(
        self,
        inventory: Sequence[Path],
        *,
        command: str,
        started: float,
        elapsed: float,
        outcomes: Iterable[tuple[str, str]],
    ) -> int:
        """Keep one run on *inventory* in one transaction; its number. *outcomes* are pairs of site and outcome."""
        key = identity(inventory)
        with self._connection.transaction():
            ((number,),) = self._connection.execute(ADD_RUN, (key, command, started, elapsed))
            self._connection.execute_many(ADD_OUTCOME, [(number, site, outcome) for site, outcome in outcomes])
            self._connection.change(DROP_OLD_RUNS, (key, key, KEPT_RUNS))
        return int(number)

    def keep(self, kind: str, site: str, url: str, value: Any, *, at: float) -> None:
        """Keep *value* (JSON) as what is known of the site at *url*, by its *kind*: an export, a state before an upgrade."""
        self._connection.change(ADD_RECORD, (kind, site, url, at, json.dumps(value)))

    def kept(self, kind: str, urls: Collection[str]) -> list[SiteRecord]:
        """Every record of *kind* of the sites at *urls*, the newest first."""
        wanted = frozenset(urls)
        found = self._connection.execute(RECORDS, (kind,))
        return [SiteRecord(site, url, at, json.loads(value)) for site, url, at, value in found if url in wanted]

    def forget(self, kind: str, url: str, *, before: float) -> int:
        """Forget the records of *kind* of the site at *url* from before *before* (epoch seconds); how many."""
        return self._connection.change(DROP_RECORDS, (kind, url, before))

    def last_outcomes(self, inventory: Sequence[Path]) -> Mapping[str, str] | None:
        """Site -> outcome of the last run on *inventory*; None where there was none."""
        found = self._connection.execute(LAST_RUN, (identity(inventory),))
        if not found:
            return None
        return dict(self._connection.execute(OUTCOMES, found[0]))


def identity(inventory: Sequence[Path]) -> str:
    """What tells one inventory from another: the files that it consists of."""
    return json.dumps(sorted(str(path.resolve()) for path in inventory))
