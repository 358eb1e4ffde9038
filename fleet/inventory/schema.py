"""The JSON Schema of inventory files, for editors that complete and check them.

It refuses what can be seen in one table: wrong keys and types, names, durations, addresses, secrets in clear, what needs
what. What takes the whole inventory to see (an unknown group, a circle, the same address twice, a plain http:// site that
no table allows) only `fleet inventory check` tells.
"""

from __future__ import annotations

from typing import Any

from fleet.inventory.tables import BELOW_CONTEXT, NAME, RESERVED, check_names

__all__ = ["schema"]

_PART = r"([0-9]{1,9}%s)?"
_DURATION: dict[str, Any] = {
    "type": "string",
    "pattern": r"^\s*(?=[0-9])" + "".join(_PART % unit for unit in ("d", "h", "m", "s", "ms")) + r"\s*$",
    "description": "Numbers with units, the largest first: 30s, 5m, 1h30m.",
}
_TIME: dict[str, Any] = {**_DURATION, "not": {"pattern": r"^\s*(0+(ms|[smhd]))+\s*$"}}
_FLAG = {"type": "boolean"}
_TEXT = {"type": "string", "minLength": 1}
_NAME: dict[str, Any] = {"type": "string", "pattern": f"^{NAME.pattern}$", "not": {"enum": sorted(RESERVED)}}
_ADDRESS: dict[str, Any] = {
    "type": "string",
    "pattern": r"^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@\\\s]+(/[^/?#\s]+)*/?$",
    "not": {"pattern": rf"/(\.\.?|{'|'.join(sorted(BELOW_CONTEXT))})(/|$)"},
}
_SECRET: dict[str, Any] = {
    "description": "Where the secret lies. A text in clear needs allow_plaintext = true in the same table.",
    "oneOf": [
        {"type": "string"},
        *(
            {
                "type": "object",
                "properties": {kind: shape, **({"user": {"type": "string"}} if kind == "keyring" else {})},
                "required": [kind],
                "additionalProperties": False,
            }
            for kind, shape in (
                ("env", {**_TEXT, "description": "The name of a variable."}),
                ("file", {**_TEXT, "description": "A file that only you can read."}),
                ("keyring", {**_TEXT, "description": "The service under which the key ring has it."}),
                (
                    "command",
                    {
                        "type": "array",
                        "items": _TEXT,
                        "minItems": 1,
                        "description": "A program and its arguments, which prints the secret.",
                    },
                ),
            )
        ),
    ],
}


def schema() -> dict[str, Any]:
    """The schema (draft 2020-12), with the health checks that are installed here."""
    shared: dict[str, Any] = {
        "username": {**_TEXT, "description": "The account; it is case-sensitive."},
        "password": _SECRET,
        "timeout": {**_TIME, "description": "Limit of one request, at most a day: 30s, 5m, 1h30m."},
        "auth": _auth(),
        "tls": _tls(),
        "labels": {
            "type": "object",
            "propertyNames": _NAME,
            "additionalProperties": {"type": "string"},
            "description": "Texts to select sites by.",
        },
        "protected": {**_FLAG, "description": "Changes ask for the site's name."},
        "allow_http": {**_FLAG, "description": "Accept an http:// address beyond this machine."},
        "allow_plaintext": {**_FLAG, "description": "Accept a password that is written here in clear."},
        "proxy": _proxy(),
        "reads": {"type": "integer", "minimum": 1, "maximum": 64, "description": "Requests that read at once."},
        "retries": {"type": "integer", "minimum": 0, "maximum": 10, "description": "How often a read is sent again."},
        "checks": _checks(),
    }
    names = {"type": "array", "items": _NAME}
    group = _table({"groups": {**names, "description": "The groups that this one holds."}, **shared})
    site = _table(
        {
            "url": {**_ADDRESS, "description": "The base URL: https://host/context."},
            "groups": {**names, "description": "The groups that the site is in, the strongest first."},
            **shared,
        },
        required=["url"],
    )
    paths = {"type": "array", "items": {"type": "string"}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "fleet inventory",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "defaults": _table(shared, description="What holds for every site of this file."),
            "groups": {"type": "object", "propertyNames": _NAME, "additionalProperties": group},
            "sites": {"type": "object", "propertyNames": _NAME, "additionalProperties": site},
            "mask": {
                "type": "object",
                "properties": {"paths": paths},
                "additionalProperties": False,
                "description": "Members that don't count when answers are compared.",
            },
        },
    }


