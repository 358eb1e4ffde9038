"""One answer, deciphered: its value, or the error that it is, also where HTTP says 200."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn

import msgspec

from fleet.errors import (
    BadAnswer,
    Forbidden,
    Locked,
    LoginRefused,
    NotFound,
    ServerFailed,
    SiteError,
    TlsFailed,
    TokenRefused,
    TooLarge,
)
from fleet.protocol.message import Response

__all__ = [
    "CERTIFICATE_HINT",
    "DEPTH_CAP",
    "NO_SITE_TEXTS",
    "UPGRADE_TEXT",
    "decipher",
    "failure_of",
    "parse_json",
    "retry_after_of",
]

DEPTH_CAP = 64
"""Levels of nesting that an answer may have."""

TEXT_CAP = 500
"""Characters of a site's own words that an error keeps."""

CERTIFICATE_HINT = 'show it a certificate that it knows: tls = { cert = "ours.pem", key = "ours.key" } in the inventory'

FAILURE_WORDS = frozenset({"error", "failed", "failure"})
LOCK_TEXTS = (
    "is currently being configured by another administrative operation",
    "another administrative operation is currently accessing the store",
)
UPGRADE_TEXT = "upgrade in progress"
NO_SITE_TEXTS = ("does not participate in any site", "is not participating in any site")

_LONG_NUMBER = re.compile(rb"[0-9]{19}")
_BRACKETS = bytes.maketrans(b"{}[]", b"()()")
_NO_BRACKET = bytes(code for code in range(256) if code not in b'{}[]"')
_CERTIFICATE_WORDS = re.compile(rb"ssl certificate (?:was sent|error)|client certificate", re.IGNORECASE)
_LOGIN_WORDS = re.compile(rb"sign[ -]?in|log[ -]?in|password|saml|oauth", re.IGNORECASE)


def decipher(
    response: Response,
    answer: Any = dict,
    *,
    binary: bool = False,
    status_is_data: bool = False,
    success_is_data: bool = False,
    on_odd: Callable[[], None] | None = None,
) -> Any:
    """The value in *response*, converted to the type *answer* (`dict` keeps the JSON object as it is).

    *binary* is for answers that are no JSON, such as a certificate: the value is then the body, or where the body was
    saved to a file, the number of its bytes. *status_is_data* is for
    resources with a member `status` of their own, *success_is_data* for health checks, whose `"success": false` is a
    result. *on_odd* is called for an answer that only a lenient reader takes. Raises a `SiteError` and nothing else,
    whatever the bytes are.

    The order of the questions is that of the admin API reference, section 3: HTTP status, JSON or not, `error`,
    `status`, `success`, `messages` with a `code`.
    """
    if response.saved is not None:
        return response.saved
    if binary and response.status < 400 and not _is_text(response):
        return response.body
    if response.status >= 400:
        raise _status_error(response)
    value, odd = _json_of(response)
    if odd and on_odd is not None:
        on_odd()
    if isinstance(value, dict):
        error = failure_of(value, status_is_data=status_is_data, success_is_data=success_is_data)
        if error is not None:
            raise error
    if answer is dict:
        if isinstance(value, dict):
            return value
        raise BadAnswer(f"the answer is {_json_kind(value)} where an object was expected")
    if answer is Any or answer is object:
        return value
    try:
        return msgspec.convert(value, answer, strict=False)
    except msgspec.ValidationError as error:
        raise BadAnswer(f"the answer has another shape than expected: {_cut(str(error))}") from None


