"""Accounts, roles, token settings and the security configuration of a simulated site."""

from __future__ import annotations

from typing import Any

from fleet.simulator.call import SUCCESS, Call, Route, route
from fleet.simulator.privileges import ORDER, privilege_of
from fleet.simulator.state import SiteState
from fleet.simulator.wire import Reply, admin_failure

__all__ = ["ROUTES", "token_settings_of"]

ROLE_MISSING = "The role does not exist."
USER_MISSING = "The user does not exist."


RESOURCES = ("users", "roles", "tokens", "config", "psa")


def resource(call: Call) -> Reply:
    return Reply({"resources": list(RESOURCES)})


# The primary administrator


def psa(call: Call) -> Reply:
    return Reply({"disabled": "true" if call.site.state.psa_disabled else "false"})


def update_psa(call: Call) -> Reply:
    """An empty form is a bare Java text, as on a real server."""
    call.site.tokens.become(call.need("username"), call.need("password"))
    return Reply(dict(SUCCESS), changed=True)


def disable_psa(call: Call) -> Reply:
    call.site.state.psa_disabled = True
    return Reply(dict(SUCCESS), changed=True)


def enable_psa(call: Call) -> Reply:
    call.site.state.psa_disabled = False
    return Reply(dict(SUCCESS), changed=True)


# Tokens


def token_settings_of(state: SiteState) -> dict[str, str]:
    """The properties of the token settings: texts, also where they are numbers or truth values."""
    settings: dict[str, str] = state.kept.setdefault(
        "token_settings", {"sharedKey": "shared-key-of-this-site", "shortTimeout": "60", "longTimeout": "1440"}
    )
    return settings


def token_settings(call: Call) -> Reply:
    return Reply({"type": "BUILTIN", "properties": token_settings_of(call.site.state)})


def update_token_settings(call: Call) -> Reply:
    """A changed shared key makes every token that is out there unreadable."""
    given = call.json_object("tokenManagerConfig").get("properties")
    if not isinstance(given, dict):
        raise admin_failure(500, "java.lang.NullPointerException")
    settings = token_settings_of(call.site.state)
    new = settings | {
        key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in given.items()
    }
    if not (new["shortTimeout"].isdigit() and new["longTimeout"].isdigit()):
        raise admin_failure(500, "The timeouts must be whole numbers.")
    if new["sharedKey"] != settings["sharedKey"]:
        call.site.tokens.forget_all()
    settings.update(new)
    return Reply(dict(SUCCESS), changed=True)


# The configuration


def config_of(call: Call) -> dict[str, Any]:
    """The security configuration; a federated site's also tells the portal, with a key in clear."""
    site = call.site
    value: dict[str, Any] = {
        "securityEnabled": True,
        "authenticationMode": "ARCGIS_TOKEN",
        "authenticationTier": "GIS_SERVER",
        "userStoreConfig": {"type": "BUILTIN", "properties": {}},
        "roleStoreConfig": {"type": "BUILTIN", "properties": {}},
        "sslEnabled": True,
        "httpEnabled": site.state.number < 10.7,
        "virtualDirsSecurityEnabled": False,
        "allowDirectAccess": True,
        "allowedAdminAccessIPs": "",
        "httpsProtocols": "TLSv1.2,TLSv1.3",
        "cipherSuites": "TLS_AES_256_GCM_SHA384",
        "HSTSEnabled": False,
        "allowInternetCORSAccess": True,
    }
    if site.portal_url is not None:
        value |= {
            "authenticationMode": "ARCGIS_PORTAL_TOKEN",
            "authenticationTier": "ARCGIS_PORTAL",
            "portalProperties": {
                "portalUrl": site.portal_url,
                "privatePortalUrl": site.portal_url,
                "portalSecretKey": "simulated-secret-key",
                "portalMode": "ARCGIS_PORTAL_FEDERATION",
                "serverId": f"id-{site.name}",
                "serverUrl": site.url,
            },
        }
    kept: dict[str, Any] = site.state.kept.get("security_config", {})
    return value | kept


def config(call: Call) -> Reply:
    return Reply(config_of(call))


def update_config(call: Call) -> Reply:
    """Take what is sent, redeploy, and restart the web server."""
    protocol = call.get("Protocol")
    if protocol not in (None, "HTTP", "HTTPS", "HTTP_AND_HTTPS"):
        raise admin_failure(500, f"Invalid protocol '{protocol}'.")
    kept = call.site.state.kept.setdefault("security_config", {})
    if protocol is not None:
        kept |= {"sslEnabled": protocol != "HTTP", "httpEnabled": protocol != "HTTPS"}
    for name in ("allowDirectAccess", "virtualDirsSecurityEnabled", "HSTSEnabled"):
        if call.get(name) is not None:
            kept[name] = call.flag(name)
    for name in ("allowedAdminAccessIPs", "httpsProtocols", "cipherSuites", "authenticationTier", "authenticationMode"):
        if (text := call.get(name)) is not None:
            kept[name] = text
    call.site.restart()
    return Reply(dict(SUCCESS), changed=True)


