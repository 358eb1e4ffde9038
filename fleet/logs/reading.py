"""The pages of one site's log, one after another, through the client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from fleet.admin.log_pages import LogPages, Record
from fleet.client.site import SiteClient
from fleet.errors import TooLarge

__all__ = ["read_page", "read_pages"]


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


async def read_pages(
    client: SiteClient,
    pages: LogPages,
    on_page: Callable[[list[tuple[int, Record]]], Any],
    turn: Callable[[], AbstractAsyncContextManager[Any]],
    room: Callable[[], Awaitable[Any]] | None = None,
) -> None:
    """Read *pages* to their end and give each to *on_page*.

    *turn* is what a request waits its turn in, and *room* is awaited before each: whoever takes the records says so when
    there is room for a page.
    """
    while not pages.done:
        if room is not None:
            await room()
        async with turn():
            rows = await read_page(client, pages)
        on_page(rows)
