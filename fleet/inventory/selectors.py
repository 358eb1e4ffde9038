"""Selectors: expressions that pick sites from the inventory; parsing and printing are inverse."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import product
from typing import TypeAlias

from fleet.errors import SelectorError
from fleet.inventory.model import Inventory, Site
from fleet.inventory.tables import NAME, nearest
from fleet.outcome import OUTCOME_OF_KIND

__all__ = [
    "All",
    "And",
    "FromFile",
    "Glob",
    "Label",
    "LastRun",
    "Name",
    "Not",
    "Or",
    "Range",
    "Selector",
    "parse",
    "select",
]

OUTCOME_WORDS = frozenset({"failed", "ok", "changed", "noop", "skipped", "not_run", *OUTCOME_OF_KIND.values()})
RANGE_CAP = 100_000
DEPTH_CAP = 200


@dataclass(frozen=True, slots=True)
class All:
    """Every site."""

    def __str__(self) -> str:
        return "all"


@dataclass(frozen=True, slots=True)
class Name:
    """One site, or the sites of one group."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Glob:
    """Sites whose name fits a pattern with `*` and `?`."""

    pattern: str

    def __str__(self) -> str:
        return self.pattern


@dataclass(frozen=True, slots=True)
class Range:
    """Sites whose name fits a pattern with numbers in brackets, such as `gis[01-20]` or `gis[1,3-5]a`."""

    pattern: str

    def __str__(self) -> str:
        return self.pattern


@dataclass(frozen=True, slots=True)
class Label:
    """Sites whose label has, or has not, a value; a site without the label has not."""

    key: str
    value: str
    equal: bool = True

    def __str__(self) -> str:
        plain = _PLAIN_VALUE.fullmatch(self.value)
        value = self.value if plain else '"' + self.value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return f"{self.key}{'=' if self.equal else '!='}{value}"


@dataclass(frozen=True, slots=True)
class LastRun:
    """Sites by their outcome in the last run: `@failed` for all that did not do it, else exactly that outcome."""

    outcome: str

    def __str__(self) -> str:
        return f"@{self.outcome}"


@dataclass(frozen=True, slots=True)
class FromFile:
    """Sites named in a file, one a line; `-` is standard input."""

    path: str

    def __str__(self) -> str:
        if _PLAIN_VALUE.fullmatch(self.path):
            return f"@file:{self.path}"
        return '@file:"' + self.path.replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclass(frozen=True, slots=True)
class Not:
    """The sites that the inner selector leaves out."""

    inner: Selector

    def __str__(self) -> str:
        return f"not {_bracketed(self.inner, And, Or)}"


@dataclass(frozen=True, slots=True)
class And:
    """The sites that both pick."""

    left: Selector
    right: Selector

    def __str__(self) -> str:
        return f"{_bracketed(self.left, Or)} and {_bracketed(self.right, Or, And)}"


@dataclass(frozen=True, slots=True)
class Or:
    """The sites that one of the two picks."""

    left: Selector
    right: Selector

    def __str__(self) -> str:
        return f"{self.left} or {_bracketed(self.right, Or)}"


Selector: TypeAlias = All | Name | Glob | Range | Label | LastRun | FromFile | Not | And | Or


def _bracketed(inner: Selector, *kinds: type) -> str:
    return f"({inner})" if isinstance(inner, kinds) else str(inner)


# Reading

_PLAIN_VALUE = re.compile(r"""[^\s,()&|!"'\[\]=]+""")
_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<op>[&,()]|!(?!=))
  | (?P<file>@file:)(?P<path>"(?:[^"\\]|\\.)*"|[^\s,()&|!"']+)
  | @(?P<outcome>[a-z_]+)
  | (?P<key>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?P<eq>!=|=)\s*(?P<value>"(?:[^"\\]|\\.)*"|[^\s,()&|!"'\[\]=]+|)
  | (?P<word>(?:[A-Za-z0-9._*?-]|\[[0-9,\-]*\])+)
    """,
    re.VERBOSE,
)


def parse(text: str) -> Selector:
    """The selector that *text* says; raises `SelectorError` with the column of what can't be read."""
    return _Parser(text).whole()


