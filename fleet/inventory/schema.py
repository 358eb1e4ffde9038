"""The JSON Schema of inventory files, for editors that complete and check them."""

from __future__ import annotations

from typing import Any

from fleet.inventory.tables import NAME

__all__ = ["schema"]

_DURATION = {
    "type": "string",
    "pattern": r"^(\d+(ms|[smhd]))+$",
    "description": "A number with a unit: 30s, 5m, 1h30m.",
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
                ("env", {"type": "string", "description": "The name of a variable."}),
                ("file", {"type": "string", "description": "A file that only you can read."}),
                ("keyring", {"type": "string", "description": "The service under which the key ring has it."}),
                (
                    "command",
                    {
                        "type": "array",
                        "items": {"type": "string"},
                        "minItems": 1,
                        "description": "A program and its arguments, which prints the secret.",
                    },
                ),
            )
        ),
    ],
}
_FLAG = {"type": "boolean"}
_TEXT = {"type": "string", "minLength": 1}


def _table(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False, **more}


def schema() -> dict[str, Any]:
    """The schema (draft 2020-12)."""
    threshold = {"oneOf": [{"type": "number", "minimum": 0}, _DURATION]}
    shared: dict[str, Any] = {
        "username": {**_TEXT, "description": "The account; it is case-sensitive."},
        "password": _SECRET,
        "timeout": {**_DURATION, "description": "Limit of one request."},
        "auth": _table(
            {
                "kind": {"enum": ["server", "portal", "oauth", "token"]},
                "portal": {**_TEXT, "description": "The portal's address, for portal and oauth."},
                "client_id": _TEXT,
                "client_secret": _SECRET,
                "token": _SECRET,
                "exchange": {**_FLAG, "description": "Show the site only a token exchanged for it."},
                "client": {"enum": ["referer", "requestip", "ip"], "description": "What tokens are bound to."},
                "ip": _TEXT,
                "allow_plaintext": _FLAG,
            },
            description="How to sign in.",
        ),
        "tls": _table(
            {
                "ca": {**_TEXT, "description": "A file of authorities in place of the system's."},
                "pin": {"type": "string", "pattern": "^sha256:[0-9A-Fa-f:]+$"},
                "verify": {**_FLAG, "description": "false accepts every certificate, and every report says so."},
                "cert": _TEXT,
                "key": _TEXT,
                "key_password": _SECRET,
                "allow_plaintext": _FLAG,
            },
            description="How the certificate is judged.",
        ),
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "protected": {**_FLAG, "description": "Changes ask for the site's name."},
        "allow_http": {**_FLAG, "description": "Accept an http:// address beyond this machine."},
        "allow_plaintext": {**_FLAG, "description": "Accept a password that is written here in clear."},
        "proxy": _TEXT,
        "reads": {"type": "integer", "minimum": 1, "maximum": 64, "description": "Requests that read at once."},
        "retries": {"type": "integer", "minimum": 0, "maximum": 10, "description": "How often a read is sent again."},
        "checks": {
            "type": "object",
            "additionalProperties": _table(
                {
                    "warning": threshold,
                    "critical": threshold,
                    "severity": {"enum": ["warning", "critical"]},
                    "enabled": _FLAG,
                }
            ),
        },
    }
    names = {"type": "array", "items": {"type": "string"}}
    group = _table({"groups": {**names, "description": "The groups that this one holds."}, **shared})
    site = _table(
        {
            "url": {"type": "string", "pattern": "^https?://", "description": "The base URL: https://host/context."},
            "groups": {**names, "description": "The groups that the site is in, the strongest first."},
            **shared,
        },
        required=["url"],
    )
    named = {"pattern": f"^{NAME.pattern}$"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "fleet inventory",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "defaults": _table(shared, description="What holds for every site of this file."),
            "groups": {"type": "object", "propertyNames": named, "additionalProperties": group},
            "sites": {"type": "object", "propertyNames": named, "additionalProperties": site},
            "mask": _table({"paths": names}, description="Members that don't count when answers are compared."),
        },
    }
