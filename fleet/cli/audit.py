"""`fleet audit`: what was changed from this machine, by whom, and what became of it."""

from __future__ import annotations

import time
from typing import Any

import click

from fleet.cli.common import (
    DURATION,
    Common,
    inventory_options,
    last_outcomes,
    load_inventory,
    output_option,
    row_options,
)

__all__ = ["command"]

COLUMNS = ("at", "user", "host", "site", "operation", "path", "parameters", "outcome")


@click.group(name="audit")
def command() -> None:
    """Show the record of every change: who, when, where, what, and what became of it.

    \b
    fleet audit list --since 7d
    """


@command.command(name="list")
@click.option("--since", type=DURATION, metavar="DURATION", help="Only changes of this time until now, such as 7d.")
@click.option("--last", type=click.IntRange(1), metavar="N", help="Only the last N of them.")
@output_option()
@row_options
@inventory_options
def list_(common: Common, since: float | None, last: int | None) -> int:
    """The changes that were sent from this machine by this user, oldest first.

    \b
    fleet audit list --since 7d
    fleet audit list -s prod --last 20 -o csv

    A change of which no result was recorded is `unknown`: look at the site. Without -s no inventory is needed.
    """
    from fleet.audit import audit_file, read_audit
    from fleet.cli.writing import write_rows
    from fleet.outcome import timestamp
    from fleet.render.columns import plural

    wanted = None if common.select is None else _selected(common)
    begin = "" if since is None else timestamp(time.time() - since)
    found = [
        {**record, "outcome": record.get("outcome", "unknown")}
        for record in read_audit(audit_file())
        if str(record.get("at", "")) >= begin and (wanted is None or record.get("site") in wanted)
    ]
    found.sort(key=lambda record: str(record.get("at", "")))
    found = found[-last:] if last else found
    write_rows(
        common,
        [_row(record, common.format in ("table", "html")) for record in found],
        title="audit list",
        names=COLUMNS,
        values=found,
        remarks=[plural(len(found), "change")],
    )
    return 0


def _selected(common: Common) -> set[str]:
    from fleet.inventory.selectors import parse, select

    inventory = load_inventory(common, told=True)
    selector = parse(common.selection)
    return set(select(selector, inventory, last_run=last_outcomes(inventory), allow_empty=common.allow_empty))


def _row(record: dict[str, Any], brief: bool) -> dict[str, Any]:
    """*record* as a row; the parameters as they are written on the command line, and times *brief* for people."""
    parameters = record.get("parameters")
    told = " ".join(f"{key}={value}" for key, value in parameters.items()) if isinstance(parameters, dict) else ""
    row = {**{name: record.get(name, "") for name in COLUMNS}, "parameters": told}
    if brief:
        row["at"] = str(row["at"])[:19].replace("T", " ")
    return row
