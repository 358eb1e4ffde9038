"""Waiting until something is as it should be: asked again and again, within a limit, whatever a restart does meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

from fleet.errors import (
    Cancelled,
    ConfigFailed,
    Forbidden,
    LoginRefused,
    SiteError,
    TlsFailed,
    TokenRefused,
    VerifyFailed,
)

__all__ = ["until_well"]

FIRST = 0.1
MOST = 5.0
"""Seconds between two looks: from the first of these, doubling, to the second."""

FINAL = (Cancelled, ConfigFailed, Forbidden, LoginRefused, TokenRefused, VerifyFailed)
"""What no waiting mends."""


async def until_well(look: Callable[[], Awaitable[str]], limit: float, *, every: float | None = None) -> str:
    """Ask *look* until it says the empty text, or until *limit* seconds have passed; then what it said last.

    It is asked *every* so many seconds, or where that is None, soon at first and then less and less often.

    What it says is what is still missing, in words. A site that does not answer, as one that restarts does, is missing
    too; an error that waiting can't mend is raised.
    """
    end = anyio.current_time() + limit
    pause = FIRST if every is None else every
    while True:
        try:
            missing = await look()
        except SiteError as error:
            if _final(error):
                raise
            missing = error.message
        if not missing or anyio.current_time() + pause > end:
            return missing
        await anyio.sleep(pause)
        pause = min(pause * 2, MOST) if every is None else every


def _final(error: SiteError) -> bool:
    """Whether waiting is no use: a handshake that breaks may come of a restart, a certificate that is refused does not."""
    return not error.passing and (isinstance(error, FINAL) or (isinstance(error, TlsFailed) and error.code is not None))
