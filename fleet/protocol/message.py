"""Request and Response: the only two shapes that cross the transport."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

__all__ = ["ANSWER_CAP", "NOTHING", "Method", "Request", "Response"]

Method = Literal["GET", "POST"]

NOTHING: Mapping[str, Any] = MappingProxyType({})


def _nothing() -> Mapping[str, Any]:
    return NOTHING


ANSWER_CAP = 16 * 1024 * 1024
"""Bytes that one answer may have after decoding, unless its operation allows more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is sent: an absolute address without secrets, a form for the body of a POST, and headers.

    `query` is the part of the address after `?`, as pairs that are not secret; `form` may hold secrets, and is only
    ever sent in a body. `cap` is how many bytes the answer may have after decoding.
    """

    method: Method
    url: str
    query: Mapping[str, str] = field(default_factory=_nothing)
    form: Mapping[str, str] = field(default_factory=_nothing, repr=False)
    headers: Mapping[str, str] = field(default_factory=_nothing, repr=False)
    cap: int = ANSWER_CAP
    last: bool = False
    """Whether nothing more will be asked of this site: the connection is not kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What came back: status, headers (asked for by lower-case names), and the whole decoded body."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    held: int | None = None
    """Under which number the transport counts the body as held, until it is deciphered."""
