"""The RSA key that a site publishes for encrypted logins."""

from __future__ import annotations

from fleet.simulator.wire import admin_failure

__all__ = ["LoginKey"]


class LoginKey:
    """A key pair, made once per site; it needs the `cryptography` package."""

    def __init__(self) -> None:
        try:
            from cryptography.hazmat.primitives.asymmetric import rsa
        except ImportError:
            raise admin_failure(500, "java.lang.NoClassDefFoundError: install arcgis-fleet[crypto]") from None
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=1024)

    def public(self) -> dict[str, str]:
        """Exponent and modulus as hex, the exponent with an odd number of digits as real servers give it."""
        numbers = self._key.public_key().public_numbers()
        return {"publicKey": f"{numbers.e:x}", "modulus": f"{numbers.n:x}"}

    def decrypt(self, text: str) -> str:
        """The value in the hex *text*; raises the failure of a real server for anything else."""
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

        try:
            return self._key.decrypt(bytes.fromhex(text), PKCS1v15()).decode("utf-8")
        except ValueError:
            raise admin_failure(500, "javax.crypto.BadPaddingException: Decryption error") from None
