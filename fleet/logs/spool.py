"""Records that wait on disk until the last one is there, and are read from the end: newest first becomes oldest first."""

from __future__ import annotations

import marshal
import tempfile
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

from fleet.admin.log_pages import Record
from fleet.errors import FleetError

__all__ = ["SPOOL", "Spool", "SpoolFull"]

SPOOL = 2 * 1024**3
"""Bytes that wait on disk at the most, unless told otherwise."""

_LENGTH = 8


class SpoolFull(FleetError):
    """The records do not fit the room on disk that they may take, or that there is."""


class Spool:
    """A context with a temporary file of at most *limit* bytes for batches of records.

    The file has no name (or, where the platform can't do that, goes when it is closed): nothing of it stays behind,
    however the process ends, and nobody else can read it.
    """

    def __init__(self, limit: int = SPOOL) -> None:
        self._limit = limit
        self._size = 0

    def __enter__(self) -> Self:
        self._file = tempfile.TemporaryFile()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, batch: Sequence[tuple[str, Record]]) -> None:
        """Put *batch* behind what is there; raises `SpoolFull`."""
        # Written and read by this process alone, in a file without a name: the format need not outlive it.
        data = marshal.dumps(list(batch))
        if self._size + len(data) + _LENGTH > self._limit:
            raise SpoolFull(
                f"the records take more than {self._limit:,} bytes of temporary room: ask for a shorter time, or raise "
                "--spool-limit; nothing was printed, since the oldest ones are not known"
            )
        try:
            self._file.write(data)
            self._file.write(len(data).to_bytes(_LENGTH, "little"))
        except OSError as error:
            raise SpoolFull(
                f"the temporary folder {tempfile.gettempdir()} takes no more ({error.strerror}): set TMPDIR to another; "
                "nothing was printed, since the oldest records are not known"
            ) from None
        self._size += len(data) + _LENGTH

    def backwards(self) -> Iterator[list[tuple[str, Record]]]:
        """All batches from the last to the first, each turned round."""
        end = self._size
        while end:
            self._file.seek(end - _LENGTH)
            length = int.from_bytes(self._file.read(_LENGTH), "little")
            end -= _LENGTH + length
            self._file.seek(end)
            batch = marshal.loads(self._file.read(length))  # noqa: S302
            batch.reverse()
            yield batch
