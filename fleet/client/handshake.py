"""A TLS handshake without a request: which certificate a site shows, and whether it ends the connection over ours."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import anyio
from anyio.streams.tls import TLSAttribute, TLSStream

from fleet.client.names import Names
from fleet.client.reaching import RUNS_HINT, Patience, connect_failure, reach
from fleet.client.settings import CONNECT_LIMIT
from fleet.client.shown import Shown, sent_on, shown
from fleet.client.sockets import Sockets
from fleet.client.tls import explain_certificate, explain_handshake
from fleet.errors import ConnectFailed, TlsFailed
from fleet.protocol.envelope import CERTIFICATE_HINT

__all__ = ["PeerCertificate", "peer_certificate", "refusal_of_ours"]

TLS_HINT = "see whether the port in `url` is the one for https"

REFUSAL_LIMIT = 1.0
"""Seconds for which a server that ends the connection by itself is waited for: one way there and back is enough."""


class PeerCertificate:
    """The certificate that a site showed: as the TLS library decoded it, and in DER form.

    `refusal` is why it is not accepted, if it is not. `sent` holds the certificates that the server sent, its own
    first, where they were asked for; `whole` says whether they are all of them.
    """

    __slots__ = ("decoded", "der", "refusal", "sent", "verified", "whole")

    def __init__(
        self,
        decoded: Mapping[str, Any],
        der: bytes,
        *,
        verified: bool,
        refusal: TlsFailed | None = None,
        sent: tuple[bytes, ...] = (),
        whole: bool = False,
    ) -> None:
        self.decoded = decoded
        self.der = der
        self.verified = verified
        self.refusal = refusal
        self.sent = sent
        self.whole = whole

    @property
    def not_after(self) -> float | None:
        """When it ends, in epoch seconds; None where the connection was not verified, which decodes nothing."""
        text = self.decoded.get("notAfter")
        return None if text is None else float(ssl.cert_time_to_seconds(text))

    @property
    def issuer(self) -> str | None:
        """The issuer's common name, or organisation, where the certificate was decoded."""
        names = {key: value for part in self.decoded.get("issuer", ()) for key, value in part}
        return names.get("commonName") or names.get("organizationName")


async def peer_certificate(
    url: str, context: ssl.SSLContext, names: Names, sockets: Sockets, *, sent: bool = False
) -> PeerCertificate:
    """The certificate of the server at *url*, judged with *context* as that of every request is.

    With *sent* it is also told which certificates the server sent; where Python can't tell, or the server's own was
    refused, that takes a second handshake that judges nothing. Raises `TlsFailed` where no handshake came about for
    another reason than the server's certificate, and `ConnectFailed` where there was no connection in time.
    """
    host = urlsplit(url).hostname or ""
    told: Shown | None = None
    try:
        async with _shaken(url, context, names, sockets) as stream:
            channel = stream.extra(TLSAttribute.ssl_object)  # noqa: S610 - no database is near
            der = channel.getpeercert(binary_form=True) or b""
            decoded: Mapping[str, Any] = channel.getpeercert() or {}
            told = sent_on(channel) if sent else None
    except ssl.SSLCertVerificationError as error:
        told = await shown(url, names, sockets) if sent else None
        return PeerCertificate(
            {},
            told.certificates[0] if told else b"",
            verified=False,
            refusal=explain_certificate(error, host),
            sent=told.certificates if told else (),
            whole=told is not None and told.whole,
        )
    except ssl.SSLError as error:
        raise explain_handshake(error) from None
    except TimeoutError:
        raise ConnectFailed(f"no connection in {CONNECT_LIMIT:g} s", hint=RUNS_HINT) from None
    except (anyio.BrokenResourceError, anyio.EndOfStream):
        raise ConnectFailed("the connection was closed during the TLS handshake", hint=TLS_HINT) from None
    except OSError as error:
        raise connect_failure(_cause_of(error), host) from None
    if sent and told is None and der:
        told = await shown(url, names, sockets)
        if told is None or told.certificates[0] != der:
            # Several servers behind one address need not show the same.
            told = Shown((der,), whole=False)
    return PeerCertificate(
        decoded,
        der,
        verified=bool(decoded),
        sent=told.certificates if told else (),
        whole=told is not None and told.whole,
    )


def _cause_of(error: OSError) -> OSError:
    """What the operating system said, out of what the library made of it."""
    cause = error.__cause__
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    return cause if isinstance(cause, OSError) else error


async def refusal_of_ours(url: str, context: ssl.SSLContext, names: Names, sockets: Sockets) -> TlsFailed | None:
    """Why the server at *url* ends a connection on which nothing was asked; None where it waits for a request.

    With TLS 1.3 our side of the handshake is over before the server has judged our certificate, or that there is none.
    What it does then looks like a connection that breaks under the first request.
    """
    shaken = False
    try:
        async with _shaken(url, context, names, sockets) as stream:
            shaken = True
            with anyio.move_on_after(REFUSAL_LIMIT):
                await stream.receive(1)
    except ssl.SSLCertVerificationError:
        return None
    except ssl.SSLError as error:
        return explain_handshake(error)
    except (anyio.BrokenResourceError, anyio.EndOfStream):
        if shaken:
            return TlsFailed(
                "the server ends every connection right after the TLS handshake",
                hint=f"servers do so that demand a client certificate: {CERTIFICATE_HINT}",
            )
    except (OSError, ConnectFailed):
        return None
    return None


@asynccontextmanager
async def _shaken(url: str, context: ssl.SSLContext, names: Names, sockets: Sockets) -> AsyncIterator[TLSStream]:
    """A connection after its handshake, which came about within `CONNECT_LIMIT`; raises `TimeoutError`."""
    host = urlsplit(url).hostname or ""
    patience = Patience(CONNECT_LIMIT)
    async with await reach(url, names, sockets, patience) as raw:
        with patience.step():
            stream = await TLSStream.wrap(raw, hostname=host, ssl_context=context, standard_compatible=False)
        yield stream
