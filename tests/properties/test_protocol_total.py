"""Whatever a server sends, an answer is a value or a documented error."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fleet.auth.provider import read_token
from fleet.errors import SiteError
from fleet.protocol.envelope import decipher
from fleet.protocol.message import Response
from fleet.protocol.release import Release

headers = st.dictionaries(
    st.sampled_from(["content-type", "retry-after", "date", "www-authenticate", "location"]),
    st.text(st.characters(codec="latin-1"), max_size=30),
    max_size=4,
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
near = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "error",
                    "status",
                    "code",
                    "message",
                    "messages",
                    "detail",
                    "details",
                    "machines",
                    "reports",
                    "success",
                    "token",
                    "expires",
                    "fullVersion",
                    "currentVersion",
                ]
            ),
            inner | st.sampled_from(["error", "failed", 498, 499, "403", "Upgrade in progress."]),
            max_size=6,
        )
    ),
    max_leaves=15,
)
bodies = st.binary(max_size=200) | near.map(lambda value: json.dumps(value).encode())


def whatever(status: int, head: dict[str, str], body: bytes) -> Any:
    response = Response(status=status, headers=head, body=body)
    redirected = Response(status=status, headers=head, body=body, redirected=True)
    results = []
    ways: tuple[dict[str, bool], ...] = ({}, {"binary": True}, {"status_is_data": True, "success_is_data": True})
    for one, flags in (*((response, flags) for flags in ways), (redirected, {})):
        try:
            results.append(decipher(one, dict, **flags))
        except SiteError as error:
            assert error.message
            assert len(error.message) < 1000
    try:
        token = read_token(response)
        assert 60 <= token.lifetime <= 14 * 86_400
    except SiteError:
        pass
    return results


@given(st.integers(100, 599), headers, bodies)
def test_no_bytes_raise_anything_but_the_documented_errors(status: int, head: dict[str, str], body: bytes) -> None:
    whatever(status, head, body)


@given(near)
def test_no_answer_breaks_the_reading_of_releases(value: Any) -> None:
    if isinstance(value, dict):
        Release.of(value)
