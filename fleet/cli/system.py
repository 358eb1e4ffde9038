"""`fleet system`: directories, configuration store, web adaptors, properties, services directory, REST cache and jobs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.changing import Consent, change_options, none_fits, run_verb
from fleet.cli.common import Common, output_option, run_options
from fleet.cli.listing import condition, list_rows, list_table, where_option
from fleet.cli.password import SOURCES, secret_from
from fleet.errors import UsageError

if TYPE_CHECKING:
    from fleet.inventory.secrets import Secret

__all__ = ["command"]

DISK = "free disk space is not offered by the API: ask the machines themselves"


@click.group(name="system")
def command() -> None:
    """Show and change the system of sites.

    \b
    fleet system directories list
    fleet system properties list --where 'property=WebContextURL'
    fleet system services-directory off -s prod
    """


# Directories


@command.group(name="directories")
def directories() -> None:
    """Server directories.

    Free disk space, and whether a folder is full, is not offered by the API. That a folder is missing on the disk is
    told only by an attempt to clean it.

    \b
    fleet system directories list
    """


@directories.command(name="list")
@where_option
@output_option()
@run_options
def list_directories(common: Common, where: str | None) -> int:
    """Every server directory; status 1 where a site has none of a kind that it needs.

    \b
    fleet system directories list --where 'cleanupMode=NONE and directoryType=OUTPUT'
    """
    from fleet.cli.run import say
    from fleet.rows.system import DIRECTORIES

    if not common.quiet and common.format in ("table", "markdown"):
        say(DISK)
    return list_table(
        common,
        DIRECTORIES,
        name="system directories list",
        where=where,
        shown=("name", "directoryType", "state", "physicalPath", "cleanupMode", "maxFileAge"),
        bad=lambda row: row["state"] == "missing",
    )


@directories.command(name="clean")
@click.argument("names", nargs=-1)
@change_options
def clean_directories(common: Common, consent: Consent, names: tuple[str, ...]) -> int:
    """Delete what is old in directories; without NAMES in those of output and jobs. * and ? fit any text.

    What is old is said by the directory's cleanupMode and maxFileAge. A folder that is missing on the disk fails here.

    \b
    fleet system directories clean -s all --dry-run
    fleet system directories clean 'arcgis*' -s test
    """
    from fleet.bulk.system import CleanDirectories

    return run_verb(common, consent, CleanDirectories(names), none=none_fits("directory", names or ("OUTPUT", "JOBS")))


@directories.command(name="recover")
@change_options
def recover_directories(common: Common, consent: Consent) -> int:
    """Make server directories anew that went missing on the disk.

    \b
    fleet system directories recover -s oslo
    """
    from fleet.bulk.system import RecoverDirectories

    return run_verb(common, consent, RecoverDirectories())


# Configuration store


@command.group(name="config-store")
def config_store() -> None:
    """The configuration store.

    \b
    fleet system config-store status
    """


@config_store.command(name="status")
@output_option()
@run_options
def config_store_status(common: Common) -> int:
    """Where the configuration lies, and its state; status 1 where that is not Ready.

    \b
    fleet system config-store status
    """
    from fleet.rows.system import config_store as read

    return list_rows(
        common,
        read,
        name="system config-store status",
        columns=("type", "connectionString", "localRepositoryPath", "status"),
        bad=lambda row: str(row["status"]).lower() != "ready",
    )


@config_store.command(name="recover")
@change_options
def config_store_recover(common: Common, consent: Consent) -> int:
    """Restore the configuration from the copy on a machine; the site restarts.

    \b
    fleet system config-store recover -s oslo
    """
    from fleet.bulk.system import RecoverConfigStore

    return run_verb(common, consent, RecoverConfigStore())


# Web adaptors


@command.group(name="web-adaptors")
def web_adaptors() -> None:
    """Web adaptors: NAMES are addresses or ids, with * and ?.

    \b
    fleet system web-adaptors list
    """


@web_adaptors.command(name="list")
@where_option
@output_option()
@run_options
def list_adaptors(common: Common, where: str | None) -> int:
    """Every web adaptor that is registered, and whether the administrator API goes through it.

    Whether one still answers is not offered by the API; of several with one address (twins) all but one are left over.

    \b
    fleet system web-adaptors list --where 'isAdminEnabled=true'
    fleet system web-adaptors list --where 'twins>=1'
    """
    from fleet.rows.system import WEB_ADAPTORS

    shown = ("webAdaptorURL", "machineName", "machineIP", "isAdminEnabled", "twins", "id")
    return list_table(common, WEB_ADAPTORS, name="system web-adaptors list", where=where, shown=shown)


@web_adaptors.command(name="unregister")
@click.argument("names", nargs=-1, required=True)
@where_option
@change_options
def unregister_adaptors(common: Common, consent: Consent, names: tuple[str, ...], where: str | None) -> int:
    """Give up web adaptors: nothing comes through them any more, until they are registered again.

    \b
    fleet system web-adaptors unregister '*' --where 'machineName=WEB1-RETIRED*' -s all --dry-run
    """
    from fleet.bulk.system import UnregisterAdaptors
    from fleet.rows.system import WEB_ADAPTORS

    verb = UnregisterAdaptors(names, condition(where, WEB_ADAPTORS.names))
    return run_verb(common, consent, verb, none=none_fits("web adaptor", names, where))


@web_adaptors.command(name="config")
@click.argument("names", nargs=-1, required=True)
@click.option("--admin/--no-admin", default=None, help="Whether the administrator API goes through it.")
@click.option("--description", metavar="TEXT", help="What is to be said of it.")
@click.option("--http-port", type=click.IntRange(1, 65_535), help="Its port for http.")
@click.option("--https-port", type=click.IntRange(1, 65_535), help="Its port for https.")
@where_option
@change_options
def config_adaptors(common: Common, consent: Consent, **given: Any) -> int:
    """Change what web adaptors are set to.

    \b
    fleet system web-adaptors config '*' --no-admin -s prod --dry-run
    """
    from fleet.bulk.system import EditAdaptors
    from fleet.rows.system import WEB_ADAPTORS

    wanted = {
        "isAdminEnabled": given["admin"],
        "description": given["description"],
        "httpPort": given["http_port"],
        "httpsPort": given["https_port"],
    }
    settings = {name: value for name, value in wanted.items() if value is not None}
    if not settings:
        raise UsageError("nothing to change: give --admin or --no-admin, --description, --http-port or --https-port")
    names = given["names"]
    verb = EditAdaptors(names, condition(given["where"], WEB_ADAPTORS.names), settings=settings)
    return run_verb(common, consent, verb, none=none_fits("web adaptor", names, given["where"]))


# Properties


@command.group(name="properties")
def properties() -> None:
    """System properties: WebContextURL, the proxy for outgoing requests, allow-lists, and so on.

    \b
    fleet system properties list
    """


@properties.command(name="list")
@click.argument("names", nargs=-1)
@where_option
@output_option()
@run_options
def list_properties(common: Common, names: tuple[str, ...], where: str | None) -> int:
    """System properties that are set, or those called NAMES; secrets are shown as ***.

    \b
    fleet system properties list WebContextURL
    """
    from fleet.rows.system import PROPERTIES

    wanted = {name.lower() for name in names}
    fits = None if not names else lambda row: row["property"].lower() in wanted
    shown = ("property", "value")
    return list_table(common, PROPERTIES, name="system properties list", where=where, fits=fits, shown=shown)


@properties.command(name="set")
@click.argument("settings", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--unset", multiple=True, metavar="NAME", help="Take this property away (repeatable).")
@click.option(
    "--secret-from", "secrets", multiple=True, metavar="NAME=SOURCE", help=f"A secret one, from {SOURCES} (repeatable)."
)
@change_options
def set_properties(
    common: Common, consent: Consent, settings: tuple[str, ...], unset: tuple[str, ...], secrets: tuple[str, ...]
) -> int:
    """Set properties, and keep every other. NAME=VALUE is a text, NAME:=VALUE is JSON (true, 5, ["a"]).

    \b
    fleet system properties set WebContextURL=https://gis.example.net/arcgis -s oslo
    fleet system properties set disableAdminDirectoryCache:=true --unset httpProxyHost -s all --dry-run
    """
    from fleet.bulk.system import SetProperties

    verb = SetProperties(_settings(settings), tuple(unset), _secrets(secrets))
    if not verb.settings and not verb.gone and not verb.secrets:
        raise UsageError("nothing to change: give NAME=VALUE, --unset or --secret-from")
    for name in (*verb.settings, *verb.secrets):
        if name in verb.gone:
            raise UsageError(f"{name} is to be set and to be taken away")
    return run_verb(common, consent, verb)


def _settings(texts: tuple[str, ...]) -> dict[str, Any]:
    from fleet.protocol.secret_names import is_secret_name

    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        as_json = name.endswith(":")
        name = name.removesuffix(":").strip()
        if not equals or not name:
            raise UsageError(f"write NAME=VALUE or NAME:=JSON, not {text!r}")
        if is_secret_name(name):
            raise UsageError(
                f"{name} is a secret, and arguments can be seen by others: give --secret-from {name}=env:VARIABLE"
            )
        try:
            found[name] = json.loads(value) if as_json else value
        except ValueError:
            raise UsageError(f"{value!r} is no JSON: write {name}={value} for a text") from None
    return found


def _secrets(texts: tuple[str, ...]) -> dict[str, Secret]:
    found = {}
    for text in texts:
        name, equals, source = (part.strip() for part in text.partition("="))
        if not equals or not name:
            raise UsageError(f"--secret-from is written NAME=SOURCE, where SOURCE is {SOURCES}")
        found[name] = secret_from(source, name)
    return found


# Services directory, cache, jobs


@command.group(name="services-directory")
def services_directory() -> None:
    """The pages for people below rest/services.

    \b
    fleet system services-directory off -s prod --dry-run
    """


@services_directory.command(name="status")
@output_option()
@run_options
def services_directory_status(common: Common) -> int:
    """Whether the pages are on.

    \b
    fleet system services-directory status -s prod --sort servicesDirectory
    """
    from fleet.rows.system import services_directory as read

    columns = ("servicesDirectory", "allowedOrigins", "callbackFunctionsEnabled")
    return list_rows(common, read, name="system services-directory status", columns=columns)


@services_directory.command(name="on")
@change_options
def services_directory_on(common: Common, consent: Consent) -> int:
    """Switch the pages on.

    \b
    fleet system services-directory on -s test
    """
    from fleet.bulk.system import ServicesDirectory

    return run_verb(common, consent, ServicesDirectory(True))


@services_directory.command(name="off")
@change_options
def services_directory_off(common: Common, consent: Consent) -> int:
    """Switch the pages off, as production should have it.

    \b
    fleet system services-directory off -s prod --dry-run
    """
    from fleet.bulk.system import ServicesDirectory

    return run_verb(common, consent, ServicesDirectory(False))


@command.group(name="cache")
def cache() -> None:
    """What the REST handler remembers of services.

    \b
    fleet system cache clear -s prod
    """


@cache.command(name="clear")
@change_options
def clear_cache(common: Common, consent: Consent) -> int:
    """Let the REST handler forget what it remembers, after services were changed behind its back.

    \b
    fleet system cache clear -s all
    """
    from fleet.bulk.system import ClearCache

    return run_verb(common, consent, ClearCache())


@command.command(name="jobs")
@output_option()
@run_options
def jobs(common: Common) -> int:
    """Operations that were asked to work on by themselves, and how far they are.

    The shape of this answer is not confirmed by any published source.

    \b
    fleet system jobs -s oslo
    """
    from fleet.rows.system import jobs as read

    return list_rows(common, read, name="system jobs", columns=("id", "operation", "status", "messages"))
