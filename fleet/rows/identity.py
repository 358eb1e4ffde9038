"""Whether the stores of users and roles of a site can be reached, as its security configuration has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fleet import admin as ops
from fleet.client.site import SiteClient
from fleet.errors import BadAnswer, ServerFailed
from fleet.inventory.secrets import CredentialRef
from fleet.protocol.secret_names import is_secret_name
from fleet.rows.table import Row

__all__ = ["COLUMNS", "store_rows"]

COLUMNS = ("users", "roles", "state", "message")
"""Types of both stores; `state` is passed, failed, or unknown where the check could not be made."""

_STARS = re.compile(r"\*+")


async def store_rows(client: SiteClient, password: CredentialRef | None = None) -> list[Row]:
    """One row that tells whether both stores can be reached; *password* takes the place of the one of their settings."""
    new = None if password is None else (await client.secret(password)).reveal()
    config = await client.call(ops.security.config())
    stores = {}
    for name in ("userStoreConfig", "roleStoreConfig"):
        store = config.get(name)
        if not isinstance(store, Mapping):
            raise BadAnswer(f"the security configuration has no {name}")
        stores[name] = _with_password(store, new)
    users, roles = stores["userStoreConfig"], stores["roleStoreConfig"]
    row: Row = {"users": users.get("type"), "roles": roles.get("type")}
    if any(_hides(store) for store in stores.values()):
        told = "the site does not tell the store's password: give it by --password-from"
        return [{**row, "state": "unknown", "message": told}]
    try:
        await client.call(ops.security.test_identity_store(users, roles))
    except ServerFailed as error:
        return [{**row, "state": "failed", "message": error.message}]
    return [{**row, "state": "passed", "message": ""}]


def _with_password(store: Mapping[str, Any], password: str | None) -> dict[str, Any]:
    properties = store.get("properties")
    if password is None or not isinstance(properties, Mapping):
        return dict(store)
    return {
        **store,
        "properties": {key: password if _is_password(key) else value for key, value in properties.items()},
    }


def _is_password(key: Any) -> bool:
    return is_secret_name(str(key)) and "password" in str(key).lower()


def _hides(store: Mapping[str, Any]) -> bool:
    properties = store.get("properties")
    properties = properties if isinstance(properties, Mapping) else {}
    return any(isinstance(value, str) and _STARS.fullmatch(value) for value in properties.values())
