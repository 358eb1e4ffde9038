"""How a real server's answers look on the wire: HTTP 200, text/plain JSON, compact, and failures in several shapes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ADMIN_TYPE", "Failure", "Reply", "admin_failure", "html_page", "rest_failure"]

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

    def encoded(self, pretty: bool) -> bytes:
        """The body's bytes; compact unless *pretty*."""
        if self.body is not None:
            return self.body
        if pretty:
            return json.dumps(self.value, indent=1, ensure_ascii=False).encode("utf-8")
        return json.dumps(self.value, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


class Failure(Exception):
    """Raised by a handler: the failure body that the caller gets."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.code)
        self.reply = reply


def admin_failure(code: int | None, *messages: str, **more: Any) -> Failure:
    """The admin API's shape: `{"status":"error","messages":[…],"code":N}`."""
    value: dict[str, Any] = {"status": "error", "messages": list(messages)}
    if code is not None:
        value["code"] = code
    return Failure(Reply({**value, **more}, code=code))


def rest_failure(code: int, message: str, details: Any = ()) -> Failure:
    """The shape of REST and portal: `{"error":{"code":N,"message":"…","details":[…]}}`."""
    details = list(details) if isinstance(details, tuple) else details
    return Failure(
        Reply({"error": {"code": code, "message": message, "details": details}}, code=code, content_type=REST_TYPE)
    )


def html_page(title: str, text: str, *, status: int = 200, blank_lines: int = 0) -> Reply:
    """A page where JSON was expected, with blank lines in front as one web adaptor sends them."""
    page = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1><p>{text}</p></body></html>"
    return Reply(body=b"\r\n" * blank_lines + page.encode(), status=status, content_type="text/html;charset=UTF-8")
