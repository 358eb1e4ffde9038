"""The steps on sites themselves: mode, export, logs, directories, web adaptors, properties, data items, uploads."""

from __future__ import annotations

from fleet import platform
from fleet.bulk.data import Items, Register, Repoint, Unregister, read_item
from fleet.bulk.jobs import DeleteUploads
from fleet.bulk.logs import SETTINGS, CleanLogs, EditLogs
from fleet.bulk.site import Export, SetMode
from fleet.bulk.system import (
    CleanDirectories,
    ClearCache,
    EditAdaptors,
    RecoverConfigStore,
    RecoverDirectories,
    ServicesDirectory,
    SetProperties,
    UnregisterAdaptors,
)
from fleet.bulk.verb import Verb
from fleet.errors import UsageError
from fleet.given_files import text_of
from fleet.protocol.item_patterns import NamePatterns
from fleet.protocol.secret_names import is_secret_name
from fleet.rollout.steps.kinds import Kind
from fleet.rollout.steps.parameters import Given, Making, Parameter, as_text, found_secret
from fleet.rows.data import connection_of

__all__ = ["KINDS"]

ITEM_CAP = 4 * 1024 * 1024
ITEMS = (
    Parameter(
        name="items", type="texts", meaning="paths such as /enterpriseDatabases/gis, with * and ?", required=True
    ),
    Parameter(name="where", type="condition", meaning="only items whose row fits"),
    Parameter(name="ignore_not_found", type="flag", meaning="an item that is not there is no failure", default=False),
    Parameter(name="managed", type="flag", meaning="also stores that the site manages itself", default=False),
)
ADAPTORS = (
    Parameter(name="names", type="texts", meaning="addresses or ids, with * and ?", required=True),
    Parameter(name="where", type="condition", meaning="only web adaptors whose row fits"),
)


def _items(given: Given) -> Items:
    return Items(NamePatterns(given["items"]), given["where"], bool(given["ignore_not_found"]), bool(given["managed"]))


def _logs(given: Given, making: Making) -> Verb:
    return EditLogs({name: value if isinstance(value, int) else as_text(value) for name, value in given["set"].items()})


def _adaptors(given: Given, making: Making) -> Verb:
    names = {
        "admin": "isAdminEnabled",
        "description": "description",
        "http_port": "httpPort",
        "https_port": "httpsPort",
    }
    settings = {own: given[name] for name, own in names.items() if given[name] is not None}
    if not settings:
        raise UsageError(f"there is nothing to change: give one of {', '.join(names)}")
    if any(not 1 <= settings.get(port, 1) <= 65_535 for port in ("httpPort", "httpsPort")):
        raise UsageError("a port is 1 to 65535")
    return EditAdaptors(given["names"], given["where"], settings=settings)


def _properties(given: Given, making: Making) -> Verb:
    settings, gone, secrets = given["set"] or {}, given["unset"], given["secrets"] or {}
    if not settings and not gone and not secrets:
        raise UsageError("there is nothing to change: give set, unset or secrets")
    for name in settings:
        if is_secret_name(name):
            raise UsageError(f"set: {name} is a secret, which is never written here: give it in secrets")
    for name in (*settings, *secrets):
        if name in gone:
            raise UsageError(f"{name} is to be set and to be taken away")
    found = {name: found_secret(reference, f"secrets.{name}") for name, reference in secrets.items()}
    return SetProperties(settings, gone, found)


def _register(given: Given, making: Making) -> Verb:
    file = given["file"]
    form = file.suffix.lstrip(".").lower()
    if form not in ("json", "toml"):
        raise UsageError(f"file: {file} is neither .json nor .toml")
    item = read_item(text_of(file, ITEM_CAP), form)
    connection = connection_of(item)
    if connection is not None and connection.password is not None and not platform.is_private(file):
        raise UsageError(f"file: {file} holds a password and can be read by others: leave it out, or chmod 600 {file}")
    return Register(item, given["password"])


def _repoint(given: Given, making: Making) -> Verb:
    values = {name: as_text(value) for name, value in (given["set"] or {}).items()}
    if any(word in name.lower() for name in values for word in ("password", "pwd", "secret")):
        raise UsageError("set: a password is never written here: give it as password")
    if not values and given["password"] is None:
        raise UsageError("there is nothing to change: give set or password")
    return Repoint(_items(given), values, given["password"], check=bool(given["validate"]))


