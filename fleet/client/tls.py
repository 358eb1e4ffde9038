"""One SSL context per TLS identity, shared by all sites that have it."""

from __future__ import annotations

import ssl
from typing import Any

import truststore
from aiohttp import Fingerprint

from fleet.errors import ConfigFailed, TlsFailed
from fleet.inventory.model import Site, Tls
from fleet.inventory.secrets import Secret

__all__ = ["TlsContexts", "explain_certificate", "pin_bytes"]

EXPIRED = 10
NOT_YET_VALID = 9
NAME_MISMATCH = 62
IP_MISMATCH = 64
SELF_SIGNED = (18, 19)
UNKNOWN_ISSUER = (2, 20, 21)


def pin_bytes(pin: str) -> bytes:
    """The digest in `sha256:HEX`, the SHA-256 of the certificate in DER form."""
    return bytes.fromhex(pin.removeprefix("sha256:").replace(":", ""))


class TlsContexts:
    """Makes the context of an identity once: building one over a bundle of authorities costs 25 ms and more."""

    def __init__(self) -> None:
        self._contexts: dict[Tls, ssl.SSLContext] = {}

    def context(self, tls: Tls, key_password: Secret | None = None) -> ssl.SSLContext:
        """The context for *tls*; raises `ConfigFailed` where a file of it can't be used."""
        known = self._contexts.get(tls)
        if known is None:
            known = self._contexts[tls] = _make(tls, key_password)
        return known

    def parameter(self, site: Site, key_password: Secret | None = None) -> Any:
        """What the HTTP library takes as its `ssl` argument for *site*."""
        if site.url.startswith("http://"):
            return True
        if site.tls.pin is not None:
            return Fingerprint(pin_bytes(site.tls.pin))
        return self.context(site.tls, key_password)


def _make(tls: Tls, key_password: Secret | None) -> ssl.SSLContext:
    try:
        if tls.ca is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(cafile=str(tls.ca))
        else:
            context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not tls.verify:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if tls.cert is not None:
            context.load_cert_chain(
                str(tls.cert),
                None if tls.key is None else str(tls.key),
                None if key_password is None else key_password.reveal(),
            )
    except (OSError, ssl.SSLError) as error:
        file = tls.ca if tls.cert is None else tls.cert
        reason = error.strerror or getattr(error, "reason", None) or type(error).__name__
        raise ConfigFailed(
            f"the TLS files of this site can't be used ({file}: {reason})",
            hint="check the paths under tls in the inventory, and that the key belongs to the certificate",
        ) from None
    return context


def explain_certificate(error: ssl.SSLCertVerificationError, host: str) -> TlsFailed:
    """Why the certificate of *host* was refused, told by the verify code, and what to do about it."""
    code = error.verify_code
    if code == EXPIRED:
        return TlsFailed(
            "the certificate has expired",
            code=code,
            hint="renew the certificate on the site",
        )
    if code == NOT_YET_VALID:
        return TlsFailed(
            "the certificate is not valid yet",
            code=code,
            hint="check the clocks of both machines",
        )
    if code in (NAME_MISMATCH, IP_MISMATCH):
        return TlsFailed(
            f"the certificate is for another name than {host}",
            code=code,
            hint="use the name in the certificate as the host of `url`, or give the site a certificate for this one",
        )
    if code in SELF_SIGNED or code in UNKNOWN_ISSUER:
        return TlsFailed(
            "the certificate comes from an authority that is not trusted here",
            code=code,
            hint='name the authority with tls = { ca = "file.pem" }, or pin the certificate with tls = { pin = "sha256:…" }',
        )
    return TlsFailed(f"the certificate was refused: {error.verify_message}", code=code)
