"""The tree of the API's resources and operations, made from the paths of the catalogue."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

__all__ = ["Node", "Operation", "available", "locate", "nodes"]

WITHOUT_CLUSTERS = 10.6
SERVICE = "<name>.<type>"
ASKING = re.compile(r"(?:get|generate|export|query|report|validate)(?:[A-Z].*)?")
"""Names of reads that are asked for with a purpose, and so stand among the operations."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the catalogue: its method and its parameters, with the types of the reference."""

    name: str
    method: str
    since: str
    params: tuple[Mapping[str, Any], ...]
    token: bool = True
    binary: bool = False


@dataclass(slots=True)
class Node:
    """A place in the tree: its path, with `<names>` in it, and what is offered there by GET and by POST."""

    path: str
    get: Operation | None = None
    post: Operation | None = None
    children: list[Node] = field(default_factory=list)

    @property
    def last(self) -> str:
        """The last part of the path."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def is_operation(self) -> bool:
        """Whether it stands among the operations of the resource above it, and not among the resources below."""
        if self.children:
            return False
        if self.get is None:
            return self.post is not None
        return self.post is None and bool(self.get.params or self.get.binary or ASKING.fullmatch(self.last))

    @property
    def fields(self) -> tuple[Mapping[str, Any], ...]:
        """The parameters of its form."""
        found = self.post or self.get
        return found.params if found is not None else ()


@cache
def nodes() -> Mapping[str, Node]:
    """Every place by its path, those included that only have others below them."""
    table = json.loads(files("fleet.simulator.directory").joinpath("operations.json").read_text(encoding="utf-8"))
    found: dict[str, Node] = {}
    for entry in table:
        operation = Operation(
            entry["name"],
            entry["method"],
            entry["since"],
            tuple(entry["params"]),
            entry.get("token", True),
            entry.get("binary", False),
        )
        for path in (entry["path"], *entry.get("also", ())):
            node = _node(found, path)
            if operation.method == "GET":
                node.get = operation
            elif node.post is None:
                node.post = operation
            else:
                # One path for two operations: the form has the parameters of both.
                known = {param["name"] for param in node.post.params}
                more = tuple({**param, "required": False} for param in operation.params if param["name"] not in known)
                node.post = Operation(node.post.name, "POST", node.post.since, node.post.params + more, node.post.token)
    return found


def _node(found: dict[str, Node], path: str) -> Node:
    if path in found:
        return found[path]
    node = found[path] = Node(path)
    above, _, _ = path.rpartition("/")
    if above:
        _node(found, above).children.append(node)
    return node


@cache
def _patterns() -> list[tuple[re.Pattern[str], Node]]:
    """The places by what their paths look like, those with fewer `<names>` first; a `<path>` takes what is left."""
    ordered = sorted(nodes().values(), key=lambda node: ("<path>" in node.path, node.path.count("<"), -len(node.path)))
    return [(_pattern(node.path), node) for node in ordered]


def _pattern(path: str) -> re.Pattern[str]:
    """What concrete paths look like; a service of the root folder has no folder in its path."""
    text = ""
    parts = path.split("/")
    for place, part in enumerate(parts):
        if part == SERVICE:
            text += r"/[^/]+\.[A-Za-z]+Server"
        elif part == "<folder>" and parts[place + 1 : place + 2] and parts[place + 1].startswith("<name>."):
            text += "(?:/[^/]+)?"
        elif part == "<folder>":
            text += r"/(?![^/]*\.[A-Za-z]+Server(?:/|$))[^/]+"
        elif part == "<path>":
            text += r"(?:/[^/]+)+?"
        else:
            text += "/" + re.sub(r"\\?<\w+>", "[^/]+", re.escape(part))
    return re.compile(text[1:], re.IGNORECASE)


def locate(path: str) -> Node | None:
    """The place that *path* (below the site, decoded, without slashes around it) is an instance of."""
    return next((node for pattern, node in _patterns() if pattern.fullmatch(path)), None)


def available(node: Node, number: float, lacking: frozenset[str]) -> bool:
    """Whether a site of release *number*, which lacks some operations, has *node*."""
    if node.path.startswith("admin/clusters") and number >= WITHOUT_CLUSTERS:
        return False
    offered = [one for one in (node.get, node.post) if one is not None]
    if node.last in lacking:
        return False
    return not offered or any(_number(one.since) <= number + 1e-6 for one in offered)


def _number(since: str) -> float:
    first, *rest = (int(part) if part.isdigit() else 0 for part in since.split(".")[:3])
    return first + sum(part / 10.0 ** (place + 1) for place, part in enumerate(rest))
