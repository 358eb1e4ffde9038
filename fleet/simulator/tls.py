"""Certificates for simulated sites: an authority of their own, and server certificates that are good, expired or misnamed."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fleet.simulator.pki import Pair

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import GeneralName

    from fleet.simulator.certificates import Details

__all__ = ["Authority"]

OURS = "Simulated Authority"
BELOW = "Simulated Authority Two"
"""An authority that ours vouches for."""


class Authority:
    """Makes certificates into *folder*; `ca_file` is what clients trust. Needs the `cryptography` package."""

    def __init__(self, folder: Path) -> None:
        from cryptography.hazmat.primitives.asymmetric import ec

        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._files: dict[str, Path] = {}
        self._made = 0
        self.demands_certificate = False
        """Whether servers take only clients that show a certificate of this authority."""
        self.ca_file = folder / "simulated-ca.pem"
        self._certificate = self._make(OURS, self._key.public_key(), days=30, authority=True)
        self.ca_file.write_bytes(_pem(self._certificate))

    def context(self, kind: str = "good") -> ssl.SSLContext:
        """A server's context: `good`, or one of the faults of certificates."""
        known = self._contexts.get(kind)
        if known is None:
            known = self._contexts[kind] = self._context(kind)
        return known

    def showing(self, kind: str, shown: Callable[[], ssl.SSLContext | None]) -> ssl.SSLContext:
        """A context of its own that begins as *kind*, and shows what *shown* says instead when it says something."""
        context = self._loaded(self._files[kind]) if kind in self._files else self._context(kind)

        def choose(connection: ssl.SSLObject, name: str, first: ssl.SSLContext) -> None:
            other = shown()
            if other is not None:
                connection.context = other

        context.sni_callback = choose
        return context

    def pair(self, kind: str) -> Pair:
        """Key and certificates of the context *kind*, which was made before."""
        return Pair.in_pem(self._files[kind].read_bytes())

    def made_for(self, details: Details, ends: float) -> ssl.SSLContext:
        """A context that shows the certificate which *details* tell of; one that is not there is made.

        One that signed itself is for its own names; one that an authority signed is ours, and for this host too.
        """
        self._made += 1
        file = self._folder / f"simulated-shown-{self._made}.pem"
        if details.pair is not None and details.pair.certificate is not None:
            file.touch(mode=0o600)
            file.write_bytes(details.pair.pem())
            return self._loaded(file)
        days = max(1, round((ends - time.time()) / 86_400)) if ends > time.time() else -1
        host = details.common_name
        if details.own:
            return self._loaded(self._issue(file.name, host, days=days, names=(host,), self_signed=True))
        return self._loaded(self._issue(file.name, host, days=days, names=("localhost", "127.0.0.1", host)))

    def client_file(self) -> Path:
        """A file with the certificate and key of a client that the servers accept."""
        return self._issue("simulated-client.pem", "simulated-administrator", days=20, names=())

    def _context(self, kind: str) -> ssl.SSLContext:
        file = self._issue(
            f"simulated-{kind}.pem",
            "elsewhere.example" if kind == "cert-name" else "localhost",
            days=-1 if kind == "cert-expired" else 20,
            names=("elsewhere.example",) if kind == "cert-name" else ("localhost", "127.0.0.1"),
            self_signed=kind == "cert-self-signed",
            above=kind if kind in ("cert-incomplete", "cert-issuer-ending") else None,
        )
        self._files[kind] = file
        return self._loaded(file)

    def _loaded(self, file: Path) -> ssl.SSLContext:
        """A server's context with what is in *file*."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        if self.demands_certificate:
            context.load_verify_locations(self.ca_file)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _issue(
        self,
        name: str,
        subject: str,
        *,
        days: int,
        names: tuple[str, ...],
        self_signed: bool = False,
        above: str | None = None,
    ) -> Path:
        """A new certificate with its key, both in one file that only its owner can read.

        With the fault *above* an authority below ours made it, whose certificate ends soon, or is left out of the file.
        """
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        signer, chain = (subject, key) if self_signed else None, b""
        if above is not None:
            between = ec.generate_private_key(ec.SECP256R1())
            ours = (OURS, self._key)
            ending = above == "cert-issuer-ending"
            made = self._make(BELOW, between.public_key(), days=5 if ending else 25, authority=True, signer=ours)
            signer, chain = (BELOW, between), _pem(made) if ending else b""
        certificate = self._make(subject, key.public_key(), days=days, names=names, signer=signer)
        file = self._folder / name
        file.touch(mode=0o600)
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + _pem(certificate)
            + chain
        )
        return file

    def _make(
        self,
        name: str,
        key: object,
        *,
        days: int,
        authority: bool = False,
        names: tuple[str, ...] = (),
        signer: tuple[str, EllipticCurvePrivateKey] | None = None,
    ) -> object:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.x509.oid import NameOID

        now = datetime.datetime.now(datetime.UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer, signing = signer or (OURS, self._key)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key)  # type: ignore[arg-type]
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=10))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key),  # type: ignore[arg-type]
                critical=False,
            )
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False)
        )
        if authority:
            usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
            builder = builder.add_extension(usage, critical=True)
        if names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_general(name) for name in names]), critical=False
            )
        return builder.sign(signing, hashes.SHA256())


def _general(name: str) -> GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: object) -> bytes:
    from cryptography.hazmat.primitives import serialization

    data: bytes = certificate.public_bytes(serialization.Encoding.PEM)  # type: ignore[attr-defined]
    return data
