"""Operations as a journal keeps them, without secrets, and as they are sent again or undone from what it kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from fleet.admin.catalogue import operation_again, resource_of
from fleet.admin.operation import Operation
from fleet.audit import parameters_of, without_secrets
from fleet.client.site import SiteClient
from fleet.errors import ConfigFailed, SiteError, VerifyFailed
from fleet.outcome import outcome_of
from fleet.protocol.secret_names import MASK, is_secret_name
from fleet.rollout.setting_back import set_back

__all__ = ["is_done", "kept", "needs_refill", "operation_of", "refill", "undoing"]

DEFINITIONS: Mapping[str, str] = {
    "services.edit": "service",
    "data.items.edit": "item",
    "security.tokens.update": "tokenManagerConfig",
    "system.properties.update": "properties",
    "usagereports.edit": "usagereport",
}
"""Changes that send a whole resource, and the parameter that holds it: it reads as the operation's place does."""


def _unmasked(text: str) -> str:
    return text


def kept(
    operation: Operation[Any], *, beside: Operation[Any] | None = None, mask: Callable[[str], str] = _unmasked
) -> dict[str, Any]:
    """*operation* as a journal keeps it: `{"name", "method", "path", "parameters"}`, JSON without secrets.

    What is secret by its name is masked, and so is what *mask* takes out of a text; `masked` then names those
    parameters. `files` names parameters that are files, which are not kept. With *beside*, the operation that undoes it
    or that it undoes, `lost` names the secrets in which the two differ: these are nowhere to be had any more.
    """
    told: dict[str, Any] = {"name": operation.name, "method": operation.method, "path": operation.path}
    parameters: dict[str, str] = {}
    masked = []
    for key, value in operation.parameters.items():
        shown = _shown(operation, key)
        # What holds no secret is kept as it is, to the last blank.
        clean = value if _same(shown, value) else shown
        parameters[key] = _clean(clean, mask)
        if MASK in parameters[key]:
            masked.append(key)
    told["parameters"] = parameters
    if masked:
        told["masked"] = masked
        lost = _lost(operation, beside, masked) if beside is not None else []
        if lost:
            told["lost"] = lost
    return {**told, "files": list(operation.files)} if operation.files else told


def needs_refill(told: Mapping[str, Any]) -> bool:
    """Whether what a journal kept of an operation is not whole: secrets of it are masked, or its files are missing."""
    return bool(told.get("masked") or told.get("files"))


def operation_of(told: Mapping[str, Any]) -> Operation[Any]:
    """The operation that `kept` made *told* of, with its read-back; what was masked is masked in it too."""
    parameters = {str(key): str(value) for key, value in told.get("parameters", {}).items()}
    return operation_again(str(told["name"]), told.get("method", "POST"), str(told["path"]), parameters)


async def refill(client: SiteClient, told: Mapping[str, Any]) -> Operation[Any]:
    """The operation that `kept` made *told* of, with what was masked filled in from the site's present state.

    Only a change that sends a whole definition can be filled in so, as far as it does not set the secret itself. Raises
    `ConfigFailed`, which says what is missing, and what reading the state came to.
    """
    name = str(told["name"])
    if told.get("files"):
        raise _missing(name, f"the file {_listed(told['files'])}, of which no journal keeps a copy")
    masked = list(told.get("masked", ()))
    if not masked:
        return operation_of(told)
    if told.get("lost"):
        raise _missing(name, f"{_listed(told['lost'])}, a secret that no journal keeps")
    operation = operation_of(told)
    member = DEFINITIONS.get(name)
    if masked != [member]:
        raise _missing(name, f"{_listed(masked)}, a secret that no journal keeps")
    look = resource_of(operation)
    if member is None or look is None:
        raise _missing(name, _listed(masked))
    present = await client.call(look)
    missing: list[str] = []
    definition = _json(operation.parameters[member])
    if definition is None:
        raise _missing(name, f"{member}, which was masked whole")
    whole = _filled(definition, present, "", missing)
    if missing:
        raise _missing(name, f"{_listed(missing)}, which its present state does not tell")
    form = {**operation.parameters, member: json.dumps(whole)}
    return operation_again(name, operation.method, operation.path, form)


async def undoing(
    client: SiteClient, done: Mapping[str, Any] | None, undo: Mapping[str, Any], *, force: bool = False
) -> Operation[Any] | None:
    """The operation that puts back what *done* changed, both as `kept` told them; None where it is so already.

    Of a whole definition only the settings are set back in which *done* and *undo* differ: what others changed since
    stays as it is. One that is neither as it was left nor as it was before is somebody else's: `VerifyFailed` names the
    values, unless *force* is given. Raises `ConfigFailed` as `refill` does.
    """
    name = str(undo["name"])
    member = DEFINITIONS.get(name)
    whole = done is not None and member is not None and (done["name"], done["path"]) == (name, undo["path"])
    if not whole or done is None or member is None or undo.get("files"):
        return await refill(client, undo)
    if undo.get("lost"):
        raise _missing(name, f"{_listed(undo['lost'])}, a secret that no journal keeps")
    operation = operation_of(undo)
    try:
        old, left = (json.loads(one["parameters"][member]) for one in (undo, done))
    except (KeyError, ValueError):
        return await refill(client, undo)
    look = resource_of(operation)
    if look is None:
        return await refill(client, undo)
    present = await client.call(look)
    definition, conflicts = set_back(old, left, present)
    if conflicts and not force:
        raise VerifyFailed(
            f"somebody changed it since: {'; '.join(map(str, conflicts[:3]))}"
            + (f"; and {len(conflicts) - 3} more" if len(conflicts) > 3 else ""),
            hint="look at it; --force sets it back all the same",
            may_have_arrived=False,
        )
    if definition == present:
        return None
    missing: list[str] = []
    filled = _filled(definition, present, "", missing)
    if missing:
        raise _missing(name, f"{_listed(missing)}, which its present state does not tell")
    return operation_again(name, operation.method, operation.path, {**operation.parameters, member: json.dumps(filled)})


