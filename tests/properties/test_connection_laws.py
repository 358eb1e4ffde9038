"""Connection strings: read and written without loss, and never shown with a secret in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.errors import UsageError
from fleet.protocol.connections import Connection

NAMES = (
    "SERVER",
    "INSTANCE",
    "DATABASE",
    "USER",
    "PASSWORD",
    "ENCRYPTED_PASSWORD",
    "ENCRYPTED_PASSWORD_UTF8",
    "VERSION",
)
values = st.text(st.characters(exclude_characters=";", exclude_categories=["C", "Z"]), max_size=20)
pairs = st.lists(st.tuples(st.sampled_from(NAMES), values), max_size=8)


def text_of(parts: list[tuple[str, str]]) -> str:
    return ";".join(f"{name}={value}" for name, value in parts)


@given(st.text(max_size=200))
def test_any_text_comes_back_as_it_was(text: str) -> None:
    assert str(Connection.parse(text)) == text


@given(pairs, st.text(st.characters(categories=["L", "N"]), min_size=12, max_size=30))
def test_a_password_is_set_and_never_shown(parts: list[tuple[str, str]], password: str) -> None:
    changed = Connection.parse(text_of(parts)).with_password(password)

    assert Connection.parse(str(changed)).get("password") == password
    assert str(changed).count("PASSWORD=") == 1
    assert changed.shown()["password"] == "***"
    others = [value for name, value in parts if "PASSWORD" not in name]
    assert all(password in value for value in changed.shown().values() if password in value and value in others)
    assert "PASSWORD" not in [name.upper() for name in changed.names]


@given(pairs, values)
def test_only_what_is_named_changes(parts: list[tuple[str, str]], new: str) -> None:
    before = Connection.parse(text_of(parts))
    if before.get("database") is None:
        with pytest.raises(UsageError, match="has no database"):
            before.changed({"database": new})
        return

    after = before.changed({"database": new})

    assert after.get("DATABASE") == new
    assert [one for one in after.parts if one[0] != "DATABASE"] == [one for one in before.parts if one[0] != "DATABASE"]


@given(st.sampled_from(["a;b", "a\nb", "a\x00b", "a\x1b[2J"]))
def test_what_would_break_out_of_its_place_is_refused(value: str) -> None:
    connection = Connection.parse("SERVER=db1;PASSWORD=old")
    for change in (lambda: connection.with_password(value), lambda: connection.changed({"server": value})):
        with pytest.raises(UsageError) as told:
            change()
        assert value not in str(told.value)


def test_a_new_server_takes_the_place_of_the_old_one_wherever_it_is_named() -> None:
    text = "SERVER=db1;INSTANCE=sde:postgresql:db1,5432;DB_CONNECTION_PROPERTIES=db1;DATABASE=db1x;USER=gis"

    moved = Connection.parse(text).changed({"server": "db2.example.com"})

    assert str(moved) == (
        "SERVER=db2.example.com;INSTANCE=sde:postgresql:db2.example.com,5432;"
        "DB_CONNECTION_PROPERTIES=db2.example.com;DATABASE=db1x;USER=gis"
    )
    assert Connection.parse(text).changed({"server": "db2", "instance": "mine"}).get("instance") == "mine"


def test_stars_in_the_place_of_a_password_are_noticed() -> None:
    assert Connection.parse("SERVER=a;PASSWORD=********").hides
    assert not Connection.parse("SERVER=a;ENCRYPTED_PASSWORD=00022e68").hides
