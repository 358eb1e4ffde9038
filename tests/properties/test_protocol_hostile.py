"""Answers that were damaged, disguised, or made to hurt: each is a value, or one of the documented errors."""

from __future__ import annotations

import codecs
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fleet.auth.provider import read_token
from fleet.errors import BadAnswer, SiteError
from fleet.outcome import OUTCOME_OF_KIND
from fleet.protocol.envelope import DEPTH_CAP, decipher, failure_of, parse_json, retry_after_of
from fleet.protocol.fields import ServiceId, as_bool, as_epoch, as_int, root_folder, unreached_items
from fleet.protocol.message import Response
from fleet.protocol.release import Release

REAL = [
    json.dumps(entry["answer"], ensure_ascii=False).encode()
    for entry in json.loads(Path(__file__).with_name("answers.json").read_text(encoding="utf-8"))
    if not isinstance(entry["answer"], str)
] + [
    b'{"status":"error","messages":["Token Expired."],"code":498}',
    b'{"error":{"code":499,"message":"Token Required","details":[]}}',
    b'{"status":"error","messages":["no"],"detail":{"machines":[{"machine":"A","reports":[{"message":"no data"}]}]}}',
    b'{ "error" : { "message" : "no" , "details" : "Invalid credentials" } }',
    b'{"success":false}',
    b"\r\n\r\n<!DOCTYPE html><html><body>Sign in with your password</body></html>",
    b"<html>Could not access any server machines. Please contact your system administrator.</html>",
    b'<?xml version="1.0"?><error/>',
]
"""What real servers send, success and failure."""

TYPES = (
    "text/plain;charset=UTF-8",
    "application/json",
    "text/html",
    "text/xml",
    "application/octet-stream",
    "",
    "\xff",
)


class Narrow(msgspec.Struct):
    """A typed answer, as an operation may ask for one."""

    code: int
    messages: list[str] = []
    at: float | None = None


FLAGS: tuple[dict[str, bool], ...] = (
    {},
    {"binary": True},
    {"status_is_data": True},
    {"success_is_data": True},
)
ANSWERS: tuple[Any, ...] = (dict, Any, list[int], dict[str, int], Narrow, str, float)


