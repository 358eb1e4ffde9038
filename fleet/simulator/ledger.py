"""Every request that a simulated site saw, in order; secrets never enter it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

__all__ = ["Entry", "Ledger", "LedgerLost"]

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


class LedgerLost(Exception):
    """A line can't be written: the request must not be answered, since the ledger would lack it."""


class Ledger:
    """A list of entries, also written to a file, one line each, before the answer goes out.

    The file is begun anew: numbers count from 1. `watch` is told each entry too, and `on_loss` the first error in writing
    the file.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.entries: list[Entry] = []
        self.watch: Callable[[Entry], None] | None = None
        self.on_loss: Callable[[OSError], None] | None = None
        self._lost = False
        self._file = None if path is None else path.open("wb", buffering=0)

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
        """Append one request and write it; raises `LedgerLost` from the first that can't be written on."""
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
        if self._file is not None:
            self._write(json.dumps(asdict(entry)).encode() + b"\n")
        self.entries.append(entry)
        if self.watch is not None:
            self.watch(entry)

    def _write(self, line: bytes) -> None:
        assert self._file is not None
        if self._lost:
            raise LedgerLost
        written = 0
        try:
            while written < len(line):
                written += self._file.write(line[written:]) or 0
        except OSError as error:
            self._lost = True
            if written:
                # No line is left behind that is not whole.
                os.truncate(self._file.fileno(), os.fstat(self._file.fileno()).st_size - written)
            if self.on_loss is not None:
                self.on_loss(error)
            raise LedgerLost from None

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
