"""The log records of a site, read page by page."""

from __future__ import annotations

from collections.abc import Sequence

from fleet.admin.log_pages import LEVELS, LogPages, LogQuery, Record
from fleet.client.site import SiteClient
from fleet.errors import TooLarge
from fleet.rows.table import Column, Row, Table, Wanted

__all__ = ["LOGS", "read_page"]


async def read_page(client: SiteClient, pages: LogPages) -> list[tuple[int, Record]]:
    """The next page of *pages* as (time, record): what is new on it, which may be nothing.

    Where an answer is too large to be read, fewer records are asked for. Raises what the call came to, and `BadAnswer`.
    """
    while True:
        try:
            answer = await client.call(pages.operation())
        except TooLarge:
            if not pages.smaller():
                raise
            continue
        return pages.take(answer)


async def _read(client: SiteClient, wanted: Wanted) -> Sequence[Row]:
    query = LogQuery(level=wanted.level or LEVELS[-1], newest=wanted.newest, oldest=wanted.oldest)
    pages = LogPages(query, size=1000 if wanted.limit is None else min(1000, wanted.limit))
    rows: list[Row] = []
    while not pages.done and (wanted.limit is None or len(rows) < wanted.limit):
        rows += [_row(record) for _, record in await read_page(client, pages)]
    return rows[: wanted.limit]


def _row(record: Record) -> Row:
    return {**LOGS.row(record), "level": record.get("type")}


LOGS = Table(
    "logs",
    "log records, the newest first; a condition on level or time bounds what is fetched",
    (
        Column("time", "time", "when it was written"),
        Column("level", "text", "SEVERE, WARNING, INFO, FINE, VERBOSE or DEBUG"),
        Column("code", "integer", "the kind of event, as a number"),
        Column("machine", "text", "the machine that wrote it"),
        Column("source", "text", "the service as Folder/Name.Type, or a part of the server"),
        Column("message", "text", "what happened"),
        Column("user", "text", "whose request it was"),
        Column("process", "text", "number of the process"),
        Column("thread", "text", "number of the thread"),
        Column("methodName", "text", "the method that wrote it"),
        Column("elapsed", "real", "seconds that it took, where that is told"),
        Column("requestID", "text", "what the records of one request share, from release 10.7 on"),
    ),
    _read,
)
