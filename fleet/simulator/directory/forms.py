"""The form of an operation: an input for every parameter, with the default or the present state filled in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fleet.simulator.directory.tree import Node

if TYPE_CHECKING:
    from fleet.simulator.call import Call

__all__ = ["Field", "form_fields", "less_blank"]

EDITS = ("edit", "update", "editFolder", "editProtocol", "updateIdentityStore", "testIdentityStore")
"""Operations that replace what is there: their forms begin with it."""


@dataclass(frozen=True, slots=True)
class Field:
    """One input: `kind` is text, password, number, json, select, checkbox or file."""

    name: str
    kind: str
    value: str = ""
    required: bool = False
    checked: bool = False
    says_false: bool = False
    """Whether a box without a tick sends `false`, or nothing at all."""
    choices: tuple[str, ...] = ()
    hint: str = ""
    placeholder: str = ""


def form_fields(node: Node, state: Any, given: Mapping[str, str] | None = None) -> list[Field]:
    """The inputs of *node*'s form. *state* is the answer of the resource above; *given* is what was sent before."""
    now = _state_of(node, state)
    sent = None if given is None else {key.lower(): value for key, value in given.items()}
    return [_field(param, now.get(param["name"].lower()), sent) for param in node.fields]


def _state_of(node: Node, state: Any) -> dict[str, Any]:
    """The present values by the lower-case names of the parameters."""
    if node.last not in EDITS or not isinstance(state, dict):
        return {}
    settings = state.get("settings")
    flat = settings if isinstance(settings, dict) else state
    found = {key.lower(): value for key, value in flat.items() if value is not None}
    whole = [param["name"] for param in node.fields if param["type"].startswith("json")]
    if node.last in ("edit", "update") and whole and whole[0].lower() not in found:
        # What is edited as a whole is the resource itself.
        found[whole[0].lower()] = state
    return found


def _field(param: Mapping[str, Any], now: Any, sent: Mapping[str, str] | None) -> Field:
    name, default = param["name"], param.get("default")
    kind = _kind(param)
    words = kind in ("text", "json") and isinstance(default, str) and default in WORDS
    value = now if now is not None else None if words else default
    if sent is not None:
        value = sent.get(name.lower(), "" if kind != "checkbox" else "false")
    choices = tuple(map(str, param.get("values", ())))
    return Field(
        name,
        kind,
        value="" if kind in ("password", "file") or value is None else _text(value),
        required=bool(param.get("required")),
        checked=_text(value).lower() in ("true", "on"),
        says_false=bool(param.get("required")) or default is not None or now is not None,
        choices=choices if param.get("required") and default is not None else ("", *choices),
        hint=param.get("meaning", ""),
        placeholder=str(default) if words else "",
    )


WORDS = frozenset({"now", "beginning of logging", "all", "all in folder"})
"""Defaults that are told in words, and can't be sent."""


def _kind(param: Mapping[str, Any]) -> str:
    name, kind = param["name"], param["type"]
    if "password" in name.lower():
        return "password"
    if kind.startswith("json"):
        return "json"
    if kind == "enum" and param.get("values"):
        return "select"
    return {"int": "number", "boolean": "checkbox", "file": "file"}.get(kind, "text")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, (dict, list)):
        return json.dumps(value)
    try:
        return json.dumps(value, indent=1, ensure_ascii=False)
    except RecursionError:
        # Laid out it goes less deep than on one line.
        return json.dumps(value, ensure_ascii=False)


def less_blank(node: Node, call: Call) -> None:
    """Take out of *call* what a browser sends of inputs that nothing was written into.

    A text of an edit stays also when it is blank: that is how a description is taken away.
    """
    texts = {param["name"].lower() for param in node.fields if _kind(param) == "text"} if node.last in EDITS else set()
    call.params = {key: value for key, value in call.params.items() if value != "" or key.lower() in texts}
    for param in node.fields:
        if param["type"] == "file":
            call.params.pop(param["name"], None)
