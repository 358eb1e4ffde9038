"""Every request that a simulated site saw, in order; secrets never enter it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

__all__ = ["Entry", "Ledger"]

HIDDEN = frozenset(
    {
        "password",
        "token",
        "client_secret",
        "certpassword",
        "sharedkey",
        "username_encrypted",
        "code",
        "oauth_state",
        "refresh_token",
    }
)

_INSIDE = re.compile(
    r"""("\w*(?:password|secret|sharedkey|trustkey|token)\w*"\s*:\s*)"(?:[^"\\]|\\.)*"?""", re.IGNORECASE
)
"""A secret member of the JSON in a parameter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One request: what was asked, where its token was, and how it was answered (`code` is the one in the body)."""

    seq: int
    at: str
    site: str
    method: str
    path: str
    operation: str
    params: dict[str, str]
    token_in: str
    status: int
    code: int | None
    changed: bool


class Ledger:
    """A list of entries, also written to a file, one line each, before the answer goes out.

    The file is begun anew: numbers count from 1. *watch* is told each entry too.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.entries: list[Entry] = []
        self.watch: Callable[[Entry], None] | None = None
        self._file: TextIO | None = None if path is None else path.open("w", encoding="utf-8")

    def note(
        self,
        *,
        site: str,
        method: str,
        path: str,
        operation: str,
        params: Mapping[str, str],
        token_in: str,
        status: int,
        code: int | None,
        changed: bool,
    ) -> None:
        """Append one request and flush it."""
        encrypted = params.get("encrypted") == "true"
        entry = Entry(
            seq=len(self.entries) + 1,
            at=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            site=site,
            method=method,
            path=path,
            operation=operation,
            params={
                key: "***" if encrypted or key.lower() in HIDDEN else _short(value) for key, value in params.items()
            },
            token_in=token_in,
            status=status,
            code=code,
            changed=changed,
        )
        self.entries.append(entry)
        if self._file is not None:
            self._file.write(json.dumps(asdict(entry)) + "\n")
            self._file.flush()
        if self.watch is not None:
            self.watch(entry)

    def of(self, site: str | None = None, operation: str | None = None) -> list[Entry]:
        """The entries of *site*, of *operation* (the last part of the path), or both."""
        return [
            entry
            for entry in self.entries
            if (site is None or entry.site == site) and (operation is None or entry.operation == operation)
        ]

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            self._file.close()


def _short(value: Any) -> str:
    text = _INSIDE.sub(r'\1"***"', str(value))
    return text if len(text) <= 2000 else text[:2000] + "…"
