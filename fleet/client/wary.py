"""A connection that does not listen for ever to a server that says it is about to answer."""

from __future__ import annotations

from typing import Any

from aiohttp.client_proto import ResponseHandler

from fleet.errors import BadAnswer

__all__ = ["WaryHandler"]

INTERIM = 32
"""Interim answers (HTTP 1xx) that may come before the answer itself; servers of this kind send one at the most."""


class WaryHandler(ResponseHandler):
    """The HTTP library's protocol of one connection, with an end to interim answers.

    The library queues every one of them without a bound: an endless row of `100 Continue` took 150 MiB for each site,
    and kept the loop so busy that no deadline held. There is no public place at which to say so; the connector is
    given this class in place of its own, and a test floods it.
    """

    _interim = 0

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Take one more message; one too many of them ends the connection with `BadAnswer`."""
        if 100 <= data[0].code < 200:
            self._interim += 1
            if self._interim > INTERIM:
                if self._interim == INTERIM + 1:
                    self._buffer.clear()
                    if self.transport is not None:
                        self.transport.abort()
                    self.set_exception(BadAnswer(f"the site sent more than {INTERIM} interim answers (HTTP 1xx)"))
                return
        else:
            self._interim = 0
        super().feed_data(data, size)
