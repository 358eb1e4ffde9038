"""File names: harmless on every system, and different names have different files, whatever a site calls its things."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from fleet.snapshots.filenames import file_names

odd = st.sampled_from(
    ["..", ".", "/", "\\", "CON", "con.txt", "NUL", "a/b", "a_b", "Roads", "roads", "ROADS", "", "x" * 90, "a."]
)
names = st.lists(st.text(max_size=30) | odd | st.text("aA._-/", max_size=6), max_size=12)


@given(names)
def test_every_name_has_a_harmless_file_of_its_own(given_names: list[str]) -> None:
    made = file_names(given_names)
    assert set(made) == set(given_names)
    files = list(made.values())
    assert len({file.lower() for file in files}) == len(files)
    for file in files:
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,144}", file)
        assert not re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", file)
        assert not file.endswith(".")


@given(names)
def test_the_order_of_names_does_not_matter(given_names: list[str]) -> None:
    assert file_names(reversed(given_names)) == file_names(given_names)


def test_a_plain_name_stays_and_a_forged_one_does_not_take_its_place() -> None:
    assert file_names(["Roads.MapServer"]) == {"Roads.MapServer": "Roads.MapServer"}
    (forged,) = file_names(["a/b"]).values()
    made = file_names(["a/b", forged])
    assert made["a/b"] != made[forged]
