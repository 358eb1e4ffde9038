"""What a site was before an upgrade: its release, states, definitions and properties, kept to compare with afterwards."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from fleet.client.site import SiteClient
from fleet.health.check import RANK, Status
from fleet.protocol.release import Release
from fleet.snapshots.collect import Collected, collect

__all__ = ["compare", "record", "record_of"]

SECTIONS = ("services", "site", "system")
STATES, DEFINITION = "services/states/", "services/definition/"
NAMED = 5
"""Things that a sentence names before it counts the rest."""

LEFT_OUT = frozenset({"currentVersion", "fullVersion", "version", "cluster", "clusterName"})
"""Members of a definition that an upgrade moves by itself."""


async def record(client: SiteClient) -> dict[str, Any]:
    """What the site of *client* is now; raises what stood in the way of any part of it."""
    found: Collected = await collect(client, sections=SECTIONS)
    for name, error in sorted(found.failed.items()):
        if name.startswith((STATES, DEFINITION)) or name in ("services/folders", "site/info", "system/properties"):
            raise error
    return record_of(found.pieces, found.release)


def record_of(pieces: Mapping[str, Any], release: str | None) -> dict[str, Any]:
    """The record that is in *pieces* of a snapshot: `{"release", "build", "states", "definitions", "properties"}`.

    Of each definition its settings are kept, so that a difference can be named.
    """
    states: dict[str, Any] = {}
    definitions: dict[str, Any] = {}
    for name, value in pieces.items():
        if name.startswith(STATES):
            states |= {service: dict(told) for service, told in value.items()}
        elif name.startswith(DEFINITION):
            definitions[name.removeprefix(DEFINITION)] = _settings(value)
    info = pieces.get("site/info") or {}
    return {
        "release": release or info.get("fullVersion"),
        "build": info.get("currentbuild"),
        "states": states,
        "definitions": definitions,
        "properties": dict(pieces.get("system/properties") or {}),
    }


def _settings(definition: Mapping[str, Any]) -> dict[str, str]:
    """Member -> a short digest of its value: enough to say what differs, and small."""
    return {
        name: hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
        for name, value in definition.items()
        if name not in LEFT_OUT and name != "configuredState"
    }


def compare(before: Mapping[str, Any], now: Mapping[str, Any], *, moved: bool = True) -> list[dict[str, Any]]:
    """Rows `{"check", "status", "saw"}` of what differs; with *moved* the release must be a later one."""
    old, new = before["definitions"], now["definitions"]
    gone, added = sorted(old.keys() - new.keys()), sorted(new.keys() - old.keys())
    states = [
        f"{service} {_state(before['states'][service])} → {_state(now['states'][service])}"
        for service in sorted(before["states"].keys() & now["states"].keys())
        if _state(before["states"][service]) != _state(now["states"][service])
    ]
    settings = [
        f"{service} ({', '.join(_different(old[service], new[service]))})"
        for service in sorted(old.keys() & new.keys())
        if _different(old[service], new[service])
    ]
    properties = _different(before["properties"], now["properties"])
    rows = [_release(before, now, moved)]
    rows.append(_row("services", gone, f"the same {len(new)} services", "gone: "))
    if added:
        rows.append({"check": "new services", "status": "warning", "saw": _named(added)})
    rows.append(_row("states", states, f"{len(now['states'])} services in the same states", ""))
    rows.append(_row("definitions", settings, "the same settings", "", bad="warning"))
    rows.append(_row("properties", properties, "the same system properties", "", bad="warning"))
    return rows


def worst(rows: Sequence[Mapping[str, Any]]) -> Status:
    """The worst status of *rows*."""
    return max((row["status"] for row in rows), key=lambda status: RANK[status], default="ok")


def _release(before: Mapping[str, Any], now: Mapping[str, Any], moved: bool) -> dict[str, Any]:
    told = f"{before['release']} (build {before['build']}) → {now['release']} (build {now['build']})"
    was, is_now = (Release.parse(str(one["release"] or "")) for one in (before, now))
    later = was is not None and is_now is not None and is_now > was
    same_release_later_build = was == is_now and before["build"] != now["build"]
    good = later or same_release_later_build if moved else was == is_now
    return {"check": "release", "status": "ok" if good else "critical", "saw": told}


def _row(check: str, found: Sequence[str], well: str, words: str, *, bad: Status = "critical") -> dict[str, Any]:
    if not found:
        return {"check": check, "status": "ok", "saw": well}
    return {"check": check, "status": bad, "saw": f"{words}{_named(found)}"}


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMED])
    return shown + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _state(told: Mapping[str, Any]) -> str:
    return str(told.get("realTimeState") or told.get("configuredState") or "").upper()


def _different(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
