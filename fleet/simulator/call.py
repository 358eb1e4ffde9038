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
    from fleet.simulator.state import Service

__all__ = ["SUCCESS", "Call", "Handler", "Route", "folder_of", "missing", "route", "service_of"]

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
    operation: str = ""
    """What the ledger calls it: the last part of the path, or of the route that was found."""
    query: frozenset[str] = frozenset()
    """Lower-case names of the parameters that stood in the address."""

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

    def whole(self, name: str, default: int | None = None) -> int:
        """The whole number in the parameter *name*; for anything else, the Java text of a real server."""
        text = self.get(name)
        if text in (None, "") and default is not None:
            return default
        text = self.need(name)
        if not re.fullmatch(r"-?\d{1,18}", text):
            raise admin_failure(500, f'For input string: "{text[:40]}"')
        return int(text)

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


def missing(call: Call, name: str = "") -> Exception:
    """What a real server says of something that is not there: the last part of the path, or *name*."""
    last = name or call.path.rstrip("/").rsplit("/", 1)[-1]
    return admin_failure(404, f"Could not find resource or operation '{last}' on the system.")


def folder_of(call: Call) -> str:
    """The folder that the path names, "" for the root; raises where there is none."""
    folder = call.args.get("folder") or ""
    if folder and folder not in call.site.state.folder_names:
        raise missing(call)
    return folder


def service_of(call: Call) -> Service:
    """The service that the path names; raises where there is none."""
    service = call.site.state.find(call.args.get("folder") or "", call.args["name"], call.args["type"])
    if service is None:
        raise missing(call)
    return service


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
    lock: str = "store"
    """What a change holds while it works: `store`, `site`, or nothing where its handler holds locks itself."""
    run_async: bool = False
    """Whether it knows `runAsync`: then it answers at once and works on."""
    since: float = 0.0
    """The first release that has it, as `currentVersion` numbers them."""
    resource: str = ""
    """The part of the path that says what kind of thing it is about."""


_PLACES = {"service": r"(?:(?P<folder>[^/]+)/)?(?P<name>[^/]+)\.(?P<type>[^/.]+)"}


def route(
    methods: str,
    template: str,
    handler: Handler,
    *,
    changes: bool = False,
    token: bool = True,
    read_only_ok: bool = False,
    lock: str = "store",
    run_async: bool = False,
    since: float = 0.0,
) -> Route:
    """A route; `<name>` stands for one part of the path, and `<service>` for `Folder/Name.Type` or `Name.Type`."""
    text = re.sub(r"<(\w+)>", lambda match: _PLACES.get(match[1], f"(?P<{match[1]}>[^/]+)"), re.escape(template))
    parts = template.rstrip("/").split("/")
    return Route(
        methods=tuple(methods.split()),
        pattern=re.compile(text, re.IGNORECASE),
        handler=handler,
        operation=parts[-1].strip("<>") or "admin",
        changes=changes,
        token=token,
        read_only_ok=read_only_ok,
        lock=lock,
        run_async=run_async,
        since=since,
        resource=parts[1] if len(parts) > 1 else "",
    )