async def is_done(client: SiteClient, operation: Operation[Any]) -> bool | None:
    """Whether the site's state says that *operation* took effect; None where nothing that can be read tells.

    Raises the `SiteError` of a site that is not reached.
    """
    look = operation.read_back
    if look is None:
        return None
    try:
        done = look.done(await client.call(look.look))
    except SiteError as error:
        if outcome_of(error) not in ("failed", "protocol"):
            raise
        return None
    return None if done and not look.whole else done


def _shown(operation: Operation[Any], key: str) -> str:
    """The parameter *key* of *operation* without secrets. Of JSON its own names tell, not what the parameter is called."""
    value = operation.parameters[key]
    if key not in operation.secrets and not is_secret_name(key) and isinstance(_json(value), dict | list):
        return str(without_secrets(value))
    return parameters_of(operation)[key]


def _lost(operation: Operation[Any], beside: Operation[Any], masked: list[str]) -> list[str]:
    """The secrets in which both operations differ, by parameter, or by the path in the definition that it holds."""
    lost: list[str] = []
    for key in masked:
        mine, theirs = operation.parameters[key], beside.parameters.get(key)
        if mine == theirs:
            continue
        one, other = _json(mine), _json(theirs or "")
        if isinstance(one, dict) and isinstance(other, dict):
            lost += _differing(one, other, _json(_shown(operation, key)), "")
        else:
            lost.append(key)
    return lost


def _differing(one: Any, other: Any, shown: Any, path: str) -> list[str]:
    """Where *one* and *other* differ in what *shown*, which is *one* for people, masks."""
    if one == other or (shown == one and MASK not in str(shown)):
        return []
    if isinstance(one, dict) and isinstance(shown, dict):
        theirs = other if isinstance(other, dict) else {}
        return [
            found
            for key in one
            for found in _differing(one[key], theirs.get(key), shown.get(key), f"{path}.{key}" if path else str(key))
        ]
    if isinstance(one, list) and isinstance(shown, list) and len(one) == len(shown):
        beside = other if isinstance(other, list) and len(other) == len(one) else [None] * len(one)
        pairs = zip(one, beside, shown, strict=True)
        return [
            found
            for at, (a, b, c) in enumerate(pairs)
            for found in _differing(a, b, c, f"{path}.{at}" if path else str(at))
        ]
    return [path] if MASK in str(shown) else []


def _filled(value: Any, present: Any, path: str, missing: list[str]) -> Any:
    """*value* with what is masked in it as it stands in *present* at the same place; what does not is *missing*."""
    if isinstance(value, Mapping):
        inside = present if isinstance(present, Mapping) else {}
        return {
            key: _filled(inner, inside.get(key), f"{path}.{key}" if path else str(key), missing)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [
            _filled(inner, _counterpart(inner, at, present), f"{path}.{at}", missing) for at, inner in enumerate(value)
        ]
    if isinstance(value, str) and MASK in value:
        if not isinstance(present, str) or MASK in present or not _agrees(value, present):
            missing.append(path)
            return value
        return present
    return value


def _counterpart(value: Any, at: int, present: Any) -> Any:
    """What in the list *present* is at the place of *value*: the extension of the same type, or what has its number."""
    if not isinstance(present, list):
        return None
    kind = value.get("typeName") if isinstance(value, Mapping) else None
    if kind is not None:
        return next((one for one in present if isinstance(one, Mapping) and one.get("typeName") == kind), None)
    return present[at] if at < len(present) else None


def _agrees(masked: str, present: str) -> bool:
    """Whether *present* is *masked* but for what is masked: each part between two masks is in it, in order."""
    place = 0
    parts = masked.split(MASK)
    if not present.startswith(parts[0]) or not present.endswith(parts[-1]):
        return False
    for part in parts:
        place = present.find(part, place)
        if place < 0:
            return False
        place += len(part)
    return True


def _clean(text: str, mask: Callable[[str], str]) -> str:
    """*text* without live secrets, also in JSON, where they are escaped."""
    value = _json(text)
    if not isinstance(value, dict | list):
        return mask(text)
    clean = _each_text(value, mask)
    return text if clean == value else json.dumps(clean)


def _each_text(value: Any, mask: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {key: _each_text(inner, mask) for key, inner in value.items()}
    return [_each_text(inner, mask) for inner in value] if isinstance(value, list) else value


def _same(shown: str, value: str) -> bool:
    """Whether nothing was masked in *shown*, which may have been written anew."""
    return shown == value or (MASK not in shown and _json(shown) == _json(value) is not None)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _missing(name: str, what: str) -> ConfigFailed:
    return ConfigFailed(f"{name} can't be sent again: it lacks {what}", hint="plan it anew, or do it by hand")


def _listed(names: Any) -> str:
    return ", ".join(map(str, names))
