"""How a real server's answers look on the wire: HTTP 200, text/plain JSON, compact, and failures in several shapes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any

__all__ = ["ADMIN_TYPE", "REST_TYPE", "Failure", "Reply", "admin_failure", "carried", "html_page", "rest_failure"]

ADMIN_TYPE = "text/plain;charset=UTF-8"
REST_TYPE = "text/plain;charset=utf-8"


@dataclass(slots=True)
class Reply:
    """What goes back: a JSON value, or bytes as they are, with status and headers."""

    value: Any = None
    status: int = 200
    body: bytes | None = None
    content_type: str = ADMIN_TYPE
    headers: dict[str, str] = field(default_factory=dict)
    code: int | None = None
    """The code in a failure body, for the ledger."""
    changed: bool = False

    def encoded(self, pretty: bool, spaced: bool = False) -> bytes:
        """The body's bytes: compact, or with blanks around colons (*spaced*), or indented (*pretty*)."""
        if self.body is not None:
            return self.body
        if pretty:
            return json.dumps(self.value, indent=1, ensure_ascii=False).encode("utf-8")
        if spaced:
            return json.dumps(self.value, separators=(", ", " : "), ensure_ascii=False).encode("utf-8")
        return json.dumps(self.value, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


class Failure(Exception):
    """Raised by a handler: the failure body that the caller gets."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.code)
        self.reply = reply


def admin_failure(code: int | None, *messages: str, changed: bool = False, **more: Any) -> Failure:
    """The admin API's shape: `{"status":"error","messages":[…],"code":N}`; *changed* if something was done all the same."""
    value: dict[str, Any] = {"status": "error", "messages": list(messages)}
    if code is not None:
        value["code"] = code
    return Failure(Reply({**value, **more}, code=code, changed=changed))


def rest_failure(code: int, message: str, details: Any = ()) -> Failure:
    """The shape of REST and portal: `{"error":{"code":N,"message":"…","details":[…]}}`."""
    details = list(details) if isinstance(details, tuple) else details
    return Failure(
        Reply({"error": {"code": code, "message": message, "details": details}}, code=code, content_type=REST_TYPE)
    )


def carried(reply: Reply, transport: str, word: str) -> Reply:
    """*reply* as a site sends it whose failures travel by *transport*, and whose word for failure is *word*.

    `body` is HTTP 200 with the failure in the body, also where other transports are on and *reply* is no failure.
    """
    if reply.body is not None or not isinstance(reply.value, dict) or not _fails(reply.value):
        return reply
    value = reply.value
    if value.get("status") == "error" and word != "error":
        value = {**value, "status": word}
        if word == "failure":
            value = {"status": word, "message": " ".join(value.pop("messages")), "details": None, **_less(value)}
        reply = replace(reply, value=value)
    if transport == "always-status":
        code = reply.code or 500
        return replace(reply, status=code if 400 <= code < 600 else 500)
    if transport == "page":
        return replace(html_page("Error", _sentence(value)), code=reply.code, changed=reply.changed)
    if transport == "xml":
        text = f'<?xml version="1.0" encoding="UTF-8"?>\n<error><message>{escape(_sentence(value))}</message></error>'
        return replace(reply, body=text.encode(), content_type="text/xml;charset=UTF-8")
    return reply


def _fails(value: dict[str, Any]) -> bool:
    return value.get("status") == "error" or isinstance(value.get("error"), dict)


def _less(value: dict[str, Any]) -> dict[str, Any]:
    return {key: one for key, one in value.items() if key not in ("status", "message", "details")}


def _sentence(value: dict[str, Any]) -> str:
    error = value.get("error")
    if isinstance(error, dict):
        return str(error.get("message", ""))
    return str(value.get("message") or " ".join(map(str, value.get("messages", ()))))


def html_page(title: str, text: str, *, status: int = 200, blank_lines: int = 0) -> Reply:
    """A page where JSON was expected, with blank lines in front as one web adaptor sends them."""
    page = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1><p>{escape(text)}</p></body></html>"
    return Reply(body=b"\r\n" * blank_lines + page.encode(), status=status, content_type="text/html;charset=UTF-8")
