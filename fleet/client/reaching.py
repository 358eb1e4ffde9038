"""Reaching the host of a site without a request, and why no connection came about, in words."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import anyio
from anyio.abc import SocketStream

from fleet.client.names import Names
from fleet.client.sockets import NoDescriptor, Sockets
from fleet.errors import ConnectFailed

__all__ = ["BROKE_HINT", "RUNS_HINT", "Patience", "connect_failure", "name_unknown", "reach", "reason_of"]

RUNS_HINT = "see whether the site runs, and whether host and port in `url` are right"
BROKE_HINT = "ask again; if it stays so, see what stands between fleet and the site"


class Patience:
    """Seconds that several steps may take together; what lies between them does not count."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds

    @contextmanager
    def step(self) -> Iterator[None]:
        """One of the steps; raises `TimeoutError` once all is used up."""
        began = anyio.current_time()
        try:
            with anyio.fail_after(max(0.0, self._left)):
                yield
        finally:
            self._left -= anyio.current_time() - began


async def reach(url: str, names: Names, sockets: Sockets, patience: Patience) -> SocketStream:
    """A connection to the first address of the host of *url* that takes one, within *patience*.

    Raises `OSError` as the last of them did, and what *names* and *sockets* raise. To wait for a descriptor costs no
    patience: the site has not been asked yet.
    """
    parts = urlsplit(url)
    port = parts.port or 443
    failure = OSError("the name has no address")
    with patience.step():
        addresses = await names.addresses(parts.hostname or "", port)
    for address in addresses:
        made = await _socket_for(address, sockets)
        try:
            with patience.step():
                await asyncio.get_running_loop().sock_connect(made, (address, port))
            return await SocketStream.from_socket(made)
        except OSError as error:
            made.close()
            if isinstance(error, TimeoutError) and error.errno is None:
                raise
            failure = error
        except BaseException:
            made.close()
            raise
    raise failure


async def _socket_for(address: str, sockets: Sockets) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    if sockets.crowded:
        await sockets.room()
    while True:
        try:
            made = sockets.make((family, socket.SOCK_STREAM, socket.IPPROTO_TCP))
        except NoDescriptor:
            await sockets.room()
            continue
        made.setblocking(False)
        return made


def connect_failure(error: OSError, host: str) -> ConnectFailed:
    """What the operating system's *error* means for a connection to *host*."""
    if isinstance(error, socket.gaierror):
        return name_unknown(host)
    if error.errno == errno.ECONNREFUSED or isinstance(error, ConnectionRefusedError):
        return ConnectFailed("connection refused", hint=RUNS_HINT)
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return ConnectFailed("this machine has no file descriptor left for a connection; lower --width")
    return ConnectFailed(f"no connection: {reason_of(error)}", hint=RUNS_HINT)


def name_unknown(host: str) -> ConnectFailed:
    """No address is known for *host*."""
    return ConnectFailed(f"the name {host} is not known", hint="check the host in `url`, and the name server")


def reason_of(error: BaseException | None) -> str:
    """A few words of an operating system's or TLS library's error, without addresses."""
    if isinstance(error, ssl.SSLError):
        return (error.reason or "unknown").replace("_", " ").lower()
    if isinstance(error, OSError) and error.errno is not None:
        return errno.errorcode.get(error.errno, "unknown") if error.strerror is None else error.strerror
    return type(error).__name__
