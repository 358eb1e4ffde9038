"""One SSL context per TLS identity, shared by all sites that have it, and what its refusals mean."""

from __future__ import annotations

import hashlib
import hmac
import ssl

import truststore

from fleet.errors import ConfigFailed, TlsFailed
from fleet.inventory.model import Tls
from fleet.inventory.secrets import Secret
from fleet.protocol.envelope import CERTIFICATE_HINT

__all__ = [
    "CERTIFICATE_ALERTS",
    "UNKNOWN_ISSUER",
    "PinMismatch",
    "TlsContexts",
    "explain_certificate",
    "explain_handshake",
    "pin_bytes",
]

EXPIRED = 10
NOT_YET_VALID = 9
NAME_MISMATCH = 62
IP_MISMATCH = 64
SELF_SIGNED = (18, 19)
UNKNOWN_ISSUER = (2, 20, 21)
"""Verify codes of a chain that leads to nobody who is trusted."""

CERTIFICATE_ALERTS = ("certificate required", "handshake failure", "bad certificate", "unknown ca", "access denied")
"""Alerts with which servers end a handshake because of the client's certificate, or because there was none."""


def pin_bytes(pin: str) -> bytes:
    """The digest in `sha256:HEX`, the SHA-256 of the certificate in DER form."""
    return bytes.fromhex(pin.removeprefix("sha256:").replace(":", ""))


class PinMismatch(ssl.SSLCertVerificationError):
    """The server showed another certificate than the pinned one; `shown` is the pin that would have fitted."""

    def __init__(self, shown: str) -> None:
        super().__init__("the certificate is not the pinned one")
        self.shown = shown


class _PinnedObject(ssl.SSLObject):
    """A connection whose handshake ends only with the pinned certificate: nothing is sent to another one."""

    def do_handshake(self) -> None:
        super().do_handshake()
        context = self.context
        assert isinstance(context, _PinnedContext)
        shown = hashlib.sha256(self.getpeercert(binary_form=True) or b"").digest()
        if not hmac.compare_digest(shown, context.pin):
            raise PinMismatch(f"sha256:{shown.hex()}")


class _PinnedContext(ssl.SSLContext):
    """A context that knows the one certificate that it takes.

    The HTTP library has a pin of its own, which takes the place of a context, and with it of our own certificate.
    """

    pin: bytes = b""


class TlsContexts:
    """Makes the context of an identity once: building one over a bundle of authorities costs 25 ms and more.

    Its length is how many contexts there are.
    """

    def __init__(self) -> None:
        self._contexts: dict[Tls, ssl.SSLContext | ConfigFailed] = {}

    def __len__(self) -> int:
        return len(self._contexts)

    def context(self, tls: Tls, key_password: Secret | None = None) -> ssl.SSLContext:
        """The context for *tls*; raises `ConfigFailed` where a file of it can't be used."""
        known = self._contexts.get(tls)
        if known is None:
            try:
                known = _make(tls, key_password)
            except ConfigFailed as error:
                known = error
            self._contexts[tls] = known
        if isinstance(known, ConfigFailed):
            raise ConfigFailed(known.message, hint=known.hint)
        return known


def _make(tls: Tls, key_password: Secret | None) -> ssl.SSLContext:
    context: ssl.SSLContext
    if tls.pin is not None:
        context = _PinnedContext(ssl.PROTOCOL_TLS_CLIENT)
        context.pin = pin_bytes(tls.pin)
        context.sslobject_class = _PinnedObject
    elif tls.ca is not None or not tls.verify:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    else:
        context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not tls.verify or (tls.pin is not None and tls.ca is None):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif tls.ca is not None:
        try:
            context.load_verify_locations(cafile=str(tls.ca))
        except (OSError, ssl.SSLError) as error:
            raise _unusable("ca", tls.ca, error, "it holds certificates in PEM form") from None
    if tls.cert is not None:
        _show(context, tls, key_password)
    return context


def _show(context: ssl.SSLContext, tls: Tls, key_password: Secret | None) -> None:
    """Let *context* show our own certificate to servers that ask for one."""
    assert tls.cert is not None
    asked = False

    def password() -> str:
        # Without a callback OpenSSL would ask on the terminal, and wait.
        nonlocal asked
        asked = True
        if key_password is None:
            raise _Locked
        return key_password.reveal()

    try:
        context.load_cert_chain(str(tls.cert), None if tls.key is None else str(tls.key), password)
    except _Locked:
        raise ConfigFailed(
            f"the key of our certificate is encrypted ({tls.key or tls.cert})",
            hint='say where its password lies: key_password = { env = "…" } under tls',
        ) from None
    except (OSError, ssl.SSLError, ValueError) as error:
        if asked and getattr(error, "reason", None) != "KEY_VALUES_MISMATCH":
            raise ConfigFailed(
                f"key_password does not open the key of our certificate ({tls.key or tls.cert})",
                hint="check the secret that key_password names under tls",
            ) from None
        named = "cert" if tls.key is None else "cert or key"
        raise _unusable(named, tls.key or tls.cert, error, "they are in PEM form and belong together") from None
    # Web servers that ask for the certificate only once they have seen the path do it after the handshake.
    context.post_handshake_auth = True


class _Locked(Exception):
    """A key needs a password, and there is none."""


def _unusable(key: str, file: object, error: Exception, wanted: str) -> ConfigFailed:
    reason = getattr(error, "strerror", None) or type(error).__name__
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "not readable").replace("_", " ").lower()
    return ConfigFailed(
        f"{key} under tls can't be used ({file}: {reason})",
        hint=f"check {key} under tls in the inventory, and that {wanted}",
    )


def explain_certificate(error: ssl.SSLCertVerificationError, host: str) -> TlsFailed:
    """Why the certificate of *host* was refused, told by the verify code, and what to do about it."""
    if isinstance(error, PinMismatch):
        return TlsFailed(
            f"the certificate is not the pinned one (it is {error.shown})",
            hint="if it was renewed on purpose, change the pin in the inventory",
        )
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


def explain_handshake(error: ssl.SSLError) -> TlsFailed:
    """What a handshake that came to no end means, told by the TLS library's own word for it."""
    reason = (error.reason or "unknown").replace("_", " ").lower()
    hint = None
    if any(alert in reason for alert in CERTIFICATE_ALERTS):
        hint = f"if the server demands a client certificate, {CERTIFICATE_HINT}"
    elif "protocol" in reason or "version" in reason:
        hint = "the server must speak TLS 1.2 or newer; does another port, or http://, answer at this one?"
    elif "http request" in reason or "record layer" in reason:
        hint = "this port does not speak TLS: is it the one for http://?"
    return TlsFailed(f"the TLS handshake failed: {reason}", hint=hint)
