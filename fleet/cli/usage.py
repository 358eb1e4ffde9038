"""`fleet usage`: how much services are used, which are idle, and which are slow, over many sites."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from fleet.cli.common import DURATION, Common, completed_by, output_option, run_options
from fleet.cli.listing import check_columns, condition, list_rows, where_option
from fleet.errors import AuditFailed, ServerFailed, UsageError

if TYPE_CHECKING:
    from fleet.aggregate.usage import Total
    from fleet.audit import AuditLog
    from fleet.cli.run import Session
    from fleet.client.site import SiteClient
    from fleet.report import Report
    from fleet.rows.usage import Period, Usage

__all__ = ["command"]

KEYS = ("service", "day", "hour", "site", "folder", "type")

services_argument = click.argument("services", nargs=-1, shell_complete=completed_by("services"))
since_option = click.option(
    "--since", type=DURATION, default="7d", show_default=True, help="How far back, in whole days (or hours) of UTC."
)
confirm_option = click.option(
    "--confirm",
    multiple=True,
    metavar="SITE",
    shell_complete=completed_by("sites"),
    help="Add the temporary report to this protected site too (repeatable).",
)


@click.group(name="usage")
def command() -> None:
    """Requests per service and day, idle services, slow services.

    The numbers are read by a usage report, which is added to each site for the moment and given up again, also where the
    command is interrupted. A site in read-only mode takes none, and is told so; a protected one is left alone unless
    --confirm names it.

    \b
    fleet usage report --since 7d --by service,day
    fleet usage idle --since 30d -s prod
    """


@command.command(name="report")
@services_argument
@since_option
@confirm_option
@click.option("--by", default="service,day", show_default=True, metavar="A,B", help=f"Rows by {', '.join(KEYS)}.")
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    default=["RequestCount"],
    help="What is counted, such as RequestCount (repeatable).",
)
@output_option()
@run_options
def report(
    common: Common, services: tuple[str, ...], since: float, by: str, metrics: tuple[str, ...], confirm: tuple[str, ...]
) -> int:
    """Totals of the services that fit SERVICES (all without), over the selected sites together.

    A temporary usage report is added to each site to read the numbers by. Counts are added up, maxima are the greatest,
    and averages are weighted by requests. Times are seconds.

    \b
    fleet usage report --by day
    fleet usage report 'Planning/*' --since 30d --by site,service --metric RequestCount --metric RequestsFailed -o csv
    """
    from fleet.aggregate.usage import AVERAGES, METRICS, totals
    from fleet.inventory.tables import nearest

    keys = [key.strip() for key in by.split(",") if key.strip()]
    for name, known in [*((key, KEYS) for key in keys), *((metric, METRICS) for metric in metrics)]:
        if name not in known:
            near = nearest(name, list(known))
            raise UsageError(f"there is no {name!r}; " + (f"did you mean {near}?" if near else ", ".join(known)))
    shown = list(dict.fromkeys(metrics))
    asked = shown if not set(shown) & set(AVERAGES) else list(dict.fromkeys([*shown, "RequestCount"]))
    inside = [key for key in keys if key != "site"]
    dated = not {"day", "hour"}.isdisjoint(keys)

    def rows_of(usage: Usage) -> list[dict[str, Any]]:
        return totals(_entries({"": usage}, dated), inside, shown)

    def merged(found: Mapping[str, Usage]) -> list[dict[str, Any]]:
        return totals(_entries(found, dated), keys, shown)

    period = _period(since, hours="hour" in keys)
    return _run(common, confirm, "usage report", services, period, asked, rows_of, merged, [*keys, *shown])


@command.command(name="idle")
@services_argument
@since_option
@confirm_option
@output_option("names")
@run_options
def idle(common: Common, services: tuple[str, ...], since: float, confirm: tuple[str, ...]) -> int:
    """Services without a single request in the period.

    A temporary usage report is added to each site to read the numbers by. `-o names` prints a service per line, those
    that are idle on every selected site that has them and answered: what `fleet services edit -` reads.

    \b
    fleet usage idle --since 30d -s prod
    fleet usage idle --since 30d -s oslo -o names | fleet services edit - --set minInstancesPerNode=0 -s oslo --dry-run
    """
    columns = ["site", "service", "folder", "type", "since"]
    period = _period(since)
    begin = period.label(period.begin)

    def rows_of(usage: Usage) -> list[dict[str, Any]]:
        return [
            {"service": str(service), "folder": service.folder, "type": service.type, "since": begin}
            for service, count in usage.requests().items()
            if count == 0
        ]

    def merged(found: Mapping[str, Usage]) -> list[dict[str, Any]]:
        return [{"site": site, **row} for site, usage in found.items() for row in rows_of(usage)]

    return _run(
        common, confirm, "usage idle", services, period, ["RequestCount"], rows_of, merged, columns, names=_idle_names
    )


def _idle_names(found: Mapping[str, Usage]) -> list[str]:
    """The services that had no request on any of the sites that have them."""
    counts: dict[str, int] = {}
    for usage in found.values():
        for service, count in usage.requests().items():
            counts[str(service)] = counts.get(str(service), 0) + count
    return sorted(name for name, count in counts.items() if count == 0)


@command.command(name="slow")
@services_argument
@since_option
@confirm_option
@click.option("--over", type=DURATION, default=None, help="Only services that took longer than this at least once.")
@output_option()
@run_options
def slow(common: Common, services: tuple[str, ...], since: float, over: float | None, confirm: tuple[str, ...]) -> int:
    """Services by their response times, the slowest first.

    A temporary usage report is added to each site to read the numbers by. The average is weighted by requests; both are
    seconds.

    \b
    fleet usage slow --since 1d -s prod
    fleet usage slow 'Planning/*' --over 5s -o csv
    """
    from fleet.aggregate.usage import totals

    names = {
        "RequestCount": "requests",
        "RequestAvgResponseTime": "average",
        "RequestMaxResponseTime": "longest",
    }

    def rows(found: Mapping[str, Usage], keys: Sequence[str]) -> list[dict[str, Any]]:
        told = totals(_entries(found), keys, list(names))
        renamed = [{names.get(key, key): value for key, value in row.items()} for row in told]
        kept = [row for row in renamed if row["requests"] and (over is None or (row["longest"] or 0) > over)]
        return sorted(kept, key=lambda row: (-(row["longest"] or 0), -(row["average"] or 0)))

    return _run(
        common,
        confirm,
        "usage slow",
        services,
        _period(since),
        list(names),
        lambda usage: rows({"": usage}, ["service"]),
        lambda found: rows(found, ["site", "service"]),
        ["site", "service", *names.values()],
    )


@command.command(name="settings")
@where_option
@output_option()
@run_options
def settings(common: Common, where: str | None) -> int:
    """Whether and how sites count requests: each how many minutes, and for how many days it is kept (0: for ever).

    \b
    fleet usage settings --where 'enabled=false'
    """
    from fleet import admin as ops

    columns = ("enabled", "samplingInterval", "maxHistory", "statisticsDir")

    async def read(client: SiteClient) -> Sequence[dict[str, Any]]:
        told = await client.call(ops.usage.settings())
        return [{name: told.get(name) for name in columns}]

    found = condition(where, columns)
    return list_rows(common, read, name="usage settings", where=found, shown=columns, columns=columns)


def _period(since: float, *, hours: bool = False) -> Period:
    from fleet.rows.usage import Period

    return Period.last(since, "hour" if hours or since % 86_400 else "day")


def _entries(found: Mapping[str, Usage], dated: bool = False) -> Iterator[tuple[dict[str, Any], Mapping[str, Total]]]:
    """What every service did in every slice, labelled; unless *dated*, a service that did nothing is there as well."""
    for site, usage in found.items():
        used = {one.service for one in usage.used}
        for one in usage.used:
            service = one.service
            labels = {"service": str(service), "folder": service.folder, "type": service.type, "site": site}
            yield {**labels, "day": one.slice[:10], "hour": one.slice}, one.numbers
        for service in usage.services:
            if service not in used and not dated:
                labels = {"service": str(service), "folder": service.folder, "type": service.type, "site": site}
                yield {**labels, "day": None, "hour": None}, {}


def _run(
    common: Common,
    confirm: Sequence[str],
    name: str,
    services: tuple[str, ...],
    period: Period,
    metrics: Sequence[str],
    rows_of: Callable[[Usage], list[dict[str, Any]]],
    merged: Callable[[Mapping[str, Usage]], list[dict[str, Any]]],
    columns: Sequence[str],
    names: Callable[[Mapping[str, Usage]], list[str]] | None = None,
) -> int:
    """Read usage on every selected site and write *merged*, or the *names*; the exit status."""
    from fleet.audit import AuditLog, Origin, audit_file
    from fleet.cli.asking import check_confirmed
    from fleet.cli.run import run_on_sites, say
    from fleet.cli.service_options import Unfitting, patterns_of
    from fleet.cli.writing import write_report
    from fleet.fanout.engine import Skipped
    from fleet.render.clean import one_line
    from fleet.rows.usage import read_usage

    patterns = patterns_of(services)
    unfitting = Unfitting(patterns)
    check_columns(common, columns)
    found: dict[str, Usage] = {}

    async def run(session: Session) -> Report:
        async def work(client: SiteClient) -> Any:
            if client.site.protected and client.site.name not in confirm:
                raise Skipped(
                    "it is protected, and a report is added to it for the moment: give --confirm and its name"
                )
            usage = await read_usage(
                client,
                period,
                metrics,
                chosen=patterns.match,
                folders=patterns.folders,
                change=_recorded(audit, client),
            )
            if usage.warning is not None:
                client.note("usage", usage.warning)
            found[client.site.name] = usage
            unfitting.saw(usage.services)
            return {"rows": rows_of(usage)}

        audit.mask = session.fleet.clients.masked
        told = await session.selection.run(
            work,
            command=name,
            query=common.query,
            on_outcome=session.lines,
            stop=session.stop,
            progress=session.progress,
        )
        order = {site.name: found[site.name] for site in session.selection.sites if site.name in found}
        return replace(told, merged={"rows": merged(order)})

    def write(told: Report) -> int | None:
        if common.format == "names" and names is not None:
            for line in names(found):
                click.echo(one_line(line, 1000))
            for failed in told.failures():
                say(f"{failed.site} is left out: {getattr(failed, 'error', '')}")
        else:
            write_report(common, told, rows=lambda whole: whole.merged["rows"], blank=columns)
        nothing = None if told.interrupted or common.allow_empty else unfitting.told(told)
        if nothing is None:
            return None
        say(nothing)
        return told.exit_code(common.require_coverage) or 1

    try:
        audit = AuditLog(audit_file(), Origin.here(name.replace(" ", "."), common.selection))
    except AuditFailed as error:
        raise UsageError(str(error)) from None
    with audit:
        return run_on_sites(
            common,
            run,
            write,
            changes=True,
            before=lambda fleet, selection: check_confirmed(selection.sites, confirm),
        )


def _recorded(audit: AuditLog, client: SiteClient) -> Callable[[Any], Awaitable[Any]]:
    """How the temporary report is added and given up: with a record of it, and given up in any case."""

    async def send(operation: Any) -> Any:
        try:
            return await audit.carry_out(client, operation)
        except AuditFailed as error:
            if operation.name == "usagereports.delete":
                return await client.ask(operation)
            raise ServerFailed(str(error), may_have_arrived=False) from None

    return send
