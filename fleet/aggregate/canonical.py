"""One spelling for equal answers: bytes that are the same exactly if two JSON values are equal."""

from __future__ import annotations

import json
from typing import Any

import msgspec

__all__ = ["canonical"]

_encode = msgspec.json.Encoder(order="sorted").encode


def canonical(value: Any) -> bytes:
    """*value* with its members sorted and whole numbers written as such: 1 and 1.0 are equal, true and 1 are not."""
    try:
        text = _encode(value)
        # A fraction of .0, or an exponent, is the only way in which equal numbers are written differently.
        if b".0" in text or b"e1" in text or b"e2" in text:
            text = _encode(_whole(value))
    except (TypeError, ValueError, OverflowError):
        # Values of a caller's own making, and text that is no Unicode: slower, and never an error.
        text = json.dumps(_texts(value), sort_keys=True).encode()
    return text


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _whole(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _texts(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_texts(inner) for inner in value]
    if value is None or isinstance(value, bool | int | float | str):
        return _whole(value)
    return str(value)
