"""What an operation of the API is, for people: rows of a list, and everything about one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from fleet.admin.catalogue import Entry, Parameter, catalogue
from fleet.admin.changes import SEEN
from fleet.render.columns import Terminal, paint, wrapped

__all__ = ["COLUMNS", "call_of", "explained", "explanation", "operation_row"]

COLUMNS = ("name", "method", "path", "effect", "since", "evidence")
EVIDENCE = {
    "recorded": "recorded from a real server",
    "docs": "the help pages",
    "client-code": "public clients that use it",
    "docs+client-code": "the help pages, and public clients that use it",
    "unverified": "a guess: neither its parameters nor its answer are confirmed",
}
EFFECTS = {
    "read": "reads",
    "change": "changes the site",
    "disrupt": "changes the site, and restarts services, a machine, or the site",
}


def operation_row(entry: Entry) -> dict[str, str]:
    """*entry* as a row of the list; an operation whose shape is a guess says so."""
    return {
        "name": entry.name,
        "method": entry.method,
        "path": shown_path(entry),
        "effect": entry.effect,
        "since": f"{entry.since}?" if entry.since_uncertain else entry.since,
        "evidence": "guessed" if entry.guessed else entry.evidence,
    }


def shown_path(entry: Entry) -> str:
    """The path as `fleet call` takes it."""
    return f"portal:{entry.full_path}" if entry.base == "portal" else entry.full_path


def call_of(entry: Entry) -> str:
    """The line of `fleet call` that asks for it: names in capitals are to be filled in."""
    path = re.sub(r"<(\w+)>", lambda match: match[1].upper(), shown_path(entry)) or "/"
    needed = [
        f"-p {parameter.name}={'@FILE' if parameter.type == 'file' else _placeholder(parameter)}"
        for parameter in entry.params
        if parameter.required
    ]
    change = [] if entry.effect == "read" else ["--change", "-s SITES"]
    if change and len(catalogue().at(entry.full_path, portal=entry.base == "portal")) > 1:
        change.insert(0, "--method POST")
    force = ["--force"] if entry.guessed and change else []
    return " ".join(["fleet call", path, *needed, *change, *force])


def _placeholder(parameter: Parameter) -> str:
    return str(parameter.values[0]) if parameter.values else "JSON" if parameter.type == "json" else "VALUE"


def explanation(entry: Entry) -> dict[str, Any]:
    """Everything about *entry*, for machines."""
    return {
        **operation_row(entry),
        "evidence": entry.evidence,
        "guessed": entry.guessed,
        "since": entry.since,
        "since_certain": not entry.since_uncertain,
        "also_at": list(entry.also_at),
        "idempotent": entry.idempotent,
        "asynchronous": entry.asynchronous,
        "seconds": entry.limit,
        "privilege": entry.privilege,
        "token": entry.token,
        "read_back": entry.name in SEEN or entry.name == "uploads.upload",
        "parameters": [
            {
                "name": one.name,
                "type": one.type,
                "required": one.required,
                "default": one.default,
                "values": list(one.values),
                "unit": one.unit,
                "meaning": one.meaning,
            }
            for one in entry.params
        ],
        "answer": "binary" if entry.binary else list(entry.answer),
        "note": entry.note,
        "source": entry.source,
        "call": call_of(entry),
        "functions": [f"ops.{name}" for name in entry.functions],
    }


def explained(entry: Entry, terminal: Terminal) -> list[str]:
    """Everything about *entry* as lines for people."""
    told: list[tuple[str, str]] = [
        ("effect", _effect(entry)),
        ("since", f"{entry.since}{', which is not certain' if entry.since_uncertain else ''}"),
        ("privilege", entry.privilege if entry.token else f"{entry.privilege}; it needs no token"),
        ("time", f"one attempt may take {entry.limit:g} s" if entry.limit else ""),
        ("runAsync", "it can answer at once and work on" if entry.asynchronous else ""),
        ("also at", ", ".join(entry.also_at)),
        ("answer", "bytes, no JSON" if entry.binary else ", ".join(entry.answer)),
        ("known from", EVIDENCE[entry.evidence]),
        ("note", entry.note),
        ("source", f"https://{entry.source}" if entry.source else ""),
        ("call", call_of(entry)),
        ("Python", ", ".join(f"ops.{name}" for name in entry.functions)),
    ]
    lines = [paint(f"{entry.name}  {entry.method} {shown_path(entry)}", "bold", terminal)]
    lines += _block(told[:7], terminal)
    if entry.params:
        lines.append("  parameters")
        lines += _parameters(entry.params, terminal)
    return lines + _block(told[7:], terminal)


def _effect(entry: Entry) -> str:
    text = EFFECTS[entry.effect]
    if entry.effect == "read":
        return text
    again = "the same again changes nothing more" if entry.idempotent else "the same again is not the same"
    seen = "its effect is read back" if explanation(entry)["read_back"] else "no resource tells whether it was done"
    return f"{text}; {again}; {seen}"


def _block(told: Iterable[tuple[str, str]], terminal: Terminal) -> list[str]:
    lines = []
    for name, text in told:
        if text:
            lines += wrapped(f"  {name:<12}{text}", terminal.width, " " * 14)
    return lines


def _parameters(parameters: Iterable[Parameter], terminal: Terminal) -> list[str]:
    lines = []
    for one in parameters:
        kind = f"{one.type} in {one.unit}" if one.unit else one.type
        words = ["required" if one.required else "", "|".join(map(str, one.values)), one.meaning]
        default = "" if one.default is None else f"default {_default(one.default)}"
        text = "; ".join(filter(None, [kind, *words[:2], default, words[2]]))
        lines += wrapped(f"    {one.name}: {text}", terminal.width, " " * 6)
    return lines


def _default(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
