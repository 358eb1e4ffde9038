"""Connection strings of data stores: `SERVER=db1;DATABASE=gis;USER=gis;PASSWORD=…`, read, changed, and shown without secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from fleet.errors import UsageError
from fleet.protocol.secret_names import MASK

__all__ = ["Connection", "is_connection"]

_SECRETS = re.compile(
    r"(?:.*_)?(?:PASSWORD|PWD|SECRET|TOKEN|KEY|SIGNATURE)(?:_UTF8)?|.*(?:SECRET|PASSWORD).*", re.IGNORECASE
)
_STARS = re.compile(r"\*+|•+")
_PASSWORDS = ("password", "encrypted_password", "encrypted_password_utf8")
_FOLLOWING = ("instance", "db_connection_properties")
"""Members that name the server once more: `INSTANCE=sde:postgresql:db1`."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection string as its parts in order; names without regard to case, `str` gives it back as it was."""

    parts: tuple[tuple[str, str], ...]
    """Name and value; a part without `=` has the empty name."""

    @classmethod
    def parse(cls, text: str) -> Connection:
        """The parts of *text*; no text is refused."""
        found = []
        for part in text.split(";"):
            name, equals, value = part.partition("=")
            found.append((name, value) if equals and name.strip() else ("", part))
        return cls(tuple(found))

    def __str__(self) -> str:
        return ";".join(f"{name}={value}" if name else value for name, value in self.parts)

    def get(self, name: str) -> str | None:
        """The value of *name*; None where it is not there."""
        wanted = name.strip().lower()
        return next((value for key, value in self.parts if key.strip().lower() == wanted), None)

    @property
    def names(self) -> tuple[str, ...]:
        """The names in it that hold no secret, in small letters."""
        return tuple(key.strip().lower() for key, _ in self.parts if key and not _is_secret(key))

    @property
    def password(self) -> str | None:
        """The password that it holds in clear; None where it has none, an encrypted one, or stars."""
        text = self.get("password")
        return None if not text or _STARS.fullmatch(text.strip()) else text

    @property
    def hides(self) -> bool:
        """Whether a secret of it was replaced by stars where it was read: it must not be sent back like that."""
        return any(_is_secret(key) and (_STARS.fullmatch(value.strip()) or MASK in value) for key, value in self.parts)

    def shown(self) -> dict[str, str]:
        """`{"server": "db1", …, "password": "***"}`: what may be seen of it, secrets as `***`."""
        return {key.strip().lower(): MASK if _is_secret(key) else _inside(value) for key, value in self.parts if key}

    def changed(self, values: Mapping[str, str]) -> Connection:
        """It with *values* in place of those that it has; raises `UsageError` for a name that it has not.

        A new server also takes the place of the old one where `INSTANCE` and the like name it once more, unless these
        are among *values* themselves.
        """
        wanted = {name.strip().lower(): value for name, value in values.items()}
        for name, value in wanted.items():
            _check(name, value)
            if self.get(name) is None or _is_secret(name):
                known = ", ".join(self.names) or "nothing that can be set"
                raise UsageError(f"the connection has no {name}; it has {known}")
        if "server" in wanted:
            old, new = self.get("server") or "", wanted["server"]
            for name in _FOLLOWING:
                told = self.get(name)
                if told is not None and name not in wanted and old:
                    wanted[name] = _renamed(told, old, new)
        return Connection(tuple((key, wanted.get(key.strip().lower(), value)) for key, value in self.parts))

    def with_password(self, password: str) -> Connection:
        """It with *password* in clear in place of the one that it has; raises `UsageError` where it can't stand in it."""
        _check("password", password)
        parts: list[tuple[str, str]] = []
        placed = False
        for key, value in self.parts:
            if key.strip().lower() not in _PASSWORDS:
                parts.append((key, value))
            elif not placed:
                parts.append(("PASSWORD", password))
                placed = True
        return Connection(tuple(parts if placed else [*parts, ("PASSWORD", password)]))


def is_connection(text: object) -> bool:
    """Whether *text* is one of these, and no JSON and no path."""
    return isinstance(text, str) and "=" in text and not text.lstrip().startswith(("{", "["))


def _is_secret(name: str) -> bool:
    return _SECRETS.fullmatch(name.strip()) is not None


def _inside(value: str) -> str:
    """*value*; one that holds something like a password of its own is not shown at all."""
    return MASK if re.search(r"(?:password|pwd|secret)\s*=", value, re.IGNORECASE) else value


def _check(name: str, value: str) -> None:
    if ";" in value or not value.isprintable():
        raise UsageError(f"the {name} can't stand in a connection: it holds a semicolon or a control character")


def _renamed(text: str, old: str, new: str) -> str:
    r"""*text* with the server *old*, as a whole word between `:`, `,`, `\` and `/`, replaced by *new*."""
    return re.sub(rf"(?<![\w.-]){re.escape(old)}(?![\w.-])", lambda _: new, text, flags=re.IGNORECASE)
