"""Certificates for tests: keys with their certificates in files, and what an authority makes of a request."""

from __future__ import annotations

import datetime
import sys
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs12
from cryptography.x509.oid import NameOID

__all__ = ["TestAuthority"]


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@dataclass
class TestAuthority:
    """An authority that signs what it is asked to."""

    __test__ = False

    name: str = "Example Authority"

    def __post_init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._signed(_name(self.name), self._key.public_key(), 3650, (), authority=True)

    @property
    def pem(self) -> bytes:
        """The authority's own certificate."""
        return self.certificate.public_bytes(Encoding.PEM)

    def pfx(self, name: str, days: int, password: str, hosts: tuple[str, ...] = ("localhost", "127.0.0.1")) -> bytes:
        """A new key with its certificate, for *hosts*, in a file that opens with *password*."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._signed(_name(name), key.public_key(), days, hosts)
        sealed = BestAvailableEncryption(password.encode())
        return pkcs12.serialize_key_and_certificates(b"x", key, certificate, [self.certificate], sealed)

    def answer(self, request: str, days: int = 90) -> bytes:
        """The certificate that is asked for in *request*."""
        read = x509.load_pem_x509_csr(request.replace("NEW CERTIFICATE", "CERTIFICATE").encode())
        signed = self._signed(read.subject, read.public_key(), days, ("localhost", "127.0.0.1"))
        return signed.public_bytes(Encoding.PEM)

    def _signed(
        self, subject: x509.Name, key: object, days: int, hosts: tuple[str, ...], *, authority: bool = False
    ) -> x509.Certificate:
        import ipaddress

        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(_name(self.name))
            .public_key(key)  # type: ignore[arg-type]
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=400))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if hosts:
            names: list[x509.GeneralName] = []
            for host in hosts:
                try:
                    names.append(x509.IPAddress(ipaddress.ip_address(host)))
                except ValueError:
                    names.append(x509.DNSName(host))
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())


if __name__ == "__main__":
    # In pages of the docs: `python -m authority pfx NAME FILE PASSWORD`, or `python -m authority sign FOLDER`.
    authority = TestAuthority()
    match sys.argv[1:]:
        case ["pfx", name, file, password]:
            Path(file).write_bytes(authority.pfx(name, 365, password))
            Path("password.txt").touch(mode=0o600)
            Path("password.txt").write_text(password)
        case ["sign", folder]:
            for request in Path(folder).glob("*.csr"):
                request.with_suffix(".cer").write_bytes(authority.answer(request.read_text()))
