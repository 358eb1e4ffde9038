"""Certificates in files that are to be imported: read here first, so that a wrong file or password is never sent."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fleet.errors import UsageError
from fleet.given_files import bytes_of
from fleet.inventory.secrets import Secret

__all__ = ["CertificateFile", "read_certificate", "read_pfx"]

CAP = 4 * 1024 * 1024
"""Bytes of a file that may be a certificate."""


@dataclass(frozen=True, slots=True)
class CertificateFile:
    """A file's bytes, and what its certificate says; nothing of it where the `crypto` extra is missing."""

    name: str
    data: bytes = field(repr=False)
    subject: str = ""
    ends: float | None = None
    sha256: str = ""
    sha1: str = ""

    def told(self) -> dict[str, Any]:
        """What a plan tells of it."""
        if not self.sha256:
            return {"file": self.name}
        assert self.ends is not None
        end = datetime.fromtimestamp(self.ends, UTC).strftime("%Y-%m-%d")
        return {"file": self.name, "subject": self.subject, "validUntil": end, "sha256": self.sha256}


def _bytes_of(path: Path) -> bytes:
    data = bytes_of(path, CAP)
    if not data:
        raise UsageError(f"{path} is empty")
    return data


def _known(path: Path, data: bytes, certificate: Any) -> CertificateFile:
    from cryptography.hazmat.primitives.serialization import Encoding

    der = certificate.public_bytes(Encoding.DER)
    return CertificateFile(
        path.name,
        data,
        certificate.subject.rfc4514_string(),
        certificate.not_valid_after_utc.timestamp(),
        hashlib.sha256(der).hexdigest(),
        hashlib.sha1(der, usedforsecurity=False).hexdigest(),
    )


def read_pfx(path: Path, password: Secret) -> CertificateFile:
    """The PKCS#12 file *path*, which *password* opens; raises `UsageError` for one that holds no key and certificate.

    Without the `crypto` extra it is taken as it is, and the site is the first to look into it.
    """
    data = _bytes_of(path)
    try:
        from cryptography.hazmat.primitives.serialization import pkcs12
    except ImportError:
        return CertificateFile(path.name, data)
    try:
        key, certificate, _ = pkcs12.load_key_and_certificates(data, password.reveal().encode())
    except ValueError:
        raise UsageError(f"{path} can't be opened: it is no PKCS#12 file, or the password is another") from None
    if key is None or certificate is None:
        raise UsageError(f"{path} holds no {'key' if key is None else 'certificate'}")
    return _known(path, data, certificate)


def read_certificate(path: Path) -> CertificateFile:
    """The certificate in *path*, PEM or DER; raises `UsageError` for a file that holds none, or a key beside it.

    Without the `crypto` extra it is taken as it is.
    """
    data = _bytes_of(path)
    if b"PRIVATE KEY-----" in data:
        raise UsageError(f"{path} holds a private key, which must not be sent: give the certificate alone")
    try:
        from cryptography import x509
    except ImportError:
        return CertificateFile(path.name, data)
    try:
        pem = b"-----BEGIN" in data
        certificate = x509.load_pem_x509_certificate(data) if pem else x509.load_der_x509_certificate(data)
    except ValueError:
        raise UsageError(f"{path} holds no certificate") from None
    return _known(path, data, certificate)
