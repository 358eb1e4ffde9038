"""Users and roles of a site's stores, page by page, and who may administer or publish."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from fleet import admin as ops
from fleet.admin.operation import Operation
from fleet.client.site import SiteClient
from fleet.errors import BadAnswer, NotFound, TooLarge
from fleet.protocol.fields import as_bool
from fleet.rows.reading import NAME_CAP, all_of, each, list_of
from fleet.rows.table import Column, Row, Table, Wanted

__all__ = [
    "MEMBERS",
    "PRIVILEGES",
    "ROLES",
    "USERS",
    "highest",
    "members_of",
    "privileges",
    "roles",
    "roles_of",
    "users",
    "who",
]

PAGE = 1000
PAGES = 1000
"""Accounts that are asked for at once."""

MEMBERS_PAGE = 10_000
PRIVILEGES = ("ACCESS", "PUBLISH", "ADMINISTER")
PRIMARY = "(primary site administrator)"


async def users(client: SiteClient) -> list[dict[str, Any]]:
    """Every user of the store: `{"username", "fullname", "description", "email", "disabled"}`."""
    return await _pages(client, ops.security.users, "users", "username")


async def roles(client: SiteClient) -> list[dict[str, Any]]:
    """Every role of the store: `{"rolename", "description"}`."""
    return await _pages(client, ops.security.roles, "roles", "rolename")


async def _pages(
    client: SiteClient, ask: Callable[[int, int], Operation[dict[str, Any]]], member: str, key: str
) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    start = 0
    for _ in range(PAGES):
        answer = await client.call(ask(start, PAGE))
        entries = [one for one in list_of(answer, member) if isinstance(one, Mapping) and isinstance(one.get(key), str)]
        before = len(found)
        found |= {one[key]: dict(one) for one in entries if one[key] not in found}
        if len(found) > NAME_CAP:
            raise TooLarge(f"the site lists more than {NAME_CAP} {member}, and so many are looked at")
        if not as_bool(answer.get("hasMore")):
            return list(found.values())
        if len(found) == before:
            raise BadAnswer(f"the list of {member} has more pages, and they bring nothing new")
        start += len(entries)
    raise BadAnswer(f"the list of {member} has more than {PAGES} pages, and so many are looked at")


async def members_of(client: SiteClient, role: str) -> list[str]:
    """The names of all users in *role*; raises `TooLarge` beyond 50,000."""
    for count in (MEMBERS_PAGE, NAME_CAP):
        answer = await client.call(ops.security.role_users(role, count=count))
        names = _names(list_of(answer, "users"), "username")
        if not as_bool(answer.get("hasMore")):
            return names
    raise TooLarge(f"the role {role} has more than {NAME_CAP} members, and so many are looked at")


async def roles_of(client: SiteClient, user: str) -> list[str]:
    """The names of all roles of *user*; raises `TooLarge` where the site does not tell all of them."""
    answer = await client.call(ops.security.roles_of_user(user))
    if as_bool(answer.get("hasMore")):
        raise TooLarge(f"the user {user} has more roles than the site tells at once")
    return _names(list_of(answer, "roles"), "rolename")


def _names(entries: Iterable[Any], key: str) -> list[str]:
    found = (entry.get(key) if isinstance(entry, Mapping) else entry for entry in entries)
    return [name for name in found if isinstance(name, str)]


async def privileges(client: SiteClient, names: Sequence[str] = ()) -> dict[str, str]:
    """What each role may do: role -> ADMINISTER or PUBLISH; any other role has ACCESS.

    *names* are all roles, which are asked one by one where the site does not tell all at once.
    """
    found: dict[str, str] = {}
    for privilege in ("PUBLISH", "ADMINISTER"):
        answer = await client.call(ops.security.roles_by_privilege(privilege))
        if as_bool(answer.get("hasMore")):
            return await _one_by_one(client, names or [str(role["rolename"]) for role in await roles(client)])
        found |= dict.fromkeys(_names(list_of(answer, "roles"), "rolename"), privilege)
    return found


async def _one_by_one(client: SiteClient, names: Sequence[str]) -> dict[str, str]:
    async def one(role: str) -> str:
        try:
            return str((await client.call(ops.security.role_privilege(role))).get("privilege"))
        except NotFound:
            return "ACCESS"

    told = all_of(await each([partial(one, name) for name in names]))
    return {name: privilege for name, privilege in zip(names, told, strict=True) if privilege != "ACCESS"}


async def _memberships(client: SiteClient, names: Sequence[str]) -> list[tuple[str, list[str]]]:
    members = all_of(await each([partial(members_of, client, name) for name in names]))
    return list(zip(names, members, strict=True))


async def _users(client: SiteClient, wanted: Wanted) -> Sequence[Row]:
    rows = [USERS.row(user) for user in await users(client)]
    if not wanted.wants("roles", "privilege"):
        return [{name: row[name] for name in _cheap(USERS)} for row in rows]
    names = [str(role["rolename"]) for role in await roles(client)]
    given = await privileges(client, names)
    mine: dict[str, list[str]] = {}
    for role, members in await _memberships(client, names):
        for name in members:
            mine.setdefault(name, []).append(role)
    for row in rows:
        own = sorted(mine.get(row["username"], ()), key=str.casefold)
        row["roles"] = ",".join(own)
        row["privilege"] = highest(given.get(role, "ACCESS") for role in own)
    return rows


def highest(given: Iterable[str]) -> str:
    """The greatest of some privileges; ACCESS where there is none."""
    known = [privilege for privilege in given if privilege in PRIVILEGES]
    return max(known, key=PRIVILEGES.index, default="ACCESS")


async def _roles(client: SiteClient, wanted: Wanted) -> Sequence[Row]:
    found = await roles(client)
    names = [str(role["rolename"]) for role in found]
    given = await privileges(client, names)
    rows = [{**ROLES.row(role), "privilege": given.get(str(role["rolename"]), "ACCESS")} for role in found]
    if not wanted.wants("members"):
        return [{name: row[name] for name in _cheap(ROLES)} for row in rows]
    counts = {role: len(members) for role, members in await _memberships(client, names)}
    return [{**row, "members": counts[row["rolename"]]} for row in rows]


async def _members(client: SiteClient, wanted: Wanted) -> Sequence[Row]:
    names = [str(role["rolename"]) for role in await roles(client)]
    given = await privileges(client, names)
    return [
        {"rolename": role, "username": name, "privilege": given.get(role, "ACCESS")}
        for role, members in await _memberships(client, names)
        for name in members
    ]


async def who(client: SiteClient) -> list[Row]:
    """Who may administer or publish: `{"privilege", "username", "role"}`, the primary administrator among them.

    Of a federated site these are not all: the roles of its portal give privileges too, which the report then says.
    """
    if (await client.call(ops.info.rest())).get("owningSystemUrl"):
        client.note("federated", "accounts of its portal may administer and publish too, and are not listed here")
    given = await privileges(client)
    told = await client.call(ops.security.psa())
    rows: list[Row] = []
    if as_bool(told.get("disabled")) is not True:
        name = told.get("username")
        rows.append({"privilege": "ADMINISTER", "username": name if isinstance(name, str) else "", "role": PRIMARY})
    order = sorted(given, key=lambda role: (-PRIVILEGES.index(given[role]), role.casefold()))
    for role, members in await _memberships(client, order):
        rows += [{"privilege": given[role], "username": name, "role": role} for name in sorted(members)]
    return rows


def _cheap(table: Table) -> list[str]:
    return [column.name for column in table.columns if not column.costly]


USERS = Table(
    "users",
    "every user of the site's own store",
    (
        Column("username", "text", "the name to sign in with"),
        Column("fullname", "text", "the person's name"),
        Column("email", "text", "where to write to"),
        Column("description", "text", "what somebody wrote"),
        Column("disabled", "boolean", "whether the account is disabled"),
        Column("roles", "text", "roles, separated by commas (one request per role)", costly=True),
        Column("privilege", "text", "ACCESS, PUBLISH or ADMINISTER, by the roles", costly=True),
    ),
    _users,
)
ROLES = Table(
    "roles",
    "every role of the site's own store",
    (
        Column("rolename", "text", "its name"),
        Column("privilege", "text", "ACCESS, PUBLISH or ADMINISTER"),
        Column("description", "text", "what somebody wrote"),
        Column("members", "integer", "how many users have it (one request per role)", costly=True),
    ),
    _roles,
)
MEMBERS = Table(
    "members",
    "every user in every role (one request per role)",
    (
        Column("rolename", "text", "the role"),
        Column("username", "text", "a user who has it"),
        Column("privilege", "text", "what the role may do"),
    ),
    _members,
)