def _table(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A table that has *properties* only, and no secret in clear without saying so."""
    secrets = [key for key, shape in properties.items() if shape is _SECRET]
    conditions = [
        *more.pop("allOf", []),
        *(_if({key: {"type": "string"}}, _says("allow_plaintext")) for key in secrets),
    ]
    rules = {"allOf": conditions} if conditions else {}
    return {"type": "object", "properties": properties, "additionalProperties": False, **rules, **more}


def _if(properties: dict[str, Any], then: dict[str, Any]) -> dict[str, Any]:
    """A rule: where these properties are there and so, *then* holds too."""
    return {"if": {"properties": properties, "required": list(properties)}, "then": then}


def _says(flag: str) -> dict[str, Any]:
    return {"properties": {flag: {"const": True}}, "required": [flag]}


def _auth() -> dict[str, Any]:
    return _table(
        {
            "kind": {"enum": ["server", "portal", "oauth", "token"]},
            "portal": {**_ADDRESS, "description": "The portal's address, for portal and oauth."},
            "client_id": _TEXT,
            "client_secret": _SECRET,
            "token": _SECRET,
            "exchange": {**_FLAG, "description": "Show the site only a token exchanged for it."},
            "client": {"enum": ["referer", "requestip", "ip"], "description": "What tokens are bound to."},
            "ip": {**_TEXT, "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]},
            "allow_plaintext": _FLAG,
        },
        description="How to sign in.",
        allOf=[
            _if({"kind": {"const": "portal"}}, {"required": ["portal"]}),
            _if({"kind": {"const": "oauth"}}, {"required": ["portal", "client_id", "client_secret"]}),
            _if({"kind": {"const": "token"}}, {"required": ["token"]}),
            _if({"client": {"const": "ip"}}, {"required": ["ip"]}),
            _if(
                {"kind": {"enum": ["portal", "oauth", "token"]}},
                {"properties": {"client": {"const": "referer"}}},
            ),
        ],
    )


def _tls() -> dict[str, Any]:
    return _table(
        {
            "ca": {**_TEXT, "description": "A file of authorities in place of the system's."},
            "pin": {
                "type": "string",
                "pattern": "^[Ss][Hh][Aa]256:?([0-9A-Fa-f]:*){64}$",
                "description": "The SHA-256 of the one certificate that is accepted.",
            },
            "verify": {**_FLAG, "description": "false accepts every certificate, and every report says so."},
            "cert": {**_TEXT, "description": "A file with the certificate that we show."},
            "key": {**_TEXT, "description": "A file with its key, where cert does not hold it."},
            "key_password": _SECRET,
            "allow_plaintext": _FLAG,
        },
        description="How the certificate is judged.",
        dependentRequired={"key": ["cert"], "key_password": ["cert"]},
        dependentSchemas={"pin": {"properties": {"verify": {"const": True}}}},
    )


def _proxy() -> dict[str, Any]:
    address = {"type": "string", "pattern": r"^[Hh][Tt][Tt][Pp]://[^/?#@\\\s]+/?$"}
    table = _table(
        {
            "url": address,
            "username": {"type": "string", "pattern": "^[^:]+$"},
            "password": _SECRET,
            "allow_plaintext": _FLAG,
        },
        required=["url"],
        dependentRequired={"username": ["password"], "password": ["username"]},
    )
    return {"description": "A forward proxy, such as http://proxy:3128.", "oneOf": [address, table]}


def _checks() -> dict[str, Any]:
    threshold = {"oneOf": [{"type": "number", "minimum": 0}, _DURATION]}
    known = check_names()
    return {
        "type": "object",
        "description": "What is said of single health checks.",
        **({"propertyNames": {"enum": sorted(known)}} if known else {}),
        "additionalProperties": _table(
            {
                "warning": {**threshold, "description": "From here on the check warns; times count as days."},
                "critical": {**threshold, "description": "From here on the check fails; times count as days."},
                "severity": {"enum": ["warning", "critical"], "description": "The worst that the check may say."},
                "enabled": {**_FLAG, "description": "Whether the check runs without being asked for."},
            }
        ),
    }
