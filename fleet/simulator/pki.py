"""Keys, certificates and requests of simulated machines, where the package that makes real ones is installed."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

__all__ = ["Facts", "Pair", "available", "certificate_in"]


def available() -> bool:
    """Whether real keys can be made."""
    return importlib.util.find_spec("cryptography") is not None


@dataclass(slots=True)
class Facts:
    """What a certificate says: names, and when it begins and ends in epoch seconds."""

    certificate: Certificate
    subject: str
    issuer: str
    names: list[str]
    begins: float
    ends: float

    @property
    def der(self) -> bytes:
        """The certificate itself."""
        from cryptography.hazmat.primitives.serialization import Encoding

        return self.certificate.public_bytes(Encoding.DER)


def certificate_in(data: bytes) -> Facts | None:
    """The certificate in *data*, PEM or DER; None where there is none, or nothing to read it with."""
    if not available():
        return None
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificate(data) if b"-----BEGIN" in data else x509.load_der_x509_certificate(data)
    except ValueError:
        return None
    return _facts(found)


def _facts(found: Certificate) -> Facts:
    from cryptography import x509

    try:
        extension = found.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = [f"DNS:{name}" for name in extension.value.get_values_for_type(x509.DNSName)]
        names += [f"IP:{address}" for address in extension.value.get_values_for_type(x509.IPAddress)]
    except x509.ExtensionNotFound:
        names = []
    return Facts(
        found,
        found.subject.rfc4514_string(),
        found.issuer.rfc4514_string(),
        names,
        found.not_valid_before_utc.timestamp(),
        found.not_valid_after_utc.timestamp(),
    )


@dataclass(slots=True)
class Pair:
    """A private key, and its certificate once there is one, with what stands between it and its root."""

    key: Any
    certificate: Certificate | None = None
    above: tuple[Certificate, ...] = ()

    @classmethod
    def new(cls) -> Self:
        """A new key without a certificate."""
        from cryptography.hazmat.primitives.asymmetric import rsa

        return cls(rsa.generate_private_key(public_exponent=65537, key_size=2048))

    @classmethod
    def self_signed(cls, common_name: str, names: list[str], begins: float, ends: float) -> Self:
        """A new key with a certificate that it signed itself, for *names* (`DNS:…`, `IP:…`); times in epoch seconds."""
        import datetime
        import ipaddress

        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.x509.oid import NameOID

        pair = cls.new()
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])
        hosts: list[x509.GeneralName] = []
        for one in names:
            kind, _, text = one.rpartition(":")
            hosts.append(x509.IPAddress(ipaddress.ip_address(text)) if kind == "IP" else x509.DNSName(text))
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(pair.key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(datetime.datetime.fromtimestamp(begins, datetime.UTC))
        builder = builder.not_valid_after(datetime.datetime.fromtimestamp(ends, datetime.UTC))
        builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        pair.certificate = builder.sign(pair.key, hashes.SHA256())
        return pair

    @classmethod
    def in_pem(cls, data: bytes) -> Self:
        """The key and the certificates in a file as `pem` writes it."""
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        own, *above = x509.load_pem_x509_certificates(data)
        return cls(load_pem_private_key(data, None), own, tuple(above))

    @classmethod
    def in_file(cls, data: bytes, password: str) -> Self | None:
        """What a PKCS #12 file holds; None for a file that is none. Raises `PermissionError` for a wrong password."""
        if not available():
            return None
        from cryptography.hazmat.primitives.serialization import pkcs12

        try:
            key, certificate, above = pkcs12.load_key_and_certificates(data, password.encode())
        except ValueError as error:
            if "password" in str(error).lower():
                raise PermissionError("wrong password") from None
            return None
        return None if key is None or certificate is None else cls(key, certificate, tuple(above))

    @property
    def der(self) -> bytes:
        """The certificate, which must be there."""
        from cryptography.hazmat.primitives.serialization import Encoding

        assert self.certificate is not None
        return self.certificate.public_bytes(Encoding.DER)

    def facts(self) -> Facts | None:
        """What its certificate says."""
        return None if self.certificate is None else _facts(self.certificate)

    def fits(self, read: Facts) -> bool:
        """Whether the certificate in *read* is for this key."""
        ours, theirs = self.key.public_key(), read.certificate.public_key()
        return bool(ours == theirs)

    def request(self, common_name: str, names: list[str]) -> str:
        """The body of a request for a certificate, in lines of base 64."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.serialization import Encoding
        from cryptography.x509.oid import NameOID

        builder = x509.CertificateSigningRequestBuilder().subject_name(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        )
        hosts = [name.removeprefix("DNS:") for name in names if not name.startswith("IP:")]
        if hosts:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False
            )
        text = builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
        return "\n".join(line for line in text.splitlines() if not line.startswith("-----"))

    def pem(self) -> bytes:
        """Key and chain, as a server loads them."""
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        assert self.certificate is not None
        chain = b"".join(one.public_bytes(Encoding.PEM) for one in (self.certificate, *self.above))
        own: bytes = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return own + chain
