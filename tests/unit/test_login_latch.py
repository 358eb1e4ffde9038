"""Which answers of a token end point are final for a run, and which may pass."""

from __future__ import annotations

import json
import random
from typing import Any

import anyio
import pytest

from fleet.auth.provider import Token, read_token
from fleet.client.tokens import LOGIN_TRIES, TokenSource
from fleet.errors import BadAnswer, ConnectFailed, LoginRefused, ServerFailed, SiteError, TimedOut
from fleet.inventory.secrets import Secret
from fleet.protocol.message import Response


def failure(code: int | None, text: str, *, rest: bool = False) -> dict[str, Any]:
    if rest:
        return {"error": {"code": code, "message": text, "details": []}}
    return {"status": "error", "messages": [text], **({} if code is None else {"code": code})}


def refusal(body: Any, status: int = 200, **headers: str) -> SiteError:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = {name.replace("_", "-"): value for name, value in headers.items()}
    with pytest.raises(SiteError) as caught:
        read_token(Response(status=status, headers=head, body=data))
    return caught.value


@pytest.mark.parametrize("rest", [False, True])
@pytest.mark.parametrize(
    ("code", "text"),
    [
        (400, "Unable to generate token."),
        (401, "You are not authorized to access this information"),
        (403, "The account is disabled."),
        (None, "Invalid username or password"),
        (500, "Invalid credentials."),
        (500, "Too many failed attempts. The account is locked."),
    ],
)
def test_a_refusal_of_the_account_is_final(code: int | None, text: str, rest: bool) -> None:
    error = refusal(failure(code, text, rest=rest))
    assert isinstance(error, LoginRefused)
    assert text in error.message


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (failure(500, "Local machine 'A' is not participating in any Site. Please create a new Site."), 200),
        (failure(403, "Upgrade in progress."), 200),
        (failure(500, "java.lang.NullPointerException"), 200),
        (failure(404, "Could not find resource or operation 'generateToken' on the system."), 200),
        (b"<html>Bad Gateway</html>", 502),
        (b"<html>Service Unavailable</html>", 503),
        (b"", 500),
        (b"<html><body>Home</body></html>", 200),
        (b"", 200),
        ({"a": 1}, 200),
        ({"token": "short"}, 200),
        ({"token": ["t" * 20]}, 200),
    ],
)
def test_everything_else_may_pass(body: Any, status: int) -> None:
    assert not isinstance(refusal(body, status), LoginRefused)


def test_a_challenge_of_the_web_tier_is_a_refusal_of_that_tier() -> None:
    error = refusal(b"", 401, www_authenticate="Negotiate")
    assert isinstance(error, LoginRefused)
    assert "in front of the site" in error.message


class Attempts:
    """Logins that end as they are told to, one after the other; the last word stays."""

    def __init__(self, *ends: SiteError | None) -> None:
        self.ends = list(ends)
        self.made = 0

    async def sign_in(self) -> Token:
        self.made += 1
        end = self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]
        await anyio.sleep(0)
        if end is not None:
            raise end
        return Token(value=Secret("t" * 20), lifetime=3600.0)


async def asked(attempts: Attempts, times: int, clock: float = 0.0) -> list[str]:
    """What each of *times* calls in a row gets: `token`, or the kind of the error."""
    source = TokenSource(attempts.sign_in, lambda: clock, random.Random(1))
    seen = []
    for _ in range(times):
        try:
            await source.token()
            seen.append("token")
        except SiteError as error:
            seen.append(error.kind)
    return seen


async def test_a_refused_account_is_not_tried_again_in_the_run() -> None:
    attempts = Attempts(LoginRefused("no"), None)
    assert await asked(attempts, 5) == ["auth"] * 5
    assert attempts.made == 1


@pytest.mark.parametrize("passing", [ServerFailed("not yet", code=500), BadAnswer("a page"), ConnectFailed("refused")])
async def test_what_may_pass_is_tried_three_times_in_a_run(passing: SiteError) -> None:
    attempts = Attempts(passing)
    assert set(await asked(attempts, 6)) == {passing.kind}
    assert attempts.made == LOGIN_TRIES == 3
    assert (await asked(Attempts(passing, passing, None), 4))[-2:] == ["token", "token"]


async def test_a_login_that_used_up_its_time_is_not_asked_for_again_at_once() -> None:
    attempts = Attempts(TimedOut("no answer"))
    assert await asked(attempts, 4) == ["timeout"] * 4
    assert attempts.made == 1
