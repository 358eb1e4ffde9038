"""For each change of the catalogue that can be looked at: which resource tells, and what it says once it is done."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from fleet.admin.operation import Operation, ReadBack
from fleet.admin.readback import (
    contains,
    definition_is,
    listed,
    log_settings_are,
    members_are,
    mode_is,
    readable,
    services_are,
    state_is,
)
from fleet.errors import BadAnswer
from fleet.protocol.fields import ServiceId, as_bool, root_folder
from fleet.protocol.message import NOTHING

__all__ = ["SEEN", "read_back_for"]

Form = Mapping[str, str]
See = Callable[[str, Form], ReadBack | None]
"""From the path of a change, without its last part, and its parameters: how it is seen; None where nothing tells."""


def read_back_for(
    name: str, path: str, parameters: Form, files: Mapping[str, Path | bytes] = NOTHING
) -> ReadBack | None:
    """How to look at what the change *name* at *path* does; None where nothing that can be read tells."""
    resource, _, verb = path.rpartition("/")
    if name == "uploads.upload":
        return _uploaded(parameters, files)
    see = SEEN.get(name)
    if see is None or not verb or as_bool(parameters.get("runAsync")):
        # One that is answered before it is done can't be judged by what is read at once.
        return None
    try:
        return see(resource, parameters)
    except (KeyError, TypeError, ValueError, AttributeError, BadAnswer):
        # A parameter is missing, or holds something else than it should: the site will say so.
        return None


def _read(path: str, **form: str) -> Operation[Any]:
    """A read by GET, or with parameters by POST, in which names of people are no part of an address."""
    name = path.removeprefix("admin/").replace("/", ".")
    return Operation(name=name, path=path, method="POST" if form else "GET", parameters=form or NOTHING)


def _last(path: str) -> str:
    """The name that *path* ends with."""
    return unquote(path.rpartition("/")[2])


def _above(path: str, parts: int = 1) -> str:
    """*path* without its last *parts*."""
    for _ in range(parts):
        path = path.rpartition("/")[0]
    return path


def _object(form: Form, name: str) -> dict[str, Any]:
    """The JSON object in the parameter *name*; raises `ValueError` for anything else."""
    value = json.loads(form[name])
    if not isinstance(value, dict):
        raise ValueError(name)
    return value


def _named(member: str, wanted: str) -> Callable[[Any], bool]:
    """Whether an entry of a list is called *wanted* in its *member*, or is that text; letters without regard to case."""
    lower = wanted.lower()

    def matches(entry: Any) -> bool:
        told = entry.get(member) if isinstance(entry, Mapping) else entry
        return isinstance(told, str) and told.lower() == lower

    return matches


# Services


def _is_service(name: str, kind: str) -> Callable[[Any], bool]:
    return lambda entry: (
        isinstance(entry, Mapping)
        and entry.get("serviceName") == name
        and str(entry.get("type", "")).lower() == kind.lower()
    )


def _service_gone(path: str, form: Form) -> ReadBack:
    name, _, kind = _last(path).rpartition(".")
    return listed(_read(_above(path)), "services", _is_service(name, kind), gone=True)


def _service_created(path: str, form: Form) -> ReadBack:
    given = _object(form, "service")
    folder = root_folder(given.get("folderName"))
    place = f"{path}/{folder}" if path == "admin/services" and folder else path
    # One that is there already may be another one: the site refuses to create it again.
    return listed(_read(place), "services", _is_service(given["serviceName"], given["type"]), whole=False)


def _service_renamed(path: str, form: Form) -> ReadBack:
    """The new name is there, and the old one is not."""
    new = _is_service(form["serviceNewName"], form["serviceType"])
    old = _is_service(form["serviceName"], form["serviceType"])

    def done(answer: Any) -> bool | None:
        entries = answer.get("services")
        return any(map(new, entries)) and not any(map(old, entries)) if isinstance(entries, list) else None

    return ReadBack(look=_read(path), done=done)


def _many(form: Form) -> list[ServiceId]:
    given = json.loads(form["services"])
    entries = given["services"] if isinstance(given, dict) else given
    found = [ServiceId.of(entry) for entry in entries]
    services = [service for service in found if service is not None]
    if not services or len(services) < len(found):
        raise ValueError("services")
    return services


def _service_edited(path: str, form: Form) -> ReadBack:
    return definition_is(path, _object(form, "service"))


def _provider(path: str, form: Form) -> ReadBack:
    return members_are(_read(path), {"provider": form["provider"]})


def _info_edited(path: str, form: Form) -> ReadBack:
    return members_are(_read(path), _object(form, "serviceItemInfo"), whole="thumbnail" not in form)


def _folder_created(path: str, form: Form) -> ReadBack:
    name = form["folderName"]
    return listed(_read(path), "folders", lambda entry: isinstance(entry, str) and root_folder(entry) == name)


def _folder_gone(path: str, form: Form) -> ReadBack:
    name = _last(path)
    return listed(
        _read(_above(path)),
        "folders",
        lambda entry: isinstance(entry, str) and root_folder(entry) == name,
        gone=True,
    )


def _folder_edited(path: str, form: Form) -> ReadBack | None:
    wanted = {key: form[key] for key in ("description", "webEncrypted") if key in form}
    return members_are(_read(path), wanted) if wanted else None


def _permission_added(path: str, form: Form) -> ReadBack:
    allowed, constraint = as_bool(form["isAllowed"]), form.get("constraint")

    def matches(entry: Any) -> bool:
        told = entry.get("permission") if isinstance(entry, Mapping) else None
        return (
            isinstance(told, Mapping)
            and entry.get("principal") == form["principal"]
            and as_bool(told.get("isAllowed")) is allowed
            and (constraint is None or str(told.get("constraint") or "") == constraint)
        )

    return listed(_read(path), "permissions", matches)


def _permissions_cleaned(path: str, form: Form) -> ReadBack:
    # It reaches every folder and service below, of which one resource does not tell.
    return listed(_read(path), "permissions", _named("principal", form["principal"]), gone=True, whole=False)


def _job_cancelled(path: str, form: Form) -> ReadBack:
    def done(answer: Any) -> bool | None:
        state = answer.get("status") or answer.get("jobStatus")
        if state == "esriJobCancelled":
            return True
        return False if state in ("esriJobNew", "esriJobSubmitted", "esriJobWaiting") else None

    return ReadBack(look=_read(path), done=done)


# Machines and certificates


def _machine_there(path: str, form: Form) -> ReadBack:
    return listed(_read(path), "machines", _named("machineName", form["machineName"]))


def _machine_gone(path: str, form: Form) -> ReadBack:
    return listed(_read(_above(path)), "machines", _named("machineName", _last(path)), gone=True)


def _machine_renamed(path: str, form: Form) -> ReadBack:
    return listed(_read(path), "machines", _named("machineName", form["newMachineName"]))


PORTS = ("OpenEJBPort", "JMXPort", "NamingPort", "DerbyPort")


def _machine_edited(path: str, form: Form) -> ReadBack | None:
    """Each setting that the machine tells; its Java heap has no effect, and no word, from 10.6 on."""
    wanted = {key: value for key, value in form.items() if key not in (*PORTS, "machineName", "appServerMaxHeapSize")}
    ports = {key: form[key] for key in PORTS if key in form}
    if not wanted and not ports:
        return None

    def done(answer: Any) -> bool | None:
        told = answer.get("ports") if isinstance(answer.get("ports"), Mapping) else {}
        if any(key not in answer for key in wanted) or any(key not in told for key in ports):
            return None
        return contains(answer, wanted) and contains(told, ports)

    return ReadBack(look=_read(path), done=done, whole="appServerMaxHeapSize" not in form)


def _certificate_there(path: str, form: Form) -> ReadBack:
    # One of that name may be there already: that it is the new one is not told.
    return listed(_read(path), "certificates", _named("aliasName", form["alias"]), whole=False)


def _certificate_gone(path: str, form: Form) -> ReadBack:
    return listed(_read(_above(path)), "certificates", _named("aliasName", _last(path)), gone=True)


# Clusters


def _cluster_there(path: str, form: Form) -> ReadBack:
    return listed(_read(path), "clusters", _named("clusterName", form["clusterName"]))


def _cluster_gone(path: str, form: Form) -> ReadBack:
    return listed(_read(_above(path)), "clusters", _named("clusterName", _last(path)), gone=True)


# Data items


def _item_registered(path: str, form: Form) -> ReadBack:
    item = _object(form, "item")
    look = _read("admin/data/findItems", parentPath=item["path"].rpartition("/")[0] or "/")
    # One at the same path may be another one: the site refuses to register it again.
    return listed(look, "items", _named("path", item["path"]), whole=False)


def _item_gone(path: str, form: Form) -> ReadBack:
    gone = form.get("itempath") or form["itemPath"]
    look = _read("admin/data/findItems", parentPath=gone.rpartition("/")[0] or "/")
    return listed(look, "items", _named("path", gone), gone=True)


def _item_edited(path: str, form: Form) -> ReadBack:
    wanted, hidden = readable(_object(form, "item"))
    return members_are(_read(path), wanted, whole=not hidden)


def _data_config(path: str, form: Form) -> ReadBack:
    return members_are(_read(path), _object(form, "datastoreConfig"))


def _store_machine_gone(path: str, form: Form) -> ReadBack:
    return listed(_read(_above(path)), "machines", _named("name", _last(path)), gone=True)


# Security


def _user_is(path: str, form: Form) -> ReadBack:
    """The user's own words; the password is never told."""
    name = form["username"]
    wanted = {key: form[key] for key in ("fullname", "description", "email") if key in form}

    def matches(entry: Any) -> bool:
        return isinstance(entry, Mapping) and entry.get("username") == name and contains(entry, wanted)

    look = _read("admin/security/users/search", filter=name, maxCount="1000")
    return listed(look, "users", matches, whole="password" not in form)


