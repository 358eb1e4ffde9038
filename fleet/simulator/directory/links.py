"""What a resource page links to: the pages above it, the resources below it, and the operations that it has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from fleet.simulator.directory.tree import SERVICE, Node, available, nodes

__all__ = ["Link", "address", "below", "breadcrumbs", "titled"]


@dataclass(frozen=True, slots=True)
class Link:
    """A text and the address that it leads to."""

    text: str
    href: str


def address(context: str, path: str) -> str:
    """The address of *path* (decoded, below the site) on this site."""
    # A name like `..` would be taken for the folder above by every browser; such a page can't be linked.
    return context + "/" + quote(path, safe="/", errors="replace")


def breadcrumbs(context: str, path: str, root: str) -> list[Link]:
    """The pages above *path* and itself, from *root* (`admin`, `rest/services`) on, which is called Home."""
    links = [Link("Home", address(context, root) + ("/" if root in ("admin", "portaladmin") else ""))]
    so_far = root
    for part in path.removeprefix(root).split("/"):
        if part:
            so_far += "/" + part
            links.append(Link(part, address(context, so_far)))
    return links


def below(
    node: Node, value: Any, context: str, path: str, number: float, lacking: frozenset[str]
) -> tuple[list[Link], list[Link]]:
    """The resources and the operations below *path*, an instance of *node* whose answer is *value*."""
    resources: dict[str, Link] = {}
    operations: dict[str, Link] = {}
    children = list(node.children)
    if node.path == "admin/data/items/enterpriseDatabases/<store>":
        # A store of machines is a data item as any other.
        children += nodes()["admin/data/items/<path>"].children
        info = value.get("info") if isinstance(value, dict) else None
        if not isinstance(info, dict) or info.get("isManaged") is not True:
            # One of somebody else's has no machines here.
            children = [child for child in children if child.last != "machines"]
    for child in children:
        if not available(child, number, lacking):
            continue
        if child.last.startswith("<"):
            names = _services(value) if child.last == SERVICE else list(_items(child.last[1:-1], value))
            resources |= {name: Link(name, address(context, f"{path}/{name}")) for name in names}
            if child.last == "<folder>":
                resources |= {name: Link(name, address(context, f"{path}/{name}")) for name in _services(value)}
            continue
        if child.last == "jobs" and child.path.endswith(".GPServer/jobs"):
            continue
        link = Link(child.last, address(context, f"{path}/{child.last}"))
        (operations if child.is_operation else resources)[child.last] = link
    return list(resources.values()), list(operations.values())


def _services(value: Any) -> list[str]:
    listed = value.get("services") if isinstance(value, dict) else None
    if not isinstance(listed, list):
        return []
    return [f"{one.get('serviceName')}.{one.get('type')}" for one in listed if isinstance(one, dict)]


def _items(kind: str, value: Any) -> Iterator[str]:
    """The names in the first list of *value* that holds some: texts, or objects with a member that names them."""
    if not isinstance(value, dict):
        return
    if kind == "folder":
        yield from _texts(value.get("folders"))
        return
    if kind == "path":
        for path in _texts(value.get("rootItems")):
            yield path.strip("/")
        return
    keys = (kind, f"{kind}Name", f"{kind}name", "id", "name")
    for members in value.values():
        if not isinstance(members, list):
            continue
        names = [name for one in members if (name := _name(one, keys))]
        if names:
            yield from names
            return


def _texts(value: Any) -> Iterable[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _name(one: Any, keys: tuple[str, ...]) -> str | None:
    if isinstance(one, str):
        return one
    if isinstance(one, dict):
        return next((str(one[key]) for key in keys if isinstance(one.get(key), (str, int))), None)
    return None


def titled(name: str) -> str:
    """The name of an operation as words: `startServices` is Start Services."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return words[:1].upper() + words[1:]
