"""The system of a site: properties, directories, configuration store, web adaptors, licences, handlers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleet.admin.catalogue import operation
from fleet.admin.directories import (
    directories,
    directories_recover,
    directory,
    directory_clean,
    directory_edit,
    directory_register,
    directory_unregister,
)
from fleet.admin.operation import Operation

__all__ = [
    "config_store",
    "config_store_edit",
    "config_store_recover",
    "deployment",
    "directories",
    "directories_recover",
    "directory",
    "directory_clean",
    "directory_edit",
    "directory_register",
    "directory_unregister",
    "job",
    "jobs",
    "licenses",
    "platform_services",
    "properties",
    "properties_update",
    "rest_cache_clear",
    "services_directory",
    "services_directory_edit",
    "web_adaptor",
    "web_adaptor_unregister",
    "web_adaptor_update",
    "web_adaptors",
    "web_adaptors_config",
    "web_adaptors_config_update",
]


def properties() -> Operation[dict[str, Any]]:
    """System properties that are set, such as `WebContextURL`; an empty object where none is.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/system
    """
    return operation("system.properties")


def properties_update(properties: Mapping[str, Any]) -> Operation[dict[str, Any]]:
    """Replace all system properties by *properties*: what it leaves out is lost.

    Done when the properties are so.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/system
    """
    return operation("system.properties.update", {"properties": properties})


def config_store() -> Operation[dict[str, Any]]:
    """`{"type", "connectionString", "localRepositoryPath", "status"}`; here `status` is a state, such as Ready.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/system
    """
    return operation("system.configstore")


def config_store_edit(type: str, connection: str, *, move: bool = True) -> Operation[dict[str, Any]]:
    """Let the configuration lie at *connection*, a store of *type*; with *move* it is copied there. The site restarts.

    One attempt may take 300 s. Done when the site says so.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/system
    """
    return operation("system.configstore.edit", {"type": type, "connectionString": connection, "move": move})


def config_store_recover() -> Operation[dict[str, Any]]:
    """Restore the configuration from the copy on a machine; the site restarts.

    One attempt may take 300 s. No resource tells afterwards that it was done.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/system
    """
    return operation("system.configstore.recover")


def web_adaptors() -> Operation[dict[str, Any]]:
    """`{"webAdaptors": [{"id", "webAdaptorURL", "machineName", "machineIP", "isAdminEnabled", …}]}`.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/system
    """
    return operation("system.webadaptors")


def web_adaptor(id: str) -> Operation[dict[str, Any]]:
    """The web adaptor *id*, as `web_adaptors` lists it.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/updatewebadaptor
    """
    return operation("system.webadaptors.get", id=id)


def web_adaptor_update(id: str, **settings: Any) -> Operation[dict[str, Any]]:
    """Change *settings* of the web adaptor *id*: `isAdminEnabled`, `description`, `httpPort`, `httpsPort`.

    Done when the site lists it so.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/updatewebadaptor
    """
    return operation("system.webadaptors.update", settings, id=id)


def web_adaptor_unregister(id: str) -> Operation[dict[str, Any]]:
    """Give up the web adaptor *id*: nothing comes through it any more.

    Done when the site no longer lists it.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/system
    """
    return operation("system.webadaptors.unregister", id=id)


def web_adaptors_config() -> Operation[dict[str, Any]]:
    """`{"sharedKey"}`: what all web adaptors of the site share.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/webadaptorsconfig
    """
    return operation("system.webadaptors.config")


def web_adaptors_config_update(shared_key: str) -> Operation[dict[str, Any]]:
    """Change the key of all web adaptors to *shared_key*; each must be registered again.

    Since 10.1.1. No resource tells afterwards that it was done.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/updatewebadaptorsconfig
    """
    return operation("system.webadaptors.config.update", {"webAdaptorsConfig": {"sharedKey": shared_key}})


def licenses() -> Operation[dict[str, Any]]:
    """`edition`, `level`, `datafeature`, `extensions` and `features`, each with `canExpire` and `expiration`.

    `expiration` is epoch milliseconds, and means something only where `canExpire` is true.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/licenses
    """
    return Operation(name="system.licenses", path="admin/system/licenses")


def services_directory() -> Operation[dict[str, Any]]:
    """`enabled`, `servicesDirEnabled`, `allowedOrigins` and so on, of the pages for people below `rest/services`.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/system
    """
    return operation("system.handlers.rest.servicesdirectory")


def services_directory_edit(settings: Mapping[str, Any]) -> Operation[dict[str, Any]]:
    """Change the services directory to *settings*, all of them: what `services_directory` answers, with the changes.

    Done when the settings are so.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/system
    """
    return operation("system.handlers.rest.servicesdirectory.edit", settings)


def rest_cache_clear() -> Operation[dict[str, Any]]:
    """Let the REST handler forget what it knows of services; allowed in read-only mode.

    No resource tells afterwards that it was done.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/system
    """
    return operation("system.handlers.rest.cache.clear")


def jobs() -> Operation[dict[str, Any]]:
    """`{"jobs": [id]}`: operations that were asked for with `runAsync`.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/system
    """
    return operation("system.jobs")


def job(job_id: str) -> Operation[dict[str, Any]]:
    """The operation *job_id* that works on by itself: `status`, `messages`. The shape is not confirmed.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/system
    """
    return operation("system.jobs.get", jobId=job_id)


def platform_services() -> Operation[dict[str, Any]]:
    """`{"platformservices": [{"id", "type", "configuredState"}]}`. The shape is not confirmed.

    Since 10.4.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/system
    """
    return operation("system.platformservices")


def deployment() -> Operation[dict[str, Any]]:
    """`{"singleClusterMode"}`: how the site is put together.

    Since 10.4.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/system
    """
    return operation("system.deployment")