def _user_gone(path: str, form: Form) -> ReadBack:
    name = form["username"]
    look = _read("admin/security/users/search", filter=name, maxCount="1000")
    return listed(look, "users", lambda entry: _is(entry, "username", name), gone=True)


def _role_is(path: str, form: Form) -> ReadBack:
    name, description = form["rolename"], form.get("description")

    def matches(entry: Any) -> bool:
        return _is(entry, "rolename", name) and (
            description is None or str(entry.get("description") or "") == description
        )

    return listed(_read("admin/security/roles/search", filter=name, maxCount="1000"), "roles", matches)


def _role_gone(path: str, form: Form) -> ReadBack:
    name = form["rolename"]
    look = _read("admin/security/roles/search", filter=name, maxCount="1000")
    return listed(look, "roles", lambda entry: _is(entry, "rolename", name), gone=True)


def _is(entry: Any, member: str, wanted: str) -> bool:
    return isinstance(entry, Mapping) and entry.get(member) == wanted


def _each_in(look: Operation[Any], member: str, key: str, names: str, *, gone: bool) -> ReadBack:
    """Every one of *names*, a list with commas, is (or with *gone*, is not) in the list *member*."""
    wanted = {name.strip() for name in names.split(",") if name.strip()}

    def done(answer: Any) -> bool | None:
        entries = answer.get(member)
        if not isinstance(entries, list) or not wanted:
            return None
        there = {entry.get(key) if isinstance(entry, Mapping) else entry for entry in entries}
        if answer.get("hasMore") is True and not wanted <= there:
            return None
        return not wanted & there if gone else wanted <= there

    return ReadBack(look=look, done=done)


