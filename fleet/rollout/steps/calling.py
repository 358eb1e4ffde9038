"""The step `call`: any operation of the API, checked before anything is sent, and seen to have taken effect where that
can be read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from fleet import admin as ops
from fleet.admin.catalogue import Entry, catalogue, operation_for
from fleet.admin.checking import is_file, known_names, unknown_names, wrong_values
from fleet.admin.operation import Effect, Operation
from fleet.audit import parameters_of
from fleet.bulk.change import Change, impossible
from fleet.bulk.machines import ChosenMachines
from fleet.bulk.services import Chosen
from fleet.bulk.verb import Verb
from fleet.client.site import SiteClient
from fleet.errors import NotFound, SiteError, UsageError
from fleet.inventory.secrets import CredentialRef
from fleet.outcome import outcome_of
from fleet.protocol.fields import ServiceId
from fleet.protocol.patterns import ServicePatterns
from fleet.protocol.release import Release
from fleet.protocol.secret_names import is_secret_name
from fleet.rollout.steps.kinds import Kind
from fleet.rollout.steps.parameters import Given, Making, Parameter, as_text

__all__ = ["KINDS", "Call", "named_call"]

_PLACE = re.compile(r"\{(site|machine|service|folder|label:[A-Za-z0-9][A-Za-z0-9._-]*)\}")
OF_THE_API = re.compile(r"<([A-Za-z]+)>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What is sent: a path and parameters, with `{site}`, `{label:NAME}`, `{machine}` and `{service}` in them."""

    path: str
    method: Any = None
    parameters: Mapping[str, str] = field(default_factory=dict)

    def of(self, facts: Mapping[str, str]) -> Operation[Any]:
        """The operation, with *facts* of one site in the places of their names; raises `UsageError`."""
        path = _filled(self.path, facts, as_path=True)
        parameters = {key: _filled(value, facts) for key, value in self.parameters.items()}
        return operation_for(path, method=self.method, parameters=parameters, foreign=True)[0]


@dataclass(frozen=True)
class Call(Verb):
    """Send an operation of the API: once to each site, or with *machines* or *services* once for each of those.

    *secrets* are parameters that are looked up when they are sent. *undo* puts it back. It is left alone where its
    state is so already, and can't be made on a release that lacks it, unless *force*.
    """

    sent: Sent
    entry: Entry | None = field(default=None, repr=False)
    files: Mapping[str, Path] = field(default_factory=dict)
    secrets: Mapping[str, CredentialRef] = field(default_factory=dict, repr=False)
    machines: ChosenMachines | None = None
    services: Chosen | None = None
    undo: Sent | None = None
    force: bool = False

    name = "call"
    doing: str = field(default="send", init=False)
    thing: str = field(default="operation", init=False)
    lasting: ClassVar[bool] = True

    @property
    def disrupts(self) -> bool:  # type: ignore[override]
        """As the catalogue tells."""
        return self.entry is not None and self.entry.effect == Effect.DISRUPT.value

    def parameters(self) -> Mapping[str, Any]:
        shown = operation_for("admin/info", method="POST", parameters=self.sent.parameters)[0]
        told: dict[str, Any] = {"path": self.sent.path, "parameters": parameters_of(shown)}
        told |= {"secrets": list(self.secrets)} if self.secrets else {}
        return {**told, "files": {key: path.name for key, path in self.files.items()}} if self.files else told

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        facts: dict[str, str] = {"site": client.site.name}
        facts |= {f"label:{name}": value for name, value in client.site.labels.items()}
        secrets = {name: (await client.secret(reference)).reveal() for name, reference in self.secrets.items()}
        if (refusal := await self._lacking(client)) is not None:
            return [impossible(self._item(facts), refusal)]
        if self.machines is not None:
            rows, _, missing = await self.machines.rows(client)
            each = [{"machine": str(row["machineName"])} for row in rows]
        elif self.services is not None:
            found, missing = await self.services.rows(client, ("configuredState",))
            names = [ServiceId.parse(row["service"]) for row in found]
            each = [{"service": one.path, "folder": one.folder, "": str(one)} for one in names]
        else:
            each, missing = [{}], []
        return [*missing, *[await self._judged(client, {**facts, **one}, secrets) for one in each]]

    def _item(self, facts: Mapping[str, str]) -> str:
        return facts.get("") or facts.get("machine") or self.sent.path

    async def _judged(self, client: SiteClient, facts: Mapping[str, str], secrets: Mapping[str, str]) -> Change:
        item = self._item(facts)
        try:
            operation = self._whole(self.sent.of(facts), secrets)
            undo = () if self.undo is None else (self.undo.of(facts),)
        except UsageError as error:
            return impossible(item, str(error))
        new = {"operation": operation.name, "path": operation.path, "parameters": parameters_of(operation)}
        try:
            preview = await client.preview(operation)
        except SiteError as error:
            if outcome_of(error) != "failed":
                raise
            return impossible(item, error, new=new)
        if preview.outcome == "noop":
            return Change(item=item, state="noop", old=new, new=new)
        return Change(item=item, new=new, operations=(operation,), undo=undo)

    def _whole(self, operation: Operation[Any], secrets: Mapping[str, str]) -> Operation[Any]:
        """*operation* with its secrets and its files."""
        if not secrets and not self.files:
            return operation
        form = {**operation.parameters, **secrets}
        whole, _ = operation_for(
            operation.path, method=operation.method, parameters=form, files=self.files, foreign=True
        )
        return replace(whole, secrets=whole.secrets | secrets.keys())

    async def _lacking(self, client: SiteClient) -> NotFound | None:
        entry = self.entry
        if entry is None or self.force or not entry.missing_in(Release((10, 1, 0))):
            return None
        if client.release is None:
            await client.call(ops.info.rest())
        if client.release is None or not entry.missing_in(client.release):
            return None
        told = f"release {client.release} has no {entry.name}, which came with {entry.since}"
        return NotFound(told, hint="force sends it anyway", may_have_arrived=False)


