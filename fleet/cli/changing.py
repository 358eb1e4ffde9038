"""How a command changes sites: it plans by reading, asks with the counts, carries out, and tells what became of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import click

from fleet.cli.asking import can_ask, check_confirmed
from fleet.cli.common import Common, completed_by, output_option, run_options
from fleet.cli.leasing import leased
from fleet.errors import AuditFailed, UsageError

if TYPE_CHECKING:
    from fleet.audit import AuditLog
    from fleet.bulk import Planned, Verb
    from fleet.cli.run import Session
    from fleet.inventory.model import Site
    from fleet.report import Report

__all__ = ["Consent", "Nothing", "change_options", "none_fits", "run_verb"]

F = TypeVar("F", bound=Callable[..., Any])

Nothing: TypeAlias = "Callable[[dict[str, Planned]], str | None]"
"""Told all plans by site: a sentence where they show that what was named is nowhere."""

Begin: TypeAlias = "Callable[[Session], Awaitable[None]]"
"""Done once before anything is planned."""


@dataclass(frozen=True, slots=True)
class Consent:
    """What the command line says of a change: only to tell of it, not to ask, and which protected sites are meant."""

    dry_run: bool = False
    yes: bool = False
    confirm: tuple[str, ...] = ()


def change_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every command that changes sites, with the common ones; *function* gets `Common` and `Consent`."""

    def call(common: Common, **given: Any) -> Any:
        names = ("dry_run", "yes", "confirm")
        return function(common, Consent(**{name: given.pop(name) for name in names}), **given)

    call.__name__, call.__doc__ = function.__name__, function.__doc__
    call.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
    options = (
        click.option("--dry-run", is_flag=True, help="Only read, and tell what would change."),
        click.option("--yes", is_flag=True, help="Don't ask before the change."),
        click.option(
            "--confirm",
            multiple=True,
            metavar="SITE",
            shell_complete=completed_by("sites"),
            help="Change this protected site too (repeatable).",
        ),
        output_option(),
        run_options,
    )
    wrapped: Callable[..., Any] = call
    wrapped = options[-1](wrapped)
    for option in reversed(options[:-1]):
        wrapped = option(wrapped)
    return wrapped


def none_fits(thing: str, texts: Sequence[str], where: str | None = None, ignored: bool = False) -> Nothing:
    """What `run_verb` asks with all plans: a sentence where no *thing* of any site is meant, unless that is *ignored*.

    *texts* are the patterns, and *where* the condition, that it is meant by.
    """

    def told(plans: dict[str, Planned]) -> str | None:
        if ignored or any(planned.changes for planned in plans.values()):
            return None
        fits = f"{' or '.join(texts) or 'what was asked for'} fits no {thing}" + (f" with {where}" if where else "")
        return f"{fits} of any of {len(plans)} sites" if len(plans) > 1 else f"{fits} of {next(iter(plans))}"

    return told


def run_verb(
    common: Common,
    consent: Consent,
    verb: Verb,
    *,
    none: Nothing | None = None,
    begin: Begin | None = None,
) -> int:
    """Plan *verb* on the selected sites, ask, carry it out, and write what became of it; the exit status.

    *none* is asked with all plans before anything is sent: a text that it gives is a `UsageError` (a pattern that fits
    nothing anywhere). Raises `UsageError` without `-s`, and where nobody can be asked and `--yes` is not given.
    """
    from fleet.cli.listing import check_columns
    from fleet.cli.run import run_on_sites
    from fleet.render.changes import CHANGE_COLUMNS

    check_columns(common, [*CHANGE_COLUMNS[1:], "change"] if common.format == "html" else CHANGE_COLUMNS[1:])
    if common.select is None:
        raise UsageError("a change needs -s, also for all sites: -s all")
    if not consent.dry_run and not consent.yes and not can_ask():
        raise UsageError("there is no terminal to ask on: give --yes to go ahead without being asked")
    if consent.dry_run:
        return run_on_sites(common, _planned(common, verb, none, begin), lambda report: _write(common, report))
    with _open_audit(common, verb) as audit:
        return run_on_sites(
            common,
            _changed(common, consent, verb, audit, none, begin),
            lambda report: _write(common, report),
            changes=True,
            before=lambda fleet, selection: check_confirmed(selection.sites, consent.confirm),
        )


def _open_audit(common: Common, verb: Verb) -> AuditLog:
    from fleet.audit import AuditLog, Origin, audit_file

    try:
        return AuditLog(audit_file(), Origin.here(verb.name, common.selection))
    except AuditFailed as error:
        raise UsageError(str(error)) from None