def _members(gone: bool) -> See:
    def see(path: str, form: Form) -> ReadBack:
        look = _read("admin/security/roles/getUsersWithinRole", rolename=form["rolename"], maxCount="10000")
        return _each_in(look, "users", "username", form["users"], gone=gone)

    return see


def _roles(gone: bool) -> See:
    def see(path: str, form: Form) -> ReadBack:
        look = _read("admin/security/roles/getRolesForUser", username=form["username"], maxCount="10000")
        return _each_in(look, "roles", "rolename", form["roles"], gone=gone)

    return see


def _privilege(path: str, form: Form) -> ReadBack:
    look = _read("admin/security/roles/getPrivilege", rolename=form["rolename"])
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
        given, more = readable(_object(form, "securityConfig"))
        wanted |= given
        hidden = hidden or more
    lists = {key: _parts(form[key]) for key in LISTS if key in form}
    if not wanted and not lists:
        return None

    def done(answer: Any) -> bool | None:
        return contains(answer, wanted) and all(_parts(str(answer.get(key) or "")) == lists[key] for key in lists)

    return ReadBack(look=_read(path), done=done, whole=not hidden)


def _parts(text: str) -> set[str]:
    return {part.strip() for part in text.split(",") if part.strip()}


def _identity_stores(path: str, form: Form) -> ReadBack:
    wanted, hidden = readable({key: _object(form, key) for key in ("userStoreConfig", "roleStoreConfig")})
    return members_are(_read("admin/security/config"), wanted, whole=not hidden)