def _filled(text: str, facts: Mapping[str, str], *, as_path: bool = False) -> str:
    def fact(match: re.Match[str]) -> str:
        name = match[1]
        value = facts.get(name)
        if value is None:
            raise UsageError(f"{{{name}}}: the site has no label {name.removeprefix('label:')}")
        # A service's path, and its folder, are parts of a path already.
        return quote(value, safe="") if as_path and name not in ("service", "folder") else value

    return _PLACE.sub(fact, text)


def _sample(text: str) -> str:
    """*text* with something of the right shape in the places of facts, to find what it is in the catalogue."""
    return _PLACE.sub(lambda match: "Folder/Name.MapServer" if match[1] == "service" else "x", text)


def _checked(path: str, method: str | None, parameters: dict[str, str], more: Sequence[str], force: bool) -> Any:
    """The entry of *path*, and *parameters* as it spells them; raises `UsageError` with all that speaks against it."""
    if "://" in path or path.startswith("portal:") or not path.strip("/"):
        raise UsageError("path is below the site's base URL, such as admin/mode/update")
    chosen: Any = method or ("POST" if catalogue().find(_sample(path), "POST") is not None else None)
    operation, entry = operation_for(_sample(path), method=chosen, parameters=parameters)
    if not operation.changes:
        hint = "" if entry is not None else "; an unknown path is a change with method POST"
        raise UsageError(f"{operation.name} is a read, and changes nothing{hint}")
    if entry is None:
        return None, parameters, chosen
    parameters = known_names(entry, parameters)
    if force:
        return entry, parameters, chosen
    given = {*parameters, *more}
    fixed = {key: value for key, value in parameters.items() if not _PLACE.search(value)}
    lacking = [one.name for one in entry.params if one.required and one.name not in given]
    wrong = [f"{entry.name} needs {', '.join(lacking)}"] if lacking else []
    wrong += [*wrong_values(entry, fixed), *unknown_names(entry, given)]
    if entry.guessed:
        wrong.append(f"the shape of {entry.name} is a guess that nobody has confirmed")
    if wrong:
        raise UsageError("\n".join([*wrong[:-1], f"{wrong[-1]} (force = true sends it anyway)"]))
    return entry, parameters, chosen


def _call(given: Given, making: Making) -> Verb:
    parameters = {name: as_text(value) for name, value in (given["parameters"] or {}).items()}
    secrets, files = given["secrets"] or {}, _files(given["files"] or {}, making)
    if any(name.lower() == "token" for name in (*parameters, *secrets)):
        raise UsageError("fleet signs in by itself: a token is not given as a parameter")
    if clear := [name for name in parameters if is_secret_name(name)]:
        raise UsageError(f"parameters: {clear[0]} is a secret, which is never written here: give it in secrets")
    force = bool(given["force"])
    entry, parameters, method = _checked(given["path"], given["method"], parameters, [*secrets, *files], force)
    if entry is not None:
        wanted = {one.name for one in entry.params if is_file(one)}
        if not force and (strange := [name for name in files if name not in wanted]):
            raise UsageError(f"files: {entry.name} takes no file {strange[0]}")
    each = given["each"]
    places = set(_PLACE.findall(f"{given['path']} {' '.join(parameters.values())}"))
    for word, needs in (("machine", "machines"), ("service", "services"), ("folder", "services")):
        if word in places and each != needs:
            raise UsageError(f"{{{word}}} goes with each = {needs!r}")
    if each is None and (given["services"] or given["machines"]):
        raise UsageError('services and machines go with each = "services" or each = "machines"')
    return Call(
        Sent(path=given["path"], method=method, parameters=parameters),
        entry,
        files,
        secrets,
        ChosenMachines(given["machines"]) if each == "machines" else None,
        Chosen(ServicePatterns(given["services"])) if each == "services" else None,
        _undo(given["undo"], force),
        force,
    )


