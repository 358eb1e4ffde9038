"""Certificates read with the `crypto` extra: whose they are, who made them, when they end, and how they hang together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography import x509

__all__ = ["EXTRA", "Certificate", "Chain", "anchor_in", "certificate_of", "chain_of", "readable"]

EXTRA = "install arcgis-fleet[crypto]"


def readable() -> bool:
    """Whether the extra is installed."""
    try:
        import cryptography.x509  # noqa: F401
    except ImportError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate: whose (`name`) and from whom (`issuer`), the hosts it is for, and its end in epoch seconds."""

    name: str
    issuer: str
    hosts: tuple[str, ...]
    ends: float
    of_itself: bool
    """Whether it is its own issuer, as a root authority is."""
    parsed: Any = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Chain:
    """What a server sent, in order from its own certificate upwards.

    `above` is the name of the issuer that was not sent, None where the last one is its own; `astray` are certificates
    that were sent and are in nobody's chain.
    """

    path: tuple[Certificate, ...]
    above: str | None
    astray: tuple[Certificate, ...]


def certificate_of(der: bytes) -> Certificate | None:
    """The certificate in *der*; None for one that can't be read."""
    from cryptography import x509

    try:
        return _read(x509.load_der_x509_certificate(der))
    except ValueError:
        return None


def chain_of(sent: Sequence[bytes]) -> Chain | None:
    """How the certificates *sent* hang together; None where the first one can't be read."""
    own, *others = (certificate_of(der) for der in sent)
    if own is None:
        return None
    left = [one for one in others if one is not None]
    path = [own]
    while not path[-1].of_itself:
        issuer = next((one for one in left if _made(one, path[-1])), None)
        if issuer is None:
            break
        left.remove(issuer)
        path.append(issuer)
    return Chain(tuple(path), None if path[-1].of_itself else path[-1].issuer, tuple(left))


@lru_cache(maxsize=256)
def anchor_in(file: Path, name: x509.Name) -> Certificate | None:
    """The authority *name* in *file*: the root of that name, or one below a root that is trusted by itself."""
    from cryptography import x509

    try:
        found = [_read(one) for one in x509.load_pem_x509_certificates(file.read_bytes())]
    except (OSError, ValueError):
        return None
    known = [one for one in found if one.parsed.subject == name]
    return next((one for one in known if one.of_itself), known[0] if known else None)


def _read(parsed: x509.Certificate) -> Certificate:
    return Certificate(
        name=_called(parsed.subject),
        issuer=_called(parsed.issuer),
        hosts=_hosts(parsed),
        ends=parsed.not_valid_after_utc.timestamp(),
        of_itself=parsed.subject == parsed.issuer,
        parsed=parsed,
    )


def _called(name: x509.Name) -> str:
    from cryptography.x509.oid import NameOID

    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else name.rfc4514_string() or "nobody"


def _hosts(parsed: x509.Certificate) -> tuple[str, ...]:
    from cryptography import x509

    try:
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return (_called(parsed.subject),)
    return tuple(str(name.value) for name in names if isinstance(name, x509.DNSName | x509.IPAddress))


def _made(issuer: Certificate, made: Certificate) -> bool:
    """Whether *issuer* signed *made*, and not only has the name of who did."""
    if issuer.parsed.subject != made.parsed.issuer:
        return False
    try:
        made.parsed.verify_directly_issued_by(issuer.parsed)
    except Exception:  # one for each way in which a signature can be wrong, and for kinds of keys that are not known
        return False
    return True
