"""Secrets that a site echoes: found in an answer in every form that they take on the wire, and masked before anything is read."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import quote, quote_plus

from msgspec.structs import replace

from fleet.errors import SiteError
from fleet.protocol.envelope import parse_json
from fleet.protocol.message import Response
from fleet.protocol.secret_names import MASK

__all__ = ["Masker", "Net"]

SHORTEST = 4
"""Characters below which a secret is not looked for: such a text stands in every answer."""

SHORTEST_IN_BASE64 = 6

_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]+", re.ASCII)
_LETTERS = re.compile(r"[A-Za-z]+", re.ASCII)


class Masker:
    """Masks *secrets* as they are, as an address, JSON or base64 spells them, and base64 of a text around them."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = [secret for secret in secrets if len(secret) >= SHORTEST]
        self._forms: tuple[bytes, ...] = ()
        for secret in self._secrets:
            self._forms += _forms(secret)

    def text(self, text: str) -> str:
        """*text* with every secret masked."""
        return self._pattern.sub(MASK, text) if self._secrets else text

    def value(self, value: Any) -> Any:
        """The JSON *value* with every secret masked, in keys too."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(one) for one in value]
        if isinstance(value, dict):
            return {self._key(key): self.value(one) for key, one in value.items()}
        return value

    def _key(self, key: str) -> str:
        # A password that is a word of the API tells nothing where that word stands anyhow.
        return key if key in self._secrets and _LETTERS.fullmatch(key) else self.text(key)

    def response(self, response: Response) -> Response:
        """*response* with every secret in its body masked; the same object where there is none."""
        body = response.body
        for form in self._forms:
            if form in body:
                break
        else:
            if b"\\u" not in body or not self._forms:
                return response
        try:
            value, _ = parse_json(body)
        except SiteError:
            masked = self.text(body.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        else:
            clean = self.value(value)
            if clean == value:
                return response
            masked = json.dumps(clean).encode("ascii", "replace")
        return response if masked == body else replace(response, body=masked)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        parts = []
        for secret in sorted(self._secrets, key=len, reverse=True):
            for form in sorted(map(_decoded, _forms(secret)), key=len, reverse=True):
                part = re.escape(form)
                if form == secret and _is_short_word(form):
                    # But for what stands behind a %3A.
                    part = rf"(?:(?<![A-Za-z0-9])|(?<=%[0-9A-Fa-f]{{2}})){part}(?![A-Za-z0-9])"
                parts.append(part)
        return re.compile("|".join(parts))


class Net:
    """The last net before somebody reads: masks every secret of a run, of which there may be thousands.

    Forms are found by their first characters, so that a text costs what it is long, however many secrets are known.
    """

    def __init__(self) -> None:
        self._by_start: dict[str, list[tuple[str, bool]]] = {}
        self._known: set[str] = set()

    def add(self, secret: str) -> None:
        """Mask *secret* too, from now on."""
        if len(secret) < SHORTEST or secret in self._known:
            return
        self._known.add(secret)
        for form in map(_decoded, _forms(secret)):
            alike = self._by_start.setdefault(form[:SHORTEST], [])
            alike.append((form, form == secret and _is_short_word(form)))
            alike.sort(key=lambda found: -len(found[0]))

    def text(self, text: str) -> str:
        """*text* with every secret masked."""
        parts: list[str] = []
        done = place = 0
        while place <= len(text) - SHORTEST:
            for form, word in self._by_start.get(text[place : place + SHORTEST], ()):
                end = place + len(form)
                if text.startswith(form, place) and not (word and _inside_of_a_word(text, place, end)):
                    parts += (text[done:place], MASK)
                    done = place = end
                    break
            else:
                place += 1
        return "".join([*parts, text[done:]])


def _is_short_word(form: str) -> bool:
    """Whether *form* is looked for as a word only: a short word inside of a longer one is another word."""
    return len(form) < 16 and form.isalnum()


def _inside_of_a_word(text: str, start: int, end: int) -> bool:
    before, after = text[start - 1 : start] if start else "", text[end : end + 1]
    behind_percent = re.fullmatch("%[0-9A-Fa-f]{2}", text[start - 3 : start]) is not None if start >= 3 else False
    return (_is_plain(before) and not behind_percent) or _is_plain(after)


def _is_plain(character: str) -> bool:
    return character.isascii() and character.isalnum()


@lru_cache(maxsize=256)
def _forms(secret: str) -> tuple[bytes, ...]:
    """How *secret* may stand in an answer, as bytes."""
    raw = secret.encode("utf-8", "surrogatepass")
    forms = [raw]
    if not _UNRESERVED.fullmatch(secret):
        encoded = (quote(raw, safe=""), quote_plus(raw))
        forms += [form.encode() for text in encoded for form in (text, _lower_hex(text))]
        escaped = json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]
        forms += [
            form.encode("utf-8", "surrogatepass") for text in escaped for form in (text, text.replace("/", "\\/"))
        ]
    for before in range(3):
        # Base64 spells three bytes by four letters: of what begins in the middle, the letters at both ends are shared.
        padded = b64encode(b"\0" * before + raw).rstrip(b"=")
        stem = padded[(0, 2, 3)[before] : len(padded) - (1 if (before + len(raw)) % 3 else 0)]
        if len(stem) >= SHORTEST_IN_BASE64:
            forms += [stem, stem.translate(_URLSAFE)]
    return tuple(dict.fromkeys(forms))


def _decoded(form: bytes) -> str:
    return form.decode("utf-8", "surrogatepass")


_URLSAFE = bytes.maketrans(b"+/", b"-_")


def _lower_hex(text: str) -> str:
    return re.sub(r"%[0-9A-F]{2}", lambda match: match.group().lower(), text)
