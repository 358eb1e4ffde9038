"""How changes of users, roles and the security configuration are seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleet.admin.operation import Operation, ReadBack
from fleet.admin.readback import contains, listed, members_are, readable
from fleet.admin.seen import Form, See, member_is, object_in, parts_of, read_of
from fleet.protocol.fields import as_bool

__all__ = ["SEEN"]


def _user_is(path: str, form: Form) -> ReadBack:
    """The user's own words; the password is never told."""
    name = form["username"]
    wanted = {key: form[key] for key in ("fullname", "description", "email") if key in form}

    def matches(entry: Any) -> bool:
        return isinstance(entry, Mapping) and entry.get("username") == name and contains(entry, wanted)

    look = read_of("admin/security/users/search", filter=name, maxCount="1000")
    return listed(look, "users", matches, whole="password" not in form)


def _user_gone(path: str, form: Form) -> ReadBack:
    name = form["username"]
    look = read_of("admin/security/users/search", filter=name, maxCount="1000")
    return listed(look, "users", lambda entry: member_is(entry, "username", name), gone=True)


def _role_is(path: str, form: Form) -> ReadBack:
    name, description = form["rolename"], form.get("description")

    def matches(entry: Any) -> bool:
        return member_is(entry, "rolename", name) and (
            description is None or str(entry.get("description") or "") == description
        )

    return listed(read_of("admin/security/roles/search", filter=name, maxCount="1000"), "roles", matches)


def _role_gone(path: str, form: Form) -> ReadBack:
    name = form["rolename"]
    look = read_of("admin/security/roles/search", filter=name, maxCount="1000")
    return listed(look, "roles", lambda entry: member_is(entry, "rolename", name), gone=True)


def _each_in(look: Operation[Any], member: str, key: str, names: str, *, gone: bool) -> ReadBack:
    """Every one of *names*, a list with commas, is (or with *gone*, is not) in the list *member*."""
    wanted = {name.strip() for name in names.split(",") if name.strip()}

    def done(answer: Any) -> bool | None:
        entries = answer.get(member)
        if not isinstance(entries, list) or not wanted:
            return None
        told = [entry.get(key) if isinstance(entry, Mapping) else entry for entry in entries]
        there = {name for name in told if isinstance(name, str)}
        if answer.get("hasMore") is True and not wanted <= there:
            return None
        return not wanted & there if gone else wanted <= there

    return ReadBack(look=look, done=done)


def _members(gone: bool) -> See:
    def see(path: str, form: Form) -> ReadBack:
        look = read_of("admin/security/roles/getUsersWithinRole", rolename=form["rolename"], maxCount="10000")
        return _each_in(look, "users", "username", form["users"], gone=gone)

    return see


def _roles(gone: bool) -> See:
    def see(path: str, form: Form) -> ReadBack:
        look = read_of("admin/security/roles/getRolesForUser", username=form["username"], maxCount="10000")
        return _each_in(look, "roles", "rolename", form["roles"], gone=gone)

    return see


def _privilege(path: str, form: Form) -> ReadBack:
    look = read_of("admin/security/roles/getPrivilege", rolename=form["rolename"])
    return members_are(look, {"privilege": form.get("privilege", "ACCESS")})


LISTS = ("httpsProtocols", "cipherSuites", "allowedAdminAccessIPs")


def _security_config(path: str, form: Form) -> ReadBack | None:
    """Protocol comes back as two truth values, and lists with commas may come back in another order."""
    wanted: dict[str, Any] = {
        key: value
        for key, value in form.items()
        if key not in (*LISTS, "Protocol", "securityConfig", "portalProperties", "runAsync")
    }
    if "Protocol" in form:
        wanted |= {"sslEnabled": form["Protocol"] != "HTTP", "httpEnabled": form["Protocol"] != "HTTPS"}
    hidden = "portalProperties" in form
    if "securityConfig" in form:
        given, more = readable(object_in(form, "securityConfig"))
        wanted |= given
        hidden = hidden or more
    lists = {key: parts_of(form[key]) for key in LISTS if key in form}
    if not wanted and not lists:
        return None

    def done(answer: Any) -> bool | None:
        return contains(answer, wanted) and all(parts_of(str(answer.get(key) or "")) == lists[key] for key in lists)

    return ReadBack(look=read_of(path), done=done, whole=not hidden)


def _identity_stores(path: str, form: Form) -> ReadBack:
    wanted, hidden = readable({key: object_in(form, key) for key in ("userStoreConfig", "roleStoreConfig")})
    return members_are(read_of("admin/security/config"), wanted, whole=not hidden)


def _token_settings(path: str, form: Form) -> ReadBack:
    given = object_in(form, "tokenManagerConfig")
    wanted, hidden = readable(given)
    return members_are(read_of(path), wanted, whole=not hidden)


def _psa(disabled: bool) -> See:
    def see(path: str, form: Form) -> ReadBack:
        look: Operation[Any] = Operation(name="security.psa", path=path, get_only=True)

        def done(answer: Any) -> bool | None:
            told = as_bool(answer.get("disabled"))
            return None if told is None else told is disabled

        return ReadBack(look=look, done=done)

    return see


SEEN: Mapping[str, See] = {
    "security.config.update": _security_config,
    "security.config.updateIdentityStore": _identity_stores,
    "security.users.add": _user_is,
    "security.users.update": _user_is,
    "security.users.remove": _user_gone,
    "security.users.assignRoles": _roles(gone=False),
    "security.users.removeRoles": _roles(gone=True),
    "security.roles.add": _role_is,
    "security.roles.update": _role_is,
    "security.roles.remove": _role_gone,
    "security.roles.addUsersToRole": _members(gone=False),
    "security.roles.removeUsersFromRole": _members(gone=True),
    "security.roles.assignPrivilege": _privilege,
    "security.tokens.update": _token_settings,
    "security.psa.disable": _psa(disabled=True),
    "security.psa.enable": _psa(disabled=False),
}
"""How each of these changes is seen, by its name in the catalogue."""