def update_stores(call: Call) -> Reply:
    stores = {name: call.json_object(name) for name in ("userStoreConfig", "roleStoreConfig")}
    call.site.state.kept.setdefault("security_config", {}).update(stores)
    call.site.restart()
    return Reply(dict(SUCCESS), changed=True)


def check_stores(call: Call) -> Reply:
    call.json_object("userStoreConfig"), call.json_object("roleStoreConfig")
    if call.site.switches.user_store == "broken":
        raise admin_failure(500, "The user store could not be reached.")
    return Reply(dict(SUCCESS))


# Users


def _page(call: Call, entries: list[Any], member: str) -> Reply:
    start, size = call.whole("startIndex", 0), call.whole("pageSize", 10)
    return Reply({member: entries[start : start + size], "hasMore": start + size < len(entries)})


def _found(call: Call, entries: list[Any], member: str, key: str | None) -> Reply:
    text = (call.get("filter") or "").lower()
    found = [one for one in entries if text in str(one if key is None else one[key]).lower()]
    most = call.whole("maxCount", 1000)
    return Reply({member: found[:most], "hasMore": len(found) > most})


def _user(call: Call) -> str:
    name = call.need("username")
    if name not in call.site.state.users:
        raise admin_failure(500, USER_MISSING)
    return name


def get_users(call: Call) -> Reply:
    return _page(call, list(call.site.state.users.values()), "users")


def search_users(call: Call) -> Reply:
    return _found(call, list(call.site.state.users.values()), "users", "username")


def add_user(call: Call) -> Reply:
    """The account signs in from now on; what it may do is up to its roles."""
    name, password = call.need("username"), call.need("password")
    state = call.site.state
    if name in state.users or name == call.site.tokens.primary:
        raise admin_failure(500, f"User '{name}' already exists.")
    state.users[name] = {
        "username": name,
        "fullname": call.get("fullname") or "",
        "description": call.get("description") or "",
        "email": call.get("email") or "",
        "disabled": False,
    }
    call.site.tokens.accounts[name] = password
    return Reply(dict(SUCCESS), changed=True)


def update_user(call: Call) -> Reply:
    name = _user(call)
    for key in ("fullname", "description", "email"):
        if (text := call.get(key)) is not None:
            call.site.state.users[name][key] = text
    if password := call.get("password"):
        call.site.tokens.accounts[name] = password
    return Reply(dict(SUCCESS), changed=True)


def remove_user(call: Call) -> Reply:
    name = _user(call)
    state = call.site.state
    del state.users[name]
    call.site.tokens.accounts.pop(name, None)
    for members in state.role_members.values():
        if name in members:
            members.remove(name)
    return Reply(dict(SUCCESS), changed=True)


def assign_roles(call: Call) -> Reply:
    name = _user(call)
    for role in _listed(call.need("roles")):
        members = _members(call, role)
        if name not in members:
            members.append(name)
    return Reply(dict(SUCCESS), changed=True)


def remove_roles(call: Call) -> Reply:
    name = _user(call)
    for role in _listed(call.need("roles")):
        members = _members(call, role)
        members[:] = [one for one in members if one != name]
    return Reply(dict(SUCCESS), changed=True)


def user_privilege(call: Call) -> Reply:
    return Reply({"privilege": privilege_of(call.site.state, _user(call))})


# Roles


def _listed(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]


def _role(call: Call) -> str:
    name = call.need("rolename")
    if name not in call.site.state.roles:
        raise admin_failure(500, ROLE_MISSING)
    return name


def _members(call: Call, role: str) -> list[str]:
    if role not in call.site.state.roles:
        raise admin_failure(500, ROLE_MISSING)
    return call.site.state.role_members.setdefault(role, [])


def get_roles(call: Call) -> Reply:
    return _page(call, list(call.site.state.roles.values()), "roles")


def search_roles(call: Call) -> Reply:
    return _found(call, list(call.site.state.roles.values()), "roles", "rolename")


def add_role(call: Call) -> Reply:
    name = call.need("rolename")
    state = call.site.state
    if name in state.roles:
        raise admin_failure(500, f"Role '{name}' already exists.")
    state.roles[name] = {"rolename": name, "description": call.get("description") or ""}
    return Reply(dict(SUCCESS), changed=True)


