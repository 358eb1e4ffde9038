"""The log records of a site, read page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fleet.admin.log_pages import LogPages, LogQuery, Record
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
    query = LogQuery(newest=wanted.newest, oldest=wanted.oldest)
    if wanted.level is not None:
        query = replace(query, level=wanted.level)
    pages = LogPages(query, size=1000 if wanted.limit is None else min(1000, wanted.limit))
    rows: list[Row] = []
    while not pages.done and (wanted.limit is None or len(rows) < wanted.limit):
        rows += [LOGS.row(record) for _, record in await read_page(client, pages)]
    return rows[: wanted.limit]


LOGS = Table(
    "logs",
    "Log records, the newest first; WARNING and more severe ones, unless another level is asked for.",
    (
        Column("time", "time", "When it was written."),
        Column("type", "text", "The level: SEVERE, WARNING, INFO, FINE, VERBOSE or DEBUG."),
        Column("code", "integer", "The kind of event, as a number."),
        Column("machine", "text", "The machine that wrote it."),
        Column("source", "text", "The service as Folder/Name.Type, or the part of the server."),
        Column("message", "text", "What happened."),
        Column("user", "text", "Whose request it was."),
        Column("process", "text", "The number of the process."),
        Column("thread", "text", "The number of the thread."),
        Column("methodName", "text", "The method that wrote it."),
        Column("elapsed", "text", "Seconds that it took, where that is told."),
        Column("requestID", "text", "What the records of one request share, from release 10.7 on."),
    ),
    _read,
)
"""What is logged; rows are read whole, so a query bounds them by time, level or limit."""