KINDS = (
    Kind(
        do="site.mode",
        meaning="Switch sites to a mode; READ_ONLY restarts the services that run.",
        verbs=(SetMode,),
        parameters=(
            Parameter(name="mode", type="text", meaning="the mode", required=True, choices=("EDITABLE", "READ_ONLY")),
        ),
        make=lambda given, making: SetMode(given["mode"]),
        undo="the mode that it had",
    ),
    Kind(
        do="site.export",
        meaning="Write a backup of each site into a folder on the server.",
        verbs=(Export,),
        parameters=(
            Parameter(name="folder", type="text", meaning="the folder, which the site's account can write to"),
        ),
        make=lambda given, making: Export(given["folder"] or ""),
    ),
    Kind(
        do="logs.edit",
        meaning="Change log settings; those that are not named stay.",
        verbs=(EditLogs,),
        parameters=(Parameter(name="set", type="table", meaning=f"settings of {', '.join(SETTINGS)}", required=True),),
        make=_logs,
        undo="the settings that it had",
    ),
    Kind(
        do="logs.clean",
        meaning="Delete all log files on all machines; what is deleted can't be had back.",
        verbs=(CleanLogs,),
        parameters=(),
        make=lambda given, making: CleanLogs(),
    ),
    Kind(
        do="directories.clean",
        meaning="Delete what is old in server directories.",
        verbs=(CleanDirectories,),
        parameters=(Parameter(name="names", type="texts", meaning="which, with * and ?; those of output and jobs"),),
        make=lambda given, making: CleanDirectories(names=given["names"]),
    ),
    Kind(
        do="directories.recover",
        meaning="Make server directories anew that went missing on the disk.",
        verbs=(RecoverDirectories,),
        parameters=(),
        make=lambda given, making: RecoverDirectories(),
    ),
    Kind(
        do="config-store.recover",
        meaning="Restore the configuration from the copy on a machine; the site restarts.",
        verbs=(RecoverConfigStore,),
        parameters=(),
        make=lambda given, making: RecoverConfigStore(),
        undo="none: the configuration before is gone",
    ),
    Kind(
        do="cache.clear",
        meaning="Let the REST handler forget what it remembers.",
        verbs=(ClearCache,),
        parameters=(),
        make=lambda given, making: ClearCache(),
    ),
    Kind(
        do="web-adaptors.edit",
        meaning="Change what web adaptors are set to.",
        verbs=(EditAdaptors,),
        parameters=(
            *ADAPTORS,
            Parameter(name="admin", type="flag", meaning="whether the administrator API goes through it"),
            Parameter(name="description", type="text", meaning="what is to be said of it"),
            Parameter(name="http_port", type="count", meaning="its port for http"),
            Parameter(name="https_port", type="count", meaning="its port for https"),
        ),
        make=_adaptors,
        undo="the settings that it had",
    ),
    Kind(
        do="web-adaptors.unregister",
        meaning="Give up web adaptors: nothing comes through them any more.",
        verbs=(UnregisterAdaptors,),
        parameters=ADAPTORS,
        make=lambda given, making: UnregisterAdaptors(given["names"], given["where"]),
        undo="none: a web adaptor is registered from its own machine",
    ),
    Kind(
        do="properties.set",
        meaning="Set system properties, and keep every other.",
        verbs=(SetProperties,),
        parameters=(
            Parameter(name="set", type="table", meaning="properties and their values, of any type"),
            Parameter(name="unset", type="texts", meaning="properties to take away"),
            Parameter(name="secrets", type="secrets", meaning="secret properties"),
        ),
        make=_properties,
        undo="the properties that it set or took away; none for a secret one that it replaced",
    ),
    Kind(
        do="services-directory",
        meaning="Switch the pages for people below rest/services on or off.",
        verbs=(ServicesDirectory,),
        parameters=(Parameter(name="on", type="flag", meaning="whether they are on", required=True),),
        make=lambda given, making: ServicesDirectory(on=given["on"]),
        undo="as they were",
    ),
    Kind(
        do="datastores.register",
        meaning="Register the data item in a file; one that is registered so already is left alone.",
        verbs=(Register,),
        parameters=(
            Parameter(name="file", type="file", meaning="path, type and info, as JSON or TOML", required=True),
            Parameter(name="password", type="secret", meaning="the password of its connection"),
        ),
        make=_register,
        undo="it is given up",
    ),
    Kind(
        do="datastores.unregister",
        meaning="Give data items up; one that services use is left alone without force.",
        verbs=(Unregister,),
        parameters=(
            *ITEMS,
            Parameter(name="force", type="flag", meaning="also items that services use", default=False),
        ),
        make=lambda given, making: Unregister(_items(given), bool(given["force"])),
        undo="it is registered again, unless it has a password, which the site masks",
    ),
    Kind(
        do="datastores.repoint",
        meaning="Let data items point to another server, database, folder or password.",
        verbs=(Repoint,),
        parameters=(
            *ITEMS,
            Parameter(name="set", type="table", meaning="server, database, user, instance or path, and its new value"),
            Parameter(name="password", type="secret", meaning="the new password"),
            Parameter(
                name="validate",
                type="flag",
                meaning="every machine must reach the new place before an item is changed",
                default=True,
            ),
        ),
        make=_repoint,
        undo="it points where it did; none where the password was changed",
    ),
    Kind(
        do="uploads.delete",
        meaning="Delete uploads by their ID, or by their name with * and ?.",
        verbs=(DeleteUploads,),
        parameters=(
            Parameter(name="items", type="texts", meaning="which uploads", required=True),
            Parameter(name="older_than", type="duration", meaning="only those that are older"),
        ),
        make=lambda given, making: DeleteUploads(given["items"], given["older_than"]),
        undo="none: the files are gone",
    ),
)
"""The steps on sites, their system and their data."""
