"""One request on its way through a simulated site: what the handlers get to see."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from fleet.simulator.wire import Reply, admin_failure

if TYPE_CHECKING:
    from fleet.simulator.site import SimulatedSite

__all__ = ["SUCCESS", "Call", "Handler", "Route", "route"]

SUCCESS: Mapping[str, str] = {"status": "success"}


@dataclass(slots=True)
class Call:
    """A request with its parameters merged from address and body; their names are found without regard to case."""

    site: SimulatedSite
    method: str
    path: str
    params: dict[str, str]
    args: dict[str, str] = field(default_factory=dict)
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    address: str = "127.0.0.1"
    user: str | None = None
    base: str = ""
    """Scheme, host and port as the caller addressed them."""

    def get(self, name: str, default: str | None = None) -> str | None:
        """The parameter *name*."""
        if name in self.params:
            return self.params[name]
        lower = name.lower()
        return next((value for key, value in self.params.items() if key.lower() == lower), default)

    def need(self, name: str) -> str:
        """The parameter *name*; without it, what a real server says: a bare Java text."""
        value = self.get(name)
        if value is None:
            raise admin_failure(500, "java.lang.NullPointerException")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """The truth value of the parameter *name*."""
        value = self.get(name)
        return default if value is None else value.lower() in ("true", "on")

    def json_object(self, name: str) -> dict[str, Any]:
        """The JSON object in the parameter *name*, or the failure of a real server for anything else."""
        text = self.need(name)
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise admin_failure(500, f"A JSONObject text must begin with '{{' at character 1 of {text[:80]}")
        return value


Handler: TypeAlias = Callable[[Call], Awaitable[Reply] | Reply]


@dataclass(frozen=True, slots=True)
class Route:
    """A path template below the site, the methods that it takes, and what answers it."""

    methods: tuple[str, ...]
    pattern: re.Pattern[str]
    handler: Handler
    operation: str
    changes: bool = False
    token: bool = True
    read_only_ok: bool = False


_PLACES = {"service": r"(?:(?P<folder>[^/]+)/)?(?P<name>[^/]+)\.(?P<type>[^/.]+)"}


def route(
    methods: str,
    template: str,
    handler: Handler,
    *,
    changes: bool = False,
    token: bool = True,
    read_only_ok: bool = False,
) -> Route:
    """A route; `<name>` stands for one part of the path, and `<service>` for `Folder/Name.Type` or `Name.Type`."""
    text = re.sub(r"<(\w+)>", lambda match: _PLACES.get(match[1], f"(?P<{match[1]}>[^/]+)"), re.escape(template))
    return Route(
        tuple(methods.split()),
        re.compile(text, re.IGNORECASE),
        handler,
        template.rstrip("/").rsplit("/", 1)[-1].strip("<>") or "admin",
        changes,
        token,
        read_only_ok,
    )
