"""Checking that data items can be reached from every machine of a site: a row per item, and per machine that says no."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from fleet import admin as ops
from fleet.client.site import SiteClient
from fleet.errors import ServerFailed, SiteError
from fleet.rows.data import data_items, is_masked
from fleet.rows.reading import each
from fleet.rows.table import Row

__all__ = ["COLUMNS", "validated"]

COLUMNS = ("path", "type", "machine", "state", "message")
"""`state` is passed, failed, or unknown where the check could not be made."""

MASKED = "its password is not told to us, and without it the item can't be checked alone"


async def validated(client: SiteClient, chosen: Callable[[str], bool] | None = None) -> list[Row]:
    """Check the items whose paths are *chosen* (None: all) and tell of each whether its data can be reached.

    All items are checked in one call; where that fails without a word of which, and for some items only, one by one.
    Raises the `SiteError` that kept the list of items, or all of the checks, from being had.
    """
    items = await data_items(client)
    wanted = [item for item in items if chosen is None or chosen(str(item["path"]))]
    if not wanted:
        return []
    if chosen is None:
        try:
            answer = await client.call(ops.data.validate_all())
        except ServerFailed as error:
            if not error.message:
                raise
        else:
            told = _details(answer, wanted)
            return [_row(item, "", "passed") for item in wanted] if told is None else told
    machines = await _machine_names(client)
    rows: list[Row] = []
    results = await each([partial(_checked, client, item) for item in wanted])
    for item, result in zip(wanted, results, strict=True):
        if isinstance(result, ServerFailed):
            seen = [name for name in machines if _names(result.message, name)]
            rows += [_row(item, name, "failed", result.message) for name in seen or [""]]
        elif isinstance(result, SiteError):
            raise result
        else:
            rows += result
    return rows


async def _checked(client: SiteClient, item: dict[str, Any]) -> list[Row]:
    if is_masked(item):
        return [_row(item, "", "unknown", MASKED)]
    told = _details(await client.call(ops.data.validate(item)), [item])
    return [_row(item, "", "passed")] if told is None else told


def _details(answer: Mapping[str, Any], items: Sequence[dict[str, Any]]) -> list[Row] | None:
    """What each machine saw, where the answer lists it; None where it does not."""
    machines = answer.get("machines")
    if not isinstance(machines, list):
        return None
    known = {str(item["path"]): item for item in items}
    failed: list[Row] = []
    for told in machines:
        if not isinstance(told, Mapping):
            continue
        for one in told.get("dataItems") or ():
            if isinstance(one, Mapping) and str(one.get("validationState", "")).upper() not in ("PASSED", "SUCCESS"):
                path = str(one.get("path") or one.get("dataItem") or "")
                item = known.get(path) or {"path": path}
                state = "failed" if one.get("validationState") else "unknown"
                failed.append(_row(item, str(told.get("machine", "")), state, str(one.get("message") or "")))
    broken = {row["path"] for row in failed}
    passed = [_row(item, "", "passed") for item in items if item["path"] not in broken]
    return sorted([*failed, *passed], key=lambda row: str(row["path"]).casefold())


def _row(item: Mapping[str, Any], machine: str, state: str, message: str = "") -> Row:
    cells = (item.get("path"), item.get("type"), machine, state, message)
    return dict(zip(COLUMNS, cells, strict=True))


async def _machine_names(client: SiteClient) -> list[str]:
    """The machines of the site, by which a failure's words may tell where it happened; none where they aren't told."""
    try:
        answer = await client.call(ops.machines.listing())
    except SiteError:
        return []
    entries = answer.get("machines")
    entries = entries if isinstance(entries, list) else []
    return [str(one["machineName"]) for one in entries if isinstance(one, Mapping) and one.get("machineName")]


def _names(message: str, machine: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(machine)}(?![\w-])", message, re.IGNORECASE) is not None
