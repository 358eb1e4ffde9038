"""What is written as TOML is read as it was."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from fleet.toml_text import quoted


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_text_is_read_as_it_was_written(text: str) -> None:
    assert tomllib.loads(f"x = {quoted(text)}") == {"x": text}
