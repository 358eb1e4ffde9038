"""An answer that is a file goes to the disk while it arrives, and gets its name only when it is whole."""

from __future__ import annotations

import os
import secrets
import zlib
from pathlib import Path

import aiohttp
import anyio.to_thread

from fleet import platform
from fleet.errors import BadAnswer, ConfigFailed, ConnectFailed, TooLarge

__all__ = ["is_file", "saved"]

PIECE = 1024 * 1024
"""Bytes that are written at once, beside the other sites."""


def is_file(response: aiohttp.ClientResponse, begin: bytes) -> bool:
    """Whether the answer, whose first bytes are *begin*, is a file and no word of the site's own, such as a failure."""
    kind = response.headers.get("Content-Type", "").lower()
    told = kind.startswith("text/") or "json" in kind or "html" in kind
    return response.status == 200 and not told and begin.lstrip()[:1] not in (b"{", b"[")


async def saved(response: aiohttp.ClientResponse, begin: bytes, target: Path, cap: int, *, inflate: bool) -> int:
    """Write *begin* and all that follows to *target*, with mode 0600, whole or not at all; how many bytes it has.

    What is there already is replaced. Raises `TooLarge` above *cap* bytes, `ConnectFailed` for a compressed answer that
    broke off, and `ConfigFailed` where the file can't be written.
    """
    inflater = zlib.decompressobj(wbits=31) if inflate else None
    draft = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
    size = 0
    try:
        with os.fdopen(platform.open_private(draft), "wb", buffering=0) as file:
            held = bytearray()
            chunk = begin
            while chunk:
                piece = chunk if inflater is None else inflater.decompress(chunk, cap + 1 - size)
                size += len(piece)
                if size > cap or (inflater is not None and inflater.unconsumed_tail):
                    raise TooLarge(f"the file passes {cap >> 30} GiB")
                held += piece
                if len(held) >= PIECE:
                    await anyio.to_thread.run_sync(_write, file.fileno(), bytes(held))
                    held.clear()
                chunk = await response.content.readany()
            if inflater is not None and not inflater.eof:
                raise ConnectFailed("the compressed answer broke off", may_have_arrived=True, fate_open=True)
            await anyio.to_thread.run_sync(_ended, file.fileno(), bytes(held))
        draft.replace(target)
    except zlib.error:
        raise BadAnswer("the answer says gzip and is none") from None
    except (aiohttp.ClientError, TimeoutError):
        # Of the connection, not of the disk: some of them are OSErrors too.
        raise
    except OSError as error:
        raise ConfigFailed(f"the file {target} can't be written: {error.strerror}") from None
    finally:
        draft.unlink(missing_ok=True)
    return size


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _ended(descriptor: int, data: bytes) -> None:
    _write(descriptor, data)
    os.fsync(descriptor)
