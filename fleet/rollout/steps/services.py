"""The steps on services: start, stop, restart, edit, move, delete, rename, publish, import, and who may use them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fleet.bulk.edits import Edit, MoveRuntime
from fleet.bulk.jobs import CancelJobs, PurgeJobs
from fleet.bulk.permissions import CleanRole, CopyRole, Grant, GrantListed, Listed
from fleet.bulk.portable import read_document
from fleet.bulk.publishing import Publish
from fleet.bulk.remembered import StartRemembered, StopAndRemember
from fleet.bulk.removals import Delete, Rename
from fleet.bulk.services import Restart, Start, Stop
from fleet.bulk.settings import Edits
from fleet.bulk.transfer import CopySettings, ImportServices, Source
from fleet.bulk.verb import Verb
from fleet.errors import UsageError
from fleet.given_files import text_of
from fleet.history.sets import SetFile
from fleet.inventory.tables import nearest
from fleet.protocol.fields import ServiceId, as_bool
from fleet.protocol.patterns import ServicePatterns
from fleet.rollout.steps.kinds import SERVICES, Kind, chosen
from fleet.rollout.steps.parameters import Given, Making, Parameter, as_text
from fleet.rollout.steps.sets import StartSet
from fleet.rollout.steps.sources import CopyFrom

__all__ = ["KINDS", "edits_of"]

FILE_CAP = 64 * 1024 * 1024
"""Bytes that a file of definitions, or a list of permissions, may have."""

TOGETHER = Parameter(
    name="together", type="flag", meaning="by one call for all of a site; false takes them one by one", default=True
)
ONLY = Parameter(
    name="only", type="texts", meaning="only these settings and what is below them, such as minInstancesPerNode"
)
FOLDERS = Parameter(name="folders", type="texts", meaning="what stands at these folders; / is the root")
SOME_SERVICES = (
    Parameter(name="services", type="texts", meaning="which services; none where only folders are meant"),
    *SERVICES[1:],
)


def _start(given: Given, making: Making) -> Verb:
    name = given["remembered"]
    if name is None:
        if not given["services"]:
            raise UsageError("services is missing: which services, or remembered, a set that an earlier stop made")
        return Start(chosen(given), together=given["together"])
    if given["where"] is not None:
        raise UsageError("where does not go with remembered: the set says which services")
    return StartSet(chosen(given), set_name=name, together=given["together"])


def _stop(given: Given, making: Making) -> Verb:
    if given["remember"] is None:
        return Stop(chosen(given), together=given["together"])
    # A rollout that goes on after a crash finds the set that it began.
    memory = SetFile(given["remember"], add=True)
    return StopAndRemember(chosen(given), given["together"], memory=memory, set_name=given["remember"])


def edits_of(given: Given) -> Edits:
    """What `set`, `enable`, `disable`, `capabilities` and `force` say is to be changed."""
    capabilities = given["capabilities"]
    if isinstance(capabilities, str):
        capabilities = {"": capabilities}
    if capabilities is not None and not isinstance(capabilities, dict):
        raise UsageError('capabilities is a text such as "Map,Query,Data", or a table of such texts by extension')
    return Edits(
        settings=tuple((path, as_text(value)) for path, value in _flat(given["set"] or {})),
        enable=given["enable"],
        disable=given["disable"],
        capabilities=tuple((name, as_text(words)) for name, words in (capabilities or {}).items()),
        force=bool(given["force"]),
    )


def _edit(given: Given, making: Making) -> Verb:
    edits = edits_of(given)
    if not edits.to_dict().keys() - {"force"}:
        raise UsageError("there is nothing to change: give set, enable, disable or capabilities")
    return Edit(chosen(given), edits)


def _flat(settings: dict[str, Any], path: str = "") -> list[tuple[str, Any]]:
    """Settings by dotted path: a table in a table, as TOML makes of `properties.maxRecordCount = 2000`, is one."""
    found: list[tuple[str, Any]] = []
    for key, value in settings.items():
        below = f"{path}.{key}" if path else str(key)
        found += _flat(value, below) if isinstance(value, dict) and value else [(below, value)]
    return found


def _rename(given: Given, making: Making) -> Verb:
    return Rename(ServiceId.parse(given["service"]), given["new_name"])


def _publish(given: Given, making: Making) -> Verb:
    found: dict[Path, None] = {}
    for file in given["files"]:
        inside = sorted(file.glob("*.sd")) if file.is_dir() else [file]
        if not inside:
            raise UsageError(f"files: there is no .sd file in {file}")
        found |= dict.fromkeys(inside)
    return Publish(tuple(found), given["folder"], bool(given["overwrite"]), given["wait"])


def _import(given: Given, making: Making) -> Verb:
    patterns = ServicePatterns(given["services"])
    definitions = read_document(text_of(given["file"], FILE_CAP), given["from"])
    unused = patterns.unused(definitions)
    if unused:
        raise UsageError(f"services: {' or '.join(unused[:5])} fits no service of {given['file']}")
    meant = {service: one for service, one in definitions.items() if patterns.match(service)}
    return ImportServices(meant, given["only"], bool(given["existing_only"]))


def _copy_settings(given: Given, making: Making) -> Verb:
    sites = making.inventory.sites
    name = given["from"]
    if name not in sites:
        near = nearest(name, list(sites))
        raise UsageError(f"from: there is no site {name}" + (f"; did you mean {near}?" if near else ""))
    picked = chosen(given)
    return CopyFrom(Source(name, picked.patterns), picked, given["only"], site=sites[name])


def _places(given: Given) -> Any:
    if given["services"] or given["where"] is not None:
        return chosen(given)
    if not given["folders"]:
        raise UsageError("services is missing: which services ('*' for all), or folders")
    return None


def _grant(given: Given, making: Making) -> Verb:
    if given["file"] is not None:
        if given["role"] is not None or given["services"] or given["folders"] or given["where"] is not None:
            raise UsageError("file says all: no role, no services and no folders beside it")
        return GrantListed(tuple(_listed(given["file"])))
    if given["role"] is None:
        raise UsageError("role is missing: which role, or file, a list of them")
    return Grant(_places(given), given["folders"], role=given["role"], allowed=given["allowed"])


def _copy_role(given: Given, making: Making) -> Verb:
    return CopyRole(_places(given), given["folders"], from_role=given["from"], to_role=given["to"])


def _listed(file: Path) -> list[Listed]:
    """The lines of a CSV list; raises `UsageError` with the line that is wrong."""
    import csv
    import io

    reader = csv.DictReader(io.StringIO(text_of(file, FILE_CAP), newline=""))
    try:
        names = {name.strip().lower(): name for name in reader.fieldnames or () if name}
        role = names.get("role") or names.get("principal")
        if "service" not in names or role is None:
            raise UsageError(f"{file}: the first line must name the columns service and role")
        found = []
        for row in reader:
            allowed = as_bool((row.get(names.get("allowed", "")) or "true").strip())
            if allowed is None:
                raise UsageError(f"{file}:{reader.line_num}: allowed is true or false")
            place, site = (row[names["service"]] or "").strip(), (row.get(names.get("site", "")) or "").strip()
            try:
                found.append(Listed(place, (row[role] or "").strip(), allowed, site))
            except UsageError as error:
                raise UsageError(f"{file}:{reader.line_num}: {error}") from None
    except csv.Error as error:
        raise UsageError(f"{file}:{reader.line_num}: it is no CSV: {error}") from None
    if not found:
        raise UsageError(f"{file} has no line that says anything")
    return found


def _cancel(given: Given, making: Making) -> Verb:
    if not given["jobs"] and given["where"] is None:
        raise UsageError("jobs is missing: which jobs, or where; services.jobs.purge cancels every one that waits")
    return CancelJobs(ServicePatterns(given["services"]), given["jobs"], given["where"])


KINDS = (
    Kind(
        do="services.start",
        meaning="Start services; those that run, and should, are left alone.",
        verbs=(Start, StartRemembered),
        parameters=(
            Parameter(name="services", type="texts", meaning="which services: patterns such as Planning/*"),
            *SERVICES[1:],
            TOGETHER,
            Parameter(name="remembered", type="text", meaning="the services that a stop with `remember` stopped"),
        ),
        make=_start,
        undo="those that were to stand are stopped",
    ),
    Kind(
        do="services.stop",
        meaning="Stop services; those that stand, and should, are left alone.",
        verbs=(Stop, StopAndRemember),
        parameters=(
            *SERVICES,
            TOGETHER,
            Parameter(
                name="remember",
                type="text",
                meaning="keep which services ran under this name, for services.start with `remembered`",
            ),
        ),
        make=_stop,
        undo="those that were to run are started",
    ),
    Kind(
        do="services.restart",
        meaning="Stop and start services that should run.",
        verbs=(Restart,),
        parameters=(*SERVICES, TOGETHER),
        make=lambda given, making: Restart(chosen(given), given["together"]),
    ),
    Kind(
        do="services.edit",
        meaning="Change settings of services, and nothing else of them; services that run are restarted by it.",
        verbs=(Edit,),
        parameters=(
            *SERVICES,
            Parameter(name="set", type="table", meaning="settings by name, such as minInstancesPerNode = 2"),
            Parameter(name="enable", type="texts", meaning="extensions to switch on, such as WMSServer"),
            Parameter(name="disable", type="texts", meaning="extensions to switch off, such as KmlServer"),
            Parameter(
                name="capabilities",
                type="any",
                meaning='what clients may do: "Map,Query,Data", or by extension { FeatureServer = "Query,Create" }',
            ),
            Parameter(
                name="force", type="flag", meaning="add settings and extensions that a service has not", default=False
            ),
        ),
        make=_edit,
        undo="the settings that it changed are set back, and what others changed since stays",
    ),
    Kind(
        do="services.provider",
        meaning="Let map services use shared instances, or instances of their own.",
        verbs=(MoveRuntime,),
        parameters=(
            *SERVICES,
            Parameter(
                name="runtime",
                type="text",
                meaning="which instances",
                required=True,
                choices=("shared", "dedicated"),
            ),
        ),
        make=lambda given, making: MoveRuntime(chosen(given), given["runtime"]),
        undo="they are moved back, with the definition that they had",
    ),
    Kind(
        do="services.delete",
        meaning="Delete services, with their definitions and files.",
        verbs=(Delete,),
        parameters=SERVICES,
        make=lambda given, making: Delete(chosen(given)),
        undo="none: the files of a service are gone",
    ),
    Kind(
        do="services.rename",
        meaning="Give a service another name; it stays in its folder, and every address of it changes.",
        verbs=(Rename,),
        parameters=(
            Parameter(
                name="service", type="text", meaning="the service, such as Planning/Roads.MapServer", required=True
            ),
            Parameter(name="new_name", type="text", meaning="its new name, without folder and type", required=True),
        ),
        make=_rename,
        undo="it gets its old name again",
    ),
    Kind(
        do="services.publish",
        meaning="Publish service definitions (.sd): upload each, let the site publish it, and see that the service runs.",
        verbs=(Publish,),
        parameters=(
            Parameter(
                name="files",
                type="files",
                meaning="the definitions; a folder stands for the .sd files in it",
                required=True,
            ),
            Parameter(name="folder", type="text", meaning="publish into this folder; / is the root"),
            Parameter(name="overwrite", type="flag", meaning="although there is a service of that name", default=False),
            Parameter(name="wait", type="duration", meaning="limit for each site to publish one", default=1800.0),
        ),
        make=_publish,
        undo="none: what a definition replaced is not kept",
    ),
    Kind(
        do="services.import",
        meaning="Bring services to the definitions in a file that `fleet services export` has written.",
        verbs=(ImportServices,),
        parameters=(
            Parameter(name="file", type="file", meaning="the file", required=True),
            Parameter(name="services", type="texts", meaning="only these services of it"),
            Parameter(name="from", type="text", meaning="the site in the file; needed where it has several"),
            ONLY,
            Parameter(name="existing_only", type="flag", meaning="create nothing", default=False),
        ),
        make=_import,
        undo="settings are set back, and services that it created are deleted",
    ),
    Kind(
        do="services.copy-settings",
        meaning="Bring services to the settings that they have on another site.",
        verbs=(CopySettings,),
        parameters=(
            Parameter(name="from", type="text", meaning="the site where they are right", required=True),
            *SERVICES,
            ONLY,
        ),
        make=_copy_settings,
        undo="the settings that it changed are set back",
    ),
    Kind(
        do="services.permissions",
        meaning="Let a role use services and folders, or take that from it.",
        verbs=(Grant, GrantListed),
        parameters=(
            Parameter(name="role", type="text", meaning="the role; esriEveryone is everybody"),
            *SOME_SERVICES,
            FOLDERS,
            Parameter(name="allowed", type="flag", meaning="false takes it away", default=True),
            Parameter(
                name="file",
                type="file",
                meaning="a CSV list with the columns service, role and perhaps allowed and site, in place of all that",
            ),
        ),
        make=_grant,
        undo="what stood there before; a role that was not named there stands as not allowed, which comes to the same",
    ),
    Kind(
        do="services.permissions.copy",
        meaning="Let a role use what another role may use.",
        verbs=(CopyRole,),
        parameters=(
            Parameter(name="from", type="text", meaning="the role that may use them now", required=True),
            Parameter(name="to", type="text", meaning="the role that may use them then as well", required=True),
            *SOME_SERVICES,
            FOLDERS,
        ),
        make=_copy_role,
        undo="what stood there before",
    ),
    Kind(
        do="services.permissions.clean",
        meaning="Take every permission of a role away.",
        verbs=(CleanRole,),
        parameters=(Parameter(name="role", type="text", meaning="the role", required=True),),
        make=lambda given, making: CleanRole(given["role"]),
        undo="each permission that it had is given again",
    ),
    Kind(
        do="services.jobs.cancel",
        meaning="Cancel jobs that wait or run.",
        verbs=(CancelJobs,),
        parameters=(
            Parameter(name="services", type="texts", meaning="whose jobs", required=True),
            Parameter(name="jobs", type="texts", meaning="only these jobs, by their ID"),
            Parameter(name="where", type="condition", meaning="only jobs whose row fits"),
        ),
        make=_cancel,
        undo="none: a cancelled job is gone",
    ),
    Kind(
        do="services.jobs.purge",
        meaning="Cancel every job that waits; those that run are left.",
        verbs=(PurgeJobs,),
        parameters=(Parameter(name="services", type="texts", meaning="whose jobs", required=True),),
        make=lambda given, making: PurgeJobs(ServicePatterns(given["services"])),
        undo="none: a cancelled job is gone",
    ),
)
"""The steps on services."""
