"""`fleet site`: what sites are, their mode, exports, and what stands before and after an upgrade."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.changing import Consent, change_options, run_verb
from fleet.cli.common import DURATION, Common, inventory_options, output_option, row_options, run_options
from fleet.cli.listing import list_rows, where_option
from fleet.errors import StoreFailed, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleet.cli.run import Session
    from fleet.client.site import SiteClient
    from fleet.history.store import Store
    from fleet.inventory.model import Site
    from fleet.render.columns import Terminal
    from fleet.report import Report
    from fleet.rows.table import Row

__all__ = ["command"]

DAY = 86_400.0
SCHEMA = "fleet.before/1"

strict_option = click.option("--strict", is_flag=True, help="A warning counts as not ready too.")


@click.group(name="site")
def command() -> None:
    """Information, mode, exports, before and after an upgrade.

    \b
    fleet site info
    fleet site preflight -s prod
    fleet site wait --for 30m --until upgraded -s prod
    """


@contextmanager
def records() -> Iterator[Store]:
    """The state database; raises `UsageError` where it can't be used."""
    from fleet.history.store import Store

    try:
        with Store.open_default() as store:
            yield store
    except StoreFailed as error:
        raise UsageError(f"the record of sites can't be used: {error}") from None


# What sites are


@command.command(name="info")
@where_option
@output_option()
@run_options
def info(common: Common, where: str | None) -> int:
    """Release, build, machines, mode and federation; sites that agree are folded.

    \b
    fleet site info
    fleet site info --where 'siteMode=READ_ONLY' -o csv
    """
    from fleet.cli.listing import condition
    from fleet.rows.site_info import COLUMNS, site_info

    return list_rows(
        common,
        site_info,
        name="site info",
        where=condition(where, COLUMNS),
        columns=COLUMNS,
        shown=COLUMNS[:6],
        lines=None if common.query is not None else _folded,
    )


def _folded(report: Report, terminal: Terminal) -> Sequence[str]:
    """A line for each set of sites that say the same of themselves."""
    from fleet.render.columns import columns
    from fleet.render.names import fold_names
    from fleet.render.plain import rows_of
    from fleet.render.table import NAMES, summary_lines

    names = ("release", "build", "machines", "siteMode", "federatedWith", "level")
    found: dict[tuple[str, ...], list[str]] = {}
    for row in rows_of(report) if report.merged else ():
        cells = tuple("" if row.get(name) is None else str(row[name]) for name in names)
        found.setdefault(cells, []).append(str(row["site"]))
    rows = [
        [*cells, fold_names(sites, NAMES), str(len(sites))]
        for cells, sites in sorted(found.items(), key=lambda item: -len(item[1]))
    ]
    table = columns([*names, "sites", "count"], rows, terminal, compact=True) if rows else []
    return [*table, *([""] if table else []), *summary_lines(report, terminal)]


@command.command(name="mode")
@click.argument("mode", required=False, type=click.Choice(["READ_ONLY", "EDITABLE"], case_sensitive=False))
@change_options
def mode(common: Common, consent: Consent, mode: str | None) -> int:
    """Show the mode of sites, or switch it; READ_ONLY restarts the services that run.

    \b
    fleet site mode
    fleet site mode READ_ONLY -s 'prod and emea' --dry-run
    """
    from fleet import admin as ops
    from fleet.bulk.site import SetMode

    if mode is not None:
        wanted: Any = mode.upper()
        return run_verb(common, consent, SetMode(wanted))

    async def read(client: SiteClient) -> list[Row]:
        return [dict(await client.call(ops.site.mode()))]

    columns = ("siteMode", "copyConfigLocal", "lastModified")
    return list_rows(common, read, name="site mode", shown=columns, times=("lastModified",))


# Exports


@command.command(name="export")
@click.argument("folder", default="")
@change_options
def export(common: Common, consent: Consent, folder: str) -> int:
    """Write a backup of each site into FOLDER on the server, which its account can write to.

    The place that the site names in its answer proves that it exists; it is kept on record here, so that fleet site
    exports list tells how old the last backup is. Nothing is ever deleted on the server: the API has no operation for
    that.

    \b
    fleet site export /backup/arcgis -s prod
    """
    from fleet.bulk.site import Export

    made: list[tuple[str, str, str, float]] = []

    def exported(site: str, url: str, place: str) -> None:
        made.append((site, url, place, time.time()))

    with records() as store:
        try:
            return run_verb(common, consent, Export(folder, exported))
        finally:
            for site, url, place, at in made:
                store.keep("export", site, url, {"location": place}, at=at)