def _token_settings(path: str, form: Form) -> ReadBack:
    given = _object(form, "tokenManagerConfig")
    wanted, hidden = readable(given)
    return members_are(_read(path), wanted, whole=not hidden)


def _psa(disabled: bool) -> See:
    def see(path: str, form: Form) -> ReadBack:
        look: Operation[Any] = Operation(name="security.psa", path=path, get_only=True)

        def done(answer: Any) -> bool | None:
            told = as_bool(answer.get("disabled"))
            return None if told is None else told is disabled

        return ReadBack(look=look, done=done)

    return see


# System


def _properties(path: str, form: Form) -> ReadBack:
    """The whole object is replaced: a property that is still there and was left out makes it undecided."""
    wanted = _object(form, "properties")

    def done(answer: Any) -> bool | None:
        if not contains(answer, wanted):
            return False
        return True if answer.keys() <= wanted.keys() else None

    return ReadBack(look=_read(path), done=done)


DIRECTORY = ("directoryType", "cleanupMode", "maxFileAge", "description", "useLocalDir", "localDirectoryPath")


def _is_directory(form: Form, name: str) -> Callable[[Any], bool]:
    wanted = {key: form[key] for key in DIRECTORY if form.get(key)}

    def matches(entry: Any) -> bool:
        return (
            _is(entry, "name", name)
            and str(entry.get("physicalPath", "")).rstrip("/\\") == form["physicalPath"].rstrip("/\\")
            and contains(entry, wanted)
        )

    return matches


def _directory_there(path: str, form: Form) -> ReadBack:
    return listed(_read("admin/system/directories"), "directories", _is_directory(form, form["name"]))


def _directory_gone(path: str, form: Form) -> ReadBack:
    name = _last(path)
    return listed(_read(_above(path)), "directories", lambda entry: _is(entry, "name", name), gone=True)


def _config_store(path: str, form: Form) -> ReadBack:
    wanted = {"type": form["type"], "connectionString": form["connectionString"]}
    return members_are(_read(path), wanted)


ADAPTOR = ("isAdminEnabled", "description", "httpPort", "httpsPort")


def _adaptor_there(path: str, form: Form) -> ReadBack:
    url = form["webAdaptorURL"].rstrip("/").lower()
    wanted = {key: form[key] for key in ADAPTOR if form.get(key)}

    def matches(entry: Any) -> bool:
        told = entry.get("webAdaptorURL") if isinstance(entry, Mapping) else None
        return isinstance(told, str) and told.rstrip("/").lower() == url and contains(entry, wanted)

    return listed(_read(path), "webAdaptors", matches)


def _adaptor_updated(path: str, form: Form) -> ReadBack:
    identity, wanted = _last(path), dict(form)
    return listed(
        _read(_above(path)), "webAdaptors", lambda entry: _is(entry, "id", identity) and contains(entry, wanted)
    )


def _adaptor_gone(path: str, form: Form) -> ReadBack:
    identity = _last(path)
    return listed(_read(_above(path)), "webAdaptors", lambda entry: _is(entry, "id", identity), gone=True)


def _parameters_are(path: str, form: Form) -> ReadBack | None:
    """The resource has each parameter as a member of the same name."""
    if not form:
        return None

    def done(answer: Any) -> bool | None:
        return contains(answer, form) if form.keys() <= answer.keys() else None

    return ReadBack(look=_read(path), done=done)


# Usage reports and uploads


def _report_there(path: str, form: Form) -> ReadBack:
    name = _object(form, "usagereport")["reportname"]
    return listed(_read(path), "metrics", _named("reportname", name), whole=False)


def _report_edited(path: str, form: Form) -> ReadBack:
    given = _object(form, "usagereport")
    return members_are(_read(path), {key: given[key] for key in ("since", "queries", "from", "to") if key in given})


def _report_gone(path: str, form: Form) -> ReadBack:
    return listed(_read(_above(path)), "metrics", _named("reportname", _last(path)), gone=True)


def _uploaded(form: Form, files: Mapping[str, Path | bytes]) -> ReadBack | None:
    """An item called as the file; there may have been one before, which can't be told from it."""
    file = files.get("itemFile")
    if not isinstance(file, Path):
        return None
    return listed(_read("admin/uploads"), "items", _named("itemName", file.name), whole=False)


def _upload_committed(path: str, form: Form) -> ReadBack:
    return members_are(_read(path), {"committed": True})


