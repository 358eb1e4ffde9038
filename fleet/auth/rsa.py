"""A login that is encrypted with the key that the site publishes, for sites on plain HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleet.errors import BadAnswer, ConfigFailed

__all__ = ["available", "encrypt_form"]


def available() -> bool:
    """Whether the `crypto` extra is installed."""
    try:
        import cryptography  # noqa: F401
    except ImportError:
        return False
    return True


def encrypt_form(form: Mapping[str, str], key: Mapping[str, Any]) -> dict[str, str]:
    """Every value of *form* but `f`, encrypted with the RSA key in the answer of `publicKey`, as lower-case hex.

    The key's numbers are hex texts, sometimes with an odd number of digits. Padding is PKCS #1 v1.5.
    Source: developers.arcgis.com/rest/enterprise-administration/server/publickey. Raises `BadAnswer` for a key that
    can't be used, and `ConfigFailed` without the `crypto` extra.
    """
    try:
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
    except ImportError:
        raise ConfigFailed("an encrypted login needs an extra", hint="install arcgis-fleet[crypto]") from None
    exponent, modulus = key.get("publicKey"), key.get("modulus")
    if not isinstance(exponent, str) or not isinstance(modulus, str):
        raise BadAnswer("the site's public key has no exponent or no modulus")
    try:
        public = RSAPublicNumbers(int(exponent, 16), int(modulus, 16)).public_key()
        encrypted = {
            name: public.encrypt(value.encode("utf-8"), PKCS1v15()).hex() for name, value in form.items() if name != "f"
        }
    except ValueError:
        raise BadAnswer(
            "the site's public key can't encrypt this account",
            hint="its key may be too short for the password: 512 bits carry 53 bytes",
        ) from None
    return {**encrypted, "encrypted": "true", "f": "json"}
