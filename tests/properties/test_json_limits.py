"""What an answer's JSON may be: how deep, how large its numbers; and that finding out takes no longer than reading it."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.errors import BadAnswer
from fleet.protocol.envelope import DEPTH_CAP, parse_json

tricky = st.text(st.sampled_from('[]{}"\\a:,\n'), max_size=12)


def depth_of(value: Any) -> int:
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    return 0


def wrapped(value: Any, levels: int, names: list[str]) -> Any:
    for level in range(levels):
        name = names[level % len(names)]
        value = [name, value, name] if level % 2 else {name: value}
    return value


@given(
    inner=st.recursive(
        tricky, lambda inside: st.lists(inside, max_size=3) | st.dictionaries(tricky, inside, max_size=3)
    ),
    levels=st.integers(DEPTH_CAP - 8, DEPTH_CAP + 4),
    names=st.lists(tricky, min_size=1, max_size=4),
)
def test_an_answer_is_refused_just_when_it_nests_deeper_than_the_cap(inner: Any, levels: int, names: list[str]) -> None:
    value = wrapped(inner, levels, names)
    body = json.dumps(value).encode()
    if depth_of(value) <= DEPTH_CAP:
        assert parse_json(body) == (value, False)
    else:
        with pytest.raises(BadAnswer, match="nested more than 64 levels deep"):
            parse_json(body)


@given(st.integers(-(2**70), 2**70), st.sampled_from(["%d", "[%d]", '{"a":{"b":[1,%d]}}']))
def test_whole_numbers_beyond_64_bits_are_refused(number: int, shape: str) -> None:
    body = (shape % number).encode()
    if -(2**63) <= number < 2**64:
        assert parse_json(body)[0] == json.loads(body)
    else:
        with pytest.raises(BadAnswer, match="64 bits"):
            parse_json(body)


def test_digits_in_a_text_are_no_number() -> None:
    digits = "9" * 5000
    assert parse_json(json.dumps({"id": digits}).encode())[0] == {"id": digits}


@pytest.mark.parametrize(
    "body", [b'{"a":1e999}', b'{"a":-1e999}', b'\xef\xbb\xbf{"a":1e999}', b"NaN", b'["\\ud800",1e400]']
)
def test_numbers_that_are_not_finite_are_no_json(body: bytes) -> None:
    with pytest.raises(BadAnswer, match="not JSON"):
        parse_json(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a' + b'\\"' * 1_000_000 + b"[" * 70,
        b'"' * 2_000_000 + b"[" * 70,
        b"[" * 2_000_000,
        b"{" * 70 + b'"[\\' * 500_000,
    ],
    ids=["a text that does not end", "quotes", "brackets", "escapes at the end of texts"],
)
def test_a_hostile_answer_is_refused_in_time(body: bytes) -> None:
    # Reading these once takes milliseconds; looking at each quote's rest anew would take hours.
    started = time.process_time()
    with pytest.raises(BadAnswer):
        parse_json(body)
    assert time.process_time() - started < 20
