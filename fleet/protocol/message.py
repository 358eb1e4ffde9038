"""Request and Response: the only two shapes that cross the transport."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import msgspec

__all__ = ["ANSWER_CAP", "FILE_CAP", "NOTHING", "REPORT_CAP", "Method", "Request", "Response"]

Method = Literal["GET", "POST"]

NOTHING: Mapping[str, Any] = MappingProxyType({})


ANSWER_CAP = 16 * 1024 * 1024
"""Bytes that one answer may have after decoding, unless its operation allows more."""

REPORT_CAP = 64 * 1024 * 1024
"""The same for a report of services, and for a manifest."""

FILE_CAP = 4 * 1024 * 1024 * 1024
"""Bytes that the files of one request may have together, and a file that is fetched."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent: an absolute address without secrets, a form for the body of a POST, and headers.

    `query` is the part of the address after `?`, as pairs that are not secret; `form` may hold secrets, and is only
    ever sent in a body. `cap` is how many bytes the answer may have after decoding.
    """

    method: Method
    url: str
    query: Mapping[str, str] = NOTHING
    form: Mapping[str, str] = NOTHING
    files: Mapping[str, Path | bytes] = NOTHING
    """Files by the name of their part: with any, the body is multipart/form-data."""
    headers: Mapping[str, str] = NOTHING
    into: Path | None = None
    """Where an answer that is a file is written while it arrives."""
    cap: int = ANSWER_CAP
    last: bool = False
    """Whether nothing more will be asked of this site: the connection is not kept."""

    def __repr__(self) -> str:
        return f"Request({self.method} {self.url})"


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """What came back: status, headers (asked for by lower-case names), and the whole decoded body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    held: int | None = None
    """Under which number the transport counts the body as held, until it is deciphered."""
    saved: int | None = None
    """How many bytes of the answer, a file, were written where the request said; the body is empty then."""
    redirected: bool = False
    """Whether a redirect led to it."""

    def __repr__(self) -> str:
        return f"Response({self.status}, {len(self.body)} bytes)"
