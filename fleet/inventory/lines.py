"""Which line of a TOML file each key stands on; made only when a mistake, or a question, needs it."""

from __future__ import annotations

import re
from bisect import bisect_right

__all__ = ["LineIndex"]

_KEY_PART = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*""")
_OPENERS = re.compile(r'"""|\'\'\'|"|\'|#|\[|\]|\{|\}')
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", re.DOTALL)
_SHORT = {
    "b": "\b",
    "t": "\t",
    "n": "\n",
    "f": "\f",
    "r": "\r",
    "e": "\x1b",
    '"': '"',
    "\\": "\\",
}


class LineIndex:
    """Line numbers of keys, found by reading the text once. A key inside an inline table is on its table's line."""

    def __init__(self, text: str) -> None:
        self._lines: dict[tuple[str, ...], int] = {}
        self._keys: list[tuple[int, tuple[str, ...]]] = []
        self._read(text)

    def __getitem__(self, path: tuple[str, ...]) -> int | None:
        """The line of *path*, or of the nearest thing around it; None for what is nowhere in the file."""
        while path:
            line = self._lines.get(path)
            if line is not None:
                return line
            path = path[:-1]
        return None

    @property
    def lines(self) -> dict[tuple[str, ...], int]:
        """Every path that was found, with its line (from 1)."""
        return self._lines

    def key_at(self, line: int) -> tuple[str, ...]:
        """The key or table that was begun last on *line* or above it; empty above the first one."""
        place = bisect_right(self._keys, line, key=lambda entry: entry[0])
        return self._keys[place - 1][1] if place else ()

    def _read(self, text: str) -> None:
        table: tuple[str, ...] = ()
        arrays: dict[tuple[str, ...], int] = {}
        until: str | None = None
        depth = 0
        for number, line in enumerate(text.split("\n"), start=1):
            if until is None and depth == 0:
                stripped = line.strip()
                if not stripped or stripped.startswith("#"):
                    continue
                if stripped.startswith("["):
                    array = stripped.startswith("[[")
                    path, _ = _key_path(stripped, 2 if array else 1)
                    table = _place(path, arrays)
                    if array:
                        arrays[path] = arrays.get(path, -1) + 1
                        table = (*_place(path[:-1], arrays), path[-1], str(arrays[path])) if path else ()
                    self._note(table, number)
                    continue
                path, end = _key_path(line, 0)
                self._note(table + path, number)
                until, depth = _scan(line, end, None, 0)
            else:
                until, depth = _scan(line, 0, until, depth)

    def _note(self, path: tuple[str, ...], number: int) -> None:
        self._keys.append((number, path))
        for length in range(1, len(path) + 1):
            self._lines.setdefault(path[:length], number)


def _place(path: tuple[str, ...], arrays: dict[tuple[str, ...], int]) -> tuple[str, ...]:
    """*path* with the number of the latest element put in after each array of tables on the way."""
    placed: tuple[str, ...] = ()
    for length in range(1, len(path) + 1):
        placed = (*placed, path[length - 1])
        if path[:length] in arrays and length < len(path):
            placed = (*placed, str(arrays[path[:length]]))
    return placed


def _key_path(line: str, start: int) -> tuple[tuple[str, ...], int]:
    """The dotted key that begins at *start*, and where it ends."""
    parts: list[str] = []
    while (match := _KEY_PART.match(line, start)) is not None:
        double, single, bare = match.groups()
        parts.append(_unescape(double) if double is not None else single if single is not None else bare)
        start = match.end()
        if start >= len(line) or line[start] != ".":
            break
        start += 1
    return tuple(parts), start


def _unescape(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        code = match.group(1)
        return chr(int(code[1:], 16)) if code[0] in "uU" else _SHORT.get(code, code)

    return _ESCAPE.sub(one, text)


def _scan(line: str, start: int, until: str | None, depth: int) -> tuple[str | None, int]:
    """Go through a value from *start*: which multi-line string is still open at the line's end, and how many brackets."""
    while True:
        if until is not None:
            start = _end_of_string(line, start, until)
            if start < 0:
                return until, depth
            until = None
        match = _OPENERS.search(line, start)
        if match is None:
            return None, depth
        token, start = match.group(), match.end()
        if token == "#":
            return None, depth
        if token in "[{":
            depth += 1
        elif token in "]}":
            depth -= 1
        elif len(token) == 3:
            until = token
        else:
            start = _end_of_string(line, start, token)
            if start < 0:
                return None, depth


def _end_of_string(line: str, start: int, quote: str) -> int:
    """Behind the closing *quote*, or -1 where the line ends first."""
    while (end := line.find(quote, start)) >= 0:
        if quote[0] == '"':
            slashes = end - len(line[:end].rstrip("\\"))
            if slashes % 2:
                start = end + 1
                continue
        end += len(quote)
        # A multi-line string may end in one or two quotes of its own before the three that close it.
        while len(quote) == 3 and line[end : end + 1] == quote[0]:
            end += 1
        return end
    return -1
