"""`fleet diff`: what differs between sites, from one of them, from most of them, or from what a snapshot holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fleet.cli.common import Common, completed_by, load_inventory, output_option, run_options
from fleet.errors import UsageError

if TYPE_CHECKING:
    from fleet.aggregate.compare import Comparison
    from fleet.cli.run import Session
    from fleet.render.columns import Terminal
    from fleet.report import Report
    from fleet.snapshots.comparing import Wanted

__all__ = ["command"]

SECTIONS = ("services", "machines", "security", "system", "datastores", "logs", "site", "usage", "uploads")
LIVE = "live"


@click.command(name="diff")
@click.argument("what", nargs=-1, type=click.Choice(SECTIONS), metavar="[WHAT]...")
@click.option(
    "--baseline",
    metavar="SITE|SNAPSHOT|majority",
    shell_complete=completed_by("snapshots_or_sites"),
    help="What they are compared with: a site, a snapshot, or what most sites have (majority).",
)
@click.option(
    "--from",
    "before",
    metavar="SNAPSHOT",
    shell_complete=completed_by("snapshots"),
    help="Compare each site with itself in this snapshot.",
)
@click.option(
    "--to",
    "after",
    metavar="SNAPSHOT|live",
    shell_complete=completed_by("snapshots"),
    help="Take this snapshot in place of the sites (live).",
)
@click.option("--mask", multiple=True, metavar="PATH", help="Leave members out, as [mask] paths do (repeatable).")
@click.option("--no-mask", is_flag=True, help="Compare times, ids, paths and host names too.")
@output_option()
@run_options
def command(common: Common, **given: Any) -> int:
    """What differs between the selected sites, by service and property; WHAT picks some of it.

    \b
    fleet diff -s prod                              from what most sites have
    fleet diff services -s test,prod --baseline dev
    fleet diff --baseline 7d                        each site since a week ago
    fleet diff --from before-upgrade --to after-upgrade

    WHAT is any of services, machines, security, system, datastores, logs, site, usage, uploads. A snapshot is an ID, a
    name, latest, or an age. Ends with status 1 where something differs, with 0 where nothing does.
    """
    from fleet.cli.listing import check_columns
    from fleet.cli.run import run_on_sites
    from fleet.fanout.fleet import Fleet, Selection
    from fleet.render.differences import ROW
    from fleet.snapshots.comparing import compare, compare_kept
    from fleet.snapshots.store import Store

    check_columns(common, ROW)
    store = Store()
    if given["no_mask"] and given["mask"]:
        raise UsageError("--mask and --no-mask exclude each other")
    inventory = load_inventory(common)
    wanted = _wanted(given, inventory, store)
    found: list[Comparison] = []

    def write(report: Report) -> int | None:
        return _write(common, wanted, found[0], report)

    def selected(fleet: Fleet, selection: Selection) -> Selection:
        """The selected sites, and the one that they are compared with."""
        names = {site.name for site in selection.sites}
        if wanted.baseline is None or wanted.baseline in names:
            return selection
        names.add(wanted.baseline)
        return Selection(fleet, [site for name, site in fleet.inventory.sites.items() if name in names])

    if wanted.to is not None:
        from fleet.cli.common import last_outcomes

        fleet = Fleet(inventory, last_run=last_outcomes(inventory))
        selection = selected(fleet, fleet.select(common.selection, allow_empty=common.allow_empty))
        comparison, report = compare_kept(fleet, selection.sites, wanted, store=store)
        found.append(comparison)
        if common.format == "ndjson":
            _write_lines_of(report)
        return write(report) or 0

    async def work(session: Session) -> Report:
        selection = selected(session.fleet, session.selection)
        comparison, report = await compare(selection, wanted, store=store, stop=session.stop, progress=session.progress)
        found.append(comparison)
        if session.lines is not None:
            for outcome in report.outcomes:
                session.lines(outcome)
        return report

    return run_on_sites(common, work, write)


def _wanted(given: dict[str, Any], inventory: Any, store: Any) -> Wanted:
    from fleet.snapshots.comparing import MAJORITY, Wanted

    baseline, before, after = given["baseline"], given["before"], given["after"]
    if baseline is not None and before is not None:
        raise UsageError("--baseline and --from exclude each other: --from SNAPSHOT compares each site with itself")
    site = None
    if baseline is not None and baseline != MAJORITY:
        if baseline in inventory.sites:
            site = baseline
        else:
            before = baseline
    try:
        since = None if before is None else store.find(before)
    except UsageError as error:
        if before != baseline:
            raise
        raise UsageError(f"there is no site {baseline!r} to compare with, and as a snapshot: {error}") from None
    to = None if after in (None, LIVE) else store.find(after)
    return Wanted(
        baseline=site,
        since=since,
        to=to,
        sections=given["what"] or SECTIONS,
        patterns=() if given["no_mask"] else (*inventory.mask, *given["mask"]),
        masked=not given["no_mask"],
    )


def _write_lines_of(report: Report) -> None:
    from fleet.render.plain import outcome_line

    for outcome in report.outcomes:
        click.echo(outcome_line(outcome))


def _write(common: Common, wanted: Wanted, comparison: Comparison, report: Report) -> int | None:
    """The comparison in the format that was asked for; the exit status."""
    from fleet.cli.writing import write_report
    from fleet.render.differences import ROW, difference_lines, difference_rows, verdict_line
    from fleet.render.table import summary_lines

    compared = sum(1 for outcome in report.outcomes if isinstance(getattr(outcome, "value", None), dict))
    lost = wanted.baseline is not None and not any(
        outcome.site == wanted.baseline and isinstance(getattr(outcome, "value", None), dict)
        for outcome in report.outcomes
    )
    verdict = (
        f"{wanted.baseline}, which the others were to be compared with, could not be read: nothing was compared"
        if lost
        else verdict_line(comparison, compared, masked=wanted.masked)
    )

    def lines(report: Report, terminal: Terminal) -> list[str]:
        told = difference_lines(comparison, compared, terminal)
        return [*told, *([""] if told else []), verdict, "", *summary_lines(report, terminal)]

    write_report(
        common,
        report,
        rows=lambda report: difference_rows(comparison),
        lines=lines,
        shown=ROW,
        every=ROW,
        told=_counted(report) if common.format == "json" else None,
        remarks=[verdict],
    )
    status = report.exit_code(common.require_coverage)
    return status or (1 if comparison.differs or lost else 0)


def _counted(report: Report) -> dict[str, Any]:
    """The report with the number of items that differ in place of what `merged` says of them already."""
    data = report.to_dict()
    for outcome in data["outcomes"]:
        if isinstance(outcome.get("value"), dict):
            outcome["value"] = {"differences": len(outcome["value"]["differences"])}
    return data
