"""Conditions on rows: `configuredState=STARTED and max > 2`, in the grammar of selectors with comparisons of fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import translate
from typing import Any, Literal, TypeAlias

from fleet.errors import UsageError

__all__ = ["And", "Compare", "Not", "Or", "Where", "fields_of", "holds", "matches", "parse", "require_fields"]

Comparison: TypeAlias = Literal["=", "!=", "<", "<=", ">", ">="]

DEPTH_CAP = 100


@dataclass(frozen=True, slots=True)
class Compare:
    """A field beside a value. Numbers are compared as numbers, also where a site sends them as text; texts without
    regard to case. With `=` and `!=` a value with `*` or `?` in it, unless it was *quoted*, is a pattern.

    A row without the field, or with null in it, fits only `!=` and a comparison with the empty text.
    """

    field: str
    comparison: Comparison
    value: str
    quoted: bool = False

    def __str__(self) -> str:
        plain = not self.quoted and _PLAIN.fullmatch(self.value) is not None
        return f"{_word(self.field)}{self.comparison}{self.value if plain else _quoted(self.value)}"


@dataclass(frozen=True, slots=True)
class Not:
    """Rows that don't fit *inner*."""

    inner: Where

    def __str__(self) -> str:
        return f"not {_inside(self.inner)}"


@dataclass(frozen=True, slots=True)
class And:
    """Rows that fit all *parts*."""

    parts: tuple[Where, ...]

    def __str__(self) -> str:
        return " and ".join(map(_inside, self.parts))


@dataclass(frozen=True, slots=True)
class Or:
    """Rows that fit any of *parts*."""

    parts: tuple[Where, ...]

    def __str__(self) -> str:
        return " or ".join(f"({part})" if isinstance(part, Or) else str(part) for part in self.parts)


Where: TypeAlias = Compare | Not | And | Or

