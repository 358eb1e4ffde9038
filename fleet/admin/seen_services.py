"""How changes of services, of their folders and of what belongs to them are seen."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from fleet.admin.operation import ReadBack
from fleet.admin.readback import definition_is, listed, members_are, services_are, state_is
from fleet.admin.seen import Form, See, above, last_of, named, object_in, read_of
from fleet.protocol.fields import ServiceId, as_bool, root_folder

__all__ = ["SEEN"]


def _is_service(name: str, kind: str) -> Callable[[Any], bool]:
    return lambda entry: (
        isinstance(entry, Mapping)
        and entry.get("serviceName") == name
        and str(entry.get("type", "")).lower() == kind.lower()
    )


def _service_gone(path: str, form: Form) -> ReadBack:
    name, _, kind = last_of(path).rpartition(".")
    return listed(read_of(above(path)), "services", _is_service(name, kind), gone=True)


def _service_created(path: str, form: Form) -> ReadBack:
    given = object_in(form, "service")
    folder = root_folder(given.get("folderName"))
    place = f"{path}/{folder}" if path == "admin/services" and folder else path
    # One that is there already may be another one: the site refuses to create it again.
    return listed(read_of(place), "services", _is_service(given["serviceName"], given["type"]), whole=False)


def _service_renamed(path: str, form: Form) -> ReadBack:
    """The new name is there, and the old one is not."""
    new = _is_service(form["serviceNewName"], form["serviceType"])
    old = _is_service(form["serviceName"], form["serviceType"])

    def done(answer: Any) -> bool | None:
        entries = answer.get("services")
        return any(map(new, entries)) and not any(map(old, entries)) if isinstance(entries, list) else None

    return ReadBack(look=read_of(path), done=done)


def _many(form: Form) -> list[ServiceId]:
    given = json.loads(form["services"])
    entries = given["services"] if isinstance(given, dict) else given
    found = [ServiceId.of(entry) for entry in entries]
    services = [service for service in found if service is not None]
    if not services or len(services) < len(found):
        raise ValueError("services")
    return services


def _service_edited(path: str, form: Form) -> ReadBack:
    return definition_is(path, object_in(form, "service"))


def _provider(path: str, form: Form) -> ReadBack:
    return members_are(read_of(path), {"provider": form["provider"]})


def _info_edited(path: str, form: Form) -> ReadBack:
    return members_are(read_of(path), object_in(form, "serviceItemInfo"), whole="thumbnail" not in form)


def _folder_created(path: str, form: Form) -> ReadBack:
    name = form["folderName"]
    return listed(read_of(path), "folders", lambda entry: isinstance(entry, str) and root_folder(entry) == name)


def _folder_gone(path: str, form: Form) -> ReadBack:
    name = last_of(path)
    return listed(
        read_of(above(path)),
        "folders",
        lambda entry: isinstance(entry, str) and root_folder(entry) == name,
        gone=True,
    )


def _folder_edited(path: str, form: Form) -> ReadBack | None:
    wanted = {key: form[key] for key in ("description", "webEncrypted") if key in form}
    return members_are(read_of(path), wanted) if wanted else None


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

    return listed(read_of(path), "permissions", matches)


def _permissions_cleaned(path: str, form: Form) -> ReadBack:
    # It reaches every folder and service below, of which one resource does not tell.
    return listed(read_of(path), "permissions", named("principal", form["principal"]), gone=True, whole=False)


def _job_cancelled(path: str, form: Form) -> ReadBack:
    def done(answer: Any) -> bool | None:
        state = answer.get("status") or answer.get("jobStatus")
        if state == "esriJobCancelled":
            return True
        return False if state in ("esriJobNew", "esriJobSubmitted", "esriJobWaiting") else None

    return ReadBack(look=read_of(path), done=done)


SEEN: Mapping[str, See] = {
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
}
"""How each of these changes is seen, by its name in the catalogue."""
