"""Paths of the API that keep no state here: each answers the example of its operation, or says that it is not there."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

from fleet.simulator.call import SUCCESS, Call
from fleet.simulator.state import SiteState
from fleet.simulator.wire import Reply, admin_failure

__all__ = ["catch_all"]

WITHOUT_CLUSTERS = 10.6
"""The release from which sites have one cluster only, and no resource for it."""


OWNED = frozenset({"admin/services/<folder>"})
"""Patterns that would take in what their handlers refuse."""


@cache
def _examples() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    """Path patterns with the recorded or documented example of each operation."""
    table = json.loads(files("fleet.simulator").joinpath("answers.json").read_text(encoding="utf-8"))
    table = [entry for entry in table if entry["path"] not in OWNED]
    return [(_pattern(entry["path"]), entry) for entry in sorted(table, key=lambda entry: entry["path"].count("<"))]


def _pattern(path: str) -> re.Pattern[str]:
    text = re.escape(path.strip("/")).replace("<name>\\.<type>", r"[^/]+\.[^/.]+").replace("<folder>/", "(?:[^/]+/)?")
    return re.compile(re.sub(r"<\w+>", "[^/]+", text), re.IGNORECASE)


def _older(release: float, since: str) -> bool:
    parts = [int(part) for part in re.findall(r"\d+", since)[:3]]
    number: float = parts[0] + sum(part / 10 ** (place + 1) for place, part in enumerate(parts[1:]))
    return release + 1e-6 < number


def catch_all(call: Call, path: str, state: SiteState) -> Reply:
    """The answer to a path that no handler owns; raises the failure that a server gives for an unknown one."""
    wrong_method = False
    last = path.rstrip("/").rsplit("/", 1)[-1]
    unknown = admin_failure(404, f"Could not find resource or operation '{last}' on the system.")
    if path.lower().startswith("admin/clusters") and state.number >= WITHOUT_CLUSTERS:
        raise unknown
    for pattern, entry in _examples():
        if not pattern.fullmatch(path) or _older(state.number, entry["since"]):
            continue
        if entry["method"] == "POST" and call.method == "GET" and not entry["safe"]:
            wrong_method = True
            continue
        if entry["method"] == "POST":
            for name in entry["required"]:
                if name not in call.files:
                    call.need(name)
        example = entry["answer"]
        if isinstance(example, str):
            return Reply(body=example.encode(), content_type="application/octet-stream")
        return Reply(dict(SUCCESS) if example is None else example, changed=not entry["safe"])
    if wrong_method:
        raise admin_failure(405, f"HTTP {call.method} is not supported.")
    raise unknown
