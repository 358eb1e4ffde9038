"""The generated part of docs/reference/python-api.md: every public name, from its signature and its docstring.

Run it after a change of either: `make pages`. A test says when that was forgotten.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from enum import Enum
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import fleet
from fleet import health, logs, ops, sync
from fleet.admin.operation import Operation

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "python-api.md"
BEGIN = "<!-- What follows is made by tools/api_page.py from signatures and docstrings. -->\n"
ARGUMENTS: dict[str, Any] = {
    "definition": {"serviceName": "NAME", "type": "TYPE"},
    "path": "/ROOT/ITEM",
    "service": "NAME.TYPE",
    "services": ["NAME.TYPE"],
    "settings": {},
    "wanted": "EDITABLE",
    "item": {"path": "/ROOT/ITEM"},
    "report": {"reportname": "REPORT"},
    "number": 1,
}
"""What stands for the parameters of operations, where a path is shown; for any other its name does."""

NOT_MADE = (
    "Selection",
    "SiteClient",
    "health.Facts",
    "logs.FollowedLogs",
    "logs.MergedLogs",
    "sync.Fleet",
    "sync.Selection",
)
"""Classes that no caller makes by hand."""


def generated() -> str:
    """The part of the page that is made from the code."""
    names = [name for name in fleet.__all__ if name not in ("__version__", "ops")]
    parts = ["## fleet\n", "`__version__` is the version as a text; `ops` is below.\n"]
    parts += [part for name in names for part in _documented(name, getattr(fleet, name))]
    parts += ["## fleet.health\n", "What a [check of your own](../how-to/write-a-health-check.md) works with.\n"]
    for name in ("Facts", "Limits"):
        parts += _documented(f"health.{name}", getattr(health, name))
    parts += ["## fleet.logs\n", f"{_first(logs)} [How to](../how-to/read-logs-of-many-sites.md).\n"]
    parts += [
        part for name in logs.__all__ if name != "LEVELS" for part in _documented(f"logs.{name}", getattr(logs, name))
    ]
    parts += ["## fleet.sync\n", f"{_first(sync)}\n"]
    parts += [part for name in sync.__all__ for part in _documented(f"sync.{name}", getattr(sync, name))]
    parts += ["## fleet.ops\n", f"{_first(ops)}\n"]
    for room in ops.__all__:
        module = import_module(f"fleet.admin.{room}")
        parts.append(f"### ops.{room}\n")
        parts.append(f"{_markdown(inspect.getdoc(module) or '')}\n")
        for name in module.__all__:
            thing = getattr(module, name)
            label = f"ops.{room}.{name}"
            makes = inspect.isfunction(thing) and "Operation" in str(inspect.signature(thing).return_annotation)
            parts += _operation(label, thing) if makes else _documented(label, thing, level=4)
    return "\n".join(parts)


def _documented(label: str, thing: Any, level: int = 3) -> Iterator[str]:
    """A section on a class or function."""
    yield f"{'#' * level} {label}\n"
    if isinstance(thing, type):
        if issubclass(thing, Enum):
            yield f"{_markdown(inspect.getdoc(thing) or '')}\n"
            told = _attribute_texts(thing)
            yield "".join(
                f"- `{member.name}` = `{member.value!r}`{f': {told[member.name]}' if member.name in told else ''}\n"
                for member in thing
            )
            return
        if label not in NOT_MADE:
            yield from _signature(label, thing)
        yield f"{_markdown(inspect.getdoc(thing) or '')}\n"
        told = _attribute_texts(thing)
        if told:
            yield "".join(f"- `{name}`: {text}\n" for name, text in told.items())
        for name, member in vars(thing).items():
            if not name.startswith("_"):
                yield from _member(name, member)
    elif inspect.isfunction(thing):
        yield from _signature(label, thing)
        yield f"{_markdown(inspect.getdoc(thing) or '')}\n"
    else:
        yield f"{_alias(label, thing)}\n"


def _alias(label: str, thing: Any) -> str:
    """What a name for a union of types stands for, with the text below its definition."""
    names = " | ".join(
        re.sub(r"[\w.]+\.(\w+)", r"\1", getattr(one, "__name__", "") if isinstance(one, type) else str(one))
        for one in get_args(thing)
    )
    source = inspect.getsource(import_module(fleet._WHERE[label]))
    told = re.search(rf'^{label}: TypeAlias = [^\n]*\n"""(.*?)"""', source, re.MULTILINE | re.DOTALL)
    return f"`{names}`" + (f": {told[1][0].lower()}{told[1][1:]}" if told else "")


def _member(name: str, member: Any) -> Iterator[str]:
    """A method or property of a class."""
    if isinstance(member, property):
        returned = inspect.signature(member.fget).return_annotation if member.fget else "Any"
        shown, told = f"{name}: {returned}", inspect.getdoc(member)
    else:
        kind = "classmethod " if isinstance(member, classmethod) else ""
        function = member.__func__ if kind else member
        if not inspect.isfunction(function):
            return
        mode = "async " if inspect.iscoroutinefunction(function) else ""
        signature = inspect.signature(function)
        rest = signature.replace(parameters=list(signature.parameters.values())[1:])
        shown, told = _call(f"{kind}{mode}{name}", rest, wrap=False), inspect.getdoc(function)
    yield f"- **`{_plain(shown)}`**\n\n{textwrap.indent(_markdown(told or ''), '  ')}\n"


def _operation(label: str, function: Callable[..., Operation[Any]]) -> Iterator[str]:
    """A section on a function that makes an operation."""
    yield f"#### {label}\n"
    yield from _signature(label, function)
    text = inspect.getdoc(function) or ""
    body, _, rest = text.partition("\n\nRaises, when called: ")
    raised, _, source = rest.partition("\nSource: ")
    given = inspect.signature(function).parameters.values()
    needed = [p.name for p in given if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    operation = function(**{name: ARGUMENTS.get(name, name.upper()) for name in needed})
    limit = f", one attempt up to {operation.limit:g} s" if operation.limit else ""
    yield f"{_markdown(body)}\n"
    yield (
        f"- `{operation.method} {operation.path}`, {operation.effect.value}, since {operation.since}{limit}\n"
        f"- Raises {_markdown(raised)}\n"
        f"- Source: <https://{source}>\n"
    )


def _signature(label: str, thing: Any) -> Iterator[str]:
    try:
        signature = inspect.signature(thing)
    except ValueError:
        return
    if not signature.parameters and isinstance(thing, type):
        return
    if isinstance(thing, type):
        signature = signature.replace(return_annotation=signature.empty)
    mode = "async " if inspect.iscoroutinefunction(thing) else ""
    yield f"```text\n{_plain(_call(mode + label, signature))}\n```\n"


def _plain(text: str) -> str:
    """A signature with names that only the code knows written out."""
    return re.sub(r"\bT_co\b", "T", re.sub(r"\bSeconds\b", "float | str | None", text))


def _call(name: str, signature: inspect.Signature, *, wrap: bool = True) -> str:
    """A signature as it is written in the code, a parameter a line where it is long and *wrap* is set."""
    words: list[str] = []
    starred = False
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            words.append("*")
        starred = starred or parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL)
        words.append(_parameter(parameter))
    end = "" if signature.return_annotation is signature.empty else f" -> {signature.return_annotation}"
    line = f"{name}({', '.join(words)}){end}"
    if len(line) <= 110 or not wrap:
        return line
    return f"{name}(\n" + "".join(f"    {word},\n" for word in words) + f"){end}"


def _parameter(parameter: inspect.Parameter) -> str:
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    text = f"{stars}{parameter.name}"
    if parameter.annotation is not parameter.empty:
        text += f": {parameter.annotation}"
    if parameter.default is not parameter.empty:
        text += f" = {_default(parameter.default)}"
    return text


def _default(value: Any) -> str:
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if value is None or isinstance(value, str | int | float) or value in ((), frozenset()):
        return repr(value)
    # Anything else looks different in every run, or is a constant that has a name.
    return "…"


def _attribute_texts(thing: type) -> dict[str, str]:
    """The texts below the attributes of a class: the attribute's name -> what it says."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]
    assert isinstance(tree, ast.ClassDef)
    found: dict[str, str] = {}
    for node, following in zip(tree.body, tree.body[1:], strict=False):
        target = (
            node.target
            if isinstance(node, ast.AnnAssign)
            else node.targets[0]
            if isinstance(node, ast.Assign)
            else None
        )
        if (
            isinstance(target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
        ):
            found[target.id] = _markdown(inspect.cleandoc(following.value.value))
    if dataclasses.is_dataclass(thing):
        return found
    return {name: text for name, text in found.items() if not name.startswith("_")}


def _first(module: ModuleType) -> str:
    return _markdown((inspect.getdoc(module) or "").split("\n\n")[0])


def _markdown(text: str) -> str:
    """A docstring as Markdown: it is that nearly."""
    return text.strip()


def main() -> int:
    text = PAGE.read_text(encoding="utf-8")
    written = text.partition(BEGIN)[0]
    PAGE.write_text(f"{written}{BEGIN}\n{generated()}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
