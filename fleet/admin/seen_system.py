"""How changes of the system are seen: properties, directories, stores, web adaptors, data items."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fleet.admin.operation import ReadBack
from fleet.admin.readback import contains, listed, members_are, parameters_are, readable, state_is
from fleet.admin.seen import Form, See, above, last_of, member_is, named, object_in, read_of

__all__ = ["SEEN"]


def _properties(path: str, form: Form) -> ReadBack:
    """The whole object is replaced: a property that is still there and was left out makes it undecided."""
    wanted = object_in(form, "properties")

    def done(answer: Any) -> bool | None:
        if not contains(answer, wanted):
            return False
        return True if answer.keys() <= wanted.keys() else None

    return ReadBack(look=read_of(path), done=done)


DIRECTORY = ("directoryType", "cleanupMode", "maxFileAge", "description", "useLocalDir", "localDirectoryPath")


def _is_directory(form: Form, name: str) -> Callable[[Any], bool]:
    wanted = {key: form[key] for key in DIRECTORY if form.get(key)}

    def matches(entry: Any) -> bool:
        return (
            member_is(entry, "name", name)
            and str(entry.get("physicalPath", "")).rstrip("/\\") == form["physicalPath"].rstrip("/\\")
            and contains(entry, wanted)
        )

    return matches


def _directory_there(path: str, form: Form) -> ReadBack:
    return listed(read_of("admin/system/directories"), "directories", _is_directory(form, form["name"]))


def _directory_gone(path: str, form: Form) -> ReadBack:
    name = last_of(path)
    return listed(read_of(above(path)), "directories", lambda entry: member_is(entry, "name", name), gone=True)


def _config_store(path: str, form: Form) -> ReadBack:
    wanted = {"type": form["type"], "connectionString": form["connectionString"]}
    return members_are(read_of(path), wanted)


ADAPTOR = ("isAdminEnabled", "description", "httpPort", "httpsPort")


def _adaptor_there(path: str, form: Form) -> ReadBack:
    url = form["webAdaptorURL"].rstrip("/").lower()
    wanted = {key: form[key] for key in ADAPTOR if form.get(key)}

    def matches(entry: Any) -> bool:
        told = entry.get("webAdaptorURL") if isinstance(entry, Mapping) else None
        return isinstance(told, str) and told.rstrip("/").lower() == url and contains(entry, wanted)

    return listed(read_of(path), "webAdaptors", matches)


def _adaptor_updated(path: str, form: Form) -> ReadBack:
    identity, wanted = last_of(path), dict(form)
    return listed(
        read_of(above(path)), "webAdaptors", lambda entry: member_is(entry, "id", identity) and contains(entry, wanted)
    )


def _adaptor_gone(path: str, form: Form) -> ReadBack:
    identity = last_of(path)
    return listed(read_of(above(path)), "webAdaptors", lambda entry: member_is(entry, "id", identity), gone=True)


def _item_registered(path: str, form: Form) -> ReadBack:
    item = object_in(form, "item")
    look = read_of("admin/data/findItems", parentPath=item["path"].rpartition("/")[0] or "/")
    # One at the same path may be another one: the site refuses to register it again.
    return listed(look, "items", named("path", item["path"]), whole=False)


def _item_gone(path: str, form: Form) -> ReadBack:
    gone = form.get("itempath") or form["itemPath"]
    look = read_of("admin/data/findItems", parentPath=gone.rpartition("/")[0] or "/")
    return listed(look, "items", named("path", gone), gone=True)


def _item_edited(path: str, form: Form) -> ReadBack:
    wanted, hidden = readable(object_in(form, "item"))
    return members_are(read_of(path), wanted, whole=not hidden)


def _data_config(path: str, form: Form) -> ReadBack:
    return members_are(read_of(path), object_in(form, "datastoreConfig"))


def _store_machine_gone(path: str, form: Form) -> ReadBack:
    return listed(read_of(above(path)), "machines", named("name", last_of(path)), gone=True)


SEEN: Mapping[str, See] = {
    "data.config.update": _data_config,
    "data.items.edit": _item_edited,
    "data.registerItem": _item_registered,
    "data.unregisterItem": _item_gone,
    "data.items.enterpriseDatabases.machines.remove": _store_machine_gone,
    "system.properties.update": _properties,
    "system.directories.register": _directory_there,
    "system.directories.edit": _directory_there,
    "system.directories.unregister": _directory_gone,
    "system.configstore.edit": _config_store,
    "system.webadaptors.register": _adaptor_there,
    "system.webadaptors.update": _adaptor_updated,
    "system.webadaptors.unregister": _adaptor_gone,
    "system.handlers.rest.servicesdirectory.edit": parameters_are,
    "system.platformservices.start": lambda path, form: state_is(f"{path}/status", "STARTED"),
    "system.platformservices.stop": lambda path, form: state_is(f"{path}/status", "STOPPED"),
}
"""How each of these changes is seen, by its name in the catalogue."""
