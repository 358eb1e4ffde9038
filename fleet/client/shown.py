"""What a server shows of itself to a client that judges nothing: its certificate, and those it sends along.

Python names the way to the certificates that were sent from 3.13 on. Before, they are read off the wire: up to
TLS 1.2 they travel in clear. It takes a handshake of its own, on which nothing is asked and nothing is told.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import anyio
from anyio.abc import ByteStream

from fleet.client.names import Names
from fleet.client.reaching import Patience, reach
from fleet.client.settings import CONNECT_LIMIT
from fleet.client.sockets import Sockets
from fleet.errors import ConnectFailed

__all__ = ["Shown", "certificates_in", "sent_on", "shown"]

HANDSHAKE = 22
CHANGE_CIPHER_SPEC = 20
CERTIFICATE = 11
MOST = 256 * 1024
"""Bytes of a handshake that are looked at."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Certificates in DER form, the server's own first; `whole` says whether they are all that it sent."""

    certificates: tuple[bytes, ...]
    whole: bool


def sent_on(channel: Any) -> Shown | None:
    """What the server sent on a connection that is there; None where Python has no way to tell (before 3.13)."""
    ask = getattr(channel, "get_unverified_chain", None)
    found = ask() if ask is not None else None
    return Shown(tuple(found), whole=True) if found else None


async def shown(url: str, names: Names, sockets: Sockets) -> Shown | None:
    """What the server at *url* shows to whoever comes; None where it shows nothing in time."""
    host = urlsplit(url).hostname or ""
    for newest in (None,) if hasattr(ssl.SSLObject, "get_unverified_chain") else (ssl.TLSVersion.TLSv1_2, None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if newest is not None:
            context.maximum_version = newest
        patience = Patience(CONNECT_LIMIT)
        try:
            async with await reach(url, names, sockets, patience) as raw:
                with patience.step():
                    found = await _handshake(raw, context, host)
        except (OSError, ConnectFailed, anyio.BrokenResourceError, anyio.EndOfStream):
            # Time that ran out is an `OSError` too.
            return None
        if found is not None:
            return found
    return None


async def _handshake(raw: ByteStream, context: ssl.SSLContext, host: str) -> Shown | None:
    """A handshake by hand, so that what arrives can be read; one that the server breaks off may have told all the same."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    channel = context.wrap_bio(incoming, outgoing, server_hostname=host)
    arrived = bytearray()
    try:
        while True:
            try:
                channel.do_handshake()
                break
            except ssl.SSLWantReadError:
                if outgoing.pending:
                    await raw.send(outgoing.read())
                if len(arrived) > MOST:
                    return None
                data = await raw.receive()
                arrived += data
                incoming.write(data)
        if outgoing.pending:
            await raw.send(outgoing.read())
    except (ssl.SSLError, anyio.BrokenResourceError, anyio.EndOfStream):
        # A server that wants a certificate of ours ends it here.
        found = certificates_in(bytes(arrived))
        return Shown(found, whole=True) if found else None
    own = channel.getpeercert(binary_form=True) or b""
    told = sent_on(channel)
    if told is not None:
        return told
    read = certificates_in(bytes(arrived))
    if read and read[0] == own:
        return Shown(read, whole=True)
    return Shown((own,), whole=False) if own else None


def certificates_in(data: bytes) -> tuple[bytes, ...] | None:
    """The certificates in what a server sent during a handshake up to TLS 1.2; None where they are not in it.

    Source: RFC 5246, sections 6.2.1, 7.4 and 7.4.2.
    """
    messages = _messages(data)
    place = 0
    while place + 4 <= len(messages):
        kind, size = messages[place], int.from_bytes(messages[place + 1 : place + 4], "big")
        body = messages[place + 4 : place + 4 + size]
        if len(body) < size:
            return None
        if kind == CERTIFICATE:
            return _listed(body)
        place += 4 + size
    return None


def _messages(data: bytes) -> bytes:
    """The handshake's messages out of the records in *data*, up to where encryption begins."""
    parts = []
    place = 0
    while place + 5 <= len(data):
        kind, size = data[place], int.from_bytes(data[place + 3 : place + 5], "big")
        if kind == CHANGE_CIPHER_SPEC:
            break
        if kind == HANDSHAKE:
            parts.append(data[place + 5 : place + 5 + size])
        place += 5 + size
    return b"".join(parts)


def _listed(body: bytes) -> tuple[bytes, ...] | None:
    found = []
    end = 3 + int.from_bytes(body[:3], "big")
    if end != len(body):
        return None
    place = 3
    while place + 3 <= end:
        size = int.from_bytes(body[place : place + 3], "big")
        certificate = body[place + 3 : place + 3 + size]
        if not size or len(certificate) < size:
            return None
        found.append(certificate)
        place += 3 + size
    return tuple(found) or None
