"""Services that are created, renamed, moved and deleted, one or many at once, and their folders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from fleet.admin.catalogue import operation
from fleet.admin.operation import Operation
from fleet.protocol.fields import ServiceId

__all__ = [
    "can_create",
    "change_provider",
    "create",
    "delete",
    "delete_many",
    "exists",
    "export_services",
    "folder_create",
    "folder_delete",
    "folder_edit",
    "import_services",
    "rename",
    "start_many",
    "stop_many",
]


def as_id(service: ServiceId | str) -> ServiceId:
    """The service that *service* is, or names."""
    return ServiceId.parse(service) if isinstance(service, str) else service


def _several(services: Iterable[ServiceId | str]) -> dict[str, Any]:
    """*services* in the form that servers take; the bare list, which the help prints, is refused by some."""
    return {"services": [as_id(service).to_parameter() for service in services]}


def create(definition: Mapping[str, Any], folder: str = "") -> Operation[dict[str, Any]]:
    """Create the service of *definition*, a whole one, in *folder*, and start it unless it says STOPPED.

    *definition* has at least `serviceName`, `type` and `provider`. Some providers leave a new service stopped all the
    same. A service of that name that is there already is refused by the site.

    One attempt may take 240 s. Done when the folder lists it.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/createservice
    """
    return operation("services.createService", {"service": definition}, folder=folder)


def delete(service: ServiceId | str) -> Operation[dict[str, Any]]:
    """Delete *service* with its definition.

    One attempt may take 300 s. Done when its folder no longer lists it.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/deleteservice
    """
    return operation("services.delete", service=as_id(service))


def rename(service: ServiceId | str, new_name: str) -> Operation[dict[str, Any]]:
    """Give *service* the name *new_name* in its folder; addresses of it change too, and it restarts.

    One attempt may take 300 s. Done when its folder lists the new name and not the old one.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/renameservice
    """
    found = as_id(service)
    return operation(
        "services.renameService",
        {"serviceName": found.name, "serviceType": found.type, "serviceNewName": new_name},
        folder=found.folder,
    )


def change_provider(service: ServiceId | str, provider: Literal["ArcObjects11", "DMaps"]) -> Operation[dict[str, Any]]:
    """Move *service* to shared instances (*provider* DMaps), or to instances of its own (ArcObjects11).

    It restarts. Hosted services (SDS) can't be moved.

    Since 10.7. One attempt may take 300 s. Done when its definition has that provider.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/change-provider
    """
    return operation("services.changeProvider", {"provider": provider}, service=as_id(service))


def start_many(services: Iterable[ServiceId | str]) -> Operation[dict[str, Any]]:
    """Start all *services*, of any folders, by one call.

    The answer does not tell them apart.

    Since 10.3. One attempt may take 600 s. Done when a report says STARTED of each, as its wish and measured.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/services
    """
    return operation("services.startServices", {"services": _several(services)})


def stop_many(services: Iterable[ServiceId | str]) -> Operation[dict[str, Any]]:
    """Stop all *services*, of any folders, by one call.

    The answer does not tell them apart.

    Since 10.3. One attempt may take 300 s. Done when a report says STOPPED of each, as its wish and measured.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/services
    """
    return operation("services.stopServices", {"services": _several(services)})


def delete_many(services: Iterable[ServiceId | str]) -> Operation[dict[str, Any]]:
    """Delete all *services*, of any folders, by one call.

    Since 10.3. One attempt may take 300 s. Done when a report has none of them.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/services
    """
    return operation("services.deleteServices", {"services": _several(services)})


def exists(folder: str, name: str = "", type: str = "") -> Operation[dict[str, Any]]:
    """`{"exists": true}` where there is the service *name* of *type* in *folder*; without them, the folder.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/services
    """
    return operation("services.exists", {"folderName": folder, "serviceName": name or None, "type": type or None})


def can_create(definition: Mapping[str, Any], folder: str = "") -> Operation[dict[str, Any]]:
    """Whether *definition* could be created in *folder*: a success, or the failure that it would come to.

    Since 10.3.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/services
    """
    return operation(
        "services.canCreateService",
        {"folderName": folder, "serviceType": definition.get("type"), "service": definition},
    )


def folder_create(name: str, description: str | None = None) -> Operation[dict[str, Any]]:
    """Create the folder *name*, with *description*.

    Done when the root folder lists it.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/folder
    """
    return operation("services.createFolder", {"folderName": name, "description": description})


def folder_edit(
    name: str, description: str | None = None, *, web_encrypted: bool | None = None
) -> Operation[dict[str, Any]]:
    """Change *description* of the folder *name*, and with *web_encrypted* whether it is reached by https only.

    Done when the folder says so.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/folder
    """
    return operation(
        "services.folder.editFolder", {"description": description, "webEncrypted": web_encrypted}, folder=name
    )


def folder_delete(name: str) -> Operation[dict[str, Any]]:
    """Delete the folder *name* and every service in it.

    One attempt may take 300 s. Done when the root folder no longer lists it.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/folder
    """
    return operation("services.folder.deleteFolder", folder=name)


def export_services(location: str = "") -> Operation[dict[str, Any]]:
    """Write all services of the site into one .agssiteservices file in *location*, a folder of the server.

    Without *location* the server picks a place and answers its address, from where it must be fetched soon.

    Since 10.5. One attempt may take 300 s. No resource tells afterwards that it was done.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/export-services
    """
    return operation("services.exportServices", {"location": location})


def import_services(location: str) -> Operation[dict[str, Any]]:
    """Create the services of an .agssiteservices file: *location* is its path on the server, or an upload's ID.

    The answer is a report that is kept nowhere else.

    Since 10.5. One attempt may take 300 s. No resource tells afterwards that it was done.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/import-services
    """
    return operation("services.importServices", {"location": location})
