"""Verbs on what machines are set to, and on which machines a site has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from fleet import admin as ops
from fleet.bulk.change import Change, impossible
from fleet.bulk.machines import MachineVerb
from fleet.bulk.readiness import web_server_back
from fleet.bulk.verb import Done, Sender, Verb, make
from fleet.client.site import SiteClient
from fleet.errors import UsageError
from fleet.protocol.fields import as_bool, as_int
from fleet.protocol.release import Release
from fleet.rows.machines import machines_of
from fleet.rows.table import Row

__all__ = ["EDITABLE", "Edit", "Register", "Synchronize", "Unregister", "edit_of"]

HEAPS = ("webServerMaxHeapSize", "appServerMaxHeapSize", "socMaxHeapSize")
PORTS = ("OpenEJBPort", "JMXPort", "NamingPort", "DerbyPort")
EDITABLE = ("adminURL", *HEAPS, *PORTS)
"""What `Edit` changes. The certificate of the web server is switched by a verb of its own, which looks at it after."""

APP_SERVER_UNTIL = Release((10, 6, 0))
"""From here on the heap of the application server has no effect."""


@dataclass(frozen=True)
class Edit(MachineVerb):
    """Change *settings* of machines and keep every other; their web servers restart, one of a site after another.

    Raises `UsageError` for a setting that there is not, and for a number that is none.
    """

    name = "machines.edit"
    doing: str = field(default="change", init=False)
    disrupts: bool = field(default=True, init=False)
    settings: Mapping[str, str] = field(default_factory=dict)
    wait: float = 300.0

    columns = ("release", *HEAPS, "ports", "webServerCertificateAlias")

    def __post_init__(self) -> None:
        for key, value in self.settings.items():
            if key not in EDITABLE:
                raise UsageError(
                    f"a machine has no setting {key!r} that can be set here; there are {', '.join(EDITABLE)}"
                )
            if key != "adminURL" and as_int(value) is None:
                raise UsageError(f"{key} is a whole number, not {value!r}")

    def judge(self, row: Row, every: Sequence[Row]) -> Change:
        ports = row["ports"] if isinstance(row["ports"], Mapping) else {}
        now = {key: ports.get(key) if key in PORTS else row.get(key) for key in self.settings}
        old = {key: value for key, value in now.items() if str(value) != self.settings[key]}
        new = {key: self.settings[key] if key == "adminURL" else as_int(self.settings[key]) for key in old}
        name = row["machineName"]
        if not old:
            return Change(item=name, state="noop", old=now, new=now)
        release = Release.parse(str(row.get("release") or ""))
        if list(old) == ["appServerMaxHeapSize"] and release is not None and release >= APP_SERVER_UNTIL:
            told = f"appServerMaxHeapSize has no effect from 10.6 on, and this is {release}"
            return impossible(name, told, old=old, new=new)
        back = {key: value for key, value in old.items() if value is not None}
        undo = (edit_of(row, back),) if back.keys() == old.keys() else ()
        return Change(item=name, old=old, new=new, operations=(edit_of(row, new),), undo=undo)

    def parameters(self) -> Mapping[str, Any]:
        return {**super().parameters(), "settings": dict(self.settings)}

    async def carry_out(self, client: SiteClient, changes: Sequence[Change], sender: Sender, done: Done) -> None:
        back = partial(web_server_back, client, self.wait)
        for change in changes:
            await make(client, change, sender, done, self.name, after=back)


def edit_of(row: Row, settings: Mapping[str, Any]) -> Any:
    """The edit of the machine of *row* to *settings*, with every value that it has now: one left out could be lost.

    *row* has the columns of `Edit`.
    """
    ports = row["ports"] if isinstance(row["ports"], Mapping) else {}
    kept: dict[str, Any] = {"adminURL": row["adminURL"], **{key: row.get(key) for key in HEAPS}}
    kept |= {"webServerCertificateAlias": row.get("webServerCertificateAlias")}
    kept |= {key: ports.get(key) for key in PORTS}
    release = Release.parse(str(row.get("release") or ""))
    if release is None or release >= APP_SERVER_UNTIL:
        del kept["appServerMaxHeapSize"]
    form = {key: value for key, value in {**kept, **settings}.items() if value is not None}
    return ops.machines.edit(row["machineName"], **form)


@dataclass(frozen=True)
class Synchronize(MachineVerb):
    """Bring machines to the state of their site: those of which the site says that they need it."""

    name = "machines.synchronize"
    lasting = False
    doing: str = field(default="synchronize", init=False)
    disrupts: bool = field(default=True, init=False)

    def judge(self, row: Row, every: Sequence[Row]) -> Change:
        name, old, new = row["machineName"], {"synchronize": True}, {"synchronize": False}
        if as_bool(row.get("synchronize")) is not True:
            return Change(item=name, state="noop", old=new, new=new)
        return Change(item=name, old=old, new=new, operations=(ops.machines.synchronize(name),))


@dataclass(frozen=True)
class Unregister(MachineVerb):
    """Take machines out of their site for good; the last one of a site can't be taken out."""

    name = "machines.unregister"
    doing: str = field(default="take out", init=False)
    disrupts: bool = field(default=True, init=False)

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        rows, every, missing = await self.chosen.rows(client)
        going = {row["machineName"] for row in rows}
        staying = [row for row in every if row["machineName"] not in going]
        changes = []
        for row in rows:
            name, old = row["machineName"], {"adminURL": row["adminURL"]}
            if staying:
                operation = ops.machines.unregister(name)
                undo = (ops.machines.register(name, row["adminURL"]),) if isinstance(row["adminURL"], str) else ()
                changes.append(Change(item=name, old=old, new="unregistered", operations=(operation,), undo=undo))
            else:
                changes.append(impossible(name, "a site keeps at least one machine", old=old))
        return [*missing, *changes]


@dataclass(frozen=True)
class Register(Verb):
    """Let *machine*, which has the software and is in no site, join a site; *admin_url* is its own address."""

    machine: str
    admin_url: str
    name = "machines.register"
    doing: str = field(default="register", init=False)
    thing: str = field(default="machine", init=False)

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        new = {"adminURL": self.admin_url}
        for entry in await machines_of(client):
            if entry["machineName"].casefold() == self.machine.casefold():
                return [
                    Change(item=entry["machineName"], state="noop", old=new, new=new, why="it is in the site already")
                ]
        operation = ops.machines.register(self.machine, self.admin_url)
        undo = (ops.machines.unregister(self.machine),)
        return [Change(item=self.machine, new=new, operations=(operation,), undo=undo)]

    def parameters(self) -> Mapping[str, Any]:
        return {"machine": self.machine, "admin_url": self.admin_url}
