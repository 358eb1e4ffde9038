"""A pack: the new objects of one snapshot behind each other in one file, with an index of their digests at its end.

One file per snapshot needs one sync, not one per object, and small objects waste no blocks. A pack is written once and
never changed. Its index has a digest of its own, so that a file that was cut short is told from a whole one.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fleet.errors import StoreFailed
from fleet.snapshots.disk import Disk

__all__ = ["Pack", "PackWriter", "digest_of"]

MAGIC = b"FLEETPK1"
ENTRY = struct.Struct(">32sQI")
"""Digest, offset, and length of the compressed bytes."""
TAIL = struct.Struct(">Q32s8s")
"""Length of the index, its digest, and the magic again."""
BUFFER = 1 << 20
"""Bytes that are gathered before they are written."""
LEVEL = 6


def digest_of(data: bytes) -> bytes:
    """The name of an object: SHA-256 of its bytes."""
    return hashlib.sha256(data).digest()


class PackWriter:
    """Writes one pack to *draft*, which is made with the first object; `finish` gives it its name *path*."""

    def __init__(self, disk: Disk, draft: Path, path: Path) -> None:
        self._disk = disk
        self._draft = draft
        self._path = path
        self._descriptor: int | None = None
        self._buffer = bytearray()
        self._offset = 0
        self._entries: list[tuple[bytes, int, int]] = []

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """Bytes of the pack so far, or of the whole one once it is finished."""
        return self._offset

    def add(self, digest: bytes, data: bytes) -> None:
        """Keep *data* under *digest*."""
        self.add_packed(digest, zlib.compress(data, LEVEL))

    def add_packed(self, digest: bytes, packed: bytes) -> None:
        """Keep bytes that are compressed already."""
        if not self._entries:
            self._put(MAGIC)
        self._entries.append((digest, self._offset, len(packed)))
        self._put(packed)

    def _put(self, data: bytes) -> None:
        self._buffer += data
        self._offset += len(data)
        if len(self._buffer) >= BUFFER:
            self._flush()

    def _flush(self) -> None:
        if self._descriptor is None:
            self._descriptor = self._disk.create(self._draft)
        self._disk.write(self._descriptor, bytes(self._buffer))
        self._buffer.clear()

    def finish(self) -> None:
        """Make the pack durable under its name; without any object there is none."""
        if not self._entries:
            return
        index = b"".join(ENTRY.pack(*entry) for entry in sorted(self._entries))
        self._put(index + TAIL.pack(len(index), digest_of(index), MAGIC))
        self._flush()
        assert self._descriptor is not None
        self._disk.sync(self._descriptor)
        self.close()
        self._disk.rename(self._draft, self._path)
        self._disk.sync_folder(self._path.parent)

    def discard(self) -> None:
        """Close and remove what is not finished; what can't be removed now is removed by the next writer."""
        self.close()
        with suppress(OSError):
            self._disk.remove(self._draft)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack on the disk: digest -> offset and length of its compressed bytes."""

    path: Path
    index: Mapping[bytes, tuple[int, int]]

    @classmethod
    def open(cls, path: Path) -> Pack:
        """The pack *path*; raises `StoreFailed` where it is damaged, and `FileNotFoundError` where it is gone."""
        with path.open("rb") as file:
            size = file.seek(0, 2)
            if size < len(MAGIC) + TAIL.size:
                raise StoreFailed(f"{path} is damaged: it was cut short")
            file.seek(size - TAIL.size)
            length, digest, magic = TAIL.unpack(file.read(TAIL.size))
            if magic != MAGIC or length % ENTRY.size or length > size - TAIL.size:
                raise StoreFailed(f"{path} is damaged: its end is not that of a pack")
            file.seek(size - TAIL.size - length)
            index = file.read(length)
        if digest_of(index) != digest:
            raise StoreFailed(f"{path} is damaged: its index has changed")
        return cls(path, {key: (offset, size) for key, offset, size in ENTRY.iter_unpack(index)})

    def packed(self, digest: bytes) -> bytes:
        """The compressed bytes of one object."""
        offset, length = self.index[digest]
        with self.path.open("rb") as file:
            file.seek(offset)
            return file.read(length)

    def read(self, digest: bytes) -> bytes:
        """One object; raises `StoreFailed` where its bytes are not those that were written."""
        return unpacked(self.packed(digest), digest, self.path)


def unpacked(packed: bytes, digest: bytes, path: Path) -> bytes:
    """The bytes in *packed*, which must be those that *digest* names; raises `StoreFailed`."""
    try:
        data = zlib.decompress(packed)
    except zlib.error:
        data = b""
    if digest_of(data) != digest:
        raise StoreFailed(f"{path} is damaged: the object {digest.hex()[:12]} has changed")
    return data
