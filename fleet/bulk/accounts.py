"""Verbs on users and roles: made, changed and removed until they are as somebody wishes, and nobody else's are touched."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio.to_thread

from fleet import admin as ops
from fleet.admin.operation import Operation
from fleet.bulk.accounts_file import Accounts, RoleWish, UserWish
from fleet.bulk.change import Change, impossible
from fleet.bulk.verb import Done, Sender, Verb
from fleet.client.site import SiteClient
from fleet.errors import NotFound
from fleet.inventory.secrets import CredentialRef, Secret
from fleet.protocol.secret_names import MASK
from fleet.rows.accounts import members_of, privileges, roles, roles_of, users
from fleet.rows.reading import all_of, each

__all__ = ["ApplyAccounts", "AssignRole", "Passwords"]

Passwords = Callable[[str, str], Secret | None]
"""The password of a new user, by site and name; None where there is none. The same each time that it is asked."""

NO_PASSWORD = "a new user needs a password: --password-from, --passwords-from or --passwords-out gives it"


def no_passwords(site: str, user: str) -> Secret | None:
    """No new user has a password."""
    return None


@dataclass(frozen=True)
class ApplyAccounts(Verb):
    """Make, change and remove users and roles until they are as *wishes* says; any others are left alone.

    *passwords* gives those of new users. The account that the run signs in with is never removed, nor loses a role.
    """

    wishes: Accounts
    passwords: Passwords = field(default=no_passwords, repr=False)
    thing: str = "account"
    missing_ok: bool = True
    """Whether an account that is to be removed, and is not there, is as it should be."""
    keep: Callable[[str, Sequence[str]], None] | None = field(default=None, repr=False)
    """Told of the users that are about to be made on a site, so that their passwords are kept before anything is sent."""
    create: bool = True
    """Whether users who are not there are made."""
    name = "security.accounts"
    doing: str = field(default="change", init=False)

    def parameters(self) -> Mapping[str, Any]:
        return {
            "users": [wish.username for wish in self.wishes.users],
            "roles": [wish.rolename for wish in self.wishes.roles],
        }

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        there = {str(role["rolename"]): role for role in await roles(client)}
        changes: list[Change] = []
        gone: list[Change] = []
        if self.wishes.roles:
            given = await privileges(client, list(there))
            for wish in self.wishes.roles:
                changed = await self._role(client, wish, there, given)
                (gone if wish.absent else changes).append(changed)
        # What is made in the same run is there by then.
        known = {*there, *(wish.rolename for wish in self.wishes.roles if not wish.absent)}
        known -= {wish.rolename for wish in self.wishes.roles if wish.absent}
        if self.wishes.users:
            accounts = {str(user["username"]): user for user in await users(client)}
            asked = [wish for wish in self.wishes.users if wish.username in accounts]
            mine = all_of(await each([partial(roles_of, client, wish.username) for wish in asked]))
            by_name = {wish.username: found for wish, found in zip(asked, mine, strict=True)}
            for user in self.wishes.users:
                changes.append(await self._user(client, user, accounts, by_name.get(user.username, []), known))
        # A role is removed last: until then its members are told apart.
        return [*changes, *gone]

    async def carry_out(self, client: SiteClient, changes: Sequence[Change], sender: Sender, done: Done) -> None:
        made = [change.item.removeprefix("user ") for change in changes if change.old is None and _is_user(change)]
        if self.keep is not None and made:
            await anyio.to_thread.run_sync(self.keep, client.site.name, made)
        await super().carry_out(client, changes, sender, done)

    # Roles

    async def _role(
        self, client: SiteClient, wish: RoleWish, there: Mapping[str, Mapping[str, Any]], given: Mapping[str, str]
    ) -> Change:
        item = f"role {wish.rolename}"
        now = there.get(wish.rolename)
        if now is None:
            alike = _spelled(wish.rolename, there)
            if alike is not None:
                return impossible(item, f"the site calls it {alike}")
            if wish.absent:
                return self._not_there(item, f"there is no role {wish.rolename}")
            new = {"description": wish.description or "", "privilege": wish.privilege or "ACCESS"}
            made: list[Operation[Any]] = [ops.security.role_add(wish.rolename, wish.description)]
            if wish.privilege not in (None, "ACCESS"):
                made.append(_privilege(wish.rolename, new["privilege"]))
            return Change(item=item, new=new, operations=tuple(made), undo=(ops.security.role_remove(wish.rolename),))
        old = {"description": str(now.get("description") or ""), "privilege": given.get(wish.rolename, "ACCESS")}
        if wish.absent:
            members = await members_of(client, wish.rolename)
            if client.site.username in members:
                return impossible(item, "the account that this run signs in with has this role", old=old)
            shown = {**old, "members": len(members)}
            back: list[Operation[Any]] = [ops.security.role_add(wish.rolename, old["description"])]
            if old["privilege"] != "ACCESS":
                back.append(_privilege(wish.rolename, old["privilege"]))
            back += [ops.security.user_assign_roles(name, [wish.rolename]) for name in members]
            # What is masked where it is read can't be put back.
            undo = () if MASK in str(old) or "," in wish.rolename else tuple(back)
            gone = (ops.security.role_remove(wish.rolename),)
            return Change(item=item, old=shown, new="deleted", operations=gone, undo=undo)
        wanted = {"description": wish.description, "privilege": wish.privilege}
        new = {key: value for key, value in wanted.items() if value is not None}
        old = {key: old[key] for key in new}
        if old == new:
            return Change(item=item, state="noop", old=old, new=new)
        changed: list[Operation[Any]] = []
        backwards: list[Operation[Any]] = []
        if new.get("description") != old.get("description"):
            changed.append(ops.security.role_update(wish.rolename, new["description"]))
            backwards.append(ops.security.role_update(wish.rolename, old["description"]))
        if new.get("privilege") != old.get("privilege"):
            if old["privilege"] == "ADMINISTER" and client.site.username in await members_of(client, wish.rolename):
                return impossible(item, "the account that this run signs in with has this role", old=old, new=new)
            changed.append(_privilege(wish.rolename, new["privilege"]))
            backwards.append(_privilege(wish.rolename, old["privilege"]))
        return Change(item=item, old=old, new=new, operations=tuple(changed), undo=tuple(reversed(backwards)))

    # Users

    async def _user(
        self,
        client: SiteClient,
        wish: UserWish,
        accounts: Mapping[str, Mapping[str, Any]],
        own: Sequence[str],
        known: set[str],
    ) -> Change:
        item = f"user {wish.username}"
        now = accounts.get(wish.username)
        strange = [role for role in wish.roles or () if role not in known]
        if strange and not wish.absent:
            return impossible(item, NotFound(f"there is no role {strange[0]}", may_have_arrived=False))
        if now is None:
            alike = _spelled(wish.username, accounts)
            if alike is not None:
                return impossible(item, f"the site calls the account {alike}")
            if wish.absent:
                return self._not_there(item, f"there is no user {wish.username}")
            if not self.create:
                return impossible(item, NotFound(f"there is no user {wish.username}", may_have_arrived=False))
            return await self._new_user(client, wish, item)
        old = {key: str(now.get(key) or "") for key in ("fullname", "email", "description")}
        mine = sorted(own, key=str.casefold)
        if wish.absent:
            if wish.username == client.site.username:
                return impossible(item, "this run signs in with this account", old={**old, "roles": mine})
            return Change(
                item=item,
                old={**old, "roles": mine},
                new="deleted",
                operations=(ops.security.user_remove(wish.username),),
            )
        return self._changed_user(client, wish, item, old, mine)

    async def _new_user(self, client: SiteClient, wish: UserWish, item: str) -> Change:
        new: dict[str, Any] = {**wish.words, "roles": sorted(wish.roles or (), key=str.casefold)}
        password = self.passwords(client.site.name, wish.username)
        if password is None:
            return impossible(item, NO_PASSWORD, new=new)
        # From now on it is masked in whatever the site says.
        await client.secret(CredentialRef(kind="plain", plain=password))
        made: list[Operation[Any]] = [ops.security.user_add(wish.username, password.reveal(), **wish.words)]
        if wish.roles:
            made.append(ops.security.user_assign_roles(wish.username, wish.roles))
        undo = (ops.security.user_remove(wish.username),)
        return Change(item=item, new=new, operations=tuple(made), undo=undo)

    def _changed_user(
        self, client: SiteClient, wish: UserWish, item: str, words: dict[str, str], mine: list[str]
    ) -> Change:
        name = wish.username
        new: dict[str, Any] = {key: value for key, value in wish.words.items() if value != words[key]}
        old: dict[str, Any] = {key: words[key] for key in new}
        changed: list[Operation[Any]] = [ops.security.user_update(name, **new)] if new else []
        # What is masked where it is read can't be put back.
        back = bool(new) and not any(MASK in text for text in old.values())
        undo: list[Operation[Any]] = [ops.security.user_update(name, **old)] if back else []
        if wish.roles is not None and set(wish.roles) != set(mine):
            more = [role for role in wish.roles if role not in mine]
            less = [role for role in mine if role not in wish.roles]
            old["roles"], new["roles"] = mine, sorted(wish.roles, key=str.casefold)
            if less and name == client.site.username:
                return impossible(
                    item, "this run signs in with this account, which would lose a role", old=old, new=new
                )
            if any("," in role for role in (*more, *less)):
                return impossible(item, "a role with a comma in its name can't be told to the site", old=old, new=new)
            if more:
                changed.append(ops.security.user_assign_roles(name, more))
                undo.append(ops.security.user_remove_roles(name, more))
            if less:
                changed.append(ops.security.user_remove_roles(name, less))
                undo.append(ops.security.user_assign_roles(name, less))
        if not changed:
            return Change(item=item, state="noop", old={}, new={})
        if new.keys() & words.keys() and not back:
            # Half of it put back would pass for all of it.
            undo = []
        return Change(item=item, old=old, new=new, operations=tuple(changed), undo=tuple(reversed(undo)))

    def _not_there(self, item: str, message: str) -> Change:
        if self.missing_ok:
            return Change(item=item, state="noop", why="it is not there")
        return impossible(item, NotFound(message, hint="--ignore-not-found passes over it", may_have_arrived=False))


@dataclass(frozen=True)
class AssignRole(Verb):
    """Give *add* the role *role*, and take it from *remove*; the other members are left alone."""

    role: str
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    name = "security.roles.assign"
    doing: str = field(default="change", init=False)
    thing: str = field(default="member", init=False)

    def parameters(self) -> Mapping[str, Any]:
        return {"role": self.role, "add": list(self.add), "remove": list(self.remove)}

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        if self.role not in {str(role["rolename"]) for role in await roles(client)}:
            return [impossible(self.role, NotFound(f"there is no role {self.role}", may_have_arrived=False))]
        accounts = {str(user["username"]) for user in await users(client)}
        names = [*self.add, *self.remove]
        asked = [name for name in names if name in accounts]
        found = all_of(await each([partial(roles_of, client, name) for name in asked]))
        has = {name: self.role in mine for name, mine in zip(asked, found, strict=True)}
        return [self._judged(client, name, name in self.add, has.get(name)) for name in names]

    def _judged(self, client: SiteClient, name: str, wanted: bool, has: bool | None) -> Change:
        item = f"user {name}"
        if has is None:
            return impossible(item, NotFound(f"there is no user {name}", may_have_arrived=False))
        old, new = {self.role: has}, {self.role: wanted}
        if has == wanted:
            return Change(item=item, state="noop", old=old, new=new)
        if not wanted and name == client.site.username:
            return impossible(item, "this run signs in with this account, which would lose a role", old=old, new=new)
        give, take = (
            ops.security.user_assign_roles(name, [self.role]),
            ops.security.user_remove_roles(name, [self.role]),
        )
        first, back = (give, take) if wanted else (take, give)
        return Change(item=item, old=old, new=new, operations=(first,), undo=(back,))


def _is_user(change: Change) -> bool:
    return change.item.startswith("user ")


def _privilege(role: str, privilege: str) -> Operation[Any]:
    return ops.security.role_assign_privilege(role, privilege)  # type: ignore[arg-type]


def _spelled(name: str, names: Mapping[str, Any]) -> str | None:
    """The one of *names* that differs from *name* in large and small letters only."""
    return next((other for other in names if other.casefold() == name.casefold()), None)
