"""A table of the fleet: its columns with their meaning, and how its rows are read from one site."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from fleet.client.site import SiteClient
from fleet.protocol.fields import ServiceId
from fleet.protocol.patterns import ServicePatterns

__all__ = ["EVERYTHING", "Column", "Row", "Table", "Wanted"]

Row: TypeAlias = dict[str, Any]
"""A row: column -> value. Texts that hold numbers or truth values stay as the site sent them."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: `time` is epoch milliseconds, `json` an object or a list as it was sent.

    *costly* columns need requests of their own, one per service say, and are read only where they are wanted.
    """

    name: str
    type: Literal["text", "integer", "real", "boolean", "time", "json"]
    meaning: str
    costly: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What of a table is wanted: a reader may leave out the rest, and must not leave out any of this.

    `columns` None wants all but the costly ones. `folders` bounds the services to these folders (the root is the empty
    text), `services` to those that fit its patterns, `level` log records to this one and more severe ones, `newest` and
    `oldest` their times in epoch milliseconds, `limit` how many are read of one site.
    """

    columns: frozenset[str] | None = None
    folders: frozenset[str] | None = None
    services: ServicePatterns | None = None
    level: str | None = None
    newest: int | None = None
    oldest: int | None = None
    limit: int | None = None

    def wants(self, *columns: str) -> bool:
        """Whether any of these, which are costly, is wanted."""
        return self.columns is not None and not self.columns.isdisjoint(columns)

    def picks(self, service: ServiceId) -> bool:
        """Whether *service* is among those that are wanted; its folder is not looked at."""
        return self.services is None or self.services.match(service)


EVERYTHING = Wanted()


@dataclass(frozen=True, slots=True)
class Table:
    """A table: `read(client, wanted)` gives the rows of one site, without `site`, which is known by then.

    Where a part of a site can't be read, it raises the `SiteError`: fewer rows than there are would be a wrong answer.
    """

    name: str
    meaning: str
    columns: tuple[Column, ...]
    read: Callable[[SiteClient, Wanted], Awaitable[Sequence[Row]]]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self.columns)

    def row(self, told: Mapping[str, Any]) -> Row:
        """*told* with every column of this table, in order, and without any other."""
        return {name: told.get(name) for name in self.names}
