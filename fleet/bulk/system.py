"""Verbs on the system of a site: directories, configuration store, web adaptors, properties, services directory, cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from fleet import admin as ops
from fleet.admin.catalogue import catalogue
from fleet.admin.operation import Operation
from fleet.aggregate.where import Where, matches, require_fields
from fleet.bulk.change import Change, impossible
from fleet.bulk.verb import Verb
from fleet.client.site import SiteClient
from fleet.inventory.secrets import Secret
from fleet.protocol.fields import as_bool, path_name
from fleet.protocol.secret_names import MASK
from fleet.rows.system import DIRECTORIES, WEB_ADAPTORS, shown
from fleet.rows.table import EVERYTHING, Row

__all__ = [
    "CleanDirectories",
    "ClearCache",
    "EditAdaptors",
    "RecoverConfigStore",
    "RecoverDirectories",
    "ServicesDirectory",
    "SetProperties",
    "UnregisterAdaptors",
]


def _fits(patterns: Sequence[str], *texts: Any) -> bool:
    wanted = [pattern.lower().replace("[", "[[]") for pattern in patterns]
    return not wanted or any(fnmatchcase(str(text or "").lower(), pattern) for text in texts for pattern in wanted)


def _missing(patterns: Sequence[str], names: Sequence[Any], what: str) -> list[Change]:
    """An impossible change for each name without * and ? that is not there."""
    known = {str(name or "").lower() for name in names}
    absent = [one for one in patterns if "*" not in one and "?" not in one and one.lower() not in known]
    return [impossible(one, f"there is no {what} {one}") for one in absent]


@dataclass(frozen=True)
class CleanDirectories(Verb):
    """Delete what is old in the server directories that fit *names*: the OUTPUT and JOBS ones, where none is named."""

    name = "directories.clean"
    lasting = False
    doing: str = field(default="clean", init=False)
    thing: str = field(default="directory", init=False)
    names: tuple[str, ...] = ()

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        rows = [row for row in await DIRECTORIES.read(client, EVERYTHING) if row["name"]]
        if self.names:
            meant = [row for row in rows if _fits(self.names, row["name"])]
        else:
            meant = [row for row in rows if str(row["directoryType"]).upper() in ("OUTPUT", "JOBS")]
        changes = [self._judged(row) for row in meant]
        return [*_missing(self.names, [row["name"] for row in rows], "directory"), *changes]

    def _judged(self, row: Row) -> Change:
        old = {"physicalPath": row["physicalPath"], "cleanupMode": row["cleanupMode"], "maxFileAge": row["maxFileAge"]}
        return Change(
            item=row["name"], old=old, new="cleaned", operations=(ops.system.directory_clean(path_name(row["name"])),)
        )

    def parameters(self) -> Mapping[str, Any]:
        return {"names": list(self.names)}


@dataclass(frozen=True)
class _Whole(Verb):
    """A verb that does one thing to each site, which no resource tells of afterwards."""

    def operation(self) -> Operation[Any]:
        """What is sent."""
        raise NotImplementedError

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        # Read first: a site that is not reached fails in the plan already.
        await client.call(ops.info.admin())
        return [Change(item="", new=self.name, operations=(self.operation(),))]


@dataclass(frozen=True)
class RecoverDirectories(_Whole):
    """Make server directories anew that went missing."""

    name = "directories.recover"
    lasting = False
    doing: str = field(default="recover the directories of", init=False)
    thing: str = field(default="site", init=False)

    def operation(self) -> Operation[Any]:
        return ops.system.directories_recover()


@dataclass(frozen=True)
class RecoverConfigStore(_Whole):
    """Restore the configuration from the copy on a machine; the site restarts."""

    name = "config-store.recover"
    doing: str = field(default="recover the configuration of", init=False)
    thing: str = field(default="site", init=False)
    disrupts: bool = field(default=True, init=False)

    def operation(self) -> Operation[Any]:
        return ops.system.config_store_recover()


@dataclass(frozen=True)
class ClearCache(_Whole):
    """Let the REST handler forget what it knows of services."""

    name = "cache.clear"
    lasting = False
    doing: str = field(default="clear the REST cache of", init=False)
    thing: str = field(default="site", init=False)

    def operation(self) -> Operation[Any]:
        return ops.system.rest_cache_clear()


@dataclass(frozen=True)
class _AdaptorVerb(Verb):
    """A verb on web adaptors whose address or id fits *names*, and whose row fits *where*."""

    thing: str = field(default="web adaptor", init=False)
    names: tuple[str, ...]
    where: Where | None = None

    def __post_init__(self) -> None:
        if self.where is not None:
            require_fields(self.where, WEB_ADAPTORS.names)

    def judge(self, row: Row) -> Change:
        """What is to be done to the web adaptor of *row*."""
        raise NotImplementedError

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        rows = await WEB_ADAPTORS.read(client, EVERYTHING)
        meant = [row for row in rows if _fits(self.names, row["webAdaptorURL"], row["id"])]
        known = [row[name] for row in rows for name in ("webAdaptorURL", "id")]
        picked = [row for row in meant if self.where is None or matches(self.where, row)]
        return [*_missing(self.names, known, "web adaptor"), *map(self.judge, picked)]

    def parameters(self) -> Mapping[str, Any]:
        return {"names": list(self.names), **({} if self.where is None else {"where": str(self.where)})}


@dataclass(frozen=True)
class UnregisterAdaptors(_AdaptorVerb):
    """Give up web adaptors: nothing comes through them any more."""

    name = "web-adaptors.unregister"
    doing: str = field(default="unregister", init=False)
    disrupts: bool = field(default=True, init=False)

    def judge(self, row: Row) -> Change:
        old = {"webAdaptorURL": row["webAdaptorURL"], "machineName": row["machineName"]}
        return Change(
            item=row["id"],
            old=old,
            new="unregistered",
            operations=(ops.system.web_adaptor_unregister(path_name(row["id"])),),
        )


@dataclass(frozen=True)
class EditAdaptors(_AdaptorVerb):
    """Change *settings* of web adaptors: `isAdminEnabled`, `description`, `httpPort`, `httpsPort`."""

    name = "web-adaptors.edit"
    doing: str = field(default="change", init=False)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def judge(self, row: Row) -> Change:
        now = {key: as_bool(row[key]) if isinstance(self.settings[key], bool) else row[key] for key in self.settings}
        old = {key: value for key, value in now.items() if value != self.settings[key]}
        new = {key: self.settings[key] for key in old}
        if not old:
            return Change(item=row["id"], state="noop", old=now, new=now)
        operation, undo = (
            ops.system.web_adaptor_update(path_name(row["id"]), **new),
            ops.system.web_adaptor_update(row["id"], **old),
        )
        return Change(item=row["id"], old=old, new=new, operations=(operation,), undo=(undo,))

    def parameters(self) -> Mapping[str, Any]:
        return {**super().parameters(), **self.settings}


@dataclass(frozen=True)
class SetProperties(Verb):
    """Set the system properties *settings*, take away *gone*, and keep every other; *secrets* are set and not shown."""

    name = "properties.set"
    doing: str = field(default="change", init=False)
    thing: str = field(default="property", init=False)
    settings: Mapping[str, Any] = field(default_factory=dict)
    gone: tuple[str, ...] = ()
    secrets: Mapping[str, Secret] = field(default_factory=dict, repr=False, compare=False)

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        now = await client.call(ops.system.properties())
        wanted = {**self.settings, **{name: secret.reveal() for name, secret in self.secrets.items()}}
        then = {name: value for name, value in {**now, **wanted}.items() if name not in self.gone}
        names = [name for name in dict.fromkeys([*now, *wanted]) if now.get(name) != then.get(name)]
        old = {name: shown(name, now[name]) for name in names if name in now}
        new = {name: shown(name, then[name]) for name in names if name in then}
        if not names:
            kept = {name: shown(name, now.get(name)) for name in wanted}
            return [Change(item="properties", state="noop", old=kept, new=kept)]
        if any(MASK in str(value) for name, value in now.items() if name in then and name not in names):
            # All are written back as they were read, and that one was not read as it is.
            told = "a property holds a secret of the inventory, which is masked when it is read: it would be lost"
            return [impossible("properties", told, old=old, new=new)]
        undo = ops.system.properties_update(now)
        return [
            Change(item="properties", old=old, new=new, operations=(ops.system.properties_update(then),), undo=(undo,))
        ]

    def parameters(self) -> Mapping[str, Any]:
        told = {name: shown(name, value) for name, value in self.settings.items()}
        return {"set": told, "unset": list(self.gone), "secrets": list(self.secrets)}


@dataclass(frozen=True)
class ServicesDirectory(Verb):
    """Switch the pages for people below `rest/services` on or off."""

    name = "services-directory"
    doing: str = field(default="switch the services directory of", init=False)
    thing: str = field(default="site", init=False)
    on: bool = True

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        now = await client.call(ops.system.services_directory())
        state = as_bool(now.get("servicesDirEnabled", now.get("enabled")))
        words = {True: "on", False: "off", None: "unknown"}
        old, new = {"servicesDirectory": words[state]}, {"servicesDirectory": words[self.on]}
        if state is self.on:
            return [Change(item="", state="noop", old=old, new=new)]
        return [Change(item="", old=old, new=new, operations=(_edit(now, self.on),), undo=(_edit(now, not self.on),))]

    def parameters(self) -> Mapping[str, Any]:
        return {"on": self.on}


def _edit(now: Mapping[str, Any], on: bool) -> Operation[Any]:
    """All settings that the operation knows, as they are, with the one that changes."""
    known = {parameter.name for parameter in catalogue().by_name["system.handlers.rest.servicesdirectory.edit"].params}
    kept = {name: value for name, value in now.items() if name in known and value is not None}
    return ops.system.services_directory_edit({**kept, "servicesDirEnabled": "true" if on else "false"})