def update_role(call: Call) -> Reply:
    call.site.state.roles[_role(call)]["description"] = call.get("description") or ""
    return Reply(dict(SUCCESS), changed=True)


def remove_role(call: Call) -> Reply:
    state, name = call.site.state, _role(call)
    for kept in (state.roles, state.role_privileges, state.role_members):
        kept.pop(name, None)
    return Reply(dict(SUCCESS), changed=True)


def users_within(call: Call) -> Reply:
    return _found(call, _members(call, _role(call)), "users", None)


def roles_for(call: Call) -> Reply:
    name = call.need("username")
    roles = [role for role, members in call.site.state.role_members.items() if name in members]
    return _found(call, roles, "roles", None)


def add_members(call: Call) -> Reply:
    members = _members(call, _role(call))
    members += [name for name in _listed(call.need("users")) if name not in members]
    return Reply(dict(SUCCESS), changed=True)


def remove_members(call: Call) -> Reply:
    gone = _listed(call.need("users"))
    members = _members(call, _role(call))
    members[:] = [name for name in members if name not in gone]
    return Reply(dict(SUCCESS), changed=True)


def role_privilege(call: Call) -> Reply:
    return Reply({"privilege": call.site.state.role_privileges.get(_role(call), "ACCESS")})


def roles_by_privilege(call: Call) -> Reply:
    state, wanted = call.site.state, call.need("privilege")
    roles = [role for role in state.roles if state.role_privileges.get(role, "ACCESS") == wanted]
    return Reply({"roles": roles, "hasMore": False})


def assign_privilege(call: Call) -> Reply:
    name, privilege = _role(call), call.get("privilege") or "ACCESS"
    if privilege not in ORDER:
        raise admin_failure(500, f"Invalid privilege '{privilege}'.")
    call.site.state.role_privileges[name] = privilege
    return Reply(dict(SUCCESS), changed=True)


_BASE = "admin/security"
ROUTES: tuple[Route, ...] = (
    route("GET POST", _BASE, resource),
    route("GET", f"{_BASE}/psa", psa),
    # A POST to the resource falls into its operation.
    route("POST", f"{_BASE}/psa", update_psa, changes=True),
    route("POST", f"{_BASE}/psa/update", update_psa, changes=True),
    route("POST", f"{_BASE}/psa/disable", disable_psa, changes=True),
    route("POST", f"{_BASE}/psa/enable", enable_psa, changes=True),
    route("GET POST", f"{_BASE}/tokens", token_settings),
    route("POST", f"{_BASE}/tokens/update", update_token_settings, changes=True),
    route("GET POST", f"{_BASE}/config", config),
    route("POST", f"{_BASE}/config/update", update_config, changes=True),
    route("POST", f"{_BASE}/config/updateIdentityStore", update_stores, changes=True),
    route("POST", f"{_BASE}/config/testIdentityStore", check_stores),
    route("GET POST", f"{_BASE}/users/getUsers", get_users),
    route("GET POST", f"{_BASE}/users/search", search_users),
    route("POST", f"{_BASE}/users/add", add_user, changes=True),
    route("POST", f"{_BASE}/users/update", update_user, changes=True),
    route("POST", f"{_BASE}/users/remove", remove_user, changes=True),
    route("POST", f"{_BASE}/users/assignRoles", assign_roles, changes=True),
    route("POST", f"{_BASE}/users/removeRoles", remove_roles, changes=True),
    route("GET POST", f"{_BASE}/users/getPrivilege", user_privilege),
    route("GET POST", f"{_BASE}/roles/getRoles", get_roles),
    route("GET POST", f"{_BASE}/roles/search", search_roles),
    route("POST", f"{_BASE}/roles/add", add_role, changes=True),
    route("POST", f"{_BASE}/roles/update", update_role, changes=True),
    route("POST", f"{_BASE}/roles/remove", remove_role, changes=True),
    route("GET POST", f"{_BASE}/roles/getUsersWithinRole", users_within),
    route("GET POST", f"{_BASE}/roles/getRolesForUser", roles_for),
    route("POST", f"{_BASE}/roles/addUsersToRole", add_members, changes=True),
    route("POST", f"{_BASE}/roles/removeUsersFromRole", remove_members, changes=True),
    route("GET POST", f"{_BASE}/roles/getPrivilege", role_privilege),
    route("GET POST", f"{_BASE}/roles/getRolesByPrivilege", roles_by_privilege),
    route("POST", f"{_BASE}/roles/assignPrivilege", assign_privilege, changes=True),
)
