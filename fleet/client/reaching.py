"""Why no connection came about, in words, and what to do about it."""

from __future__ import annotations

import errno
import socket
import ssl

from fleet.errors import ConnectFailed

__all__ = ["RUNS_HINT", "connect_failure", "name_unknown", "reason_of"]

RUNS_HINT = "see whether the site runs, and whether host and port in `url` are right"


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