@command.group(name="exports")
def exports() -> None:
    """The record of exports that were made from here.

    \b
    fleet site exports list --older-than 30d
    """


def _selected(common: Common) -> list[Site]:
    from fleet.cli.common import last_outcomes, load_inventory
    from fleet.inventory.selectors import parse, select

    inventory = load_inventory(common, told=True)
    names = select(
        parse(common.selection), inventory, last_run=last_outcomes(inventory), allow_empty=common.allow_empty
    )
    return [inventory[name] for name in names]


@exports.command(name="list")
@click.option(
    "--older-than", type=DURATION, metavar="DURATION", help="Only sites whose last export is older, or unknown."
)
@click.option("--all", "every", is_flag=True, help="Every export, not only the last one of each site.")
@output_option()
@row_options
@inventory_options
def list_exports(common: Common, older_than: float | None, every: bool) -> int:
    """The last export of each site, and its age; no site is asked. With --older-than status 1 where there is one.

    \b
    fleet site exports list --older-than 7d -s prod
    """
    from fleet.cli.writing import write_rows
    from fleet.outcome import timestamp

    sites = _selected(common)
    with records() as store:
        found = store.kept("export", [site.url for site in sites])
    rows: list[Row] = []
    now = time.time()
    for site in sites:
        own = [one for one in found if one.url == site.url]
        for one in own if every else own[:1]:
            age = now - one.at
            if older_than is None or age > older_than:
                told = {"exported": timestamp(one.at), "ageDays": round(age / DAY, 2)}
                rows.append({"site": site.name, **told, "location": one.value.get("location")})
        if not own:
            rows.append({"site": site.name, "exported": None, "ageDays": None, "location": None})
    write_rows(common, rows, title="site exports list", names=("site", "exported", "ageDays", "location"))
    return 1 if older_than is not None and rows else 0


@exports.command(name="forget")
@click.option("--older-than", type=DURATION, required=True, metavar="DURATION", help="Exports older than this.")
@inventory_options
def forget_exports(common: Common, older_than: float) -> int:
    """Forget the record of old exports. The files stay on the servers: the API has no operation that deletes them.

    \b
    fleet site exports forget --older-than 180d -s all
    """
    if common.select is None:
        raise UsageError("say of which sites: -s all for all")
    before = time.time() - older_than
    with records() as store:
        count = sum(store.forget("export", site.url, before=before) for site in _selected(common))
    click.echo(f"{count} forgotten; their files stay on the servers, where the API can't delete them", err=True)
    return 0


# Before and after an upgrade


@command.command(name="preflight")
@click.option(
    "--export-age",
    type=DURATION,
    default="7d",
    show_default=True,
    metavar="DURATION",
    help="How old the export may be.",
)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write the record there too."
)
@strict_option
@output_option()
@run_options
def preflight(common: Common, export_age: float, out: Path | None, strict: bool) -> int:
    """Whether sites are ready for an upgrade: a row per check, status 1 where one is not.

    What each site is now (release, services, states, settings, properties) is kept on record for fleet site postflight.

    \b
    fleet site preflight -s prod
    fleet site preflight -s prod --out before.json -o markdown
    """
    from fleet.health.before import record
    from fleet.health.facts import Facts
    from fleet.health.preflight import preflight as look

    kept: dict[str, dict[str, Any]] = {}
    with records() as store:

        async def read(client: SiteClient) -> list[Row]:
            last = store.kept("export", [client.site.url])
            rows = await look(Facts(client), exported=last[0].at if last else None, age=export_age)
            kept[client.site.name] = {"url": client.site.url, "at": time.time(), "before": await record(client)}
            return rows

        status = list_rows(
            common,
            read,
            name="site preflight",
            columns=("check", "status", "saw", "advice"),
            shown=("check", "status", "saw", "advice"),
            bad=lambda row: not_well(row, strict),
        )
        for site, told in kept.items():
            store.keep("before", site, told["url"], told["before"], at=told["at"])
    if out is not None:
        from fleet.places import write_atomically

        write_atomically(out, json.dumps({"schema": SCHEMA, "sites": kept}).encode(), replace=True)
    return status


def not_well(row: Row, strict: bool) -> bool:
    """Whether the check of *row* keeps a site from being ready."""
    return row["status"] in (("critical", "unknown", "warning") if strict else ("critical", "unknown"))


