"""The order of the questions that decide what an answer means: each question comes before all later ones."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from fleet.errors import BadAnswer, Forbidden, Locked, NotFound, ServerFailed, SiteError, TokenRefused, TooLarge
from fleet.protocol.envelope import decipher, parse_json
from fleet.protocol.message import Response

PAGE = b"<html><body>Home</body></html>"


def response(body: Any, status: int = 200, kind: str = "text/plain;charset=UTF-8") -> Response:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status=status, headers={"content-type": kind}, body=data)


def error(body: Any, status: int = 200, **flags: bool) -> SiteError:
    with pytest.raises(SiteError) as caught:
        decipher(response(body, status), **flags)
    return caught.value


# 0. A binary answer


def test_0_what_is_not_text_is_the_value_of_a_binary_operation() -> None:
    for body in (b"\x30\x82\x01", b"PK\x03\x04", b""):
        told = decipher(response(body, kind="application/octet-stream"), bytes, binary=True)
        assert told == body


def test_0_text_and_json_in_its_place_go_on_to_the_other_questions() -> None:
    failure = {"status": "error", "messages": ["gone"], "code": 404}
    with pytest.raises(NotFound):
        decipher(response(failure, kind="application/octet-stream"), binary=True)
    with pytest.raises(BadAnswer, match="HTML page"):
        decipher(response(PAGE, kind="text/html"), binary=True)
    with pytest.raises(NotFound):
        decipher(response(b"\x00\x01", 404, kind="application/octet-stream"), binary=True)


# 1. The status


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, ServerFailed), (401, Forbidden), (403, Forbidden), (404, NotFound), (410, NotFound), (413, TooLarge),
     (429, ServerFailed), (498, TokenRefused), (499, TokenRefused), (500, ServerFailed), (502, ServerFailed),
     (503, ServerFailed), (504, ServerFailed), (599, ServerFailed)],
)  # fmt: skip
def test_1_a_status_of_400_and_more_is_an_error_whatever_the_body_says(status: int, kind: type[SiteError]) -> None:
    for body in ({"status": "success"}, {"success": True}, {"a": 1}, PAGE, b""):
        assert type(error(body, status)) is kind


def test_1_its_text_comes_from_the_body_where_that_is_json() -> None:
    told = error({"status": "error", "messages": ["the disk is full"], "code": 500}, 500)
    assert told.message == "the disk is full"
    told = error({"error": {"code": 403, "message": "not for you"}}, 403)
    assert (told.message, told.code) == ("not for you", 403)
    assert error(PAGE, 500).message.startswith("HTTP 500")
    lock = "Another administrative operation is currently accessing the store. Please try again later."
    assert isinstance(error({"status": "error", "messages": [lock]}, 500), Locked)


# 2. JSON or not


@pytest.mark.parametrize(
    "body", [b"", b"  \r\n", PAGE, b"<?xml version='1.0'?><e/>", b"sorry", b'{"a":', b"\x00\x01\x02"]
)
def test_2_what_is_not_json_is_a_protocol_error(body: bytes) -> None:
    assert isinstance(error(body), BadAnswer)


# 3. error


def test_3_an_error_object_or_text_comes_before_a_status_that_says_success() -> None:
    told = error({"status": "success", "success": True, "error": {"code": 404, "message": "inner"}})
    assert (type(told), told.message) == (NotFound, "inner")
    assert error({"status": "success", "error": "as a text"}).message == "as a text"
    both = error({"status": "failed", "messages": ["outer"], "code": 500, "error": {"code": 403, "message": "inner"}})
    assert (type(both), both.message) == (Forbidden, "inner")


@pytest.mark.parametrize("value", [None, False, 0, 5, [], ["x"]])
def test_3_an_error_that_is_neither_object_nor_text_decides_nothing(value: Any) -> None:
    assert decipher(response({"error": value, "a": 1})) == {"error": value, "a": 1}


# 4. status


@pytest.mark.parametrize("word", ["error", "failed", "failure", "Error", "FAILURE"])
def test_4_a_status_that_says_failure_comes_before_success_true(word: str) -> None:
    told = error({"status": word, "messages": ["no"], "code": 500, "success": True})
    assert (type(told), told.message) == (ServerFailed, "no")


def test_4_but_not_where_status_is_data() -> None:
    value = {"status": "failure", "serversStatus": []}
    assert decipher(response(value), status_is_data=True) == value
    with pytest.raises(NotFound):
        decipher(response({"status": "failure", "error": {"code": 404, "message": "no"}}), status_is_data=True)


@pytest.mark.parametrize("word", ["success", "Ready", "", "started", None, 5, ["error"], {"error": 1}])
def test_4_any_other_status_goes_on(word: Any) -> None:
    assert decipher(response({"status": word})) == {"status": word}


# 5. success


def test_5_success_false_is_a_failure_before_messages_are_looked_at() -> None:
    told = error({"success": False, "messages": ["first"], "code": 404})
    assert (type(told), told.message) == (NotFound, "first")
    assert isinstance(error({"success": False}), ServerFailed)
    assert isinstance(error({"success": False, "status": "success"}), ServerFailed)


def test_5_but_not_at_a_health_check() -> None:
    assert decipher(response({"success": False}), success_is_data=True) == {"success": False}
    with pytest.raises(ServerFailed):
        decipher(response({"success": False, "status": "error"}), success_is_data=True)


@pytest.mark.parametrize("value", [True, None, 0, "false", []])
def test_5_only_false_is_false(value: Any) -> None:
    assert decipher(response({"success": value})) == {"success": value}


# 6. messages with a code


@pytest.mark.parametrize("code", [400, 404, "500", 99_999])
def test_6_messages_with_a_code_of_400_and_more_are_a_failure_without_a_status(code: Any) -> None:
    assert error({"messages": ["no"], "code": code}).message.startswith("no")


@pytest.mark.parametrize(
    "value",
    [{"messages": ["well"], "code": 200}, {"messages": ["well"]}, {"code": 500}, {"messages": [], "code": None},
     {"messages": ["well"], "code": True}, {"messages": ["well"], "code": 500, "status": "success"}],
)  # fmt: skip
def test_6_without_both_or_with_a_status_it_is_none(value: dict[str, Any]) -> None:
    assert decipher(response(value)) == value


# 7. Success, and its shape


class Typed(msgspec.Struct):
    machines: list[dict[str, Any]]
    mode: str | None = None


def test_7_everything_else_is_a_success() -> None:
    for value in ({}, {"a": None}, {"messages": []}, {"error": None, "status": "Ready"}):
        assert decipher(response(value)) == value


def test_7_a_member_of_a_wrong_type_is_a_protocol_error_a_missing_or_unknown_one_is_none() -> None:
    told = decipher(response({"machines": [], "unknown": 1}), Typed)
    assert told == Typed(machines=[], mode=None)
    for wrong in ({"machines": "many"}, {"mode": "x"}, {"machines": [5]}):
        with pytest.raises(BadAnswer, match="another shape"):
            decipher(response(wrong), Typed)
    for wrong_kind in ([], "x", 5, None, True):
        with pytest.raises(BadAnswer, match="where an object was expected"):
            decipher(response(wrong_kind))


# Reading JSON


def test_depth_is_checked_before_anything_is_read() -> None:
    for body in (b"[" * 65 + b"nonsense", b'{"a":' * 65, b"[" * 65 + b"NaN" + b"]" * 65):
        with pytest.raises(BadAnswer, match="64 levels"):
            parse_json(body)


def test_lenient_reading_happens_once_and_is_marked() -> None:
    assert parse_json(b'{"a":1}') == ({"a": 1}, False)
    assert parse_json(b'\xef\xbb\xbf{"a":1}') == ({"a": 1}, True)
    assert parse_json(b'{"a":"\\ud83d"}') == ({"a": "�"}, True)
    for body in (b'{"a":NaN}', b'{"a":Infinity}', b'\xef\xbb\xbf{"a":-Infinity}'):
        with pytest.raises(BadAnswer):
            parse_json(body)


def test_of_duplicate_members_the_last_wins() -> None:
    assert parse_json(b'{"a":1,"a":2}')[0] == {"a": 2}
    assert isinstance(error(b'{"status":"success","status":"error","messages":["late"]}'), ServerFailed)
    assert decipher(response(b'{"status":"error","status":"success"}')) == {"status": "success"}
    assert parse_json(b'\xef\xbb\xbf{"a":1,"a":2}')[0] == {"a": 2}
