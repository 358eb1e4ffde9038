"""Planning and carrying out a verb on many sites: one outcome per site, with what became of each change in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

from fleet.audit import AuditLog
from fleet.bulk.change import Change, Planned, impossible
from fleet.bulk.verb import Sender, Stopping, Verb
from fleet.client.site import Answer, SiteClient
from fleet.errors import AuditFailed, Cancelled, FateUnknown, ServerFailed, SiteError
from fleet.fanout.engine import Progress, Skipped, Work
from fleet.fanout.fleet import Selection
from fleet.fanout.leases import Lease
from fleet.fanout.stop import Stop
from fleet.outcome import NotReached, Outcome, error_object, outcome_of
from fleet.report import Report

__all__ = ["apply", "change", "not_begun", "plan", "planning"]


def planning(verb: Verb, plans: dict[str, Planned]) -> Work:
    """Work that plans *verb* on a site and keeps the plan in *plans*: `changed` or `noop` as it would be.

    A site on which something is impossible fails; its value tells the rest all the same.
    """

    async def work(client: SiteClient) -> Answer[Any]:
        planned = plans[client.site.name] = Planned(client.site.name, await verb.plan(client))
        value = {"changes": [one.to_dict() for one in planned.changes]}
        if planned.impossible:
            raise _impossible(planned, value)
        unverified = any(op.changes and op.read_back is None for one in planned.pending for op in one.operations)
        return Answer(
            value=value,
            outcome="changed" if planned.pending else "noop",
            verified=False if unverified else None,
        )

    return work


async def plan(selection: Selection, verb: Verb, **options: Any) -> tuple[Report, dict[str, Planned]]:
    """What *verb* would change on each site of *selection*, told by reading only: the report of a dry run, and the plans.

    *options* are those of `Selection.run`.
    """
    plans: dict[str, Planned] = {}
    report = await selection.run(planning(verb, plans), command=verb.name, dry_run=True, **options)
    return report, plans


def not_begun(report: Report) -> Report:
    """*report* of a dry run as that of a change which was stopped while it was planned: what would change was not run."""
    outcomes = [_not_begun(outcome) for outcome in report.outcomes]
    return replace(
        report,
        dry_run=False,
        outcomes=outcomes,
        counts=Counter(outcome.outcome for outcome in outcomes),
        names={outcome.site: outcome.outcome for outcome in outcomes},
    )


def _not_begun(outcome: Outcome) -> Outcome:
    if not isinstance(outcome.value, Mapping) or "changes" not in outcome.value:
        return outcome
    words = {"noop": "noop", "change": "not_run", "impossible": "failed"}
    value = {
        "changes": [
            {key: told for key, told in one.items() if key != "state"} | {"outcome": words[one["state"]]}
            for one in outcome.value["changes"]
        ]
    }
    if outcome.outcome != "changed":
        return replace(outcome, value=value)
    error = Cancelled("the run was stopped before anything was sent")
    attempts, elapsed, at = outcome.attempts, outcome.elapsed, outcome.at
    return NotReached(site=outcome.site, error=error, value=value, attempts=attempts, elapsed=elapsed, at=at)


async def apply(
    selection: Selection,
    verb: Verb,
    plans: Mapping[str, Planned] | None = None,
    *,
    audit: AuditLog | None = None,
    allowed: Collection[str] = (),
    leases: Mapping[str, Lease] | None = None,
    stop: Stop | None = None,
    progress: Progress | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
    **options: Any,
) -> Report:
    """Carry *verb* out on *selection*; each site is read again first, and every change is seen in its state afterwards.

    With *plans*, what was asked about: a change that is no longer the one in the plan is left alone, and says so.
    Protected sites are skipped unless they are in *allowed*. *audit* records every change. *leases*, by site, keep others
    off the sites (`fleet.fanout.leases.Leases` takes them): before each change that of its site is checked. A site's
    value is `{"changes": [{"item", "old", "new", "outcome", …}]}` with an outcome of its own for each change.
    """
    if progress is not None and plans is not None:
        chosen = [plans[site.name] for site in selection.sites if site.name in plans]
        steps = sum(len(planned.pending) for planned in chosen)
        progress.expect(steps, verb.thing, selection.fleet.clients.clock())
    work = _applying(verb, plans, Sender(audit, stop, progress, leases), allowed, progress)
    return await selection.run(work, command=verb.name, stop=stop, progress=progress, on_outcome=on_outcome, **options)


async def change(selection: Selection, verb: Verb, *, audit: AuditLog | None = None, **options: Any) -> Report:
    """Plan and carry out *verb* on *selection* in one go; *options* are those of `apply`."""
    return await apply(selection, verb, None, audit=audit, **options)


def _applying(
    verb: Verb,
    plans: Mapping[str, Planned] | None,
    sender: Sender,
    allowed: Collection[str],
    progress: Progress | None,
) -> Work:
    async def work(client: SiteClient) -> Answer[Any]:
        name = client.site.name
        if client.site.protected and name not in allowed:
            raise Skipped("it is protected: give --confirm and its name to change it too")
        changes = await verb.plan(client)
        if plans is not None:
            changes = _as_agreed(plans.get(name), changes)
        planned = Planned(name, changes)
        results = _Results(planned, verb.tells)
        client.partial = lambda error: results.value(error)

        def done(one: Change, result: Answer[Any] | BaseException) -> None:
            results.done(one, result)
            if progress is not None:
                progress.steps += 1

        try:
            await verb.carry_out(client, planned.pending, sender, done)
        except Stopping:
            results.rest("not_run", Cancelled("the run was stopped before this one's turn"))
        except AuditFailed as error:
            results.rest("skipped", Cancelled(str(error)))
        except SiteError as error:
            results.rest("not_run", error)
        return results.answer()

    return work


def _as_agreed(planned: Planned | None, changes: Sequence[Change]) -> Sequence[Change]:
    """*changes*, of which those are left alone that are not what was agreed to."""
    agreed = {one.item: one for one in (planned.changes if planned else ())}
    found = []
    for one in changes:
        before = agreed.pop(one.item, None)
        if one.state == "change" and (before is None or not before.same_as(one)):
            told = "it was not there when you were asked" if before is None else "it has changed since you were asked"
            one = impossible(one.item, told, old=one.old, new=one.new)
        found.append(one)
    for gone in agreed.values():
        if gone.state == "change":
            told = "it was there when you were asked, and is not any more"
            found.append(impossible(gone.item, told, old=gone.old, new=gone.new))
    return found


class _Results:
    """What became of each change of one site."""

    def __init__(self, planned: Planned, tells: Sequence[str] = ()) -> None:
        self._planned = planned
        self._tells = tells
        self._told: dict[int, dict[str, Any]] = {}
        self._errors: list[tuple[Change, SiteError]] = []
        self._unverified = False
        for one in planned.changes:
            if one.state == "noop":
                self._tell(one, "noop")
            elif one.state == "impossible":
                self._failed(one, _error_of(one), "failed")

    def done(self, one: Change, result: Answer[Any] | BaseException) -> None:
        if isinstance(result, Answer):
            self._unverified = self._unverified or result.verified is False
            more: dict[str, Any] = {} if result.verified is None else {"verified": result.verified}
            if messages := _messages(result.value):
                more["messages"] = messages
            if isinstance(result.value, Mapping):
                more |= {name: result.value[name] for name in self._tells if name in result.value}
            self._tell(one, result.outcome, **more)
        elif isinstance(result, SiteError):
            self._failed(one, result, outcome_of(result))
        elif not isinstance(result, Stopping | AuditFailed):
            unknown = FateUnknown("it was broken off, and its fate is unknown", hint="look at the site")
            self._failed(one, unknown, "unknown")

    def rest(self, outcome: str, error: SiteError) -> None:
        """What was not come to."""
        for one in self._planned.changes:
            if id(one) not in self._told:
                self._failed(one, error, outcome)

    def _failed(self, one: Change, error: SiteError, outcome: str) -> None:
        self._errors.append((one, error))
        self._tell(one, outcome, error=error_object(error))

    def _tell(self, one: Change, outcome: str, **more: Any) -> None:
        told = {"item": one.item, "old": one.old, "new": one.new, "outcome": outcome, **more}
        self._told[id(one)] = {**told, "why": one.why} if one.why and one.state != "impossible" else told

    def value(self, error: SiteError | None = None) -> dict[str, Any]:
        """`{"changes": […]}`; those that were not come to are `not_run`."""
        return {
            "changes": [
                self._told.get(id(one)) or {"item": one.item, "old": one.old, "new": one.new, "outcome": "not_run"}
                for one in self._planned.changes
            ]
        }

    def answer(self) -> Answer[Any]:
        """The site's answer; raises the error that tells of those that failed, with all of them in its value."""
        if self._errors:
            raise self._error()
        outcomes = {told["outcome"] for told in self._told.values()}
        return Answer(
            value=self.value(),
            outcome="changed" if "changed" in outcomes else "noop",
            verified=False if self._unverified else None,
        )

    def _error(self) -> SiteError:
        first = min(self._errors, key=lambda pair: outcome_of(pair[1]) != "unknown")
        error = _named(first, len(self._errors), len(self._planned.changes))
        error.value = self.value()
        return error


def _messages(value: Any) -> list[str]:
    """What a site said beside its success: warnings, or what a job told on its way."""
    told = value.get("messages") if isinstance(value, Mapping) else None
    texts = [one.get("description") if isinstance(one, Mapping) else one for one in told or () if one]
    return [text for text in texts if isinstance(text, str)][:20] if isinstance(told, list) else []


def _named(first: tuple[Change, SiteError], count: int, of: int) -> SiteError:
    """The error of the first failed change, which says how many there are."""
    one, error = first
    item = f"{one.item}: " if one.item else ""
    if of > 1:
        error.reword(f"{count} of {of} not done; {item}{error.message}")
    elif item and one.item not in error.message:
        error.reword(f"{item}{error.message}")
    return error


def _error_of(one: Change) -> SiteError:
    """A fresh copy of the error of an impossible change: whoever raises it writes into it."""
    return copy(one.error) if one.error is not None else ServerFailed(one.why, may_have_arrived=False)


def _impossible(planned: Planned, value: Any) -> SiteError:
    one = planned.impossible[0]
    error = _named((one, _error_of(one)), len(planned.impossible), len(planned.changes))
    error.value = value
    return error
