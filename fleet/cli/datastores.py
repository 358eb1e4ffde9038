"""`fleet datastores`: list, check, register, give up and repoint the data items of many sites."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.changing import Consent, change_options, none_fits, run_verb
from fleet.cli.common import Common, output_option, run_options
from fleet.cli.listing import Named, condition, list_table, where_option
from fleet.cli.password import password_from as reference_of
from fleet.cli.password import password_option
from fleet.errors import UsageError
from fleet.given_files import text_of

if TYPE_CHECKING:
    from fleet.bulk.data import Items
    from fleet.rows.table import Row

__all__ = ["command"]

ITEM_CAP = 4 * 1024 * 1024

items_argument = click.argument("items", nargs=-1)
managed_option = click.option("--managed", is_flag=True, help="Also stores that the site manages itself.")
missing_option = click.option("--ignore-not-found", is_flag=True, help="An item that is not there is no failure.")


@click.group(name="datastores")
def command() -> None:
    """List, check, register and repoint data stores.

    ITEMS are paths such as /enterpriseDatabases/gis, with * and ? as in '/fileShares/*'; none stands for all.

    \b
    fleet datastores list --where 'server=db1*'
    fleet datastores validate -s prod
    fleet datastores repoint '/enterpriseDatabases/*' -s prod --set server=db2 --dry-run
    """


def _meant(items: tuple[str, ...], where: str | None, ignore_not_found: bool, managed: bool) -> Items:
    from fleet.bulk.data import Items
    from fleet.protocol.item_patterns import NamePatterns
    from fleet.rows.data import DATASTORES

    return Items(NamePatterns(items), condition(where, DATASTORES.names), ignore_not_found, managed)


def _named(items: tuple[str, ...]) -> Named:
    from fleet.protocol.item_patterns import NamePatterns

    return Named(items, lambda text: NamePatterns((text,)).match, "data item")


@command.command(name="list")
@items_argument
@where_option
@click.option("--references", is_flag=True, help="Also how many services use each item (one request per item).")
@output_option()
@run_options
def list_(common: Common, items: tuple[str, ...], where: str | None, references: bool) -> int:
    """Data items of sites: type, provider, and where they point, without passwords.

    \b
    fleet datastores list
    fleet datastores list --where 'type=egdb and server!=db2*' --columns site,path,server,database,user
    fleet datastores list --references --sort -totalRefCount
    """
    from fleet.rows.data import DATASTORES

    patterns = _named(items)

    def fits(row: Row) -> bool:
        return patterns.match(str(row["path"]))

    shown = ["path", "type", "provider", "managed", "server", "database", "user", "folder"]
    shown += ["totalRefCount"] if references else []
    return list_table(
        common,
        DATASTORES,
        name="datastores list",
        where=where,
        fits=fits,
        shown=shown,
        every=references,
        none=patterns.told,
    )


@command.command(name="references")
@items_argument
@output_option()
@run_options
def references(common: Common, items: tuple[str, ...]) -> int:
    """How many services use each data item: look before one is given up.

    \b
    fleet datastores references /enterpriseDatabases/gis -s prod
    """
    from fleet.rows.data import DATASTORES

    patterns = _named(items)

    def fits(row: Row) -> bool:
        return patterns.match(str(row["path"]))

    shown = ("path", "totalRefCount")
    return list_table(
        common, DATASTORES, name="datastores references", fits=fits, shown=shown, every=True, none=patterns.told
    )


@command.command(name="validate")
@items_argument
@output_option()
@run_options
def validate(common: Common, items: tuple[str, ...]) -> int:
    """Check that every machine reaches the data; status 1 where one does not.

    All items of a site are checked in one call, and one by one where it fails without a word of which.

    \b
    fleet datastores validate -s prod
    fleet datastores validate '/enterpriseDatabases/*' -o csv
    """
    from fleet.cli.judging import judge_rows
    from fleet.rows.validation import COLUMNS, validated

    patterns = _named(items)

    def verdict(rows: Sequence[Row]) -> str | None:
        failed = {row["path"] for row in rows if row["state"] == "failed"}
        if not failed:
            return None
        count = len({row["path"] for row in rows})
        first = sorted(map(str, failed))[0]
        more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
        return f"{len(failed)} of {count} data items can't be reached: {first}{more}"

    return judge_rows(
        common,
        lambda client: validated(client, patterns.match if items else None),
        name="datastores validate",
        verdict=verdict,
        columns=COLUMNS,
        visible=COLUMNS,
        hint="look at the server and account of the item, and at the network between",
        none=patterns.told,
    )


@command.command(name="register")
@click.option(
    "--from",
    "source",
    required=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The item as JSON or TOML: path, type and info.",
)
@password_option
@change_options
def register(common: Common, consent: Consent, source: Path, password_from: str | None) -> int:
    """Register the data item in a file; one that is registered so already is left alone.

    Leave the password out of the connectionString and give --password-from; a file that holds one must be yours alone.

    \b
    fleet datastores register --from gis.toml --password-from env:DB_PASSWORD -s prod
    """
    from fleet import platform
    from fleet.bulk.data import Register, read_item
    from fleet.rows.data import connection_of

    form = source.suffix.lstrip(".").lower()
    if form not in ("json", "toml"):
        raise UsageError(f"{source} is neither .json nor .toml")
    item = read_item(text_of(source, ITEM_CAP), form)
    connection = connection_of(item)
    if connection is not None and connection.password is not None and not platform.is_private(source):
        raise UsageError(f"{source} holds a password and can be read by others: leave it out, or chmod 600 {source}")
    return run_verb(common, consent, Register(item, reference_of(password_from)))


@command.command(name="unregister")
@click.argument("items", nargs=-1, required=True)
@where_option
@missing_option
@managed_option
@click.option("--force", is_flag=True, help="Also items that services use.")
@change_options
def unregister(common: Common, consent: Consent, items: tuple[str, ...], force: bool, **given: Any) -> int:
    """Give data items up; one that services use is left alone without --force.

    \b
    fleet datastores unregister /fileShares/old -s test --dry-run
    """
    from fleet.bulk.data import Unregister

    verb = Unregister(_meant(items, given["where"], given["ignore_not_found"], given["managed"]), force)
    return run_verb(
        common, consent, verb, none=none_fits("data item", items, given["where"], given["ignore_not_found"])
    )


@command.command(name="repoint")
@click.argument("items", nargs=-1, required=True)
@where_option
@missing_option
@managed_option
@click.option(
    "--set",
    "values",
    multiple=True,
    metavar="NAME=VALUE",
    help="Another server=, database=, user=, instance= of the connection, or path= of a folder (repeatable).",
)
@password_option
@click.option("--validate/--no-validate", default=True, help="Check that every machine reaches the new place first.")
@change_options
def repoint(
    common: Common,
    consent: Consent,
    items: tuple[str, ...],
    values: tuple[str, ...],
    password_from: str | None,
    validate: bool,
    **given: Any,
) -> int:
    """Let data items point to another server, database, folder or password: a moved database.

    \b
    fleet datastores repoint '/enterpriseDatabases/*' --where 'server=db1' --set server=db2 -s prod --dry-run
    fleet datastores repoint /enterpriseDatabases/gis --password-from prompt -s prod
    fleet datastores repoint /fileShares/maps --set path=/srv/new -s 'prod and emea'
    """
    from fleet.bulk.data import Repoint

    pairs: dict[str, str] = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value:
            raise UsageError("--set takes NAME=VALUE, such as server=db2.example.com")
        if any(word in name.lower() for word in ("password", "pwd", "secret")):
            raise UsageError("a password is never written on the command line: use --password-from")
        pairs[name.strip()] = value
    verb = Repoint(
        _meant(items, given["where"], given["ignore_not_found"], given["managed"]),
        pairs,
        reference_of(password_from),
        check=validate,
    )
    return run_verb(
        common, consent, verb, none=none_fits("data item", items, given["where"], given["ignore_not_found"])
    )
