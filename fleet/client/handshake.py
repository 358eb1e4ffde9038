"""The certificate that a site shows, by a TLS handshake without a request."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import anyio
from anyio.streams.tls import TLSAttribute, TLSStream

from fleet.client.settings import CONNECT_LIMIT
from fleet.client.tls import explain_certificate
from fleet.errors import ConnectFailed, TlsFailed

__all__ = ["PeerCertificate", "peer_certificate"]


class PeerCertificate:
    """The certificate that a site showed on a connection: as the TLS library decoded it, and in DER form."""

    __slots__ = ("decoded", "der", "verified")

    def __init__(self, decoded: Mapping[str, Any], der: bytes, *, verified: bool) -> None:
        self.decoded = decoded
        self.der = der
        self.verified = verified

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


async def peer_certificate(url: str, tls: Any) -> PeerCertificate:
    """The certificate of the server at *url*, judged with the context *tls*; a pin is judged by the requests instead.

    Raises `TlsFailed` where it is refused, and `ConnectFailed` where there is no connection in time.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    context = tls if isinstance(tls, ssl.SSLContext) else _unverified()
    try:
        with anyio.fail_after(CONNECT_LIMIT):
            async with await anyio.connect_tcp(host, parts.port or 443) as raw:
                stream = await TLSStream.wrap(raw, hostname=host, ssl_context=context, standard_compatible=False)
                channel = stream.extra(TLSAttribute.ssl_object)  # noqa: S610 - no database is near
                der = channel.getpeercert(binary_form=True) or b""
                decoded: Mapping[str, Any] = channel.getpeercert() or {}
                return PeerCertificate(decoded, der, verified=bool(decoded))
    except ssl.SSLCertVerificationError as error:
        raise explain_certificate(error, host) from None
    except ssl.SSLError as error:
        raise TlsFailed(f"the TLS handshake failed: {(error.reason or 'unknown').replace('_', ' ').lower()}") from None
    except TimeoutError:
        raise ConnectFailed(f"no connection in {CONNECT_LIMIT:g} s") from None
    except (OSError, anyio.BrokenResourceError, anyio.EndOfStream):
        raise ConnectFailed("no TLS connection came about") from None


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
