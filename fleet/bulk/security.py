"""Verbs on the security settings of sites: configuration, tokens, and the primary administrator switched on and off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fleet import admin as ops
from fleet.bulk.change import Change, impossible
from fleet.bulk.verb import Verb
from fleet.client.site import SiteClient
from fleet.errors import BadAnswer, UsageError
from fleet.inventory.secrets import CredentialRef, Secret
from fleet.inventory.tables import nearest
from fleet.protocol.fields import as_bool, as_int
from fleet.protocol.secret_names import MASK
from fleet.rows.accounts import users

__all__ = ["CONFIG", "TOKENS", "DisablePsa", "EnablePsa", "SetConfig", "SetTokens", "checked_settings"]

PROTOCOLS = ("HTTP", "HTTPS", "HTTP_AND_HTTPS")
CONFIG: Mapping[str, str] = {
    "Protocol": " | ".join(PROTOCOLS),
    "httpsProtocols": "text",
    "cipherSuites": "text",
    "HSTSEnabled": "boolean",
    "virtualDirsSecurityEnabled": "boolean",
    "allowDirectAccess": "boolean",
    "allowedAdminAccessIPs": "text",
    "authenticationTier": "text",
    "authenticationMode": "text",
}
"""What of the security configuration can be set, and which values it takes."""

TOKENS: Mapping[str, str] = {
    "shortTimeout": "minutes",
    "longTimeout": "minutes",
    "allowHttpGet": "boolean",
    "allowHttpPostQueryParams": "boolean",
}
"""What of the token settings can be set, and which values it takes."""


def checked_settings(given: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """*given* with the names of *known*, letters large or small; raises `UsageError` for what can't be set so."""
    spelled = {name.lower(): name for name in known}
    found = {}
    for name, value in given.items():
        own = spelled.get(name.strip().lower())
        if own is None:
            near = nearest(name, list(known))
            hint = f"did you mean {near}?" if near else f"there are {', '.join(known)}"
            raise UsageError(f"there is no setting {name!r}; {hint}")
        found[own] = _checked_value(own, value.strip(), known[own])
    return found


def _checked_value(name: str, value: str, kind: str) -> str:
    if kind == "boolean":
        truth = as_bool(value)
        if truth is None:
            raise UsageError(f"{name} is true or false")
        return "true" if truth else "false"
    if kind == "minutes":
        number = as_int(value)
        if number is None or not 1 <= number <= 525_600:
            raise UsageError(f"{name} is a whole number of minutes, from 1 to 525600")
        return str(number)
    if " | " in kind:
        if value.upper() not in kind.split(" | "):
            raise UsageError(f"{name} is one of {kind}")
        return value.upper()
    if not value.isprintable():
        raise UsageError(f"{name} has control characters in it")
    return value


@dataclass(frozen=True)
class SetConfig(Verb):
    """Change *settings* of the security configuration; everything else stays as it is. REST and SOAP restart."""

    settings: Mapping[str, str]
    name = "security.config.set"
    doing: str = field(default="set", init=False)
    thing: str = field(default="security setting", init=False)
    disrupts: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        if not self.settings:
            raise UsageError("there is nothing to set: give NAME=VALUE")
        object.__setattr__(self, "settings", checked_settings(self.settings, CONFIG))

    def parameters(self) -> Mapping[str, Any]:
        return {"set": dict(self.settings)}

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        config = await client.call(ops.security.config())
        now = {name: _config_value(config, name) for name in CONFIG}
        old = {name: now[name] for name in self.settings}
        new = dict(self.settings)
        if all(_alike(name, old[name], new[name]) for name in new):
            return [Change(item="config", state="noop", old=old, new=new)]
        if new.get("Protocol") == "HTTPS" and client.site.in_clear:
            why = "the inventory reaches this site by http, which would then be closed: change its url first"
            return [impossible("config", why, old=old, new=new)]
        if any(MASK in value for name, value in now.items() if value is not None and name not in new):
            why = "one of its settings reads like a secret of ours, is masked, and can't be sent back as it is"
            return [impossible("config", why, old=old, new=new)]
        # A release may take what is not sent for empty: the rest is sent as it is.
        form = {name: value for name, value in now.items() if value is not None} | new
        undo = {name: value for name, value in now.items() if value is not None}
        return [
            Change(
                item="config",
                old=old,
                new=new,
                operations=(ops.security.config_update(**form),),
                undo=(ops.security.config_update(**undo),),
            )
        ]


def _config_value(config: Mapping[str, Any], name: str) -> str | None:
    """The setting *name* as it would be sent; None where the site does not tell it."""
    if name == "Protocol":
        secure, plain = as_bool(config.get("sslEnabled")), as_bool(config.get("httpEnabled"))
        if secure is None:
            return None
        return "HTTP" if not secure else "HTTPS" if plain is False else "HTTP_AND_HTTPS"
    value = config.get(name)
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else None


