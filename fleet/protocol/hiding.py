"""Values out of a site's answer as they may be shown and kept: with everything hidden that is secret by its name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fleet.protocol.connections import HIDDEN, hidden_parts, is_connection
from fleet.protocol.secret_names import is_secret_name

__all__ = ["hidden"]


def hidden(value: Any) -> Any:
    """*value* with `***` for each secret in it, also in texts that hold JSON or a connection string."""
    if isinstance(value, Mapping):
        return {
            key: HIDDEN if is_secret_name(str(key)) and inner not in (None, "", True, False) else hidden(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [hidden(inner) for inner in value]
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith(("{", "[")):
        try:
            told = json.loads(value)
        except (ValueError, RecursionError):
            return value
        shown = hidden(told)
        return value if shown == told else json.dumps(shown, separators=(",", ":"), ensure_ascii=False)
    return hidden_parts(value) if is_connection(value) else value
