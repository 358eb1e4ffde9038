"""Verbs on jobs of geoprocessing services, and on files that were uploaded."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from fleet import admin as ops
from fleet.aggregate.where import Where, matches, require_fields
from fleet.bulk.change import Change, impossible
from fleet.bulk.verb import Verb
from fleet.client.site import SiteClient
from fleet.errors import NotFound
from fleet.protocol.fields import ServiceId, path_name
from fleet.protocol.patterns import ServicePatterns
from fleet.rows.jobs import JOBS, WAITING
from fleet.rows.table import Row, Wanted
from fleet.rows.uploads import UPLOADS

__all__ = ["CancelJobs", "DeleteUploads", "PurgeJobs"]


async def _jobs(client: SiteClient, patterns: ServicePatterns) -> Sequence[Row]:
    return await JOBS.read(client, Wanted(folders=patterns.folders, services=patterns))


@dataclass(frozen=True)
class CancelJobs(Verb):
    """Cancel jobs of the services that fit *patterns*: those of *ids* (none for all) that fit *where* and have not ended.

    Raises `UsageError` for a condition on a field that jobs have not.
    """

    patterns: ServicePatterns
    ids: tuple[str, ...] = ()
    where: Where | None = None

    name = "services.jobs.cancel"
    doing: str = field(default="cancel", init=False)
    thing: str = field(default="job", init=False)

    def __post_init__(self) -> None:
        if self.where is not None:
            require_fields(self.where, JOBS.names)

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        rows = await _jobs(client, self.patterns)
        changes = []
        for row in rows:
            if (self.ids and row["jobId"] not in self.ids) or (self.where is not None and not matches(self.where, row)):
                continue
            item, old = f"{row['service']} {row['jobId']}", {"jobStatus": row["jobStatus"]}
            if row["jobStatus"] not in WAITING | {"esriJobExecuting"}:
                if self.ids:
                    changes.append(Change(item=item, state="noop", old=old, new=old, why="it has ended"))
                continue
            cancel = ops.services.job_cancel(ServiceId.parse(row["service"]), path_name(row["jobId"]))
            changes.append(Change(item=item, old=old, new={"jobStatus": "esriJobCancelled"}, operations=(cancel,)))
        return changes

    def parameters(self) -> Mapping[str, Any]:
        told: dict[str, Any] = {"services": list(self.patterns.texts), "jobs": list(self.ids)}
        return told if self.where is None else {**told, "where": str(self.where)}


@dataclass(frozen=True)
class PurgeJobs(Verb):
    """Cancel every job of the services that fit *patterns* that has not begun; those that run are left."""

    patterns: ServicePatterns

    name = "services.jobs.purge"
    doing: str = field(default="purge the queue of", init=False)
    thing: str = field(default="service", init=False)

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        waiting: dict[str, int] = {}
        for row in await _jobs(client, self.patterns):
            waiting[row["service"]] = waiting.get(row["service"], 0) + (row["jobStatus"] in WAITING)
        return [
            Change(
                item=service,
                state="change" if count else "noop",
                old={"waiting": count},
                new={"waiting": 0},
                operations=(ops.services.jobs_purge(service),) if count else (),
            )
            for service, count in waiting.items()
        ]

    def parameters(self) -> Mapping[str, Any]:
        return {"services": list(self.patterns.texts)}


@dataclass(frozen=True)
class DeleteUploads(Verb):
    """Delete uploads: those whose ID, or whose name by `*` and `?`, is in *items*, and that are older than so many seconds."""

    items: tuple[str, ...]
    older_than: float | None = None
    clock: Callable[[], float] = field(default=time.time, compare=False, repr=False)

    name = "uploads.delete"
    doing: str = field(default="delete", init=False)
    thing: str = field(default="upload", init=False)

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        rows = await UPLOADS.read(client, Wanted())
        changes = []
        for item in self.items:
            if not any(_is(row, item) for row in rows) and not set(item) & set("*?"):
                changes.append(impossible(item, NotFound(f"there is no upload {item}", may_have_arrived=False)))
        before = None if self.older_than is None else (self.clock() - self.older_than) * 1000
        for row in rows:
            old = {"itemName": row["itemName"], "date": row["date"]}
            if not any(_is(row, item) for item in self.items):
                continue
            if before is not None and (row["date"] is None or row["date"] > before):
                continue
            delete = ops.uploads.delete(str(row["itemID"]))
            changes.append(Change(item=str(row["itemID"]), old=old, new="deleted", operations=(delete,)))
        return changes

    def parameters(self) -> Mapping[str, Any]:
        return {"items": list(self.items), **({} if self.older_than is None else {"olderThan": self.older_than})}


def _is(row: Row, item: str) -> bool:
    return row["itemID"] == item or fnmatchcase(str(row["itemName"]).casefold(), item.casefold())