class _Parser:
    """Precedence by recursion: `or` of `and` of `not` of terms."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, Selector | None, int]] = []
        self._at = 0
        self._depth = 0
        self._split()

    def _fail(self, column: int, reason: str) -> SelectorError:
        return SelectorError(f"the selector {self._text!r} can't be read: {reason} in column {column + 1}")

    def _split(self) -> None:
        at = 0
        text = self._text
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise self._fail(at, f"{text[at]!r} has no place here")
            if match["space"] is None:
                self._tokens.append(self._token(match, at))
            at = match.end()

    def _token(self, match: re.Match[str], at: int) -> tuple[str, Selector | None, int]:
        if match["op"]:
            return (
                {"&": "and", ",": "or", "!": "not"}.get(match["op"], match["op"]),
                None,
                at,
            )
        if match["file"]:
            return "term", FromFile(_unquoted(match["path"])), at
        if match["outcome"]:
            if match["outcome"] not in OUTCOME_WORDS:
                hint = nearest(match["outcome"], OUTCOME_WORDS)
                raise self._fail(
                    at,
                    f"@{match['outcome']} is no outcome" + (f" (did you mean @{hint}?)" if hint else ""),
                )
            return "term", LastRun(match["outcome"]), at
        if match["key"]:
            if not match["value"]:
                raise self._fail(match.end() - 1, f"the value of {match['key']} is missing")
            return (
                "term",
                Label(match["key"], _unquoted(match["value"]), match["eq"] == "="),
                at,
            )
        word = match["word"]
        if word in ("and", "or", "not"):
            return word, None, at
        if word == "all":
            return "term", All(), at
        if "[" in word:
            try:
                _expand(word)
            except ValueError as error:
                raise self._fail(at, str(error)) from None
            return "term", Range(word), at
        if "*" in word or "?" in word:
            return "term", Glob(word), at
        if not NAME.fullmatch(word):
            raise self._fail(at, f"{word!r} is no name")
        return "term", Name(word), at

    def whole(self) -> Selector:
        if not self._tokens:
            raise SelectorError("the selector is empty; `all` picks every site")
        result = self._either()
        if self._at < len(self._tokens):
            kind, _, column = self._tokens[self._at]
            raise self._fail(
                column,
                "an operator is missing" if kind != ")" else "a parenthesis closes nothing",
            )
        return result

    def _next_is(self, kind: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at][0] == kind:
            self._at += 1
            return True
        return False

    def _either(self) -> Selector:
        left = self._both()
        while self._next_is("or"):
            left = Or(left, self._both())
        return left

    def _both(self) -> Selector:
        left = self._negated()
        while self._next_is("and"):
            left = And(left, self._negated())
        return left

    def _negated(self) -> Selector:
        if self._next_is("not"):
            self._depth += 1
            if self._depth > DEPTH_CAP:
                raise SelectorError("the selector is nested too deeply")
            inner = Not(self._negated())
            self._depth -= 1
            return inner
        return self._term()

    def _term(self) -> Selector:
        if self._at >= len(self._tokens):
            raise self._fail(len(self._text), "something is missing at the end,")
        kind, term, column = self._tokens[self._at]
        self._at += 1
        if term is not None:
            return term
        if kind == "(":
            self._depth += 1
            if self._depth > DEPTH_CAP:
                raise SelectorError("the selector is nested too deeply")
            inner = self._either()
            self._depth -= 1
            if not self._next_is(")"):
                raise self._fail(
                    len(self._text),
                    f"the parenthesis of column {column + 1} is not closed,",
                )
            return inner
        raise self._fail(column, f"a name is missing before {kind!r},")


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)


def _expand(pattern: str) -> list[str]:
    """Every name that a pattern with brackets stands for; raises `ValueError` with what is wrong with it."""
    parts = re.split(r"\[([^\]]*)\]", pattern)
    choices: list[Sequence[str]] = []
    for place, part in enumerate(parts):
        choices.append([part] if place % 2 == 0 else _numbers(part))
    if reduce(lambda total, choice: total * len(choice), choices, 1) > RANGE_CAP:
        raise ValueError(f"{pattern!r} stands for more than {RANGE_CAP} names")
    return ["".join(combination) for combination in product(*choices)]


def _numbers(text: str) -> list[str]:
    numbers: list[str] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", part)
        if match is None:
            raise ValueError(f"[{text}] is no range: write [01-20] or [1,3,5-7]")
        first, last = match[1], match[2] or match[1]
        if int(last) < int(first):
            raise ValueError(f"[{part}] runs backwards")
        if int(last) - int(first) >= RANGE_CAP:
            raise ValueError(f"[{part}] stands for more than {RANGE_CAP} numbers")
        numbers += [str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)]
    return numbers


# Picking


def select(
    selector: Selector,
    inventory: Inventory,
    *,
    last_run: Callable[[], Mapping[str, str] | None] = lambda: None,
    read_file: Callable[[str], str] | None = None,
    allow_empty: bool = False,
) -> dict[str, str]:
    """The names of the sites that *selector* picks, in inventory order, each with the part of the selector that did.

    *last_run* gives each site's outcome in the last run, *read_file* the text of a file. Raises `SelectorError` for a
    name that matches nothing and for an empty result, unless *allow_empty*.
    """
    picker = _Picker(inventory, last_run, read_file, allow_empty)
    picked = picker.pick(selector)
    if not picked and not allow_empty:
        raise SelectorError(f"the selector {str(selector)!r} matches no site (--allow-empty accepts that)")
    return {name: picked[name] for name in inventory.sites if name in picked}


class _Picker:
    def __init__(
        self,
        inventory: Inventory,
        last_run: Callable[[], Mapping[str, str] | None],
        read_file: Callable[[str], str] | None,
        allow_empty: bool,
    ) -> None:
        self._inventory = inventory
        self._last_run = last_run
        self._read_file = read_file or _read_names
        self._allow_empty = allow_empty

    def pick(self, selector: Selector) -> dict[str, str]:
        """Name -> why, for the sites that *selector* picks."""
        match selector:
            case And(left, right):
                one, other = self.pick(left), self.pick(right)
                return {name: f"{why} and {other[name]}" for name, why in one.items() if name in other}
            case Or(left, right):
                return {**self.pick(right), **self.pick(left)}
            case Not(inner):
                out = self.pick(inner)
                return dict.fromkeys(
                    (name for name in self._inventory.sites if name not in out),
                    str(selector),
                )
            case All():
                return dict.fromkeys(self._inventory.sites, "all")
            case Name(name):
                return self._named(name)
            case Glob(pattern):
                expression = _glob_expression(pattern)
                return self._some(
                    selector,
                    (name for name in self._inventory.sites if expression.fullmatch(name)),
                )
            case Range(pattern):
                return self._some(
                    selector,
                    (name for name in _expand(pattern) if name in self._inventory.sites),
                )
            case Label():
                return self._labelled(selector)
            case LastRun(outcome):
                return self._by_outcome(selector, outcome)
            case FromFile(path):
                return self._from_file(selector, path)

    def _some(self, selector: Selector, names: Iterable[str]) -> dict[str, str]:
        picked = dict.fromkeys(names, str(selector))
        if not picked and not self._allow_empty:
            raise SelectorError(f"{str(selector)!r} matches no site" + self._hint(str(selector)))
        return picked

    def _hint(self, word: str) -> str:
        found = nearest(word, [*self._inventory.sites, *self._inventory.groups])
        return f"; did you mean {found}?" if found else ""

    def _named(self, name: str) -> dict[str, str]:
        if name in self._inventory.sites:
            return {name: name}
        if name in self._inventory.groups:
            return {site.name: f"in group {name}" for site in self._inventory.sites.values() if name in site.groups}
        if self._allow_empty:
            return {}
        raise SelectorError(f"there is no site and no group {name!r}" + self._hint(name))

    def _labelled(self, selector: Label) -> dict[str, str]:
        sites = self._inventory.sites.values()
        if not self._allow_empty and not any(selector.key in site.labels for site in sites):
            keys = {key for site in sites for key in site.labels}
            found = nearest(selector.key, keys)
            raise SelectorError(f"no site has a label {selector.key!r}" + (f"; did you mean {found}?" if found else ""))
        picked = dict.fromkeys((site.name for site in sites if _has(site, selector)), str(selector))
        if not picked and not self._allow_empty and selector.equal:
            values = {site.labels[selector.key] for site in sites if selector.key in site.labels}
            found = nearest(selector.value, values)
            raise SelectorError(
                f"{str(selector)!r} matches no site" + (f"; did you mean {selector.key}={found}?" if found else "")
            )
        return picked

    def _by_outcome(self, selector: Selector, outcome: str) -> dict[str, str]:
        outcomes = self._last_run()
        if outcomes is None:
            raise SelectorError(f"{selector} asks for the last run, and none of this inventory is recorded")
        done = ("ok", "changed", "noop")
        return {
            name: f"{said} in the last run"
            for name, said in outcomes.items()
            if name in self._inventory.sites and (said not in done if outcome == "failed" else said == outcome)
        }

    def _from_file(self, selector: Selector, path: str) -> dict[str, str]:
        try:
            text = self._read_file(path)
        except OSError as error:
            raise SelectorError(f"the file {path} can't be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise SelectorError(f"the file {path} is not UTF-8 text") from None
        names = [line.partition("#")[0].strip() for line in text.splitlines()]
        picked: dict[str, str] = {}
        for name in filter(None, names):
            if name not in self._inventory.sites:
                if self._allow_empty:
                    continue
                raise SelectorError(f"{path} names {name[:70]!r}, and there is no such site" + self._hint(name))
            picked[name] = f"named in {path}"
        return picked


def _has(site: Site, selector: Label) -> bool:
    return (site.labels.get(selector.key) == selector.value) is selector.equal


def _glob_expression(pattern: str) -> re.Pattern[str]:
    return re.compile("".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern))


def _read_names(path: str) -> str:
    import sys
    from pathlib import Path

    return sys.stdin.read() if path == "-" else Path(path).expanduser().read_text(encoding="utf-8")
