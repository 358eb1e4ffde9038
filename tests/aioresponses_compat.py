"""Lets aioresponses 0.7.9 work with aiohttp 3.14, whose response class wants one argument more."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any
from unittest.mock import Mock

import aiohttp
import aioresponses.core as core
from aiohttp import StreamReader
from aiohttp.client_proto import ResponseHandler


class PatientResponse(aiohttp.ClientResponse):
    """A response that fills in what aioresponses does not know of yet."""

    def __init__(self, *positional: Any, **named: Any) -> None:
        named.setdefault("stream_writer", Mock(output_size=0))
        super().__init__(*positional, **named)


def needed() -> bool:
    """Whether aiohttp wants the argument that aioresponses does not give."""
    wants = "stream_writer" in inspect.signature(aiohttp.ClientResponse.__init__).parameters
    return wants and "stream_writer" not in inspect.getsource(core)


def apply() -> None:
    """Teach aioresponses, where it needs that."""
    if not needed():
        return

    def reader(loop: asyncio.AbstractEventLoop | None = None) -> StreamReader:
        protocol = ResponseHandler(loop=loop or asyncio.get_running_loop())
        protocol._parser = Mock(**{"feed_data.return_value": ((), False, b"")})
        return StreamReader(protocol, limit=2**16, loop=loop or asyncio.get_running_loop())

    core.ClientResponse = PatientResponse
    core.stream_reader_factory = reader
