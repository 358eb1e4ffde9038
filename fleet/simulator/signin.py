"""Signing in at a simulated portal by OAuth2: the login page, where it leads, and the grants of the token end point."""

from __future__ import annotations

import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from fleet.simulator.tokens import TokenBook
from fleet.simulator.wire import REST_TYPE, Failure, Reply, html_page, rest_failure

if TYPE_CHECKING:
    from fleet.simulator.call import Call

__all__ = ["SignIn"]

CLIENTS = frozenset({"arcgisonline", "arcgispro", "pythonapi"})
"""Applications that every portal knows from the start; they have no secret."""

OUT_OF_BAND = "urn:ietf:wg:oauth:2.0:oob"
"""The redirect address of applications that have no page of their own: the portal then shows the code."""

PATIENCE = 600.0
"""How long a login page and a code are good for, in seconds."""

LONGEST = 20_160.0
"""The longest life of what is given out, in minutes: two weeks."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What an application sent its user to the login page with, or what a code or a refresh token stands for."""

    until: float
    client: str
    redirect: str
    minutes: float
    kind: str = "code"
    state: str = ""
    user: str = ""


class SignIn:
    """The OAuth2 end points below `sharing/rest/oauth2` and `sharing/oauth2`.

    *refusal* gives the sentence that refuses an account and its password, or None; *applications* are those that have
    a secret, which it is mapped to.
    """

    def __init__(
        self,
        *,
        context: str,
        tokens: TokenBook,
        refusal: Callable[[str, str], str | None],
        applications: Mapping[str, str] = MappingProxyType({}),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._context = context
        self._tokens = tokens
        self._refusal = refusal
        self._applications = applications
        self._clock = clock
        self._pages: dict[str, _Wanted] = {}
        self._codes: dict[str, _Wanted] = {}
        self._refreshers: dict[str, _Wanted] = {}

    def answer(self, call: Call, name: str) -> Reply:
        """The answer of the end point *name*: `authorize`, `signin`, `approval` or `token`."""
        match name:
            case "authorize":
                return self._authorize(call)
            case "signin":
                return self._sign_in(call)
            case "approval":
                return self._approval(call)
            case "token":
                return self._token(call)
        raise rest_failure(404, f"Could not find resource or operation '{name}' on the system.")

    # The pages that a browser sees

    def _authorize(self, call: Call) -> Reply:
        """The login page; a mistake of the application's is a page too, for its address can't be trusted."""
        client, kind = call.get("client_id") or "", call.get("response_type") or ""
        redirect = call.get("redirect_uri") or ""
        if client not in CLIENTS:
            return _mistake("Invalid client_id")
        # An address out of band can only be given a code: a token would have nowhere to go.
        if not (redirect == OUT_OF_BAND and kind == "code") and not _same_origin(redirect, call.base):
            return _mistake("Invalid redirect_uri")
        if kind not in ("code", "token"):
            return _mistake("Invalid response_type")
        wanted = _Wanted(
            self._clock() + PATIENCE,
            client,
            redirect,
            _minutes(call),
            kind,
            call.get("state") or "",
        )
        return self._page(self._keep(self._pages, wanted), client)

    def _page(self, state: str, client: str, *messages: str) -> Reply:
        """The login page. Its script holds the state of the login, alone on a line; that is what scripts read."""
        told: dict[str, Any] = {
            "oauth_state": state,
            "client_id": client,
            "appTitle": client,
            "locale": "en",
            "persistOption": True,
            "contextPath": f"{self._context}/sharing",
            "appOrgInfo": {"id": "0123456789ABCDEF", "name": "Simulated Portal"},
            "socialProviders": [],
        }
        if messages:
            # Clients tell a refused login by this code; the member that holds it was not seen.
            told |= {"messages": list(messages), "messageCode": "OAUTH_0015"}
        text = json.dumps(told, separators=(",", ":"))
        page = (
            "<!DOCTYPE html>\n<html>\n<head>\n<title>Sign In</title>\n<script>\n"
            f"var oAuthInfo = {text}\n</script>\n</head>\n<body>\n"
            f'<form method="post" action="{self._context}/sharing/oauth2/signin">\n'
            f'<input type="hidden" name="oauth_state" value="{state}">\n'
            '<input name="username"><input name="password" type="password"><input type="submit" value="Sign In">\n'
            "</form>\n</body>\n</html>\n"
        )
        return Reply(body=page.encode(), content_type="text/html;charset=UTF-8")

    def _sign_in(self, call: Call) -> Reply:
        if call.method != "POST":
            raise rest_failure(405, f"HTTP {call.method} is not supported.")
        state = call.get("oauth_state") or ""
        wanted = self._find(self._pages, state)
        if wanted is None:
            return _mistake("Invalid oauth_state")
        user = call.get("username") or ""
        refusal = self._refusal(user, call.get("password") or "")
        if refusal is not None:
            locked = "locked" in refusal
            return self._page(
                state,
                wanted.client,
                "Too many invalid attempts. Please try again later." if locked else "Invalid username or password.",
            )
        del self._pages[state]
        given = {"state": wanted.state} if wanted.state else {}
        if wanted.kind == "token":
            token, _ = self._tokens.issue(user, wanted.minutes)
            given = {
                "access_token": token,
                "expires_in": str(round(wanted.minutes * 60)),
                "username": user,
                "ssl": "true",
                **given,
            }
            return _redirect(f"{wanted.redirect}#{urlencode(given)}")
        code = self._keep(
            self._codes,
            _Wanted(self._clock() + PATIENCE, wanted.client, wanted.redirect, wanted.minutes, user=user),
        )
        given = {"code": code, **given}
        if wanted.redirect == OUT_OF_BAND:
            return _redirect(f"{call.base}{self._context}/sharing/oauth2/approval?{urlencode(given)}")
        mark = "&" if "?" in wanted.redirect else "?"
        return _redirect(f"{wanted.redirect}{mark}{urlencode(given)}")

    def _approval(self, call: Call) -> Reply:
        """The page that shows a code, for want of an application's own; its title can be read from outside."""
        code = call.get("code") or ""
        if self._find(self._codes, code) is None:
            return _mistake("Invalid code")
        page = (
            f"<!DOCTYPE html>\n<html>\n<head>\n<title>SUCCESS code={code}</title>\n</head>\n<body>\n"
            f'<input type="text" readonly id="code" value="{code}">\n</body>\n</html>\n'
        )
        return Reply(body=page.encode(), content_type="text/html;charset=UTF-8")

    # The end point that applications ask

    def _token(self, call: Call) -> Reply:
        grant, client = call.get("grant_type"), call.get("client_id") or ""
        if grant == "client_credentials":
            return self._application_token(call, client)
        if client not in CLIENTS:
            raise _oauth_failure(400, "Invalid client_id")
        if grant == "authorization_code":
            wanted = self._codes.pop(call.get("code") or "", None)
            if wanted is None or wanted.until <= self._clock() or wanted.client != client:
                raise _oauth_failure(400, "Invalid code")
            if wanted.redirect != call.get("redirect_uri"):
                raise _oauth_failure(400, "Invalid redirect_uri")
            return self._user_token(wanted, renewable=True)
        if grant == "refresh_token":
            known = self._find(self._refreshers, call.get("refresh_token") or "")
            if known is None or known.client != client:
                raise _oauth_failure(498, "Invalid refresh_token")
            return self._user_token(known, renewable=False)
        raise _oauth_failure(400, "Invalid grant_type")

    def _application_token(self, call: Call, client: str) -> Reply:
        secret = call.get("client_secret") or ""
        known = self._applications.get(client)
        if known is not None and not hmac.compare_digest(known.encode(), secret.encode()):
            raise _oauth_failure(400, "Invalid client_secret")
        if known is None and self._refusal(client, secret) is not None:
            raise _oauth_failure(400, "Invalid client_id")
        minutes = _minutes(call, default=120.0)
        issued, _ = self._tokens.issue(client, minutes)
        return Reply({"access_token": issued, "expires_in": round(minutes * 60)}, content_type=REST_TYPE)

    def _user_token(self, wanted: _Wanted, *, renewable: bool) -> Reply:
        """A token of half an hour, and what renews it for as long as was asked for at the login."""
        token, _ = self._tokens.issue(wanted.user, 30.0)
        value: dict[str, Any] = {"access_token": token, "expires_in": 1800, "username": wanted.user, "ssl": True}
        if renewable:
            until = self._clock() + wanted.minutes * 60
            value["refresh_token"] = self._keep(
                self._refreshers,
                _Wanted(until, wanted.client, wanted.redirect, wanted.minutes, user=wanted.user),
            )
            value["refresh_token_expires_in"] = round(wanted.minutes * 60)
        return Reply(value, content_type=REST_TYPE)

    def _keep(self, shelf: dict[str, _Wanted], wanted: _Wanted) -> str:
        """Keep *wanted* under a new secret name, and throw away what is too old."""
        now = self._clock()
        for name in [name for name, kept in shelf.items() if kept.until <= now]:
            del shelf[name]
        name = secrets.token_urlsafe(32)
        shelf[name] = wanted
        return name

    def _find(self, shelf: dict[str, _Wanted], name: str) -> _Wanted | None:
        wanted = shelf.get(name)
        return wanted if wanted is not None and wanted.until > self._clock() else None


def _minutes(call: Call, default: float = LONGEST) -> float:
    try:
        asked = float(call.get("expiration") or default)
    except ValueError:
        return default
    return min(asked, LONGEST) if asked > 0 else LONGEST


def _same_origin(address: str, base: str) -> bool:
    """Whether *address* leads back to the portal, and holds nothing that a header can't."""
    parts, own = urlsplit(address), urlsplit(base)
    return (parts.scheme, parts.netloc.lower()) == (own.scheme, own.netloc.lower()) and address.isprintable()


def _mistake(text: str) -> Reply:
    return html_page(f"Error: {text}", f"Error: {text}")


def _redirect(address: str) -> Reply:
    return Reply(body=b"", status=302, content_type="text/html;charset=UTF-8", headers={"Location": address})


def _oauth_failure(code: int, text: str) -> Failure:
    """OAuth2's own members beside the portal's usual ones."""
    failure = rest_failure(code, text)
    failure.reply.value["error"] |= {"error": "invalid_request", "error_description": text}
    return failure