def judge(body: bytes, status: int = 200, kind: str = TYPES[0], **head: str) -> list[Any]:
    """Every way of reading *body*; raises for anything but values and documented errors."""
    headers = {"content-type": kind, **{name.replace("_", "-"): value for name, value in head.items()}}
    response = Response(status=status, headers=headers, body=body)
    redirected = Response(status=status, headers=headers, body=body, redirected=True)
    results: list[Any] = []
    for one, flags in (*((response, flags) for flags in FLAGS), (redirected, {})):
        for answer in ANSWERS:
            try:
                value = decipher(one, answer, **flags)
            except SiteError as error:
                results.append(error)
                assert error.kind in OUTCOME_OF_KIND
                assert 0 < len(error.message) < 1000
                error.message.encode("utf-8")
                assert error.code is None or isinstance(error.code, int)
            else:
                results.append(value)
                assert status < 400, "no status of 400 and more is a success"
                if not flags.get("binary"):
                    json.dumps(msgspec.to_builtins(value), allow_nan=False).encode("utf-8")
    with suppress(SiteError):
        read_token(response)
    retry_after_of(response)
    return results


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A real answer with some of its bytes cut off, dropped, repeated, swapped or replaced."""
    body = bytearray(draw(st.sampled_from(REAL)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(body) - 1)))
        length = draw(st.integers(1, 12))
        match draw(st.sampled_from(["cut", "drop", "repeat", "replace", "flip", "insert"])):
            case "cut":
                del body[place:]
            case "drop":
                del body[place : place + length]
            case "repeat":
                body[place:place] = body[place : place + length] * draw(st.integers(1, 3))
            case "replace":
                body[place : place + length] = draw(st.binary(max_size=12))
            case "flip":
                if body:
                    body[place] ^= 1 << draw(st.integers(0, 7))
            case _:
                pieces = [
                    b"\xef\xbb\xbf",
                    b"\x00",
                    b'"',
                    b"\\u",
                    b"\\ud800",
                    b"1e999",
                    b"NaN",
                    b"{",
                    b"]",
                    b"\xed\xa0\x80",
                ]
                body[place:place] = draw(st.sampled_from(pieces))
    return bytes(body)


@given(st.binary(max_size=400), st.sampled_from(TYPES), st.integers(100, 599))
def test_random_bytes(body: bytes, kind: str, status: int) -> None:
    judge(body, status, kind)


@given(damaged(), st.sampled_from(TYPES), st.sampled_from([200, 200, 200, 302, 400, 401, 403, 404, 498, 499, 500, 503]))
def test_real_answers_that_were_damaged(body: bytes, kind: str, status: int) -> None:
    judge(body, status, kind)


def test_every_status_with_every_shape_of_answer() -> None:
    for status in range(100, 600):
        for body in (*REAL[-8:], REAL[0], b""):
            results = judge(body, status, www_authenticate="Negotiate", retry_after="5")
            if status >= 400:
                assert all(isinstance(result, SiteError) for result in results), status


@pytest.mark.parametrize("kind", TYPES)
def test_the_content_type_decides_nothing_but_what_is_binary(kind: str) -> None:
    for body in REAL:
        plain = [repr(result) for result in judge(body)]
        other = [repr(result) for result in judge(body, kind=kind)]
        per_flag = len(ANSWERS)
        binary = slice(per_flag, 2 * per_flag)
        assert plain[:per_flag] == other[:per_flag]
        assert plain[binary.stop :] == other[binary.stop :]


@given(st.integers(1, 4000), st.sampled_from([(b"[", b"]"), (b'{"a":', b"}"), (b'[{"error":', b"}]")]), st.booleans())
@example(DEPTH_CAP, (b"[", b"]"), True)
@example(DEPTH_CAP + 1, (b"[", b"]"), True)
def test_deep_nesting(levels: int, pair: tuple[bytes, bytes], closed: bool) -> None:
    body = pair[0] * levels + b"1" + (pair[1] * levels if closed else b"")
    judge(body)
    depth = levels * (2 if pair[0].startswith(b"[{") else 1)
    if depth > DEPTH_CAP:
        with pytest.raises(BadAnswer):
            parse_json(body)
    elif closed:
        parse_json(body)


numbers = (
    st.integers(-(10**400), 10**400).map(str)
    | st.floats(allow_nan=True, allow_infinity=True).map(repr)
    | st.sampled_from(
        ["1e999", "-1e999", "NaN", "Infinity", "-Infinity", "9" * 5000, "0" * 50, "1e-999", "-0", "1E+400"]
    )
)
MEMBERS = ("code", "expires", "status", "messages", "success", "error", "a", "currentVersion", "at")


@given(numbers, st.sampled_from(MEMBERS))
def test_huge_and_odd_numbers(number: str, member: str) -> None:
    judge(f'{{"{member}":{number}}}'.encode())
    judge(f'{{"status":"error","{member}":{number},"error":{{"code":{number}}}}}'.encode())
    judge(f'{{"token":"{"t" * 20}","expires":{number}}}'.encode(), date="Thu, 30 Aug 2018 20:43:30 GMT")


@given(st.sampled_from(REAL[:-3]))
def test_a_byte_order_mark_changes_nothing(body: bytes) -> None:
    assert [repr(result) for result in judge(codecs.BOM_UTF8 + body)] == [repr(result) for result in judge(body)]


@given(st.text(st.characters(codec=None, categories=("Cs", "Lu", "Cc")), min_size=1, max_size=8), st.booleans())
def test_lone_surrogates_never_come_out(text: str, escaped: bool) -> None:
    inside = json.dumps(text) if escaped else f'"{text}"'
    raw = inside.encode("utf-8", "surrogatepass")
    for body in (
        b'{"a":' + raw + b"}",
        b'{"status":"error","messages":[' + raw + b'],"code":500}',
        b"{" + raw + b":1}",
    ):
        for result in judge(body):
            shown = (
                result.message
                if isinstance(result, SiteError)
                else json.dumps(msgspec.to_builtins(result), ensure_ascii=False)
            )
            shown.encode("utf-8")


@given(st.text(max_size=30), st.text(max_size=30))
def test_headers_of_any_text(first: str, second: str) -> None:
    for status in (200, 401, 429, 503):
        judge(b"<html>", status, first, retry_after=second, date=first, www_authenticate=second)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*MEMBERS, "machines", "dataItems", "path", "folderName", "type"]), values))
def test_no_value_breaks_the_readers_of_members(value: dict[str, Any]) -> None:
    failure_of(value)
    Release.of(value)
    ServiceId.of(value)
    for one in value.values():
        as_bool(one), as_int(one), as_epoch(one), root_folder(one)
        unreached_items({"machines": one})
        unreached_items({"machines": [{"dataItems": one}]})
