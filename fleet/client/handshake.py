"""A TLS handshake without a request: which certificate a site shows, and whether it ends the connection over ours."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import anyio
from anyio.abc import SocketStream
from anyio.streams.tls import TLSAttribute, TLSStream

from fleet.client.names import Names
from fleet.client.settings import CONNECT_LIMIT
from fleet.client.tls import explain_certificate, explain_handshake
from fleet.errors import ConnectFailed, TlsFailed
from fleet.protocol.envelope import CERTIFICATE_HINT

__all__ = ["PeerCertificate", "peer_certificate", "refusal_of_ours"]

REFUSAL_LIMIT = 1.0
"""Seconds for which a server that ends the connection by itself is waited for: one way there and back is enough."""


class PeerCertificate:
    """The certificate that a site showed on a connection: as the TLS library decoded it, and in DER form.

    `chain` holds what the certificate was judged on, in DER form, its own first.
    """

    __slots__ = ("chain", "decoded", "der", "verified")

    def __init__(
        self, decoded: Mapping[str, Any], der: bytes, *, verified: bool, chain: tuple[bytes, ...] = ()
    ) -> None:
        self.decoded = decoded
        self.der = der
        self.verified = verified
        self.chain = chain

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


async def peer_certificate(url: str, context: ssl.SSLContext, names: Names) -> PeerCertificate:
    """The certificate of the server at *url*, judged with *context* as that of every request is.

    Raises `TlsFailed` where it is refused, and `ConnectFailed` where there is no connection in time.
    """
    try:
        with anyio.fail_after(CONNECT_LIMIT):
            async with _shaken(url, context, names) as stream:
                channel = stream.extra(TLSAttribute.ssl_object)  # noqa: S610 - no database is near
                der = channel.getpeercert(binary_form=True) or b""
                decoded: Mapping[str, Any] = channel.getpeercert() or {}
                return PeerCertificate(decoded, der, verified=bool(decoded), chain=_chain(channel))
    except ssl.SSLCertVerificationError as error:
        raise explain_certificate(error, urlsplit(url).hostname or "") from None
    except ssl.SSLError as error:
        raise explain_handshake(error) from None
    except TimeoutError:
        raise ConnectFailed(f"no connection in {CONNECT_LIMIT:g} s") from None
    except (OSError, anyio.BrokenResourceError, anyio.EndOfStream):
        raise ConnectFailed("no TLS connection came about") from None


async def refusal_of_ours(url: str, context: ssl.SSLContext, names: Names) -> TlsFailed | None:
    """Why the server at *url* ends a connection on which nothing was asked; None where it waits for a request.

    With TLS 1.3 our side of the handshake is over before the server has judged our certificate, or that there is none.
    What it does then looks like a connection that breaks under the first request.
    """
    shaken = False
    with anyio.move_on_after(CONNECT_LIMIT):
        try:
            async with _shaken(url, context, names) as stream:
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
        except OSError:
            return None
    return None


@asynccontextmanager
async def _shaken(url: str, context: ssl.SSLContext, names: Names) -> AsyncIterator[TLSStream]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    async with await _connected(await names.addresses(host, parts.port or 443), parts.port or 443) as raw:
        yield await TLSStream.wrap(raw, hostname=host, ssl_context=context, standard_compatible=False)


async def _connected(addresses: Sequence[str], port: int) -> SocketStream:
    """A connection to the first of *addresses* that takes one; raises `OSError` as the last one did."""
    failure = OSError("the name has no address")
    for address in addresses:
        try:
            return await anyio.connect_tcp(address, port)
        except OSError as error:
            failure = error
    raise failure


def _chain(channel: Any) -> tuple[bytes, ...]:
    """The chain on which the certificate was judged, else what the server sent, each in DER form.

    Python names the way to it from 3.13 on; before, it is there without a public name.
    """
    inner: Any = channel if hasattr(channel, "get_verified_chain") else getattr(channel, "_sslobj", None)
    for way in ("get_verified_chain", "get_unverified_chain"):
        found: Sequence[Any] = getattr(inner, way, list)() or ()
        if found:
            return tuple(
                part if isinstance(part, bytes) else ssl.PEM_cert_to_DER_cert(part.public_bytes()) for part in found
            )
    return ()
