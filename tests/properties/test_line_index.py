"""The line index finds every key that the TOML parser finds, on the line that it was written on."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fleet.inventory.lines import LineIndex

keys = st.text("abcdef-_", min_size=1, max_size=5) | st.sampled_from(["a.b", "x y", "q'q", 'd"q', "back\\slash"])
scalars = st.sampled_from(
    [
        "1",
        "true",
        '"text # no comment"',
        "'[literal]'",
        '"esc \\" ape"',
        '"""multi\n] = line"""',
        "'''a\n[b]\n'''",
        "[1,\n 2, # c\n]",
        "{ u = 1, v = [2] }",
    ]
)


def quoted(key: str) -> str:
    return '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(st.dictionaries(keys, st.dictionaries(keys, scalars, max_size=4), max_size=5))
def test_every_key_is_on_its_line(tables: dict[str, dict[str, str]]) -> None:
    lines: list[str] = ["# head"]
    wanted: dict[tuple[str, ...], int] = {}
    for table, members in tables.items():
        lines.append(f"[ {quoted(table)} ]  # c")
        wanted[(table,)] = len(lines)
        for key, value in members.items():
            wanted[(table, key)] = len(lines) + 1
            lines += f"{quoted(key)} = {value}".split("\n")
    text = "\n".join(lines)
    data: dict[str, Any] = tomllib.loads(text)
    index = LineIndex(text)
    for table, members in data.items():
        assert index[(table,)] == wanted[(table,)]
        for key in members:
            assert index[(table, key)] == wanted[(table, key)]