_PLAIN = re.compile(r"[^\s()&|,!<>=\"']+")
_TOKEN = re.compile(
    r"""\s*(?:(?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"""|(?P<comparison>!=|<=|>=|==|<>|=|<|>)|(?P<mark>[()&|,!])|(?P<word>[^\s()&|,!<>="']+))"""
)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_KEYWORDS = {"and": "&", "or": ",", "not": "!", "|": ","}


def _inside(part: Where) -> str:
    return f"({part})" if isinstance(part, And | Or) else str(part)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _word(field: str) -> str:
    return field if _PLAIN.fullmatch(field) and field.lower() not in _KEYWORDS else _quoted(field)


def parse(text: str) -> Where:
    """The condition in *text*; raises `UsageError` with the place of the mistake.

    Terms are `field=value`, with `= != < <= > >=`; `not`/`!` binds tightest, then `and`/`&`, then `or`/`,`.
    """
    parser = _Parser(text)
    found = parser.either(0)
    if parser.token is not None:
        raise parser.mistake(f"{parser.token[1]!r} is not expected")
    return found


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._scan()
        self.place = 0
        self.token: tuple[str, str] | None = None
        self._step()

    def _scan(self) -> Iterator[tuple[int, str, str]]:
        place = 0
        while self._text[place:].strip():
            match = _TOKEN.match(self._text, place)
            if match is None:
                raise UsageError(f"--where, character {place + 1}: a quotation mark is not closed")
            kind = match.lastgroup or ""
            value = match[kind]
            start = match.start(kind)
            place = match.end()
            if kind == "quoted":
                value = re.sub(r"\\(.)", r"\1", value[1:-1])
            elif kind == "word" and value.lower() in _KEYWORDS:
                kind, value = "mark", _KEYWORDS[value.lower()]
            elif kind == "mark":
                value = _KEYWORDS.get(value, value)
            yield start, kind, value

    def _step(self) -> tuple[str, str] | None:
        before = self.token
        found = next(self._tokens, None)
        self.place, self.token = (len(self._text), None) if found is None else (found[0], found[1:])
        return before

    def mistake(self, what: str) -> UsageError:
        return UsageError(f"--where, character {self.place + 1}: {what}")

    def _is(self, mark: str) -> bool:
        return self.token == ("mark", mark)

    def either(self, depth: int) -> Where:
        parts = [self._both(depth)]
        while self._is(","):
            self._step()
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _both(self, depth: int) -> Where:
        parts = [self._negated(depth)]
        while self._is("&"):
            self._step()
            parts.append(self._negated(depth))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _negated(self, depth: int) -> Where:
        if depth > DEPTH_CAP:
            raise self.mistake(f"more than {DEPTH_CAP} levels")
        if self._is("!"):
            self._step()
            return Not(self._negated(depth + 1))
        if self._is("("):
            self._step()
            inner = self.either(depth + 1)
            if not self._is(")"):
                raise self.mistake("a closing parenthesis is missing")
            self._step()
            return inner
        return self._term()

    def _term(self) -> Compare:
        if self.token is None or self.token[0] not in ("word", "quoted"):
            raise self.mistake("the name of a field is missing")
        field = self.token[1]
        self._step()
        if self.token is None or self.token[0] != "comparison":
            raise self.mistake(f"behind {field!r} one of = != < <= > >= is missing")
        comparison = {"==": "=", "<>": "!="}.get(self.token[1], self.token[1])
        self._step()
        if self.token is None or self.token[0] not in ("word", "quoted"):
            raise self.mistake(f"a value is missing behind {field}{comparison} (for none, write '')")
        kind, value = self.token
        self._step()
        return Compare(field, comparison, value, kind == "quoted")  # type: ignore[arg-type]


def fields_of(where: Where) -> frozenset[str]:
    """The fields that *where* looks at."""
    match where:
        case Compare(field=field):
            return frozenset([field])
        case Not(inner=inner):
            return fields_of(inner)
        case And(parts=parts) | Or(parts=parts):
            return frozenset().union(*map(fields_of, parts))


def require_fields(where: Where, known: Collection[str]) -> None:
    """Raise `UsageError`, with the nearest name, for a field that is not *known*; dotted ones are members of it."""
    for field in sorted(fields_of(where)):
        if field in known or field.partition(".")[0] in known:
            continue
        near = get_close_matches(field, list(known), n=1)
        told = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise UsageError(f"--where: there is no field {field!r}; {told}")


def matches(where: Where, row: Mapping[str, Any]) -> bool:
    """Whether *row* fits; a dotted field is looked for as it is, then as a member of a member."""
    match where:
        case Compare():
            return _judge(where)(_value(row, where.field))
        case Not(inner=inner):
            return not matches(inner, row)
        case And(parts=parts):
            return all(matches(part, row) for part in parts)
        case Or(parts=parts):
            return any(matches(part, row) for part in parts)


def holds(where: Where, row: Mapping[str, Any]) -> bool | None:
    """Whether *where* holds for *row*, or None where that can't be told.

    Other than in `matches` a field that is not there, or null, is neither so nor not so, and neither is the order of a
    number and a text: a condition holds only where what is there says so.
    """
    match where:
        case Compare(field=field, comparison=comparison):
            value = _value(row, field)
            if value is None or (comparison not in ("=", "!=") and _order(value, where.value) is None):
                return None
            return _judge(where)(value)
        case Not(inner=inner):
            found = holds(inner, row)
            return None if found is None else not found
        case And(parts=parts) | Or(parts=parts):
            decisive = isinstance(where, Or)
            told = [holds(part, row) for part in parts]
            if decisive in told:
                return decisive
            return None if None in told else not decisive


def _value(row: Mapping[str, Any], field: str) -> Any:
    if field in row:
        return row[field]
    value: Any = row
    for part in field.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def _judge(term: Compare) -> Callable[[Any], bool]:
    match term.comparison:
        case "=":
            return lambda value: _equal(value, term)
        case "!=":
            return lambda value: not _equal(value, term)
        case "<":
            return lambda value: _order(value, term.value) == -1
        case "<=":
            return lambda value: _order(value, term.value) in (-1, 0)
        case ">":
            return lambda value: _order(value, term.value) == 1
        case ">=":
            return lambda value: _order(value, term.value) in (0, 1)


def _equal(value: Any, term: Compare) -> bool:
    have, wanted = _text(value), term.value
    if not term.quoted and ("*" in wanted or "?" in wanted):
        return re.fullmatch(translate(wanted.casefold()), have.casefold()) is not None
    if have.casefold() == wanted.casefold():
        return True
    numbers = _number(have), _number(wanted)
    return None not in numbers and numbers[0] == numbers[1]


def _order(value: Any, wanted: str) -> int | None:
    """-1, 0 or 1 as *value* is less, equal or more; None where there is nothing to compare."""
    have = _text(value)
    if not have:
        return None
    left, right = _number(have), _number(wanted)
    if left is not None and right is not None:
        return (left > right) - (left < right)
    if (left is None) != (right is None):
        return None
    return (have.casefold() > wanted.casefold()) - (have.casefold() < wanted.casefold())


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(text: str) -> float | None:
    return float(text) if len(text) < 400 and _NUMBER.fullmatch(text) else None
