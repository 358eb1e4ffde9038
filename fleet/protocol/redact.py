"""What a site says, without its secrets: keys, passwords and tokens become `***`, wherever they stand.

Nothing is kept in their place, not even a digest: a digest of a weak password is as good as the password.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from fleet.protocol.secret_names import MASK, is_secret_name

__all__ = ["redacted"]

_NAME = re.compile(
    r".*(?:password|passwd|passphrase|pwd|secret|credential|accountsignature|authorization|"
    r"(?:shared|secret|private|trust|account|access|api|storage|encryption|signing|crypto?|server|license)[_-]?key).*|"
    r"(?:.*[_-])?sas",
    re.IGNORECASE | re.DOTALL,
)
"""Names of secrets, also with something behind the word: `PASSWORD_UTF8`, `accessKeyId`."""

_NO_SECRET = frozenset({"publickey", "credentialtype", "accesskeytype", "passwordpolicy"})
_TOKEN = re.compile(r"(?:.*[a-z])?token(?:_?value)?", re.IGNORECASE | re.DOTALL)

_WORD = (
    r"(?:password|passwd|passphrase|pwd|secret|credential|(?:shared|private|account|access|api|trust)[_-]?key|token)"
)

# Every repetition below has a limit: what a site says must not be able to make a search take the square of its length.
_PAIR = re.compile(
    rf"""((?:{_WORD}|signature)[\w.-]{{0,60}}\s{{0,8}}=\s{{0,8}})("[^"]*"|'[^']*'|\{{[^}}]*\}}|[^;\r\n]*)""",
    re.IGNORECASE,
)
"""What a connection string, or the query of an address, says in one of its parts: up to a semicolon, since a password may
hold anything else."""
_MEMBER = re.compile(
    rf"""("[^"\\]{{0,60}}{_WORD}[^"\\]{{0,60}}"\s{{0,8}}:\s{{0,8}})"(?:[^"\\]|\\.)*+\"?""", re.IGNORECASE | re.DOTALL
)
_LOGIN = re.compile(r"(://[^/\s:@]{0,200}:)(?!\d{1,5}(?:[/?#\s]|\Z))\S{0,300}@")
_PEM = re.compile(r"-----BEGIN ([A-Z ]{0,40}PRIVATE KEY)-----.*?(?:-----END \1-----|\Z)", re.DOTALL)


def redacted(value: Any, mask: Callable[[str], str] = lambda text: text) -> Any:
    """*value* with its secrets replaced by `***`, also in texts that hold JSON, connections, addresses or keys.

    What stands under the name of a secret is one whatever its form; truth values and nothing at all are none. *mask*
    takes the secrets out of a text that are live in this run.
    """
    if isinstance(value, dict):
        return {mask(key): _hidden(inner) if _is_secret(key) else redacted(inner, mask) for key, inner in value.items()}
    if isinstance(value, list):
        return [redacted(inner, mask) for inner in value]
    return mask(_text(value)) if isinstance(value, str) else value


@lru_cache(maxsize=4096)
def _is_secret(name: str) -> bool:
    plain = name.lower()
    if plain in _NO_SECRET:
        return False
    return is_secret_name(name) or _NAME.fullmatch(name) is not None or _TOKEN.fullmatch(name) is not None


def _hidden(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _hidden(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_hidden(inner) for inner in value]
    return value if value is None or isinstance(value, bool) or value == "" else MASK


def _text(text: str) -> str:
    if len(text) < 5 or not (":" in text or "=" in text):
        return text
    if text[:1] in "{[":
        try:
            inside = json.loads(text)
        except (ValueError, RecursionError):
            pass
        else:
            if isinstance(inside, dict | list):
                clean = redacted(inside)
                # The text stays as it was sent where there is nothing to hide in it.
                return text if clean == inside else json.dumps(clean, separators=(",", ":"), ensure_ascii=False)
    text = _PAIR.sub(rf"\g<1>{MASK}", text)
    text = _MEMBER.sub(rf'\g<1>"{MASK}"', text)
    text = _LOGIN.sub(rf"\g<1>{MASK}@", text)
    return _PEM.sub(rf"-----BEGIN \1----- {MASK}", text) if "PRIVATE KEY" in text else text
