"""A TLS server that is not asyncio's: it sends its alerts before it hangs up, as most web servers do."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme

__all__ = ["server"]


@contextmanager
def server(
    authority: trustme.CA | Path, *, limit: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3, demands: bool = False
) -> Iterator[int]:
    """A TLS server on loopback that refuses every account; the port. Its certificate may come as a file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.minimum_version = min(limit, ssl.TLSVersion.TLSv1_2)
    context.maximum_version = limit
    if isinstance(authority, Path):
        context.load_cert_chain(authority)
    else:
        authority.issue_cert("localhost").configure_cert(context)
    if demands and isinstance(authority, trustme.CA):
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    listening = socket.create_server(("127.0.0.1", 0))
    ending = threading.Event()

    def serve() -> None:
        while not ending.is_set():
            raw, _ = listening.accept()
            raw.settimeout(5)
            try:
                with context.wrap_socket(raw, server_side=True) as channel:
                    if channel.recv(65536):
                        body = b'{"status":"error","messages":["no"],"code":401}'
                        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                        channel.sendall(head.encode() + body)
            except OSError:
                raw.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        ending.set()
        socket.create_connection(listening.getsockname()).close()
        thread.join()
        listening.close()