def _upload_gone(path: str, form: Form) -> ReadBack:
    identity = _last(path)
    return listed(_read(_above(path)), "items", lambda entry: _is(entry, "itemID", identity), gone=True)


# The portal


def _server_there(path: str, form: Form) -> ReadBack:
    url = form["adminUrl"].rstrip("/").lower()
    return listed(
        _read(path), "servers", lambda entry: str(_member(entry, "adminUrl")).rstrip("/").lower() == url, whole=False
    )


def _server_updated(path: str, form: Form) -> ReadBack:
    identity = _last(path)
    functions = None if "serverFunction" not in form else _parts(form["serverFunction"])

    def matches(entry: Any) -> bool:
        return (
            _is(entry, "id", identity)
            and _member(entry, "serverRole") == form["serverRole"]
            and (functions is None or _parts(str(_member(entry, "serverFunction") or "")) == functions)
        )

    return listed(_read(_above(path)), "servers", matches)


def _server_gone(path: str, form: Form) -> ReadBack:
    identity = _last(path)
    return listed(_read(_above(path)), "servers", lambda entry: _is(entry, "id", identity), gone=True)


def _member(entry: Any, name: str) -> Any:
    return entry.get(name) if isinstance(entry, Mapping) else None


SEEN: Mapping[str, See] = {
    "mode.update": lambda path, form: mode_is(form["siteMode"]),
    "machines.register": _machine_there,
    "machines.rename": _machine_renamed,
    "machines.unregister": _machine_gone,
    "machines.edit": _machine_edited,
    "machines.start": lambda path, form: state_is(f"{path}/status", "STARTED"),
    "machines.stop": lambda path, form: state_is(f"{path}/status", "STOPPED"),
    "machines.sslcertificates.generate": _certificate_there,
    "machines.sslcertificates.importRootOrIntermediate": _certificate_there,
    "machines.sslcertificates.importExistingServerCertificate": _certificate_there,
    "machines.sslcertificates.delete": _certificate_gone,
    "clusters.create": _cluster_there,
    "clusters.delete": _cluster_gone,
    "services.createFolder": _folder_created,
    "services.folder.deleteFolder": _folder_gone,
    "services.folder.editFolder": _folder_edited,
    "services.createService": _service_created,
    "services.startServices": lambda path, form: services_are(_many(form), "STARTED"),
    "services.stopServices": lambda path, form: services_are(_many(form), "STOPPED"),
    "services.deleteServices": lambda path, form: services_are(_many(form), None),
    "services.renameService": _service_renamed,
    "services.folder.permissions.add": _permission_added,
    "services.folder.permissions.clean": _permissions_cleaned,
    "services.permissions.add": _permission_added,
    "services.start": lambda path, form: state_is(f"{path}/status", "STARTED"),
    "services.stop": lambda path, form: state_is(f"{path}/status", "STOPPED"),
    "services.delete": _service_gone,
    "services.edit": _service_edited,
    "services.changeProvider": _provider,
    "services.iteminfo.edit": _info_edited,
    "services.jobs.cancel": _job_cancelled,
    "logs.settings.edit": lambda path, form: log_settings_are(form),
    "usagereports.add": _report_there,
    "usagereports.edit": _report_edited,
    "usagereports.delete": _report_gone,
    "usagereports.settings.edit": _parameters_are,
    "data.config.update": _data_config,
    "data.items.edit": _item_edited,
    "data.registerItem": _item_registered,
    "data.unregisterItem": _item_gone,
    "data.items.enterpriseDatabases.machines.remove": _store_machine_gone,
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
    "system.properties.update": _properties,
    "system.directories.register": _directory_there,
    "system.directories.edit": _directory_there,
    "system.directories.unregister": _directory_gone,
    "system.configstore.edit": _config_store,
    "system.webadaptors.register": _adaptor_there,
    "system.webadaptors.update": _adaptor_updated,
    "system.webadaptors.unregister": _adaptor_gone,
    "system.handlers.rest.servicesdirectory.edit": _parameters_are,
    "system.platformservices.start": lambda path, form: state_is(f"{path}/status", "STARTED"),
    "system.platformservices.stop": lambda path, form: state_is(f"{path}/status", "STOPPED"),
    "uploads.commit": _upload_committed,
    "uploads.delete": _upload_gone,
    "portal.federation.servers.federate": _server_there,
    "portal.federation.servers.update": _server_updated,
    "portal.federation.servers.unfederate": _server_gone,
}
"""How each change is seen, by its name in the catalogue."""
