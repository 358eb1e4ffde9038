"""Publishing a service definition on sites: it is uploaded, a job of the site publishes it, and the service is seen to run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from fleet import admin as ops
from fleet.bulk.change import Change, impossible
from fleet.bulk.verb import Done, Sender, Verb, make_by
from fleet.client.site import Answer, SiteClient
from fleet.errors import BadAnswer, FateUnknown, NotFound, ServerFailed, SiteError, UsageError, VerifyFailed
from fleet.protocol.fields import ServiceId, as_epoch, root_folder
from fleet.rows.reading import list_of

__all__ = ["Publish"]

TOOL = "System/PublishingTools.GPServer"
FAILED = frozenset({"esriJobFailed", "esriJobTimedOut", "esriJobCancelled", "esriJobDeleted"})
LONGEST_PAUSE = 10.0
STARTING = 60.0
"""Seconds that a published service has to start in."""


@dataclass(frozen=True)
class Publish(Verb):
    """Publish the service definitions *files* on sites, in *folder* where one is given (`/` is the root folder).

    A service of that name that is there already is a failure unless *overwrite*; whether it is replaced then is for the
    site and for what the definition says of itself. Each job may take *patience* seconds. Uploads are deleted at the end
    whatever comes. Raises `UsageError` for two files of one name.
    """

    files: tuple[Path, ...]
    folder: str | None = None
    overwrite: bool = False
    patience: float = 1800.0

    name = "services.publish"
    doing: str = field(default="publish", init=False)
    thing: str = field(default="service definition", init=False)

    def __post_init__(self) -> None:
        if len({file.name for file in self.files}) < len(self.files):
            raise UsageError("two of the files have the same name")

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        new = "published" if self.folder is None else f"published in {self.folder}"
        try:
            status = await client.call(ops.services.status(TOOL))
        except NotFound:
            status = {}  # some sites don't show it, and publish all the same
        real = str(status.get("realTimeState") or "STARTED").upper()
        if real != "STARTED":
            why = ServerFailed(
                f"{TOOL}, which publishes, is {real}", hint=f"fleet services start {TOOL}", may_have_arrived=False
            )
            return [impossible(file.name, why, new=new) for file in self.files]
        return [Change(item=file.name, new=new) for file in self.files]

    def parameters(self) -> Mapping[str, Any]:
        told: dict[str, Any] = {"files": [file.name for file in self.files]}
        told |= {} if self.folder is None else {"folder": self.folder}
        return {**told, "overwrite": True} if self.overwrite else told

    async def carry_out(self, client: SiteClient, changes: Sequence[Change], sender: Sender, done: Done) -> None:
        by_name = {file.name: file for file in self.files}
        for change in changes:
            work = partial(self._published, client, by_name[change.item], sender)
            await make_by(client, change, sender, done, work)

    async def _published(self, client: SiteClient, file: Path, sender: Sender) -> Answer[Any]:
        """`{"messages"}`: what it was published as, and the messages of the job that did so."""
        item = await self._uploaded(client, file, sender)
        try:
            service, changes = await self._meant(client, file, item)
            messages = await self._worked(client, sender, item, changes)
            await self._runs(client, service)
            return Answer(value={"messages": [f"published as {service}", *messages]}, outcome="changed")
        finally:
            # What is cancelled has no time left for it; an upload that stays costs space and no more.
            with suppress(SiteError):
                await sender.to_the_end().send(client, ops.uploads.delete(item))

    async def _uploaded(self, client: SiteClient, file: Path, sender: Sender) -> str:
        answer = await sender.send(client, ops.uploads.upload(file))
        told = answer.value.get("item") if isinstance(answer.value, Mapping) else None
        item = told.get("itemID") if isinstance(told, Mapping) else None
        if isinstance(item, str) and item:
            return item
        # The answer was lost, and the upload was seen: the newest one of that name is ours.
        entries = list_of(await client.call(ops.uploads.listing()), "items")
        mine = [one for one in entries if isinstance(one, Mapping) and one.get("itemName") == file.name]
        mine.sort(key=lambda one: as_epoch(one.get("date")) or 0.0)
        if not mine or not isinstance(mine[-1].get("itemID"), str):
            raise BadAnswer("the site took the file, and does not say what it calls it")
        return str(mine[-1]["itemID"])

    async def _meant(self, client: SiteClient, file: Path, item: str) -> tuple[ServiceId, dict[str, Any] | None]:
        """The service that the uploaded definition is for, and the definition with the changes that were asked for."""
        told = await client.call(ops.uploads.service_configuration(item))
        definition = told.get("service")
        service = (
            ServiceId.of({**definition, "folderName": told.get("folderName")}) if isinstance(definition, dict) else None
        )
        if service is None:
            raise BadAnswer(f"the site finds no service in {file.name}", hint="is it a service definition (.sd)?")
        changes = None
        if self.folder is not None and root_folder(self.folder) != service.folder:
            service = ServiceId(root_folder(self.folder), service.name, service.type)
            changes = {**told, "folderName": service.folder}
        if not self.overwrite:
            try:
                await client.call(ops.services.status(service))
            except NotFound:
                return service, changes
            raise ServerFailed(f"there is a service {service} already", hint="--overwrite replaces it")
        return service, changes

    async def _worked(
        self, client: SiteClient, sender: Sender, item: str, changes: Mapping[str, Any] | None
    ) -> list[str]:
        """The messages of the job, once it has succeeded; raises the error that it came to."""
        answer = await sender.to_the_end().send(client, ops.uploads.publish(item, changes))
        job = answer.value.get("jobId") if isinstance(answer.value, Mapping) else None
        if not isinstance(job, str) or not job:
            raise BadAnswer("the site has no job for what it was asked to publish")
        client.change_in_flight = self.name
        end = anyio.current_time() + self.patience
        pause = 0.25
        while True:
            await anyio.sleep(pause)
            told = await client.call(ops.uploads.publish_job(job))
            state, messages = str(told.get("jobStatus")), _texts(told.get("messages"))
            if state == "esriJobSucceeded":
                return messages
            if state in FAILED:
                why = "; ".join(messages[-3:]) or "it does not say why"
                raise ServerFailed(f"the job that publishes it came to {state}: {why}")
            if anyio.current_time() > end:
                raise FateUnknown(
                    f"the job {job} is {state} after {self.patience:g} s",
                    hint="look at the site before you publish again",
                )
            pause = min(pause * 1.6, LONGEST_PAUSE)

    async def _runs(self, client: SiteClient, service: ServiceId) -> None:
        """See that *service* is there and runs; one that is configured to stand need not."""
        end = anyio.current_time() + STARTING
        pause = 0.25
        while True:
            told = "it is not there"
            with suppress(NotFound):
                states = await client.call(ops.services.status(service))
                wish, real = (str(states.get(name) or "").upper() for name in ("configuredState", "realTimeState"))
                if wish == real:
                    return
                told = f"it is {real}, and should be {wish}"
            if anyio.current_time() + pause > end:
                raise VerifyFailed(
                    f"the site says that {service} is published, and {told}", hint="look at the site's log"
                )
            await anyio.sleep(pause)
            pause = min(pause * 1.6, LONGEST_PAUSE)


def _texts(messages: Any) -> list[str]:
    """Messages of a job, which are objects, as texts."""
    found = []
    for one in messages if isinstance(messages, list) else ():
        text = one.get("description") if isinstance(one, Mapping) else one
        if isinstance(text, str) and text.strip():
            found.append(text.strip())
    return found