def _planned(
    common: Common, verb: Verb, none: Nothing | None, begin: Begin | None
) -> Callable[[Session], Awaitable[Report]]:
    async def work(session: Session) -> Report:
        from fleet.bulk import plan

        if begin is not None:
            await begin(session)
        report, plans = await plan(
            session.selection,
            verb,
            query=common.query,
            stop=session.stop,
            progress=session.progress,
            on_outcome=session.lines,
        )
        _refuse_nothing(none, plans)
        return report

    return work


def _refuse_nothing(none: Nothing | None, plans: dict[str, Planned]) -> None:
    told = none(plans) if none is not None and plans else None
    if told:
        raise UsageError(f"{told}; nothing was sent")


def _changed(
    common: Common, consent: Consent, verb: Verb, audit: AuditLog, none: Nothing | None, begin: Begin | None
) -> Callable[[Session], Awaitable[Report]]:
    async def work(session: Session) -> Report:
        from fleet.bulk import apply, not_begun, plan
        from fleet.fanout.fleet import Selection

        selection, fleet = session.selection, session.fleet
        session.progress.again(len(selection), "planning")
        audit.mask = fleet.clients.masked
        if begin is not None:
            await begin(session)
        first, plans = await plan(selection, verb, stop=session.stop, progress=session.progress)
        if first.interrupted:
            first = not_begun(first)
            if session.lines is not None:
                for outcome in first.outcomes:
                    session.lines(outcome)
            return first
        _refuse_nothing(none, plans)
        touched = [site for site in selection.sites if site.name in plans and plans[site.name].pending]
        with session.asking():
            allowed = _ask(verb, plans, touched, consent)
        left = {site.name for site in selection.sites} - {site.name for site in touched}
        changed = [site for site in touched if not site.protected or site.name in allowed]
        async with leased(verb.name, changed) as leases:
            for outcome in first.outcomes:
                if outcome.site in left and session.lines is not None:
                    session.lines(outcome)
            session.progress.again(len(touched))
            second = await apply(
                Selection(fleet, touched),
                verb,
                plans,
                audit=audit,
                allowed=allowed,
                leases=leases,
                query=common.query,
                stop=session.stop,
                progress=session.progress,
                on_outcome=session.lines,
            )
        return _joined(first, second, [site.name for site in selection.sites], left)

    return work


def _joined(first: Report, second: Report, order: Sequence[str], left: set[str]) -> Report:
    """One report of both halves: of sites with nothing to do the plan, of the others what was done."""
    from collections import Counter

    outcomes = {outcome.site: outcome for outcome in first.outcomes if outcome.site in left}
    outcomes |= {outcome.site: outcome for outcome in second.outcomes}
    found = [outcomes[site] for site in order]
    return replace(
        second,
        started=first.started,
        elapsed=first.elapsed + second.elapsed,
        outcomes=found,
        counts=Counter(outcome.outcome for outcome in found),
        names={outcome.site: outcome.outcome for outcome in found},
        warnings=list(dict.fromkeys([*first.warnings, *second.warnings])),
    )


def _ask(verb: Verb, plans: dict[str, Planned], sites: Sequence[Site], consent: Consent) -> frozenset[str]:
    """Ask whether the change is meant, with its counts; the protected sites that may be changed as well."""
    from fleet.cli.asking import ask_about
    from fleet.render.changes import old_to_new
    from fleet.render.clean import one_line
    from fleet.render.columns import plural
    from fleet.render.names import fold_names

    if not sites:
        return frozenset(consent.confirm)
    told: dict[tuple[str, str], list[str]] = {}
    for site in sites:
        for one in plans[site.name].pending:
            told.setdefault((one.item, old_to_new(one.old, one.new)), []).append(site.name)
    lines = []
    for (item, change), names in list(told.items())[:SHOWN]:
        where = f"  ({fold_names(names, 60)})" if len(sites) > 1 else ""
        lines.append(one_line(f"  {item}  {change}{where}", 400))
    if len(told) > SHOWN:
        lines.append(f"  … and {len(told) - SHOWN} more; --dry-run shows all")
    if verb.disrupts:
        lines.append("  This interrupts what runs there.")

    def question(names: Sequence[str]) -> str:
        count = sum(len(plans[name].pending) for name in names)
        what = f"{verb.doing} {plural(count, verb.thing)}"
        return f"{what[0].upper()}{what[1:]} on {plural(len(names), 'site')}?"

    return ask_about(lines, question, sites, named=consent.confirm, yes=consent.yes)


SHOWN = 30
"""Changes that are shown before the question; the rest is counted."""


def _write(common: Common, report: Report) -> None:
    from fleet.cli.writing import write_report
    from fleet.render.changes import PAGE_COLUMNS, change_lines, change_page_rows, change_rows

    page = common.format == "html"
    rows = change_page_rows if page else change_rows
    write_report(common, report, rows=rows, lines=change_lines, shown=PAGE_COLUMNS if page else None)
