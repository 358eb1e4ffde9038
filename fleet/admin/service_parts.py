"""What belongs to a service: its permissions, its description, its manifest and its jobs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleet.admin.catalogue import operation
from fleet.admin.operation import Operation
from fleet.admin.service_changes import as_id
from fleet.protocol.fields import ServiceId

__all__ = [
    "item_info",
    "item_info_delete",
    "item_info_edit",
    "job",
    "job_cancel",
    "job_delete",
    "jobs",
    "jobs_purge",
    "manifest",
    "permission_add",
    "permissions",
    "permissions_clean",
]


def permissions(service: ServiceId | str | None = None, *, folder: str = "") -> Operation[dict[str, Any]]:
    """`{"permissions": [{"principal", "permission": {"isAllowed", "constraint"}}]}` of *service*, or of *folder*.

    Without either, of the root folder. What is not listed is inherited.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/permissions
    """
    if service is None:
        return operation("services.folder.permissions", folder=folder)
    return operation("services.permissions", service=as_id(service))


def permission_add(
    principal: str,
    *,
    allowed: bool = True,
    constraint: str | None = None,
    service: ServiceId | str | None = None,
    folder: str = "",
) -> Operation[dict[str, Any]]:
    """Let the role *principal* use *service*, or everything in *folder*; with *allowed* False, forbid it.

    Without either, in the root folder. The role esriEveryone is everybody. *constraint* is a condition that some types
    of service know.

    Done when the permissions have that entry.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/permissions
    """
    form = {"principal": principal, "isAllowed": allowed, "constraint": constraint}
    if service is None:
        return operation("services.folder.permissions.add", form, folder=folder)
    return operation("services.permissions.add", form, service=as_id(service))


def permissions_clean(principal: str, *, folder: str = "") -> Operation[dict[str, Any]]:
    """Take every permission of the role *principal* away, in all folders and services below *folder*.

    The help knows it on the root folder only.

    Done when the folder's own permissions no longer name it; those below are not looked at.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/cleanpermissions
    """
    return operation("services.folder.permissions.clean", {"principal": principal}, folder=folder)


def item_info(service: ServiceId | str) -> Operation[dict[str, Any]]:
    """What *service* is about: `title`, `summary`, `tags`, `description`, `licenseInfo`, `extent`, and so on.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/iteminfo
    """
    return operation("services.iteminfo", service=as_id(service))


def item_info_edit(
    service: ServiceId | str, item_info: Mapping[str, Any], thumbnail: Path | bytes | None = None
) -> Operation[dict[str, Any]]:
    """Replace the description of *service* by *item_info*, a whole one, and its picture by *thumbnail*.

    *item_info* is what `item_info` answers, with the changes made to it.

    Done when the service says so.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/edititeminfo
    """
    return operation(
        "services.iteminfo.edit",
        {"serviceItemInfo": item_info},
        files={} if thumbnail is None else {"thumbnail": thumbnail},
        service=as_id(service),
    )


def item_info_delete(service: ServiceId | str) -> Operation[dict[str, Any]]:
    """Delete the description of *service*.

    No resource tells afterwards that it was done.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/iteminfo
    """
    return operation("services.iteminfo.delete", service=as_id(service))


def manifest(service: ServiceId | str) -> Operation[dict[str, Any]]:
    """What *service* reads: `{"databases": [{"onServerConnectionString", "datasets", …}], "resources": […]}`.

    A service that was not published from a file has none, which is a `NotFound`.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/iteminfo
    """
    return operation("services.iteminfo.manifest", service=as_id(service))


def jobs(
    service: ServiceId | str,
    *,
    status: str | None = None,
    user: str | None = None,
    since: int | None = None,
    until: int | None = None,
    number: int = 100,
    start: int | None = None,
) -> Operation[dict[str, Any]]:
    """`{"total", "results": [job], "nextStart"}`: jobs of *service*, *number* of them from *start* on.

    *status* is esriJobExecuting and the like, *user* who submitted them. *since* and *until* bound the time, in epoch
    milliseconds; the help names seconds on some pages. The pages end when `nextStart` is -1.

    Since 10.6.1.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/query-jobs
    """
    return operation(
        "services.jobs.query",
        {"startTime": since, "endTime": until, "jobStatus": status, "userName": user, "number": number, "start": start},
        service=as_id(service),
    )


def job(service: ServiceId | str, job_id: str) -> Operation[dict[str, Any]]:
    """The job *job_id* of the geoprocessing *service*: `status`, `submittedTime`, `endTime`, `username`, `machinename`.

    Since 10.6.1.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/job-get
    """
    return operation("services.jobs.get", service=as_id(service), jobId=job_id)


def job_cancel(service: ServiceId | str, job_id: str) -> Operation[dict[str, Any]]:
    """Cancel the job *job_id* of the geoprocessing *service*; what is known of it stays.

    Since 10.6.1. Done when the job says esriJobCancelled.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/job-get
    """
    return operation("services.jobs.cancel", service=as_id(service), jobId=job_id)


def job_delete(service: ServiceId | str, job_id: str) -> Operation[dict[str, Any]]:
    """Delete the job *job_id* of the geoprocessing *service*; one that runs is cancelled first.

    Since 10.6.1. No resource tells afterwards that it was done.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/delete-job
    """
    return operation("services.jobs.delete", service=as_id(service), jobId=job_id)


def jobs_purge(service: ServiceId | str) -> Operation[dict[str, Any]]:
    """Cancel every job of the geoprocessing *service* that is new, submitted or waiting.

    Since 10.6.1. No resource tells afterwards that it was done.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/purge-job-queue
    """
    return operation("services.jobs.purgeQueue", service=as_id(service))