def _undo(given: Mapping[str, Any] | None, force: bool) -> Sent | None:
    if given is None:
        return None
    path, parameters = given.get("path"), given.get("parameters", {})
    if (
        set(given) - {"path", "parameters", "method"}
        or not isinstance(path, str)
        or not isinstance(parameters, Mapping)
    ):
        raise UsageError("undo is { path, parameters }")
    texts = {str(name): as_text(value) for name, value in parameters.items()}
    try:
        _, texts, method = _checked(path, given.get("method"), texts, (), force)
    except UsageError as error:
        raise UsageError("\n".join(f"undo: {line}" for line in str(error).splitlines())) from None
    return Sent(path=path, method=method, parameters=texts)


def _files(given: Mapping[str, Any], making: Making) -> dict[str, Path]:
    found = {}
    for name, text in given.items():
        path = making.folder / Path(text).expanduser() if isinstance(text, str) and text else None
        if path is None or not path.is_file():
            raise UsageError(f"files: {name} is a file, relative to the rollout's, and there is none")
        found[str(name)] = path
    return found


def named_call(do: str, given: Mapping[str, Any]) -> dict[str, Any] | None:
    """The parameters of `call` that *do* means: a path, or an operation by its name in the catalogue; None for neither.

    *given* may name the parts of the operation's path (`names = { machine = "…" }`). Raises `UsageError` for those that
    it lacks.
    """
    if "/" in do:
        return {"path": do, **given}
    entry = catalogue().by_name.get(do)
    if entry is None or entry.base == "portal":
        return None
    rest = dict(given)
    names = rest.pop("names", {})
    if not isinstance(names, Mapping):
        raise UsageError("names is a table of the names in the operation's path")
    path = entry.full_path
    if "folder" not in names:
        path = path.replace("/<folder>/<name>.", "/<name>.")
    wanted = OF_THE_API.findall(path)
    lacking = [name for name in wanted if name not in names]
    if lacking:
        raise UsageError(f"names is missing {', '.join(lacking)}: {do} is at {entry.full_path}")
    if strange := [name for name in names if name not in OF_THE_API.findall(entry.full_path)]:
        raise UsageError(f"names: {do} has no {strange[0]} in its path {entry.full_path}")
    for name in wanted:
        text = str(names[name])
        path = path.replace(
            f"<{name}>", text if _PLACE.search(text) else quote(text, safe="/" if name == "path" else "")
        )
    return {"path": path, "method": entry.method, **rest}


KINDS = (
    Kind(
        do="call",
        meaning=(
            "Send any change of the API. In `path` and `parameters` stand {site}, {label:NAME}, and with `each` {machine} "
            "or {service} (its path, Folder/Name.Type). `do` may also be the path itself, or an operation's name in the "
            "catalogue (`fleet operations`) that is no step of another kind, with `names` for the names in its path."
        ),
        verbs=(Call,),
        parameters=(
            Parameter(name="path", type="text", meaning="such as admin/mode/update", required=True),
            Parameter(name="method", type="text", meaning="the catalogue's", choices=("GET", "POST")),
            Parameter(name="parameters", type="table", meaning="parameters and their values"),
            Parameter(name="secrets", type="secrets", meaning="secret parameters"),
            Parameter(name="files", type="table", meaning="parameters that are files"),
            Parameter(name="each", type="text", meaning="once for each of these", choices=("machines", "services")),
            Parameter(name="machines", type="texts", meaning="which machines, with * and ?; all"),
            Parameter(name="services", type="texts", meaning="which services, as patterns; all"),
            Parameter(name="undo", type="table", meaning="{ path, parameters } of what puts it back"),
            Parameter(name="force", type="flag", meaning="although the catalogue speaks against it", default=False),
        ),
        make=_call,
        undo="what `undo` says, else none",
    ),
)
"""The step that sends an operation."""
