"""Waiting until services are really in a state: the reports of a site are asked again until they say so, or time is up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import anyio

from fleet.errors import ConfigFailed, Forbidden, LoginRefused, NotFound, SiteError, VerifyFailed
from fleet.protocol.fields import ServiceId
from fleet.protocol.patterns import ServicePatterns
from fleet.rows.table import Row

__all__ = ["FIRST_PAUSE", "LONGEST_PAUSE", "until"]

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 15.0
SHOWN = 10


async def until(
    read: Callable[[], Awaitable[Sequence[Row]]], wanted: str, patterns: ServicePatterns, seconds: float
) -> Sequence[Row]:
    """The rows that *read* gives once the services in them really are in the state *wanted* (STARTED or STOPPED).

    *read* gives those that are meant. A service that should stand is not waited for to start, unless *patterns* name it;
    one that they name and that is not there yet is waited for. A site that is away for a while is asked again. Raises
    `VerifyFailed`, with the last rows as its value, when it is not so after so many *seconds*, and at once the error of a
    login, or of a right, that is missing.
    """
    end = anyio.current_time() + seconds
    pause = FIRST_PAUSE
    while True:
        rows: Sequence[Row] = ()
        error: SiteError | None = None
        try:
            rows = await read()
        except (ConfigFailed, LoginRefused, Forbidden):
            raise
        except SiteError as failure:
            error = failure
        left = [] if error is not None else _behind(rows, wanted, patterns)
        if error is None and not left:
            if not rows:
                raise NotFound("no service fits, and so there is nothing to wait for")
            return rows
        if anyio.current_time() + pause > end:
            raise error or _late(rows, left, wanted, seconds)
        await anyio.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)


def _behind(rows: Sequence[Row], wanted: str, patterns: ServicePatterns) -> list[str]:
    """The services that are not in the state *wanted* yet, and the names that are not there."""
    services = [ServiceId.parse(row["service"]) for row in rows]
    found = []
    for row, service in zip(rows, services, strict=True):
        wish, real = (str(row.get(name) or "").upper() for name in ("configuredState", "realTimeState"))
        if real == wanted or (wanted == "STARTED" and wish == "STOPPED" and not patterns.names(service)):
            continue
        found.append(str(service))
    return [*found, *patterns.missing(services)]


def _late(rows: Sequence[Row], left: Sequence[str], wanted: str, seconds: float) -> SiteError:
    shown = ", ".join(left[:SHOWN]) + (", …" if len(left) > SHOWN else "")
    error = VerifyFailed(
        f"{len(left)} of {max(len(rows), len(left))} services are not {wanted} after {seconds:g} s: {shown}",
        hint="the log says why: fleet services status tells the rest",
    )
    error.value = rows  # what is known all the same
    return error