def failure_of(
    value: Mapping[str, Any],
    *,
    status_is_data: bool = False,
    success_is_data: bool = False,
) -> SiteError | None:
    """The error that the JSON object *value* is, or None for a success."""
    error = value.get("error")
    if isinstance(error, dict):
        return _error_from(error.get("code"), _words(error, "message", "details"), error)
    if isinstance(error, str):
        return _error_from(value.get("code"), error, value)
    status = value.get("status")
    if isinstance(status, str) and not status_is_data and status.lower() in FAILURE_WORDS:
        return _error_from(value.get("code"), _words(value, "messages", "message", "detail"), value)
    if value.get("success") is False and not success_is_data:
        return _error_from(value.get("code"), _words(value, "messages", "message", "error"), value)
    if status is None and "messages" in value:
        code = _code(value.get("code"))
        if code is not None and code >= 400:
            return _error_from(code, _words(value, "messages"), value)
    return None


def parse_json(body: bytes) -> tuple[Any, bool]:
    """The JSON in *body*, and whether it was odd: acceptable to a lenient reader only.

    Raises `BadAnswer` for what is no JSON, for NaN and infinities, for whole numbers that 64 bits can't hold, and
    beyond `DEPTH_CAP` levels.
    """
    if body.count(b"{") + body.count(b"[") > DEPTH_CAP and _is_deep(body):
        raise BadAnswer(f"the answer is nested more than {DEPTH_CAP} levels deep")
    odd = False
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        odd = True
        text = body.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace")
        try:
            value = _without_surrogates(json.loads(text, parse_constant=_refuse_constant, parse_float=_finite))
        except (ValueError, RecursionError):
            raise BadAnswer("the answer is not JSON") from None
    if _LONG_NUMBER.search(body) and _holds_huge_number(value):
        raise BadAnswer("the answer holds a whole number that 64 bits can't hold")
    return value, odd


def retry_after_of(response: Response) -> float | None:
    """The pause in seconds that a `Retry-After` header asks for, given as seconds, or as a date beside the server's `Date`."""
    text = response.headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return float(min(int(text[:9]), 86_400))
    try:
        when = parsedate_to_datetime(text)
        start = parsedate_to_datetime(response.headers.get("date", ""))
        if when.tzinfo is None or start.tzinfo is None:
            return None
        return min(max(0.0, (when - start).total_seconds()), 86_400.0)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


# HTTP status


def _status_error(response: Response) -> SiteError:
    status = response.status
    try:
        value, _ = parse_json(response.body) if response.body.strip() else (None, False)
    except BadAnswer:
        value = None
    words = ""
    code: int | None = None
    if isinstance(value, dict):
        told = failure_of(value)
        inner = value.get("error")
        source = inner if isinstance(inner, dict) else value
        words = told.message if told is not None else _words(source, "messages", "message", "details")
        code = _code(source.get("code"))
        if isinstance(told, TokenRefused | Locked | NotFound) and status in (403, 404, 498, 499, 500):
            return told
    message = words or f"HTTP {status}" + _page_cause(response)
    pause = retry_after_of(response)
    hint = _hint_for_page(response)
    if status >= 500 and hint is not None and "administrative access" in hint:
        hint = None
    if status == 401 and "www-authenticate" in response.headers:
        scheme = response.headers["www-authenticate"].split(" ", 1)[0][:20]
        return _web_tier(
            f"the web server in front of the site asks for a sign-on of its own ({scheme})",
            code=401,
            hint="give fleet an address that leads to the site without web-tier sign-on",
        )
    if status in (400, 403) and not words and _CERTIFICATE_WORDS.search(response.body[:16_384]):
        return TlsFailed(
            f"the web server in front of the site did not accept our certificate, or got none (HTTP {status})",
            code=status,
            hint=CERTIFICATE_HINT,
        )
    if status in (498, 499):
        return _token_error(status, message)
    if status in (401, 403):
        return Forbidden(message, code=code or status, hint=hint)
    if status in (404, 410):
        return NotFound(message, code=code or status, hint=hint)
    if status == 413:
        return TooLarge(f"the site refused the size of the request: {message}", code=status)
    if status == 429 or status in (502, 503, 504):
        return ServerFailed(
            message if words else f"HTTP {status}: {_gateway_words(status)}{_page_cause(response)}",
            code=code or status,
            passing=True,
            fate_open=True,
            retry_after=pause,
            hint=hint,
        )
    return ServerFailed(message, code=code or status, retry_after=pause, fate_open=not words, hint=hint)


