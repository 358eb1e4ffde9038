"""Verbs on a site as a whole: its mode, and exports of its configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from fleet import admin as ops
from fleet.bulk.change import Change, impossible
from fleet.bulk.verb import Done, Sender, Verb, make
from fleet.client.site import Answer, SiteClient
from fleet.errors import NotFound, VerifyFailed

__all__ = ["Export", "SetMode"]

Mode = Literal["EDITABLE", "READ_ONLY"]


@dataclass(frozen=True)
class SetMode(Verb):
    """Switch sites to a mode; READ_ONLY restarts the services that run."""

    name = "site.mode"
    doing: str = field(default="switch the mode of", init=False)
    thing: str = field(default="site", init=False)
    mode: Mode = "EDITABLE"

    @property
    def disrupts(self) -> bool:  # type: ignore[override]
        """Only the way into READ_ONLY restarts anything."""
        return self.mode == "READ_ONLY"

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        new = {"siteMode": self.mode}
        try:
            told = await client.call(ops.site.mode())
        except NotFound as error:
            return [impossible("", error, new=new)]
        old = {"siteMode": told.get("siteMode")}
        if old == new:
            return [Change(item="", state="noop", old=old, new=new)]
        back: Mode | None = next((mode for mode in ("EDITABLE", "READ_ONLY") if mode == old["siteMode"]), None)
        undo = () if back is None else (ops.site.set_mode(back),)
        return [Change(item="", old=old, new=new, operations=(ops.site.set_mode(self.mode),), undo=undo)]

    def parameters(self) -> Mapping[str, Any]:
        return {"mode": self.mode}


@dataclass(frozen=True)
class Export(Verb):
    """Write a backup of each site into *location*, a folder that its server account can write to.

    That it exists is told by the place that the site names in its answer; *exported* is told site, url and place.
    """

    name = "site.export"
    lasting = False
    tells = ("location",)
    doing: str = field(default="export", init=False)
    thing: str = field(default="site", init=False)
    location: str = ""
    exported: Callable[[str, str, str], None] = field(default=lambda site, url, place: None, repr=False, compare=False)

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        await client.call(ops.info.admin())
        new = {"location": self.location or "a place of the server's own choice"}
        return [Change(item="", new=new, operations=(ops.site.export(self.location),))]

    def parameters(self) -> Mapping[str, Any]:
        return {"location": self.location}

    async def carry_out(self, client: SiteClient, changes: Sequence[Change], sender: Sender, done: Done) -> None:
        for change in changes:
            await make(client, change, sender, done, self.name, after=partial(self._proved, client))

    async def _proved(self, client: SiteClient, answer: Answer[Any]) -> Answer[Any]:
        place = answer.value.get("location") if isinstance(answer.value, Mapping) else None
        if not isinstance(place, str) or not place:
            raise VerifyFailed(
                "the site says that it was exported, and names no place where",
                hint="look for the file in the folder on the server",
            )
        self.exported(client.site.name, client.site.url, place)
        return Answer(value=None, outcome="noop")
