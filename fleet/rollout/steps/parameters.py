"""What a step may be given: named parameters with a type each, read whole, with every mistake told at once."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from fleet.durations import format_duration, parse_duration
from fleet.errors import ConfigFailed, UsageError
from fleet.given_files import text_of
from fleet.inventory.model import Inventory
from fleet.inventory.secrets import CredentialRef, Secret, SecretStore
from fleet.inventory.tables import nearest

__all__ = ["MISSING", "Given", "Making", "Parameter", "as_text", "found_secret", "read_parameters"]

Type: TypeAlias = Literal[
    "text", "texts", "flag", "count", "duration", "condition", "table", "secret", "secrets", "file", "files", "any"
]

WORDS: Mapping[Type, str] = {
    "text": "a text",
    "texts": "a text, or a list of texts",
    "flag": "true or false",
    "count": "a whole number, 0 or more",
    "duration": 'a duration such as "10m"',
    "condition": 'a condition such as "provider=ArcObjects11 and instances>2"',
    "table": "a table of names and values",
    "secret": 'where a secret lies: { env = "NAME" }, { file = "PATH" }, { keyring = "SERVICE" } or { command = ["…"] }',
    "secrets": "a table of names and where each secret lies",
    "file": "a file, relative to the rollout's",
    "files": "a file, or a list of files, relative to the rollout's",
    "any": "a value",
}
"""How each type is told of."""

SECRET_KINDS = ("env", "file", "keyring", "command")
LIST_CAP = 16 * 1024 * 1024
"""Bytes that a list of names may have."""

Given: TypeAlias = Mapping[str, Any]


class _Missing:
    """That a parameter was not given, and has no default."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """What making a verb may need: the inventory, and the folder that relative paths of a rollout start from.

    With *commands* a secret may be what a command prints: the rollout's file is one that only its user can write.
    """

    inventory: Inventory
    folder: Path
    commands: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a step: what it is called, of which type it is, and what it means.

    *choices* are the texts that it may be, without regard to the case of letters. *default* is what it is where it is
    not given.
    """

    name: str
    type: Type
    meaning: str
    required: bool = False
    default: Any = None
    choices: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What it takes, in words."""
        return f"one of {', '.join(self.choices)}" if self.choices else WORDS[self.type]

    @property
    def default_words(self) -> str:
        """What it is where it is not given; the empty text for nothing."""
        if self.default in (None, (), False):
            return "false" if self.default is False else ""
        if self.type == "duration":
            return format_duration(self.default)
        return str(self.default).lower() if isinstance(self.default, bool) else str(self.default)


def read_parameters(
    given: Mapping[str, Any], parameters: Sequence[Parameter], making: Making
) -> tuple[dict[str, Any], list[str]]:
    """The values of *parameters* in *given*, each of its type, and a sentence for every mistake."""
    known = {parameter.name: parameter for parameter in parameters}
    mistakes: list[str] = []
    for name in given:
        if name not in known:
            near = nearest(str(name), known)
            there = f"did you mean {near}?" if near else f"it has {', '.join(known)}" if known else "it has none"
            mistakes.append(f"there is no parameter {str(name)[:60]!r}; {there}")
    values: dict[str, Any] = {}
    for parameter in parameters:
        value = given.get(parameter.name, MISSING)
        if value is MISSING:
            values[parameter.name] = () if parameter.type in ("texts", "files") else parameter.default
            if parameter.required:
                mistakes.append(f"{parameter.name} is missing: {parameter.meaning} ({parameter.words})")
            continue
        try:
            values[parameter.name] = _read(parameter, value, making)
        except UsageError as error:
            mistakes.append(str(error))
    return values, mistakes


def _read(parameter: Parameter, value: Any, making: Making) -> Any:
    reading = READING[parameter.type]
    found = reading(parameter.name, value, making)
    if parameter.choices:
        spelled = {choice.casefold(): choice for choice in parameter.choices}
        if str(found).casefold() not in spelled:
            near = nearest(str(found), parameter.choices)
            hint = f"; did you mean {near}?" if near else ""
            raise UsageError(f"{parameter.name} is {parameter.words}, not {str(found)[:60]!r}{hint}")
        return spelled[str(found).casefold()]
    return found


def _wrong(name: str, kind: Type, value: Any) -> UsageError:
    # What was written may be a secret in the wrong place.
    return UsageError(f"{name} is {WORDS[kind]}, and not {_kind(value)}")


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "this text" if value else "an empty text"
        case list():
            return "this list"
        case Mapping():
            return "a table"
    return "such a value"


def _text(name: str, value: Any, making: Making) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _wrong(name, "text", value)
    return value.strip()


def _texts(name: str, value: Any, making: Making) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(one, str) and one.strip() for one in texts):
        raise _wrong(name, "texts", value)
    found: list[str] = []
    for text in texts:
        found += _lines(name, text, making) if text.startswith("@file:") else [text.strip()]
    if not found:
        raise UsageError(f"{name} is an empty list")
    return tuple(dict.fromkeys(found))


def _lines(name: str, text: str, making: Making) -> list[str]:
    """The lines of the file that `@file:PATH` names."""
    path = _path(name, text.removeprefix("@file:"), making)
    lines = [line.strip() for line in text_of(path, LIST_CAP).splitlines()]
    found = [line for line in lines if line and not line.startswith("#")]
    if not found:
        raise UsageError(f"{name}: there is no name in {path}")
    return found


def _flag(name: str, value: Any, making: Making) -> bool:
    if not isinstance(value, bool):
        raise _wrong(name, "flag", value)
    return value


def _count(name: str, value: Any, making: Making) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _wrong(name, "count", value)
    return value


def _duration(name: str, value: Any, making: Making) -> float:
    if not isinstance(value, str):
        raise _wrong(name, "duration", value)
    try:
        return parse_duration(value)
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from None


def _condition(name: str, value: Any, making: Making) -> Any:
    from fleet.aggregate.where import parse

    text = _text(name, value, making)
    try:
        return parse(text)
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from None


def _table(name: str, value: Any, making: Making) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not value:
        raise _wrong(name, "table", value)
    return dict(value)


def _path(name: str, text: str, making: Making) -> Path:
    if not text or "\x00" in text:
        raise _wrong(name, "file", text)
    return making.folder / Path(text).expanduser()


def _file(name: str, value: Any, making: Making) -> Path:
    if not isinstance(value, str):
        raise _wrong(name, "file", value)
    path = _path(name, value, making)
    if not path.exists():
        raise UsageError(f"{name}: there is no file {path}")
    return path


def _files(name: str, value: Any, making: Making) -> tuple[Path, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not texts:
        raise _wrong(name, "files", value)
    return tuple(_file(name, text, making) for text in texts)


def _secret(name: str, value: Any, making: Making) -> CredentialRef:
    kinds = [key for key in value if key in SECRET_KINDS] if isinstance(value, Mapping) else []
    if not isinstance(value, Mapping) or len(kinds) != 1 or set(value) - {kinds[0], "user"}:
        raise _wrong(name, "secret", value)
    kind, where, user = kinds[0], value[kinds[0]], value.get("user")
    if user is not None and (kind != "keyring" or not isinstance(user, str)):
        raise UsageError(f"{name}: a user, which is a text, goes with keyring alone")
    if kind == "command":
        if not isinstance(where, list) or not where or not all(isinstance(one, str) and one for one in where):
            raise UsageError(f'{name}: a command is a list of arguments, such as ["pass", "gis/oslo"]')
        program = where[0]
        if "/" in program or os.sep in program:
            program = str(making.folder.absolute() / Path(program).expanduser())
        refusal = None if making.commands else "the rollout's file, or its folder, can be written by others"
        return CredentialRef(kind="command", arguments=(program, *where[1:]), refusal=refusal)
    if not isinstance(where, str) or not where or "\x00" in where:
        raise _wrong(name, "secret", value)
    if kind == "file":
        return CredentialRef(kind="file", where=str((making.folder / Path(where).expanduser()).absolute()))
    return CredentialRef(kind="env" if kind == "env" else "keyring", where=where, user=user)


def _secrets(name: str, value: Any, making: Making) -> dict[str, CredentialRef]:
    return {key: _secret(f"{name}.{key}", one, making) for key, one in _table(name, value, making).items()}


READING: Mapping[Type, Callable[[str, Any, Making], Any]] = {
    "text": _text,
    "texts": _texts,
    "flag": _flag,
    "count": _count,
    "duration": _duration,
    "condition": _condition,
    "table": _table,
    "secret": _secret,
    "secrets": _secrets,
    "file": _file,
    "files": _files,
    "any": lambda name, value, making: value,
}


def as_text(value: Any) -> str:
    """*value* of a file as a parameter of the API holds it: `true`, `2`, JSON of lists and tables."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, list | dict) else str(value)


def found_secret(reference: CredentialRef, name: str) -> Secret:
    """The secret that *reference* names, looked up now; raises `UsageError` where it can't be had."""
    try:
        return SecretStore().resolve(reference)
    except ConfigFailed as error:
        raise UsageError(f"{name}: {error.message}" + (f"; {error.hint}" if error.hint else "")) from None