def _gateway_words(status: int) -> str:
    return {
        429: "too many requests",
        502: "what stands in front of the site got no answer from it",
        503: "the site is not available",
        504: "what stands in front of the site waited too long for it",
    }[status]


def _page_cause(response: Response) -> str:
    return f" ({_page_kind(response.body)})" if response.body.strip() and not _looks_json(response.body) else ""


# Pages


def _json_of(response: Response) -> tuple[Any, bool]:
    body = response.body
    if not body.strip():
        raise BadAnswer(
            "the answer is empty",
            hint="something in front of the site may have cut it off",
        )
    try:
        return parse_json(body)
    except BadAnswer as error:
        if _looks_json(body):
            raise BadAnswer(f"{error.message}, though it begins like it", hint="it may be cut off") from None
        raise _page_error(response) from None


def _page_error(response: Response) -> SiteError:
    kind = _page_kind(response.body)
    if kind == "a login page" and response.redirected:
        return _web_tier(
            "the site sent us to a login page",
            hint="use an address that leads past the web-tier sign-on",
        )
    return BadAnswer(f"the answer is {kind}, not JSON", hint=_hint_for_page(response))


def _web_tier(message: str, *, hint: str, code: int | None = None) -> LoginRefused:
    """What stands in front of the site wants a sign-on; of the site's own account nothing is said by that."""
    error = LoginRefused(message, code=code, hint=hint)
    error.final = False
    return error


def _page_kind(body: bytes) -> str:
    head = body[:4096].lstrip().lower()
    if b"could not access any server machines" in head:
        return "a page of a web adaptor that reaches no server machine"
    if b"could not access any portal machines" in head:
        return "a page of a web adaptor that reaches no portal machine"
    if head.startswith((b"<!doctype html", b"<html")) or b"<html" in head or b"<body" in head:
        if _LOGIN_WORDS.search(body[:16_384]):
            return "a login page"
        return "an HTML page"
    if head.startswith(b"<"):
        return "XML"
    return "text" if head else "empty"


def _hint_for_page(response: Response) -> str | None:
    if not response.body.strip() or _looks_json(response.body):
        return None
    kind = _page_kind(response.body)
    if "web adaptor" in kind:
        return "start the machines behind the web adaptor, or give the address of a machine itself (port 6443)"
    if kind == "a login page":
        return "a web-tier sign-on stands in front: give an address that leads past it"
    if kind == "an HTML page":
        return (
            "if rest/info answers and admin does not, administrative access through the web adaptor is off: "
            "turn it on, or give the address of a machine itself (port 6443)"
        )
    return None


def _looks_json(body: bytes) -> bool:
    return body.removeprefix(codecs.BOM_UTF8).lstrip()[:1] in (b"{", b"[")


def _is_text(response: Response) -> bool:
    kind = response.headers.get("content-type", "").lower()
    return kind.startswith("text/") or "json" in kind or _looks_json(response.body)


# Failure bodies


