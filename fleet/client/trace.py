"""What a request and its answer looked like, as text in which every secret is masked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from fleet.protocol.message import Request, Response
from fleet.protocol.secret_names import MASK, SECRET_ENDING, is_secret_name

__all__ = ["Exchange", "render_exchange"]

_SECRET_MEMBER = re.compile(rf"""("[\w.-]*{SECRET_ENDING}"\s*:\s*)"(?:[^"\\]|\\.)*"?""", re.IGNORECASE)
"""A member of a JSON answer that is secret, such as the token in the answer to a login."""

_INNER_MEMBER = re.compile(
    rf"""(\\"(?:[\w.-]*{SECRET_ENDING}|connectionstring)\\"\s*:\s*)\\"(?:[^"\\]|\\\\(?:\\.|.))*(?:\\")?""",
    re.IGNORECASE,
)
"""The same in JSON that stands inside of a text, as in the directories of portals."""

SECRET_HEADERS = frozenset(
    {
        "authorization",
        "x-esri-authorization",
        "cookie",
        "set-cookie",
        "proxy-authorization",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request as it went out and what came back: a response, or the sentence of an error. `elapsed` is seconds."""

    site: str
    request: Request
    response: Response | None
    error: str | None
    elapsed: float


def _masked_form(form: Mapping[str, str]) -> str:
    return urlencode(
        {name: MASK if is_secret_name(name) else _masked_members(value) for name, value in form.items()}, safe="*"
    )


def _masked_members(text: str) -> str:
    text = _SECRET_MEMBER.sub(rf'\1"{MASK}"', text)
    return _INNER_MEMBER.sub(lambda match: rf"{match[1]}\"{MASK}\"", text)


def _told(content: Path | bytes) -> str:
    """What a file of a request is called: never what is in it, which may be a key."""
    return f"{len(content)} bytes" if isinstance(content, bytes) else f"the file {content.name!r}"


def _header_lines(headers: Mapping[str, str]) -> list[str]:
    return [f"{name}: {MASK if name.lower() in SECRET_HEADERS else value}" for name, value in headers.items()]


def render_exchange(exchange: Exchange) -> str:
    """*exchange* as lines in the manner of an HTTP conversation: `>` what was sent, `<` what came back.

    Secrets are masked by name here; the caller masks live secrets by value as well, since a site may echo them.
    """
    request = exchange.request
    query = f"?{_masked_form(request.query)}" if request.query else ""
    lines = [f"> {request.method} {request.url}{query}  [{exchange.site}]"]
    lines += [f"> {line}" for line in _header_lines(request.headers)]
    if request.form:
        lines.append(f"> {_masked_form(request.form)}")
    lines += [f"> {name}: {_told(content)}" for name, content in request.files.items()]
    if exchange.response is None:
        lines.append(f"! {exchange.error} after {exchange.elapsed:.3f} s")
    else:
        response = exchange.response
        lines.append(f"< HTTP {response.status} in {exchange.elapsed:.3f} s, {len(response.body)} bytes")
        lines += [f"< {line}" for line in _header_lines(response.headers)]
        text = _masked_members(response.body.decode("utf-8", "backslashreplace"))
        lines += [f"< {line}" for line in text.splitlines()]
    return "\n".join(lines)
