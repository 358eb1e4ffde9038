"""What answers mean: values, and failures that come with HTTP 200; named after the claims about real servers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fleet.errors import BadAnswer, Forbidden, Locked, LoginRefused, NotFound, ServerFailed, SiteError, TokenRefused
from fleet.protocol.envelope import decipher, parse_json, retry_after_of
from fleet.protocol.fields import ServiceId, as_bool, as_epoch, as_int
from fleet.protocol.message import Response
from fleet.protocol.release import Release

TEXT = {"content-type": "text/plain;charset=UTF-8"}


def answer(body: Any, status: int = 200, **headers: str) -> Response:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status=status, headers={**TEXT, **{k.replace("_", "-"): v for k, v in headers.items()}}, body=data)


def failure(body: Any, status: int = 200, **headers: str) -> SiteError:
    with pytest.raises(SiteError) as caught:
        decipher(answer(body, status, **headers))
    return caught.value


def test_wire_1_1_a_failure_comes_with_http_200() -> None:
    assert isinstance(failure({"status": "error", "messages": ["no"], "code": 500}), ServerFailed)


def test_wire_1_2_json_is_json_although_the_type_says_text_plain() -> None:
    assert decipher(answer({"status": "success"})) == {"status": "success"}


def test_wire_1_7_a_real_498_or_499_is_a_refused_token() -> None:
    assert isinstance(failure(b"<html>Token Required</html>", 499), TokenRefused)
    assert failure(b"", 498).code == 498


def test_wire_1_8_xml_is_no_answer() -> None:
    assert "XML" in failure(b"<?xml version='1.0'?><error/>").message


def test_wire_1_9_blanks_in_json_change_nothing() -> None:
    assert failure(b'{ "error" : { "code" : 498 , "message" : "Invalid token." } }').code == 498


def test_wire_1_10_a_byte_order_mark_and_blank_lines_in_front_are_no_obstacle() -> None:
    assert decipher(answer(b'\xef\xbb\xbf{"a":1}')) == {"a": 1}
    assert decipher(answer(b'\r\n\r\n{"a":1}')) == {"a": 1}


def test_wire_2_1_html_without_f_json_is_named_as_a_page() -> None:
    error = failure(b"<html><body>Home</body></html>", content_type="text/html")
    assert isinstance(error, BadAnswer)
    assert "HTML page" in error.message


def test_wire_2_3_a_failing_health_check_may_be_a_status_and_its_success_false_is_data() -> None:
    assert isinstance(failure({"success": False}, 503), ServerFailed)
    assert decipher(answer({"success": False}), success_is_data=True) == {"success": False}


def test_wire_2_4_a_web_adaptor_without_machines_is_named() -> None:
    page = b"<html>Could not access any server machines. Please contact your system administrator.</html>"
    error = failure(page)
    assert "web adaptor" in error.message
    assert error.hint is not None


def test_wire_2_6_blocked_admin_access_is_named_as_the_likely_cause() -> None:
    error = failure(b"\r\n\r\n<!DOCTYPE html><html><body>disabled</body></html>")
    assert error.hint is not None
    assert "administrative access" in error.hint


def test_wire_2_8_a_balancer_s_502_may_pass() -> None:
    assert failure(b"<html>Bad Gateway</html>", 502).passing
    assert failure(b"", 503, retry_after="7").retry_after == 7.0


@pytest.mark.parametrize(
    ("status", "page"),
    [
        (400, "<html><title>400 No required SSL certificate was sent</title></html>"),
        (400, "<html><title>400 The SSL certificate error</title></html>"),
        (403, "<html><h2>403.7 - Forbidden: Client certificate required.</h2></html>"),
    ],
)
def test_a_page_about_a_missing_client_certificate_is_tls(status: int, page: str) -> None:
    error = failure(page.encode(), status)
    assert error.kind == "tls"
    assert error.hint is not None
    assert "tls = { cert =" in error.hint


def test_wire_2_10_a_challenge_is_the_web_tier_s_sign_on() -> None:
    error = failure(b"", 401, www_authenticate="Negotiate")
    assert isinstance(error, LoginRefused)
    assert "Negotiate" in error.message


def test_wire_3_1_the_admin_shape_may_have_more_members() -> None:
    error = failure(
        {"status": "error", "messages": ["does not participate in any Site."], "code": 404, "acceptLanguage": None}
    )
    assert isinstance(error, NotFound)


@pytest.mark.parametrize("word", ["error", "failed", "failure", "FAILED"])
def test_wire_3_2_three_words_say_failure(word: str) -> None:
    assert failure({"status": word, "message": "it broke", "details": None}).message == "it broke"


@pytest.mark.parametrize("details", [[], None, "Invalid credentials", ["a", "b"]])
def test_wire_3_3_the_rest_shape_with_and_without_code(details: Any) -> None:
    error = failure({"error": {"message": "no", "details": details}})
    assert error.code is None
    assert error.message.startswith("no")
    assert isinstance(failure({"error": {"code": 403, "message": "no", "messageCode": "GWM_0003"}}), Forbidden)
    assert failure({"error": "as a text"}).message == "as a text"


def test_wire_3_4_failed_start_has_no_code() -> None:
    machines = [{"machine": "A", "state": "FAILED", "reports": [{"state": "FAILED", "message": "no data"}]}]
    error = failure({"status": "error", "messages": ["service failed to start"], "detail": {"machines": machines}})
    assert error.code is None
    assert "A: no data" in error.message


def test_wire_3_6_bare_java_texts_are_kept() -> None:
    assert failure({"status": "error", "messages": ["java.lang.NullPointerException"], "code": 500}).message == (
        "java.lang.NullPointerException"
    )


def test_wire_3_7_status_is_data_where_the_operation_says_so() -> None:
    assert decipher(answer({"status": "Ready"})) == {"status": "Ready"}
    assert decipher(answer({"status": "failure", "serverId": "x"}), status_is_data=True)["status"] == "failure"


@pytest.mark.parametrize(
    "body", [{"status": "success"}, {"status": "success", "messages": []}, {"success": True}, {"a": 1}]
)
def test_wire_3_8_success_has_four_looks(body: dict[str, Any]) -> None:
    assert decipher(answer(body)) == body
    assert isinstance(failure({"success": False}), ServerFailed)


def test_wire_3_9_messages_may_be_objects() -> None:
    assert (
        failure({"messages": [{"type": "esriJobMessageTypeError", "description": "bad"}], "code": 400}).message == "bad"
    )


@pytest.mark.parametrize(
    "text",
    [
        "Service 'x' in folder 'y' is currently being configured by another administrative operation. Please try again later",
        "Failed to start. Another administrative operation is currently accessing the store. Please try again later.",
    ],
)
def test_wire_4_1_and_4_2_lock_texts_are_locks_whatever_the_code(text: str) -> None:
    for code in (500, None, 400):
        error = failure({"status": "error", "messages": [text], **({"code": code} if code else {})})
        assert isinstance(error, Locked)
        assert error.passing


def test_wire_7_9_an_upgrade_in_progress_is_a_lock() -> None:
    assert isinstance(failure({"status": "error", "messages": ["Upgrade in progress."], "code": 403}), Locked)


def test_wire_5_8_a_token_of_somebody_else_says_which_setting_to_look_at() -> None:
    error = failure({"status": "error", "messages": ["Invalid token, ClientID does not match."], "code": 498})
    assert isinstance(error, TokenRefused)
    assert error.hint is not None


def test_wire_6_5_releases_compare_in_order() -> None:
    seen = [Release.of({"currentVersion": number}) for number in (10.51, 10.9, 10.91, 11.1, "11.3")]
    assert [str(release) for release in seen] == ["10.5.1", "10.9", "10.9.1", "11.1", "11.3"]
    assert seen == sorted(seen, key=lambda release: release.parts if release else (0, 0, 0))
    assert str(Release.of({"currentVersion": 11.3, "fullVersion": "11.3.0.51575"})) == "11.3"


def test_wire_6_9_folders_are_named_in_several_ways() -> None:
    for folder in ("/", ""):
        entry = {"folderName": folder, "serviceName": "Roads", "type": "MapServer"}
        assert str(ServiceId.of(entry)) == "Roads.MapServer"
    entry = {"folderName": "/Planning", "serviceName": "Roads", "type": "MapServer"}
    assert str(ServiceId.of(entry)) == "Planning/Roads.MapServer"


def test_wire_9_1_times_are_epoch_milliseconds_or_java_text() -> None:
    assert as_epoch(1535661831380) == as_epoch("1535661831380") == 1535661831.38
    assert as_epoch("Thu Aug 30 20:43:51 UTC 2018") == 1535661831.0
    assert as_epoch("soon") is None


def test_wire_9_2_and_9_3_truth_values_and_numbers_are_text_at_times() -> None:
    assert [as_bool(value) for value in (True, "true", "on", "false", "null", 1)] == [
        True,
        True,
        True,
        False,
        None,
        None,
    ]
    assert [as_int(value) for value in (5, "60", 5.0, "5x", True)] == [5, 60, 5, None, None]


def test_rule_n6_what_lenient_readers_take_is_taken_and_nan_is_not() -> None:
    value, odd = parse_json(b'{"a": "\\ud800"}')
    assert odd
    assert value["a"].encode("utf-8")
    with pytest.raises(BadAnswer):
        parse_json(b'{"a": NaN}')
    with pytest.raises(BadAnswer, match="64 levels"):
        parse_json(b"[" * 65 + b"]" * 65)
    deep = parse_json(json.dumps({"a": "[[[[" * 40}).encode())[0]
    assert deep["a"].startswith("[[["), "brackets inside of texts are no levels"


def test_rule_n10_a_name_never_changes_the_depth_of_a_path() -> None:
    assert ServiceId("a/b", "c?d", "MapServer").path == "a%2Fb/c%3Fd.MapServer"
    with pytest.raises(Exception, match="can't be part"):
        ServiceId("..", "x", "MapServer").path  # noqa: B018


@pytest.mark.parametrize(
    ("folder", "name", "kind"),
    [("", "../../x", "MapServer"), ("a/b", "x", "MapServer"), ("", "x", "Map.Server"), ("", "x", "a/b")],
)
def test_a_service_that_could_be_taken_for_another_is_no_answer(folder: str, name: str, kind: str) -> None:
    with pytest.raises(BadAnswer, match=r"not Folder/Name\.Type"):
        ServiceId.of({"folderName": folder, "serviceName": name, "type": kind})


def test_a_service_of_an_answer_is_found_again_by_its_name() -> None:
    for folder, name in (("/", "a.b"), ("/Planning", "a b%2f.."), ("Planning", "<b>x")):
        service = ServiceId.of({"folderName": folder, "serviceName": name, "type": "MapServer"})
        assert service is not None
        assert ServiceId.parse(str(service)) == service


def test_retry_after_as_date_is_measured_by_the_server_s_own_clock() -> None:
    told = answer(b"", 503, retry_after="Thu, 30 Aug 2018 20:44:00 GMT", date="Thu, 30 Aug 2018 20:43:30 GMT")
    assert retry_after_of(told) == 30.0
    assert retry_after_of(answer(b"", 503, retry_after="Thu, 30 Aug 2018 20:44:00 GMT")) is None
    assert retry_after_of(answer(b"", 503, retry_after="soon")) is None


def test_a_certificate_is_a_value_and_a_failure_in_its_place_is_not() -> None:
    der = Response(status=200, headers={"content-type": "application/octet-stream"}, body=b"\x30\x82\x01")
    assert decipher(der, bytes, binary=True) == b"\x30\x82\x01"
    with pytest.raises(NotFound):
        decipher(answer({"status": "error", "messages": ["no"], "code": 404}), binary=True)
