"""The RSA key that a site publishes for encrypted logins."""

from __future__ import annotations

import math
import secrets

from fleet.simulator.wire import admin_failure

__all__ = ["LoginKey"]

BITS = 512
"""Real servers have so short a key; libraries refuse to make one, hence the arithmetic here."""

EXPONENT = 65537
SMALL = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47)


class LoginKey:
    """A key pair, made once per site. It protects nothing real."""

    def __init__(self, bits: int = BITS) -> None:
        self._bytes = bits // 8
        while True:
            first, second = _prime(bits // 2), _prime(bits // 2)
            self._modulus, around = first * second, (first - 1) * (second - 1)
            if first != second and self._modulus.bit_length() == bits and math.gcd(EXPONENT, around) == 1:
                self._secret = pow(EXPONENT, -1, around)
                return

    def public(self) -> dict[str, str]:
        """Exponent and modulus as hex, the exponent with an odd number of digits as real servers give it."""
        return {"publicKey": f"{EXPONENT:x}", "modulus": f"{self._modulus:x}"}

    def decrypt(self, text: str) -> str:
        """The value in the hex *text* (PKCS #1 v1.5); raises the failure of a real server for anything else."""
        try:
            number = int.from_bytes(bytes.fromhex(text), "big")
            block = pow(number, self._secret, self._modulus).to_bytes(self._bytes, "big")
            end = block.index(b"\0", 2)
            if number >= self._modulus or not block.startswith(b"\0\2") or end < 10:
                raise ValueError(text)
            return block[end + 1 :].decode("utf-8")
        except ValueError:
            raise admin_failure(500, "javax.crypto.BadPaddingException: Decryption error") from None


def _prime(bits: int) -> int:
    """A number that is almost certainly prime, with its two highest bits set."""
    while True:
        number = secrets.randbits(bits) | (3 << (bits - 2)) | 1
        if all(number % small for small in SMALL) and all(_passes(number) for _ in range(24)):
            return number


def _passes(number: int) -> bool:
    """One round of the Miller-Rabin test."""
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    seen = pow(secrets.randbelow(number - 3) + 2, odd, number)
    if seen in (1, number - 1):
        return True
    for _ in range(twos - 1):
        seen = seen * seen % number
        if seen == number - 1:
            return True
    return False
