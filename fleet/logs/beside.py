"""Work beside the block that takes what it brings: begun with it, and ended with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import anyio

from fleet.fanout.stop import Stop

__all__ = ["beside"]


@asynccontextmanager
async def beside(
    work: Callable[[], Coroutine[Any, Any, None]], end: Callable[[], None], *, stop: Stop, stopped: Callable[[], None]
) -> AsyncIterator[None]:
    """Do *work* beside the block; *end* makes it end when the block does, and *stopped* is told when *stop* is asked for.

    Raises what the block raises, or what *work* comes to.
    """
    unlisten = stop.listen(stopped)
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(work)
            try:
                yield
            finally:
                end()
    except BaseExceptionGroup as errors:
        raise _only_cause(errors) from None
    finally:
        unlisten()


def _only_cause(error: BaseException) -> BaseException:
    """The first exception in groups of them: that of the caller's own block, if it raised one."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
