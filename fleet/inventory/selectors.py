"""Selectors: expressions that pick sites from the inventory; parsing and printing are inverse."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import reduce
from itertools import product
from typing import TypeAlias

from fleet.errors import SelectorError
from fleet.inventory.model import Inventory, Site
from fleet.inventory.tables import NAME, RESERVED, nearest, nearest_few
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
DEPTH_CAP = 100
FILE_CAP = 16 * 1024 * 1024
"""Bytes of a file of names that are read."""

TOLD = 10
"""Mistakes of one selector that are told before the rest is counted."""


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
    """Sites whose name fits a pattern with `*` (any text, also none) and `?` (one character)."""

    pattern: str

    def __str__(self) -> str:
        return self.pattern


@dataclass(frozen=True, slots=True)
class Range:
    """Sites whose name fits a pattern with numbers in brackets, such as `gis[01-20]` or `gis[1,3-5]a`.

    Numbers are as wide as the first of their range: `[01-100]` stands for 01, 02, … 99, 100. `*` and `?` work beside.
    """

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
    """The sites that every one of the parts picks; there are two parts at least."""

    parts: tuple[Selector, ...]

    def __post_init__(self) -> None:
        if len(self.parts) < 2:
            raise ValueError("`and` has two sides at least")

    def __str__(self) -> str:
        return " and ".join(_bracketed(part, And, Or) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Or:
    """The sites that at least one of the parts picks; there are two parts at least."""

    parts: tuple[Selector, ...]

    def __post_init__(self) -> None:
        if len(self.parts) < 2:
            raise ValueError("`or` has two sides at least")

    def __str__(self) -> str:
        return " or ".join(_bracketed(part, Or) for part in self.parts)


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
        text = self._text if len(self._text) <= 200 else self._text[:200] + "…"
        return SelectorError(f"the selector {text!r} can't be read: {reason} in column {column + 1}")

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
            if match["key"] in RESERVED:
                raise self._fail(match.start("eq"), f"the name of a label is missing before {match['eq']!r}")
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
                _choices(word)
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
        parts = [self._both()]
        while self._next_is("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _both(self) -> Selector:
        parts = [self._negated()]
        while self._next_is("and"):
            parts.append(self._negated())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

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
    return ["".join(combination) for combination in product(*_choices(pattern))]


def _choices(pattern: str) -> list[Sequence[str]]:
    """The parts of a pattern, those in brackets as the numbers that they stand for; raises `ValueError`."""
    parts = re.split(r"\[([^\]]*)\]", pattern)
    choices: list[Sequence[str]] = [[part] if place % 2 == 0 else _numbers(part) for place, part in enumerate(parts)]
    if reduce(lambda total, choice: total * len(choice), choices, 1) > RANGE_CAP:
        raise ValueError(f"{pattern[:80]!r} stands for more than {RANGE_CAP} names")
    return choices


def _numbers(text: str) -> list[str]:
    numbers: list[str] = []
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", part)
        if match is None:
            raise ValueError(f"[{text[:80]}] is no range: write [01-20] or [1,3,5-7]")
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
    """The names of the sites that *selector* picks, in inventory order, each with why it was picked.

    *last_run* gives each site's outcome in the last run, *read_file* the text of a file. Raises `SelectorError` for
    names that match nothing (all of them at once, each with the nearest ones) and for an empty result, unless
    *allow_empty*.
    """
    picker = _Picker(inventory, last_run, read_file)
    picked = picker.pick(selector)
    if picker.mistakes and not allow_empty:
        raise SelectorError(_told(picker.mistakes))
    if not picked and not allow_empty:
        raise SelectorError(f"the selector {str(selector)!r} matches no site (--allow-empty accepts that)")
    return {name: picked[name] for name in inventory.sites if name in picked}


Mistake: TypeAlias = tuple[str, Callable[[], str]]
"""What is wrong, and a function that says what may have been meant, which takes time with many sites."""


def _told(mistakes: Sequence[Mistake]) -> str:
    lines = [message + hint() for message, hint in mistakes[:TOLD]]
    if len(mistakes) > TOLD:
        lines.append(f"and {len(mistakes) - TOLD} more")
    return "\n".join(dict.fromkeys(lines))


class _Picker:
    def __init__(
        self,
        inventory: Inventory,
        last_run: Callable[[], Mapping[str, str] | None],
        read_file: Callable[[str], str] | None,
    ) -> None:
        self._inventory = inventory
        self._last_run = last_run
        self._read_file = read_file or _read_names
        self._texts: dict[str, str] = {}
        self.mistakes: list[Mistake] = []

    def pick(self, selector: Selector) -> dict[str, str]:
        """Name -> why, for the sites that *selector* picks."""
        match selector:
            case And(parts):
                first, *others = [self.pick(part) for part in parts]
                return {
                    name: " and ".join([why, *(other[name] for other in others)])
                    for name, why in first.items()
                    if all(name in other for other in others)
                }
            case Or(parts):
                either: dict[str, str] = {}
                for part in parts:
                    for name, why in self.pick(part).items():
                        either.setdefault(name, why)
                return either
            case Not(inner):
                out = self.pick(inner)
                return {name: f"not {_bracketed(inner, And, Or)}" for name in self._inventory.sites if name not in out}
            case All():
                return dict.fromkeys(self._inventory.sites, "all")
            case Name(name):
                return self._named(name)
            case Glob(pattern):
                expression = re.compile(translate(pattern))
                return self._some(selector, (name for name in self._inventory.sites if expression.fullmatch(name)))
            case Range(pattern):
                return self._some(selector, self._in_range(pattern))
            case Label():
                return self._labelled(selector)
            case LastRun(outcome):
                return self._by_outcome(selector, outcome)
            case FromFile(path):
                return self._from_file(path)

    def _mistake(self, message: str, hint: Callable[[], str] = lambda: "") -> None:
        self.mistakes.append((message, hint))

    def _some(self, selector: Selector, names: Iterable[str]) -> dict[str, str]:
        picked = dict.fromkeys(names, f"fits {selector}")
        if not picked:
            self._mistake(f"{str(selector)!r} matches no site", lambda: self._near(str(selector)))
        return picked

    def _near(self, word: str) -> str:
        return _did_you_mean(nearest_few(word, [*self._inventory.sites, *self._inventory.groups]))

    def _in_range(self, pattern: str) -> Iterator[str]:
        sites = self._inventory.sites
        if "*" not in pattern and "?" not in pattern:
            yield from (name for name in _expand(pattern) if name in sites)
            return
        parts = [
            _glob_expression(choice[0]) if len(choice) == 1 else f"(?:{'|'.join(choice)})"
            for choice in _choices(pattern)
        ]
        expression = re.compile("".join(parts))
        yield from (name for name in sites if expression.fullmatch(name))

    def _named(self, name: str) -> dict[str, str]:
        if name in self._inventory.sites:
            return {name: f"named {name}"}
        if name in self._inventory.groups:
            return {
                site.name: _in_group(name, site, self._inventory)
                for site in self._inventory.sites.values()
                if name in site.groups
            }
        self._mistake(f"there is no site and no group {name!r}", lambda: self._near(name))
        return {}

    def _labelled(self, selector: Label) -> dict[str, str]:
        sites = self._inventory.sites.values()
        values = dict.fromkeys(site.labels[selector.key] for site in sites if selector.key in site.labels)
        if not values:
            keys = {key for site in sites for key in site.labels}
            self._mistake(
                f"no site has a label {selector.key!r}", lambda: _did_you_mean(nearest_few(selector.key, sorted(keys)))
            )
            return {} if selector.equal else {site.name: _label_reason(site, selector) for site in sites}
        picked = {site.name: _label_reason(site, selector) for site in sites if _has(site, selector)}
        if not picked and selector.equal:
            near = [str(Label(selector.key, value)) for value in nearest_few(selector.value, values)]
            self._mistake(f"{str(selector)!r} matches no site", lambda: _did_you_mean(near))
        return picked

    def _by_outcome(self, selector: Selector, outcome: str) -> dict[str, str]:
        outcomes = self._last_run()
        if outcomes is None:
            self._mistake(f"{selector} asks for the last run, and none of this inventory is recorded")
            return {}
        done = ("ok", "changed", "noop")
        return {
            name: f"{said} in the last run"
            for name, said in outcomes.items()
            if name in self._inventory.sites and (said not in done if outcome == "failed" else said == outcome)
        }

    def _from_file(self, path: str) -> dict[str, str]:
        place = "standard input" if path == "-" else path
        if path not in self._texts:
            # Standard input can be read only once, though it may be named twice.
            self._texts[path] = _text_of(path, self._read_file)
        picked: dict[str, str] = {}
        for number, line in enumerate(self._texts[path].split("\n"), start=1):
            name = line.partition("#")[0].strip()
            if not name:
                continue
            named = [name] if name in self._inventory.sites else self._members(name)
            if named is None:
                self._mistake(
                    f"{place}:{number}: there is no site and no group {name[:70]!r}",
                    lambda name=name: self._near(name[:70]),  # type: ignore[misc]
                )
                continue
            for site in named:
                picked.setdefault(site, f"line {number} of {place}")
        return picked

    def _members(self, group: str) -> list[str] | None:
        if group not in self._inventory.groups:
            return None
        return [site.name for site in self._inventory.sites.values() if group in site.groups]


def _did_you_mean(words: Sequence[str]) -> str:
    if not words:
        return ""
    return f"; did you mean {' or '.join([', '.join(words[:-1]), words[-1]] if len(words) > 1 else words)}?"


def _in_group(name: str, site: Site, inventory: Inventory) -> str:
    """Why *site* is in the group *name*: it is listed there, or in a group that *name* holds."""
    group = inventory.groups[name]
    if site.name in group.sites:
        return f"in group {name}"
    below = [inner.name for inner in inventory.groups.values() if inner.name in site.groups and name in inner.parents]
    return f"in group {name}" + (f", which holds {' and '.join(below)}" if below else "")


def _has(site: Site, selector: Label) -> bool:
    return (site.labels.get(selector.key) == selector.value) is selector.equal


def _label_reason(site: Site, selector: Label) -> str:
    if selector.equal:
        return str(selector)
    if selector.key not in site.labels:
        return f"no label {selector.key}"
    return str(Label(selector.key, site.labels[selector.key]))


def _glob_expression(pattern: str) -> str:
    return "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)


def _text_of(path: str, read: Callable[[str], str]) -> str:
    try:
        return read(path)
    except OSError as error:
        raise SelectorError(f"the file {path} can't be read: {error.strerror or error}") from None
    except ValueError as error:
        # Both text that is no UTF-8 and a path that no file can have.
        reason = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
        raise SelectorError(f"the file {path!r} can't be read: {reason}") from None


def _read_names(path: str) -> str:
    import sys
    from pathlib import Path

    if path == "-":
        if sys.stdin is None:
            raise OSError("standard input is closed")
        data = sys.stdin.buffer.read(FILE_CAP + 1)
    else:
        try:
            file = Path(path).expanduser()
        except RuntimeError:
            # The `~` of a user whom this machine does not know.
            file = Path(path)
        with file.open("rb") as stream:
            data = stream.read(FILE_CAP + 1)
    if len(data) > FILE_CAP:
        raise SelectorError(f"the file {path} is larger than {FILE_CAP >> 20} MiB")
    # What PowerShell writes with `>` begins with a mark of two bytes, what other editors there write with one of three.
    return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
