"""What the commands on services have in common: the words that say which services, and how their rows are listed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.changing import Nothing, none_fits
from fleet.cli.common import Common, completed_by
from fleet.cli.listing import condition, list_table
from fleet.errors import UsageError
from fleet.given_files import text_of

if TYPE_CHECKING:
    from fleet.bulk.services import Chosen
    from fleet.protocol.fields import ServiceId
    from fleet.protocol.patterns import ServicePatterns
    from fleet.report import Report
    from fleet.rows.table import Row, Table

__all__ = [
    "Unfitting",
    "chosen",
    "list_services",
    "missing_option",
    "nothing_fits",
    "patterns_of",
    "services_argument",
    "services_needed",
]

services_argument = click.argument("services", nargs=-1, shell_complete=completed_by("services"))
services_needed = click.argument("services", nargs=-1, required=True, shell_complete=completed_by("services"))
missing_option = click.option("--ignore-not-found", is_flag=True, help="A service that is not there is no failure.")

LIST_FILE_CAP = 16 * 1024 * 1024
"""Bytes that a file of names may have."""


def patterns_of(services: Sequence[str]) -> ServicePatterns:
    """The patterns in *services*, of which `@file:PATH` and `-` stand for the lines of a file and of standard input.

    Raises `UsageError`; a list without any name is a mistake, since no pattern at all stands for all services.
    """
    from fleet.protocol.patterns import ServicePatterns

    found: list[str] = []
    for text in services:
        found += _lines_of(text) if text == "-" or text.startswith("@file:") else [text]
    return ServicePatterns(tuple(dict.fromkeys(found)))


def _lines_of(text: str) -> list[str]:
    whole = text_of(None if text == "-" else Path(text.removeprefix("@file:")), LIST_FILE_CAP)
    names = [line.strip() for line in whole.splitlines()]
    names = [name for name in names if name and not name.startswith("#")]
    if not names:
        raise UsageError(f"there is no name in {text}, and nothing was sent; '*' stands for all services")
    return names


def chosen(services: Sequence[str], where: str | None, ignore_not_found: bool = False) -> Chosen:
    """The services that the command line means; raises `UsageError`."""
    from fleet.bulk.services import Chosen
    from fleet.rows.services import SERVICES

    return Chosen(patterns_of(services), condition(where, SERVICES.names), ignore_not_found)


def _meant(services: Sequence[str], where: str | None = None) -> str:
    shown = [*services[:5], *([f"… ({len(services)} in all)"] if len(services) > 5 else [])]
    return (" or ".join(shown) if shown else "what was asked for") + (f" with {where}" if where else "")


def nothing_fits(services: Sequence[str], where: str | None, ignored: bool = False) -> Nothing:
    """What `run_verb` asks with all plans: a sentence where no service of any site is meant, unless that is *ignored*."""
    return none_fits("service", services, where, ignored)


class Unfitting:
    """Notes which services were seen, to tell of patterns that fit none of them on any site."""

    def __init__(self, patterns: ServicePatterns) -> None:
        self._patterns = patterns
        self._fit: set[ServiceId] = set()
        self._near: dict[str, None] = {}

    def saw(self, services: Iterable[ServiceId]) -> None:
        """*services* fit some pattern."""
        self._fit.update(services)

    def told(self, report: Report) -> str | None:
        """The sentence about patterns that fit nothing, once a site has answered."""
        answered = report.coverage.answered
        unused = self._patterns.unused(self._fit) if answered else []
        if not unused:
            return None
        where = f"any of {answered} sites" if answered > 1 else "the site"
        return f"{_meant(unused)} fits no service of {where}"


def _keep_names(known: dict[str, list[str]]) -> None:
    """Keep the names of all services of each site for the completion of the next line, where they are new."""
    from fleet.history.names import recall, remember

    for site, names in known.items():
        if recall([site]) != sorted(set(names)):
            remember(site, names)


def list_services(
    common: Common,
    table: Table,
    *,
    name: str,
    services: Sequence[str],
    where: str | None = None,
    fits: Callable[[Row], bool] | None = None,
    **options: Any,
) -> int:
    """List the rows of *table*, which are about services, of those that *services* names; the exit status.

    It is 1 where a pattern fits no service of any site, unless `--allow-empty` is given; *options* are those of
    `list_table`.
    """
    from fleet.protocol.fields import ServiceId
    from fleet.rows.table import Wanted

    patterns = patterns_of(services)
    if not patterns.texts:
        known: dict[str, list[str]] = {}

        def saw(site: str, rows: Sequence[Row]) -> None:
            known[site] = [row["service"] for row in rows]

        whole = saw if table.name in ("listing", "services") else None
        status = list_table(common, table, name=name, where=where, fits=fits, saw=whole, **options)
        _keep_names(known)
        return status
    unfitting = Unfitting(patterns)

    def meant(row: Row) -> bool:
        service = ServiceId(row["folderName"], row["serviceName"], row["type"])
        if not patterns.match(service):
            return False
        unfitting.saw([service])
        return fits is None or fits(row)

    return list_table(
        common,
        table,
        name=name,
        wanted=Wanted(folders=patterns.folders, services=patterns),
        where=where,
        fits=meant,
        none=None if common.allow_empty else unfitting.told,
        **options,
    )