@command.command(name="postflight")
@click.option("--before", metavar="SNAPSHOT|FILE", help="What to compare with (the last preflight of each site).")
@click.option("--same-release", is_flag=True, help="After a patch or a restart: the release must be the same.")
@strict_option
@output_option()
@run_options
def postflight(common: Common, before: str | None, same_release: bool, strict: bool) -> int:
    """Whether sites are as they were before an upgrade, on a later release: services, states, settings, properties.

    A service that is gone or in another state is critical, a new one and another setting a warning.

    \b
    fleet site postflight -s prod
    fleet site postflight -s prod --before before.json --strict
    """
    from fleet.errors import NotFound
    from fleet.health.before import compare, record

    with records() as store:
        known = None if before is None else _before(before)

        async def read(client: SiteClient) -> list[Row]:
            if known is None:
                found = store.kept("before", [client.site.url])
                was = found[0].value if found else None
            else:
                was = known.get(client.site.name)
            if was is None:
                raise NotFound(
                    "there is no record from before",
                    hint="make one with fleet site preflight before the upgrade, or name one with --before",
                    may_have_arrived=False,
                )
            return compare(was, await record(client), moved=not same_release)

        return list_rows(
            common,
            read,
            name="site postflight",
            columns=("check", "status", "saw"),
            shown=("check", "status", "saw"),
            bad=lambda row: not_well(row, strict),
        )


def _before(reference: str) -> Mapping[str, Any]:
    """Site -> record, of a file that preflight wrote, or of a snapshot; raises `UsageError`."""
    from fleet.health.before import DEFINITION, STATES, record_of
    from fleet.snapshots.store import Store

    path = Path(reference)
    if path.is_file():
        try:
            told = json.loads(path.read_bytes())
            if told["schema"] != SCHEMA:
                raise ValueError
            return {site: entry["before"] for site, entry in told["sites"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise UsageError(f"{path} is no record of fleet site preflight") from None
    store = Store()
    found = {}
    for site, kept in store.sites(store.find(reference)).items():
        wanted = {
            name: digest
            for name, digest in kept.pieces.items()
            if name.startswith((STATES, DEFINITION)) or name in ("site/info", "system/properties")
        }
        if wanted:
            pieces = {name: store.load(digest) for name, digest in wanted.items()}
            found[site] = record_of(pieces, kept.release)
    return found


@command.command(name="wait")
@click.option("--for", "limit", type=DURATION, default="30m", show_default=True, metavar="DURATION", help="How long.")
@click.option(
    "--until",
    type=click.Choice(["up", "upgraded"]),
    default="up",
    show_default=True,
    help="What for besides: until no upgrade is left.",
)
@output_option()
@run_options
def wait(common: Common, limit: float, until: str) -> int:
    """Wait until sites are really up: they answer, no upgrade is going on, healthy, signing in, machines running.

    \b
    fleet site wait --for 30m -s oslo
    fleet site wait --for 4h --until upgraded -s prod
    """
    from functools import partial

    from fleet.bulk.readiness import not_up
    from fleet.cli.run import run_on_sites
    from fleet.cli.writing import write_report
    from fleet.client.settings import RetryPolicy
    from fleet.client.waiting import until_well
    from fleet.errors import Cancelled, Unhealthy

    async def run(session: Session) -> Report:
        async def missing_of(client: SiteClient) -> str:
            if not session.stop.launching:
                # Nothing is in flight that would have to come to an end.
                raise Cancelled("the wait was ended")
            return await not_up(client, upgraded=until == "upgraded")

        async def work(client: SiteClient) -> list[Row]:
            began = time.monotonic()
            missing = await until_well(partial(missing_of, client), limit)
            if missing:
                hint = "wait longer, or look at the machine itself"
                raise Unhealthy(f"not {until} after {limit:g} s: {missing}", hint=hint)
            release = None if client.release is None else str(client.release)
            return [{"state": until, "release": release, "waited": round(time.monotonic() - began, 1)}]

        return await session.selection.run(
            work,
            command="site wait",
            merge=None if session.lines is not None else "union",
            query=common.query,
            on_outcome=session.lines,
            keep=session.lines is None,
            stop=session.stop,
            progress=session.progress,
        )

    # Who waits for a restart asks again soon, and spares nobody by leaving the site alone.
    patient = RetryPolicy(lock_patience=0.0, site_floor=0, breaker_pause=2.0, breaker_pause_cap=5.0)
    return run_on_sites(common, run, lambda report: write_report(common, report), retry=patient)