def _alike(name: str, old: str | None, new: str) -> bool:
    if name in ("httpsProtocols", "cipherSuites", "allowedAdminAccessIPs"):
        return old is not None and _set(old) == _set(new)
    return old == new


def _set(text: str) -> set[str]:
    return {part.strip() for part in text.split(",") if part.strip()}


@dataclass(frozen=True)
class SetTokens(Verb):
    """Change *settings* of tokens, and with *shared_key* the key that they are made with: all tokens become worthless."""

    settings: Mapping[str, str]
    shared_key: CredentialRef | None = field(default=None, repr=False)
    name = "security.tokens.set"
    doing: str = field(default="set", init=False)
    thing: str = field(default="token setting", init=False)

    def __post_init__(self) -> None:
        if not self.settings and self.shared_key is None:
            raise UsageError("there is nothing to set: give NAME=VALUE, or --shared-key-from")
        object.__setattr__(self, "settings", checked_settings(self.settings, TOKENS))

    def parameters(self) -> Mapping[str, Any]:
        told: dict[str, Any] = {"set": dict(self.settings)}
        return told if self.shared_key is None else {**told, "shared_key": MASK}

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        key = None if self.shared_key is None else await client.secret(self.shared_key)
        config = await client.call(ops.security.tokens())
        told = config.get("properties")
        if not isinstance(told, Mapping):
            raise BadAnswer("the token settings have no properties")
        return [self._judged(config, dict(told), key)]

    def _judged(self, config: Mapping[str, Any], now: dict[str, Any], key: Secret | None) -> Change:
        # What is not told is off.
        old = {name: _text(now.get(name, "false" if TOKENS[name] == "boolean" else None)) for name in self.settings}
        new = dict(self.settings)
        if key is None and old == new:
            return Change(item="tokens", state="noop", old=old, new=new)
        if key is None and not str(now.get("sharedKey") or "").strip("*"):
            why = "the site does not tell its shared key, which must be sent along: give a new one by --shared-key-from"
            return impossible("tokens", why, old=old, new=new)
        if key is None and MASK in str(now.get("sharedKey")):
            why = "its shared key reads like a secret of ours, is masked, and can't be sent back as it is"
            return impossible("tokens", why, old=old, new=new)
        wanted = {**now, **new}
        if key is not None:
            wanted["sharedKey"] = key.reveal()
            old, new = {**old, "sharedKey": MASK}, {**new, "sharedKey": f"{MASK} (new)"}
        undo = () if key is not None else (ops.security.tokens_update({**config, "properties": now}),)
        operation = ops.security.tokens_update({**config, "properties": wanted})
        return Change(item="tokens", old=old, new=new, operations=(operation,), undo=undo)


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


@dataclass(frozen=True)
class EnablePsa(Verb):
    """Let the primary site administrator sign in again, in an emergency."""

    name = "security.psa.enable"
    doing: str = field(default="enable", init=False)
    thing: str = field(default="primary site administrator", init=False)

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        disabled = await _is_disabled(client)
        old, new = {"disabled": disabled}, {"disabled": False}
        if not disabled:
            return [Change(item="psa", state="noop", old=old, new=new)]
        change = (ops.security.psa_enable(),)
        return [Change(item="psa", old=old, new=new, operations=change, undo=(ops.security.psa_disable(),))]


@dataclass(frozen=True)
class DisablePsa(Verb):
    """Forbid the primary site administrator to sign in, by the account of another administrator."""

    name = "security.psa.disable"
    doing: str = field(default="disable", init=False)
    thing: str = field(default="primary site administrator", init=False)

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        disabled = await _is_disabled(client)
        old, new = {"disabled": disabled}, {"disabled": True}
        if disabled:
            return [Change(item="psa", state="noop", old=old, new=new)]
        why = await _would_lock_out(client)
        if why is not None:
            return [impossible("psa", why, old=old, new=new)]
        change = (ops.security.psa_disable(),)
        return [Change(item="psa", old=old, new=new, operations=change, undo=(ops.security.psa_enable(),))]


async def _is_disabled(client: SiteClient) -> bool:
    disabled = as_bool((await client.call(ops.security.psa())).get("disabled"))
    if disabled is None:
        raise BadAnswer("the site does not say whether its primary administrator is disabled")
    return disabled


async def _would_lock_out(client: SiteClient) -> str | None:
    """Why nobody could administer the site any more once its primary administrator is disabled."""
    if client.site.auth.kind != "server":
        # Accounts of a portal are not the site's own.
        return None
    name = client.site.username or ""
    if name not in {str(user["username"]) for user in await users(client)}:
        return (
            f"{name} is not among the users of the site, and so is its primary administrator: "
            "sign in as another administrator to disable it"
        )
    told = await client.call(ops.security.user_privilege(name))
    return None if told.get("privilege") == "ADMINISTER" else f"{name} is no administrator, and nobody else may be one"
