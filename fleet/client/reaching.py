"""Reaching the host of a site without a request, and why no connection came about, in words."""

from __future__ import annotations

import errno
import socket
import ssl
from urllib.parse import urlsplit

import anyio
from anyio.abc import SocketStream

from fleet.client.names import Names
from fleet.errors import ConnectFailed

__all__ = ["RUNS_HINT", "connect_failure", "name_unknown", "reach", "reason_of"]

RUNS_HINT = "see whether the site runs, and whether host and port in `url` are right"


async def reach(url: str, names: Names) -> SocketStream:
    """A connection to the first address of the host of *url* that takes one.

    Raises `OSError` as the last of them did, and what *names* raises for a name that can't be a site's.
    """
    parts = urlsplit(url)
    port = parts.port or 443
    failure = OSError("the name has no address")
    for address in await names.addresses(parts.hostname or "", port):
        try:
            return await anyio.connect_tcp(address, port)
        except OSError as error:
            failure = error
    raise failure


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
