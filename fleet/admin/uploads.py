"""Files that were uploaded to a site, whole or in parts, and sending them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleet.admin.catalogue import operation
from fleet.admin.operation import Operation

__all__ = [
    "commit",
    "delete",
    "get",
    "listing",
    "publish",
    "publish_job",
    "register",
    "service_configuration",
    "upload",
    "upload_part",
]


def listing() -> Operation[dict[str, Any]]:
    """`{"items": [{"itemID", "itemName", "date", "committed", …}]}`; `date` is epoch milliseconds.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/uploadeditem
    """
    return operation("uploads")


def get(item_id: str) -> Operation[dict[str, Any]]:
    """The upload *item_id*: `itemName`, `description`, `pathOnServer`, `date`, `committed`.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/uploadeditem
    """
    return operation("uploads.get", itemID=item_id)


def upload(file: Path | bytes, description: str | None = None) -> Operation[dict[str, Any]]:
    """Send *file*, with *description*, in one request: `{"item": {"itemID", …}}`.

    A path is read as a stream, up to 4 GiB.

    One attempt may take 300 s. Done when the site lists an item called as the file, which it must not have before.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/uploadeditem
    """
    return operation("uploads.upload", {"description": description}, files={"itemFile": file})


def register(name: str, description: str | None = None) -> Operation[dict[str, Any]]:
    """Begin an upload in parts, called *name*, with *description*: `{"item": {"itemID", …}}`.

    No resource tells afterwards that it was done.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/registeritem
    """
    return operation("uploads.register", {"itemName": name, "description": description})


def upload_part(item_id: str, number: int, file: Path | bytes) -> Operation[dict[str, Any]]:
    """Send *file* as part *number* of the records of the upload *item_id*. The shape is not confirmed.

    No resource tells afterwards that it was done.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/registeritem
    """
    return operation("uploads.uploadPart", {"partNumber": number}, files={"partFile": file}, itemID=item_id)


def commit(item_id: str, parts: str | None = None) -> Operation[dict[str, Any]]:
    """Put the *parts* of the upload *item_id* (numbers with commas) together. The shape is not confirmed.

    Done when the upload says that it is committed.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/registeritem
    """
    return operation("uploads.commit", {"parts": parts}, itemID=item_id)


def delete(item_id: str) -> Operation[dict[str, Any]]:
    """Delete the upload *item_id*.

    Done when the site no longer lists it.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/uploadeditem
    """
    return operation("uploads.delete", itemID=item_id)


def service_configuration(item_id: str) -> Operation[dict[str, Any]]:
    """The service that the uploaded definition *item_id* holds: `{"folderName", "service"}`.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/uploadeditem
    """
    return operation("uploads.serviceconfiguration", itemID=item_id)


def publish(item_id: str, changes: Mapping[str, Any] | None = None) -> Operation[dict[str, Any]]:
    """Publish the uploaded definition *item_id*: `{"jobId", "jobStatus"}` of a job that works on by itself.

    *changes* is what `service_configuration` answers, with the changes made to it. `publish_job` tells how far it is.

    No resource tells afterwards that it was done.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/services-reference/enterprise/submit-gp-job
    """
    return operation("rest.publishing.submitJob", {"in_sdp_id": item_id, "in_config_overwrite": changes})


def publish_job(job_id: str) -> Operation[dict[str, Any]]:
    """How far the publishing *job_id* is: `{"jobStatus", "messages": [{"type", "description"}]}`.

    `jobStatus` is esriJobSubmitted or esriJobExecuting, and at the end esriJobSucceeded or esriJobFailed.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/services-reference/enterprise/gp-job
    """
    return operation("rest.publishing.job", jobId=job_id)
