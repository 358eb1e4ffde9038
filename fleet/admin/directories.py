"""Server directories of a site: listed, registered, changed and cleaned."""

from __future__ import annotations

from typing import Any

from fleet.admin.catalogue import operation
from fleet.admin.operation import Operation

__all__ = [
    "directories",
    "directories_recover",
    "directory",
    "directory_clean",
    "directory_edit",
    "directory_register",
    "directory_unregister",
]


def directories() -> Operation[dict[str, Any]]:
    """`{"directories": [{"name", "physicalPath", "directoryType", "cleanupMode", "maxFileAge", …}]}`.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/system
    """
    return operation("system.directories")


def directory(name: str) -> Operation[dict[str, Any]]:
    """The server directory *name*: `physicalPath`, `directoryType`, `cleanupMode`, `maxFileAge`, and so on.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/system
    """
    return operation("system.directories.get", dir=name)


def directory_register(
    name: str,
    *,
    physical_path: str,
    directory_type: str,
    cleanup_mode: str,
    max_file_age: int,
    description: str | None = None,
) -> Operation[dict[str, Any]]:
    """Register the server directory *name*. Never when it is there: 10.5.1 then refuses, and removes it.

    *physical_path* is the path on the machines, *directory_type* OUTPUT, CACHE, JOBS, SYSTEM, UPLOADS, INPUT, KML or
    INDEX, *cleanup_mode* NONE or TIME_ELAPSED_SINCE_LAST_MODIFIED with *max_file_age* in minutes, *description* free
    text.

    Done when the site lists it with this path.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/system
    """
    return operation(
        "system.directories.register",
        {
            "name": name,
            "physicalPath": physical_path,
            "directoryType": directory_type,
            "cleanupMode": cleanup_mode,
            "maxFileAge": max_file_age,
            "description": description,
        },
    )


def directory_edit(
    name: str,
    *,
    physical_path: str,
    directory_type: str,
    cleanup_mode: str,
    max_file_age: int,
    description: str | None = None,
) -> Operation[dict[str, Any]]:
    """Change the server directory *name*; every value is needed, not only those that change.

    *physical_path* is the path on the machines, *directory_type* OUTPUT, CACHE, JOBS, SYSTEM, UPLOADS, INPUT, KML or
    INDEX, *cleanup_mode* NONE or TIME_ELAPSED_SINCE_LAST_MODIFIED with *max_file_age* in minutes, *description* free
    text.

    Done when the site lists it so.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/system
    """
    return operation(
        "system.directories.edit",
        {
            "name": name,
            "physicalPath": physical_path,
            "directoryType": directory_type,
            "cleanupMode": cleanup_mode,
            "maxFileAge": max_file_age,
            "description": description,
        },
        dir=name,
    )


def directory_unregister(name: str) -> Operation[dict[str, Any]]:
    """Give up the server directory *name*; its files stay.

    Done when the site no longer lists it.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/system
    """
    return operation("system.directories.unregister", dir=name)


def directory_clean(name: str) -> Operation[dict[str, Any]]:
    """Delete what is old in the server directory *name*.

    No resource tells afterwards that it was done.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/system
    """
    return operation("system.directories.clean", dir=name)


def directories_recover() -> Operation[dict[str, Any]]:
    """Make server directories that went missing anew.

    One attempt may take 300 s. No resource tells afterwards that it was done.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/system
    """
    return operation("system.directories.recover")
