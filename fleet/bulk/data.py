"""Verbs on data items: register one, give it up, and let items point to another server, database, folder or password."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from fleet import admin as ops
from fleet.admin.operation import Operation, ReadBack
from fleet.aggregate.where import Where, matches, require_fields
from fleet.bulk.change import Change, impossible
from fleet.bulk.verb import Verb
from fleet.client.site import SiteClient
from fleet.errors import NotFound, ServerFailed, SiteError, UsageError
from fleet.inventory.secrets import CredentialRef, Secret
from fleet.protocol.connections import is_connection
from fleet.protocol.fields import as_bool, as_int
from fleet.protocol.item_patterns import NamePatterns
from fleet.protocol.secret_names import MASK
from fleet.rows.data import DATASTORES, connection_of, data_items, is_masked, item_row, shown_info
from fleet.rows.reading import each

__all__ = ["Items", "Register", "Repoint", "Unregister", "read_item", "repointed"]

MASKED = (
    "it can't be sent back whole: its password, or what reads like one of ours, is masked where it is read; "
    "--password-from gives its password anew"
)
REFERENCES_UNKNOWN = "how many services use it is not told"


@dataclass(frozen=True, slots=True)
class Items:
    """Which data items of a site are meant: by patterns of their paths, and by a condition on their rows."""

    patterns: NamePatterns
    where: Where | None = None
    missing_ok: bool = False
    managed: bool = False
    """Whether stores are meant too that the site manages itself; they are left alone otherwise."""

    def __post_init__(self) -> None:
        if self.where is not None:
            require_fields(self.where, DATASTORES.names)

    async def found(self, client: SiteClient) -> tuple[list[dict[str, Any]], list[Change]]:
        """Those that are meant, and an impossible change for each path that is not there."""
        items = await data_items(client)
        paths = [str(item["path"]) for item in items]
        chosen = [
            item
            for item, path in zip(items, paths, strict=True)
            if self.patterns.match(path) and (self.where is None or matches(self.where, item_row(item)))
        ]
        missing = [] if self.missing_ok else self.patterns.missing(paths)
        return chosen, [self._missing(text, paths) for text in missing]

    def _missing(self, text: str, paths: Sequence[str]) -> Change:
        near = self.patterns.nearest(text, paths)
        hint = f"did you mean {near}?" if near else "fleet datastores list shows what is registered"
        return impossible(text, NotFound(f"there is no data item {text}", hint=hint, may_have_arrived=False))

    def spared(self, item: Mapping[str, Any]) -> Change | None:
        """What is to be done to *item* where it is left alone because the site manages it itself; None otherwise."""
        info = item.get("info")
        if self.managed or not isinstance(info, Mapping) or not as_bool(info.get("isManaged")):
            return None
        return Change(item=str(item["path"]), state="noop", why="the site manages it itself; --managed means it too")

    def told(self) -> dict[str, Any]:
        """What was asked for, for the record."""
        told: dict[str, Any] = {"items": list(self.patterns.texts), "managed": self.managed}
        return told if self.where is None else {**told, "where": str(self.where)}


@dataclass(frozen=True)
class Register(Verb):
    """Register *item*, `{"path", "type", "info"}`; one that is registered so already is left alone.

    Raises `UsageError` for an item without path, type or info. A *password* that is given is put into its connection.
    """

    item: Mapping[str, Any] = field(repr=False)
    password: CredentialRef | None = field(default=None, repr=False)
    name = "datastores.register"
    doing: str = field(default="register", init=False)
    thing: str = field(default="data item", init=False)

    def __post_init__(self) -> None:
        path, kind, info = (self.item.get(key) for key in ("path", "type", "info"))
        if not isinstance(path, str) or not path.startswith("/") or not path.strip("/"):
            raise UsageError('an item needs a path, such as "/enterpriseDatabases/gis"')
        if not isinstance(kind, str) or not isinstance(info, Mapping):
            raise UsageError("an item needs a type (egdb, folder, …) and an info with what its type needs to connect")
        if self.password is not None and connection_of(self.item) is None:
            raise UsageError("a password goes into a connectionString, and the info of this item has none")

    def parameters(self) -> Mapping[str, Any]:
        return {"item": shown_info(self.item)}

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        path = str(self.item["path"])
        there = {str(item["path"]).casefold(): item for item in await data_items(client)}.get(path.casefold())
        new = {"type": self.item["type"], **_described(self.item)}
        if there is not None:
            old = {"type": there.get("type"), **_described(there)}
            differs = [key for key in new if new[key] != old.get(key) and not _is_encrypted(key, old)]
            if not differs:
                return [Change(item=path, state="noop", old=old, new=new, why="it is registered already")]
            why = "it is registered with other settings; `datastores repoint` changes these"
            return [impossible(path, why, old=old, new=new)]
        item = dict(self.item)
        inside = connection_of(item)
        if inside is not None and inside.password is not None:
            # From now on it is masked in whatever the site says.
            await client.secret(CredentialRef(kind="plain", plain=Secret(inside.password)))
        if self.password is not None:
            connection = connection_of(item)
            assert connection is not None
            text = str(connection.with_password((await client.secret(self.password)).reveal()))
            item["info"] = {**item["info"], "connectionString": text}
        return [Change(item=path, new=new, operations=(ops.data.register(item),), undo=(ops.data.unregister(path),))]


@dataclass(frozen=True)
class Unregister(Verb):
    """Give up data items; those that services use only with *force*."""

    items: Items
    force: bool = False
    name = "datastores.unregister"
    doing: str = field(default="unregister", init=False)
    thing: str = field(default="data item", init=False)

    def parameters(self) -> Mapping[str, Any]:
        return {**self.items.told(), "force": self.force}

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        chosen, missing = await self.items.found(client)
        spared = [change for item in chosen if (change := self.items.spared(item)) is not None]
        chosen = [item for item in chosen if self.items.spared(item) is None]
        counts = await each([partial(_references, client, str(item["path"])) for item in chosen])
        judged = (self._judged(item, count) for item, count in zip(chosen, counts, strict=True))
        return [*missing, *spared, *judged]

    def _judged(self, item: Mapping[str, Any], count: int | SiteError | None) -> Change:
        path = str(item["path"])
        if isinstance(count, SiteError):
            return impossible(path, count)
        old = {"registered": True, "references": count}
        new = {"registered": False}
        if not self.force and count != 0:
            used = f"{count} services use it" if count else REFERENCES_UNKNOWN
            if count == 1:
                used = "1 service uses it"
            hint = "--force gives it up all the same"
            return impossible(path, ServerFailed(used, hint=hint, may_have_arrived=False), old=old, new=new)
        # What is masked in it can't be put back.
        undo = () if is_masked(item) else (ops.data.register(item),)
        return Change(item=path, old=old, new=new, operations=(_gone(path, force=self.force),), undo=undo)


def _gone(path: str, *, force: bool) -> Operation[Any]:
    return ops.data.unregister(path, force=force)


async def _references(client: SiteClient, path: str) -> int | None:
    """How many services use the item at *path*; None where the site does not say."""
    return as_int((await client.call(ops.data.compute_ref_count(path))).get("totalRefCount"))


@dataclass(frozen=True)
class Repoint(Verb):
    """Let data items point elsewhere: *values* are members of their connection, or of their info, by name.

    A *password* takes the place of the one that each connection has. With *check* every machine of the site must reach
    the new place before an item is changed. An item that lacks one of the members can't be changed.
    """

    items: Items
    values: Mapping[str, str]
    password: CredentialRef | None = field(default=None, repr=False)
    check: bool = True
    name = "datastores.repoint"
    doing: str = field(default="repoint", init=False)
    thing: str = field(default="data item", init=False)
    disrupts: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        if not self.values and self.password is None:
            raise UsageError("there is nothing to change: give --set NAME=VALUE, or --password-from")

    def parameters(self) -> Mapping[str, Any]:
        told = {**self.items.told(), "set": dict(self.values), "validate": self.check}
        return told if self.password is None else {**told, "password_from": str(self.password)}

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        # Looked up first: from then on it is masked in what the site tells, in the plan and when it is carried out.
        password = None if self.password is None else await client.secret(self.password)
        chosen, missing = await self.items.found(client)
        return [*missing, *(self.items.spared(item) or self._judged(item, password) for item in chosen)]

    def _judged(self, item: dict[str, Any], password: Secret | None) -> Change:
        path = str(item["path"])
        try:
            changed = repointed(item, self.values, password)
        except UsageError as error:
            return impossible(path, str(error))
        before, after = _described(item), _described(changed)
        old = {key: before.get(key) for key in after if after[key] != before.get(key)}
        new = {key: after[key] for key in old}
        if password is not None:
            # That it differs from the one before can't be seen.
            old, new = {**old, "password": MASK}, {**new, "password": f"{MASK} (new)"}
        if not new:
            return Change(item=path, state="noop", old={}, new={}, why="it points there already")
        if is_masked(changed):
            return impossible(path, MASKED, old=old, new=new)
        edit = replace(ops.data.edit(path, changed), read_back=_seen(path, changed, password is None))
        first = (ops.data.validate(changed),) if self.check else ()
        undo = (ops.data.edit(path, item),) if password is None else ()
        return Change(item=path, old=old, new=new, operations=(*first, edit), undo=undo)


def repointed(item: Mapping[str, Any], values: Mapping[str, str], password: Secret | None = None) -> dict[str, Any]:
    """*item* with *values* in its connection or its info, and *password* in its connection.

    Raises `UsageError` where it has no such member.
    """
    info = item.get("info")
    if not isinstance(info, Mapping):
        raise UsageError("nothing is told of where it points")
    connection = connection_of(item)
    inside = {key.lower(): key for key, value in info.items() if isinstance(value, str) and not is_connection(value)}
    inside.pop("connectionstring", None)
    mine: dict[str, str] = {}
    told: dict[str, str] = {}
    for name, value in values.items():
        if connection is not None and name.lower() in connection.names:
            mine[name] = value
        elif name.lower() in inside:
            told[inside[name.lower()]] = value
        else:
            known = [*(connection.names if connection is not None else ()), *inside.values()]
            raise UsageError(f"it has no {name}; it has {', '.join(known) or 'nothing that can be set'}")
    new = {**info, **told}
    if connection is not None and (mine or password is not None):
        after = connection.changed(mine)
        if password is not None:
            after = after.with_password(password.reveal())
        new["connectionString"] = str(after)
    elif password is not None:
        raise UsageError("it has no connection that a password is part of")
    return {**item, "info": new}


def _described(item: Mapping[str, Any]) -> dict[str, Any]:
    """Where *item* points, flat and without secrets: `{"server", "database", …}`, or its path."""
    info = item.get("info")
    if not isinstance(info, Mapping):
        return {}
    told: dict[str, Any] = {}
    for key, value in info.items():
        if key == "connectionString":
            connection = connection_of(item)
            told |= connection.shown() if connection is not None else {key: shown_info(value)}
        elif isinstance(value, str | bool):
            told[str(key)] = shown_info({key: value})[str(key)]
    return told


def _is_encrypted(key: str, old: Mapping[str, Any]) -> bool:
    """Whether *key* is a password, which a site keeps under another name than the one by which it was given."""
    return "password" in key.lower() and any("password" in one.lower() for one in old)


def _seen(path: str, item: Mapping[str, Any], whole: bool) -> ReadBack:
    """Done when the item points where *item* does; whether its password is the new one is not told."""
    wanted = {key: value for key, value in _described(item).items() if "password" not in key.lower()}

    def done(answer: Any) -> bool | None:
        if not isinstance(answer, Mapping) or not isinstance(answer.get("info"), Mapping):
            return None
        have = _described(answer)
        return all(str(have.get(key)).casefold() == str(value).casefold() for key, value in wanted.items())

    return ReadBack(look=ops.data.item(path), done=done, whole=whole)


def read_item(text: str, form: str) -> Mapping[str, Any]:
    """The item in *text*, `json` or `toml`; raises `UsageError` with what is wrong with it."""
    import tomllib

    load: Callable[[str], Any] = json.loads if form == "json" else tomllib.loads
    try:
        item = load(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the item can't be read as {form.upper()}: {str(error)[:200]}") from None
    if not isinstance(item, Mapping):
        raise UsageError("the item is no object")
    return item
