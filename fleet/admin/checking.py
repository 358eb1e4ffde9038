"""What is wrong with parameters, as far as the catalogue knows: names that an operation lacks, and values of a wrong type."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping

from fleet.admin.catalogue import Entry, Parameter

__all__ = ["is_file", "known_names", "unknown_names", "wrong_values"]

OF_EVERY_CALL = ("f", "token")
_TIME = re.compile(r"-?\d+|\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:[.,]\d{1,3})?)?", re.ASCII)


def known_names(entry: Entry, parameters: Mapping[str, str]) -> dict[str, str]:
    """*parameters* with their names as the catalogue spells them: servers don't look at the case of letters."""
    spelt = {parameter.name.lower(): parameter.name for parameter in entry.params}
    return {spelt.get(name.lower(), name): value for name, value in parameters.items()}


def is_file(parameter: Parameter) -> bool:
    """Whether *parameter* is a file."""
    return parameter.type.startswith("file")


def unknown_names(entry: Entry, names: Iterable[str]) -> list[str]:
    """A sentence for each of *names* that the operation has no parameter of, with the nearest that it has."""
    known = [parameter.name for parameter in entry.params]
    found = []
    for name in names:
        if name in known or name in OF_EVERY_CALL:
            continue
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        if near:
            told = f"; did you mean {near[0]}?"
        else:
            told = f"; it has {', '.join(known)}" if known else "; it has none"
        found.append(f"{entry.name} has no parameter {name}{told}")
    return found


def wrong_values(entry: Entry, parameters: Mapping[str, str]) -> list[str]:
    """A sentence for each value that is not of its parameter's type. No value is repeated: it may be a secret."""
    found = []
    for parameter in entry.params:
        value = parameters.get(parameter.name)
        # An empty field of a form is one that was not filled in.
        if value and (wrong := _wrong(parameter, value)):
            found.append(f"{entry.name}: {parameter.name} {wrong}")
    return found


def _wrong(parameter: Parameter, value: str) -> str | None:
    match parameter.type:
        case "int":
            unit = f" ({parameter.unit})" if parameter.unit else ""
            return None if re.fullmatch(r"-?\d+", value, re.ASCII) else f"is a whole number{unit}"
        case "boolean":
            return None if value in ("true", "false") else "is true or false"
        case "enum" if parameter.values:
            return _not_among(parameter, value)
        case "json" | "json array":
            return _no_json(value, array=parameter.type == "json array")
        case kind if kind.startswith("epoch ms"):
            return None if _TIME.fullmatch(value) else "is a time: epoch milliseconds, or 2026-11-23T10:15:00"
    return None


def _not_among(parameter: Parameter, value: str) -> str | None:
    known = [str(one) for one in parameter.values]
    if value in known:
        return None
    lower = {one.lower(): one for one in known}
    near = [lower[value.lower()]] if value.lower() in lower else difflib.get_close_matches(value, known, n=1)
    return f"is one of {', '.join(known)}" + (f"; did you mean {near[0]}?" if near else "")


def _no_json(text: str, *, array: bool) -> str | None:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        return f"is JSON, and this is none: {error.msg} in line {error.lineno}, column {error.colno}"
    except (ValueError, RecursionError):
        return "is JSON, and this is none"
    if array and not isinstance(value, list):
        return "is a JSON list"
    return None
