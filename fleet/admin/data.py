"""Data stores that are registered with a site."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleet.admin.catalogue import operation
from fleet.admin.operation import Effect, Operation

__all__ = [
    "compute_ref_count",
    "config",
    "config_update",
    "edit",
    "find_items",
    "item",
    "register",
    "unregister",
    "validate",
    "validate_all",
]


def find_items(
    *, parent: str | None = None, ancestor: str | None = None, types: str | None = None, managed: bool | None = None
) -> Operation[dict[str, Any]]:
    """`{"items": [{"path", "type", "id", "provider", "info"}]}`: registered data items, all of them or some.

    Those directly below *parent*, or anywhere below *ancestor*, such as `/enterpriseDatabases`; those of *types*
    (egdb, folder, nosql, cloudStore, rasterStore, objectStore, with commas); only *managed* ones, or only others. The
    administrator API wants a POST; nothing is changed.

    Raises, when called: `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/finddataitems
    """
    form = {"parentPath": parent, "ancestorPath": ancestor, "types": types, "managed": managed}
    return operation("data.findItems", form)


def validate_all() -> Operation[dict[str, Any]]:
    """Check every data item from every machine: `{"status": "success"}`, or a failure that says which one is broken.

    The site needs minutes for many items: one attempt may take 300 s.

    Raises, when called: `ServerFailed` with what the machines saw, `Forbidden`, `TimedOut`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/validateallitems
    """
    return Operation(
        name="data.validateAllDataItems",
        path="admin/data/validateAllDataItems",
        method="POST",
        effect=Effect.READ,
        limit=300.0,
    )


def item(path: str) -> Operation[dict[str, Any]]:
    """The data item at *path*, such as `/fileShares/maps`: `{"path", "type", "id", "provider", "info"}`.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/dataitem
    """
    return operation("data.items.get", item=path)


def register(item: Mapping[str, Any]) -> Operation[dict[str, Any]]:
    """Register *item*: `{"path", "type", "info"}`, with what its type needs to connect in `info`.

    One at the same path is refused by the site; some old releases then say false and nothing else.

    Done when the site finds an item at its path.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/registerdataitem
    """
    return operation("data.registerItem", {"item": item})


def unregister(path: str, *, force: bool = False) -> Operation[dict[str, Any]]:
    """Give up the data item at *path*; with *force* also while services use it.

    Done when the site finds no item at that path.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/data
    """
    return operation("data.unregisterItem", {"itempath": path, "force": True if force else None})


def edit(path: str, item: Mapping[str, Any]) -> Operation[dict[str, Any]]:
    """Replace the data item at *path* by *item*, a whole one: a moved database, a new password.

    Done when the item says so, of which passwords and connections are not compared.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/dataitem
    """
    return operation("data.items.edit", {"item": item}, item=path)


def validate(item: Mapping[str, Any]) -> Operation[dict[str, Any]]:
    """Check from every machine that *item*, which need not be registered, can be reached.

    A failed check is a `ServerFailed`, or an answer that lists what each machine saw.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/data
    """
    return operation("data.validateDataItem", {"item": item})


def compute_ref_count(path: str) -> Operation[dict[str, Any]]:
    """`{"totalRefCount": number}`: how many services use the data item at *path*.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/data
    """
    return operation("data.computeTotalRefCount", {"path": path})


def config() -> Operation[dict[str, Any]]:
    """`{"blockDataCopy": true}` where publishers must not copy data to the site.

    Raises, when called: `NotFound`, `Forbidden`, `ServerFailed`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/data
    """
    return operation("data.config")


def config_update(config: Mapping[str, Any]) -> Operation[dict[str, Any]]:
    """Replace the settings of data by *config*, such as `{"blockDataCopy": true}`.

    Done when the settings are so.

    Raises, when called: `NotFound`, `Forbidden`, `Locked`, `ServerFailed`, `VerifyFailed`,
    `FateUnknown`.
    Source: developers.arcgis.com/rest/enterprise-administration/server/data
    """
    return operation("data.config.update", {"datastoreConfig": config})
