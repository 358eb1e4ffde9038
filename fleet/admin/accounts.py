"""Users and roles in the stores of a site: who there is, what they may do, and changing it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

from fleet.admin.catalogue import operation
from fleet.admin.operation import Operation

__all__ = [
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
    "user_add",
    "user_assign_roles",
    "user_privilege",
    "user_remove",
    "user_remove_roles",
    "user_update",
    "users",
    "users_search",
]

Privilege: TypeAlias = Literal["ADMINISTER", "PUBLISH", "ACCESS"]


def users(start: int = 0, count: int = 1000) -> Operation[dict[str, Any]]:
    """`{"users": [{"username", "fullname", …}], "hasMore"}`: *count* records from number *start* on.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/users
    """
    return operation("security.users.getUsers", {"startIndex": start, "pageSize": count})


def users_search(text: str, count: int = 1000) -> Operation[dict[str, Any]]:
    """`{"users": [{"username", "fullname", …}], "hasMore"}` of names with *text* in them; *count* records at most.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/users
    """
    return operation("security.users.search", {"filter": text, "maxCount": count})


def user_add(
    username: str,
    password: str,
    *,
    fullname: str | None = None,
    description: str | None = None,
    email: str | None = None,
) -> Operation[dict[str, Any]]:
    """Create the user *username* with *password*, *fullname*, *description* and *email*, in a store of the site.

    Done when the store finds the user, which it must not have before.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/users
    """
    return operation(
        "security.users.add",
        {"username": username, "password": password, "fullname": fullname, "description": description, "email": email},
    )


def user_update(
    username: str,
    *,
    password: str | None = None,
    fullname: str | None = None,
    description: str | None = None,
    email: str | None = None,
) -> Operation[dict[str, Any]]:
    """Change *password*, *fullname*, *description* or *email* of the user *username*.

    Done when the store tells the new words; a password is not told.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/users
    """
    return operation(
        "security.users.update",
        {"username": username, "password": password, "fullname": fullname, "description": description, "email": email},
    )


def user_remove(username: str) -> Operation[dict[str, Any]]:
    """Delete the user *username*.

    Done when the store does not find the user.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/users
    """
    return operation("security.users.remove", {"username": username})


def user_assign_roles(username: str, roles: Iterable[str]) -> Operation[dict[str, Any]]:
    """Give the user *username* these *roles* as well.

    Done when each is among the user's roles.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/assignroles
    """
    return operation("security.users.assignRoles", {"username": username, "roles": ",".join(roles)})


def user_remove_roles(username: str, roles: Iterable[str]) -> Operation[dict[str, Any]]:
    """Take these *roles* from the user *username*.

    Done when none is among the user's roles.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/users
    """
    return operation("security.users.removeRoles", {"username": username, "roles": ",".join(roles)})


def user_privilege(username: str) -> Operation[dict[str, Any]]:
    """`{"privilege": "ADMINISTER" | "PUBLISH" | "ACCESS"}` of the user *username*.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/users
    """
    return operation("security.users.getPrivilege", {"username": username})


def roles(start: int = 0, count: int = 1000) -> Operation[dict[str, Any]]:
    """`{"roles": [{"rolename", "description"}], "hasMore"}`: *count* records from number *start* on.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/roles
    """
    return operation("security.roles.getRoles", {"startIndex": start, "pageSize": count})


def roles_search(text: str, count: int = 1000) -> Operation[dict[str, Any]]:
    """`{"roles": [{"rolename", "description"}], "hasMore"}` of names with *text* in them; *count* records at most.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/roles
    """
    return operation("security.roles.search", {"filter": text, "maxCount": count})


def role_add(rolename: str, description: str | None = None) -> Operation[dict[str, Any]]:
    """Create the role *rolename* with *description*.

    Done when the store finds the role.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/roles
    """
    return operation("security.roles.add", {"rolename": rolename, "description": description})


def role_update(rolename: str, description: str) -> Operation[dict[str, Any]]:
    """Change the *description* of the role *rolename*.

    Done when the store tells it.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/roles
    """
    return operation("security.roles.update", {"rolename": rolename, "description": description})


def role_remove(rolename: str) -> Operation[dict[str, Any]]:
    """Delete the role *rolename*; permissions that name it stay (`services.permissions_clean`).

    Done when the store does not find the role.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/roles
    """
    return operation("security.roles.remove", {"rolename": rolename})


def role_users(rolename: str, text: str | None = None, count: int = 10000) -> Operation[dict[str, Any]]:
    """`{"users": [name], "hasMore"}`: who has the role *rolename*, with *text* in the name; *count* records at most.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/getuserswithinrole
    """
    return operation("security.roles.getUsersWithinRole", {"rolename": rolename, "filter": text, "maxCount": count})


def roles_of_user(username: str, text: str | None = None, count: int = 1000) -> Operation[dict[str, Any]]:
    """`{"roles": [name], "hasMore"}`: roles of the user *username*, with *text* in the name; *count* records at most.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/roles
    """
    return operation("security.roles.getRolesForUser", {"username": username, "filter": text, "maxCount": count})


def role_add_users(rolename: str, users: Iterable[str]) -> Operation[dict[str, Any]]:
    """Give the role *rolename* to all *users*.

    Done when each is among those who have it.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/adduserstorole
    """
    return operation("security.roles.addUsersToRole", {"rolename": rolename, "users": ",".join(users)})


def role_remove_users(rolename: str, users: Iterable[str]) -> Operation[dict[str, Any]]:
    """Take the role *rolename* from all *users*.

    Done when none is among those who have it.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/roles
    """
    return operation("security.roles.removeUsersFromRole", {"rolename": rolename, "users": ",".join(users)})


def role_privilege(rolename: str) -> Operation[dict[str, Any]]:
    """`{"privilege": "ADMINISTER" | "PUBLISH" | "ACCESS"}` of the role *rolename*.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/roles
    """
    return operation("security.roles.getPrivilege", {"rolename": rolename})


def roles_by_privilege(privilege: Privilege) -> Operation[dict[str, Any]]:
    """`{"roles": [name], "hasMore"}`: the roles that have *privilege*.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/roles
    """
    return operation("security.roles.getRolesByPrivilege", {"privilege": privilege})


def role_assign_privilege(rolename: str, privilege: Privilege) -> Operation[dict[str, Any]]:
    """Let everybody with the role *rolename* have *privilege* over the site.

    Done when the role has it.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/roles
    """
    return operation("security.roles.assignPrivilege", {"rolename": rolename, "privilege": privilege})
