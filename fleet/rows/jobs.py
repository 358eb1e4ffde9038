"""Jobs of geoprocessing services as rows, all pages of each service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from fleet import admin as ops
from fleet.client.site import SiteClient
from fleet.errors import BadAnswer, NotFound
from fleet.protocol.fields import ServiceId, as_epoch, as_int
from fleet.rows.listings import LISTING
from fleet.rows.reading import each, list_of
from fleet.rows.services import IDENTITY, identity
from fleet.rows.table import Column, Row, Table, Wanted

__all__ = ["JOBS", "WAITING", "gp_services", "jobs_of"]

WAITING = frozenset({"esriJobNew", "esriJobSubmitted", "esriJobWaiting"})
"""States of jobs that have not begun."""

PAGE = 1000
PAGES = 100


async def gp_services(client: SiteClient, wanted: Wanted) -> list[ServiceId]:
    """The geoprocessing services of the site that are wanted."""
    services = [ServiceId.parse(row["service"]) for row in await LISTING.read(client, wanted)]
    return [service for service in services if service.type.casefold() == "gpserver"]


async def jobs_of(client: SiteClient, service: ServiceId) -> list[Row]:
    """The jobs of *service*, as rows; raises `BadAnswer` where the pages don't end."""
    rows: list[Row] = []
    start = 0
    for _ in range(PAGES):
        answer = await client.call(ops.services.jobs(service, number=PAGE, start=start or None))
        rows += [_row(service, job) for job in list_of(answer, "results") if isinstance(job, Mapping)]
        after = as_int(answer.get("nextStart"))
        if after is None or after < 0:
            return rows
        if after <= start:
            raise BadAnswer(f"the jobs of {service} have a next page that is none")
        start = after
    raise BadAnswer(f"the jobs of {service} have more than {PAGES} pages, and so many are looked at")


def _row(service: ServiceId, job: Mapping[str, Any]) -> Row:
    """Releases differ in how they write the members' names."""
    told = {str(key).casefold(): value for key, value in job.items()}

    def time(name: str) -> int | None:
        seconds = as_epoch(told.get(name))
        return None if seconds is None else round(seconds * 1000)

    return {
        **identity(service),
        "jobId": told.get("jobid"),
        "jobStatus": told.get("jobstatus") or told.get("status"),
        "userName": told.get("username"),
        "machineName": told.get("machinename"),
        "submittedTime": time("submittedtime"),
        "endTime": time("endtime"),
    }


async def _read(client: SiteClient, wanted: Wanted) -> Sequence[Row]:
    services = await gp_services(client, wanted)
    found = await each([partial(jobs_of, client, service) for service in services])
    gone = [part for part in found if isinstance(part, NotFound)]
    if gone and len(gone) == len(found):
        # One that has gone meanwhile is left out; a site where none has jobs does not tell them.
        raise NotFound(
            "this site does not tell the jobs of its geoprocessing services",
            code=gone[0].code,
            hint="sites do from release 10.6.1 on",
        )
    rows: list[Row] = []
    for part in found:
        if isinstance(part, list):
            rows += part
        elif not isinstance(part, NotFound):
            raise part
    return rows


JOBS = Table(
    "jobs",
    "jobs of geoprocessing services (one request and more per service; from 10.6.1 on)",
    (
        *IDENTITY,
        Column("jobId", "text", "job"),
        Column("jobStatus", "text", "esriJobSubmitted, esriJobExecuting, esriJobSucceeded, …"),
        Column("userName", "text", "who submitted it"),
        Column("machineName", "text", "machine that works on it"),
        Column("submittedTime", "time", "when it was submitted"),
        Column("endTime", "time", "when it ended"),
    ),
    _read,
)