def _error_from(raw_code: Any, words: str, source: Mapping[str, Any]) -> SiteError:
    code = _code(raw_code)
    text = _cut(words) or (
        f"the site answered with code {code}" if code is not None else "the site says that it failed"
    )
    lower = text.lower()
    if code in (498, 499):
        return _token_error(code, text)
    if any(lock in lower for lock in LOCK_TEXTS):
        return Locked(
            text,
            code=code,
            hint="another administrative operation is under way on this site",
        )
    if UPGRADE_TEXT in lower and code in (403, None):
        return Locked(text, code=code, hint="wait until the upgrade is over", passing=False)
    if any(no_site in lower for no_site in NO_SITE_TEXTS):
        return NotFound(
            text,
            code=code,
            hint="the machine answers, and belongs to no site: create or join one",
        )
    if code == 403 and ("read-only" in lower or "read only" in lower):
        return Forbidden(
            text,
            code=code,
            hint="the site is in read-only mode: fleet site mode EDITABLE -s SITE",
        )
    if code == 403:
        return Forbidden(text, code=code, hint="the account lacks the privilege for this")
    if code == 401:
        return Forbidden(text, code=code)
    if code == 404:
        return NotFound(
            text,
            code=code,
            hint="wrong path, missing service, or a release that lacks it",
        )
    return ServerFailed(_with_detail(text, source), code=code)


def _token_error(code: int, text: str) -> TokenRefused:
    if "clientid" in text.lower():
        return TokenRefused(
            text,
            code=code,
            hint="the token is bound to another referer or address: set client under auth in the inventory",
        )
    return TokenRefused(text, code=code)


def _with_detail(text: str, source: Mapping[str, Any]) -> str:
    """A failed start says in `detail` what each machine reports; the sentence alone says nothing."""
    detail = source.get("detail")
    if not isinstance(detail, dict):
        return text
    reports = []
    machines = detail.get("machines")
    for machine in machines if isinstance(machines, list) else []:
        if not isinstance(machine, dict):
            continue
        name = str(machine.get("machine", "a machine"))
        told = machine.get("reports")
        said = [str(one.get("message", "")) for one in told if isinstance(one, dict)] if isinstance(told, list) else []
        reports.append(f"{name}: {'; '.join(filter(None, said)) or machine.get('state', 'failed')}")
    if not reports and isinstance(detail.get("message"), str):
        reports.append(detail["message"])
    return _cut(f"{text} ({', '.join(reports)})") if reports else text


def _words(source: Mapping[str, Any], *members: str) -> str:
    """The texts in *members*, joined: each may be a text, a list of texts or objects, an object, or nothing."""
    found: list[str] = []
    for member in members:
        value = source.get(member)
        for one in value if isinstance(value, list) else [value]:
            text = one.get("message") or one.get("description") if isinstance(one, dict) else one
            if isinstance(text, str) and text.strip() and text.strip() not in found:
                found.append(text.strip())
        if found and member == "messages":
            break
    return " ".join(found)


def _code(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if 0 <= value < 100_000 else None
    if isinstance(value, str) and value.isascii() and value.strip().isdigit() and len(value) < 6:
        return int(value)
    return None


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= TEXT_CAP else text[: TEXT_CAP - 1] + "…"


# JSON


def _is_deep(body: bytes) -> bool:
    """Whether brackets outside of strings nest deeper than the cap, told in time that is linear in the body's length.

    Escapes go first, so that a quote is always the border of a string; then everything but brackets and quotes. Two
    quotes with nothing between them border nothing. Each round then takes the innermost pairs away.
    """
    bare = body.replace(b"\\\\", b"").replace(b'\\"', b"").translate(_BRACKETS, _NO_BRACKET).replace(b'""', b"")
    rest = b"".join(bare.split(b'"')[::2])
    for _ in range(DEPTH_CAP):
        shorter = rest.replace(b"()", b"")
        if len(shorter) == len(rest):
            break
        rest = shorter
    return b"()" in rest or rest.count(b"(") > DEPTH_CAP


def _holds_huge_number(value: Any) -> bool:
    if isinstance(value, int):
        return not -(2**63) <= value < 2**64
    if isinstance(value, list):
        return any(map(_holds_huge_number, value))
    if isinstance(value, dict):
        return any(map(_holds_huge_number, value.values()))
    return False


def _finite(text: str) -> float:
    number = float(text)
    if number - number != 0.0:
        raise ValueError(text)
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_surrogates(one) for one in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(one) for key, one in value.items()}
    return value


def _json_kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "a number"
