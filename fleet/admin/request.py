"""The one place that turns an operation into a request: where its parameters go, and where the token goes."""

from __future__ import annotations

from typing import Any, Literal

from fleet.admin.operation import Operation
from fleet.errors import ServerFailed
from fleet.protocol.headers import HEADERS
from fleet.protocol.message import Request

__all__ = ["Placement", "build_request"]

Placement = Literal["header", "body"]


def build_request(
    operation: Operation[Any],
    base_url: str,
    *,
    token: str | None = None,
    placement: Placement = "header",
    last: bool = False,
) -> Request:
    """The request that asks the site at *base_url* for *operation*.

    A read is a GET with the token in `X-Esri-Authorization`; where the site ignores that header (*placement* is
    `body`), it is a POST with the token in its body. A change is always a POST with the token in its body. No token
    and no secret parameter is ever part of the address. Raises `ServerFailed` for a resource that answers GET only on
    a site that ignores the header.
    """
    url = f"{base_url}/{operation.path}"
    if operation.method == "GET" and not operation.secrets and (token is None or placement == "header"):
        headers = HEADERS if token is None else {**HEADERS, "X-Esri-Authorization": f"Bearer {token}"}
        return Request(
            method="GET",
            url=url,
            query={**operation.parameters, "f": "json"},
            headers=headers,
            into=operation.into,
            cap=operation.cap,
            last=last,
        )
    if operation.method == "GET" and operation.get_only:
        raise ServerFailed(
            "not readable on this release without a token in the URL",
            hint="the site ignores the header that carries the token, and a POST here would change something",
            may_have_arrived=False,
        )
    form = {**operation.parameters, "f": "json"}
    if token is not None:
        form["token"] = token
    return Request(
        method="POST",
        url=url,
        form=form,
        files=operation.files,
        into=operation.into,
        headers=HEADERS,
        cap=operation.cap,
        last=last,
    )
