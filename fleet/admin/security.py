"""Security of a site: its configuration, its tokens, the primary administrator, users and roles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleet.admin.accounts import (
    role_add,
    role_add_users,
    role_assign_privilege,
    role_privilege,
    role_remove,
    role_remove_users,
    role_update,
    role_users,
    roles,
    roles_by_privilege,
    roles_of_user,
    roles_search,
    user_add,
    user_assign_roles,
    user_privilege,
    user_remove,
    user_remove_roles,
    user_update,
    users,
    users_search,
)
from fleet.admin.catalogue import operation
from fleet.admin.operation import Operation

__all__ = [
    "config",
    "config_update",
    "psa",
    "psa_disable",
    "psa_enable",
    "psa_update",
    "role_add",
    "role_add_users",
    "role_assign_privilege",
    "role_privilege",
    "role_remove",
    "role_remove_users",
    "role_update",
    "role_users",
    "roles",
    "roles_by_privilege",
    "roles_of_user",
    "roles_search",
    "test_identity_store",
    "tokens",
    "tokens_update",
    "update_identity_store",
    "user_add",
    "user_assign_roles",
    "user_privilege",
    "user_remove",
    "user_remove_roles",
    "user_update",
    "users",
    "users_search",
]


def config() -> Operation[dict[str, Any]]:
    """How people sign in, which protocols and ciphers are allowed, which stores hold users and roles.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/securityconfig
    """
    return operation("security.config")


def config_update(**settings: Any) -> Operation[dict[str, Any]]:
    """Change the security *settings*: `Protocol`, `httpsProtocols`, `cipherSuites`, `HSTSEnabled`, and so on.

    REST and SOAP restart on every machine.

    One attempt may take 300 s. Done when the configuration says so.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/updatesecurityconfig
    """
    return operation("security.config.update", settings)


def update_identity_store(users: Mapping[str, Any], roles: Mapping[str, Any]) -> Operation[dict[str, Any]]:
    """Let *users* and *roles* come from these stores: `{"type", "properties"}` each; the site restarts.

    Done when the configuration names them; passwords are not compared.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/securityconfig
    """
    return operation("security.config.updateIdentityStore", {"userStoreConfig": users, "roleStoreConfig": roles})


def test_identity_store(users: Mapping[str, Any], roles: Mapping[str, Any]) -> Operation[dict[str, Any]]:
    """Whether *users* and *roles*, settings of two stores, can be reached: a success, or what is wrong.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/securityconfig
    """
    return operation("security.config.testIdentityStore", {"userStoreConfig": users, "roleStoreConfig": roles})


def tokens() -> Operation[dict[str, Any]]:
    """`{"type", "properties": {"sharedKey", "shortTimeout", "longTimeout"}}`; times are texts, in minutes.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/securityconfig
    """
    return operation("security.tokens")


def tokens_update(config: Mapping[str, Any]) -> Operation[dict[str, Any]]:
    """Change the token settings to *config*, in the shape that `tokens` answers.

    A changed shared key makes every token that is out there worthless.

    Done when the settings say so, of which the shared key is not compared.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/securityconfig
    """
    return operation("security.tokens.update", {"tokenManagerConfig": config})


def psa() -> Operation[dict[str, Any]]:
    """`{"disabled": "true" | "false"}` of the primary site administrator.

    It is only ever read by GET: a POST would change the account.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/psa
    """
    return operation("security.psa")


def psa_update(username: str | None = None, password: str | None = None) -> Operation[dict[str, Any]]:
    """Give the primary site administrator a new name *username*, a new *password*, or both.

    No resource tells afterwards that it was done.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/psa
    """
    return operation("security.psa.update", {"username": username, "password": password})


def psa_enable() -> Operation[dict[str, Any]]:
    """Let the primary site administrator sign in again; another administrator must ask for it.

    Done when the account says that it is enabled.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/psa
    """
    return operation("security.psa.enable")


def psa_disable() -> Operation[dict[str, Any]]:
    """Forbid the primary site administrator to sign in; without another administrator everybody is locked out.

    Done when the account says that it is disabled.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/psa
    """
    return operation("security.psa.disable")
