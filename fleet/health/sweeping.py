"""A sweep: the checks of every selected site, run side by side, with a verdict on each."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import anyio

from fleet.aggregate import compile_query
from fleet.client.site import SiteClient
from fleet.errors import SiteError, Unhealthy, UsageError
from fleet.fanout.engine import Progress, Work
from fleet.fanout.fleet import Selection
from fleet.fanout.stop import Stop
from fleet.health.advice import advice_for
from fleet.health.check import RANK, Check, Finding, Status
from fleet.health.facts import Facts
from fleet.health.verdicts import Verdicts
from fleet.inventory.model import CheckSettings
from fleet.outcome import Outcome, error_object
from fleet.report import Report, ReportWarning

__all__ = ["WIDE", "HealthOptions", "checks_of", "load_checks", "sweep", "verdict_work"]

GROUP = "fleet.checks"
ORDER = ("tls", "healthcheck", "login", "release", "machines", "services", "instances", "mode", "license")

WIDE = 256
"""Requests of one sweep that read from one site at once, where the inventory does not say `reads`.

So many machines and folders cost one round trip together; a site that lists more than it can have is asked in turns.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthOptions:
    """Which checks run: `only` these, or the usual ones `also` with these; `since` is seconds back into the logs.

    With `strict` a warning makes a site unhealthy.
    """

    only: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    strict: bool = False
    since: float = 86_400.0


def load_checks() -> dict[str, Check]:
    """Every check that is installed, ours and others', by name.

    Raises `UsageError` for one that can't be loaded, or that has the name of another.
    """
    from importlib.metadata import entry_points

    found: dict[str, Check] = {}
    places: dict[str, str] = {}
    for entry in entry_points(group=GROUP):
        try:
            check = entry.load()
        except Exception as error:
            raise UsageError(f"the health check {entry.name!r} of {entry.value} can't be loaded: {error}") from error
        if not isinstance(check, Check):
            raise UsageError(f"{entry.value} is named as a health check and is none")
        if check.name in found and places[check.name] != entry.value:
            raise UsageError(f"two health checks are called {check.name!r}: {places[check.name]} and {entry.value}")
        found[check.name], places[check.name] = check, entry.value
    order = {name: place for place, name in enumerate(ORDER)}
    return dict(sorted(found.items(), key=lambda item: (order.get(item[0], len(ORDER)), item[0])))


def checks_of(options: HealthOptions, known: Mapping[str, Check]) -> Sequence[Check]:
    """The checks that *options* ask for; raises `UsageError` for a name that there is none of."""
    for name in (*options.only, *options.also):
        if name not in known:
            raise UsageError(f"there is no health check {name!r}; there are {', '.join(known)}")
    if options.only:
        return [known[name] for name in dict.fromkeys((*options.only, *options.also))]
    return list(known.values())


async def sweep(
    selection: Selection,
    options: HealthOptions | None = None,
    *,
    checks: Mapping[str, Check] | None = None,
    query: str | None = None,
    stop: Stop | None = None,
    progress: Progress | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
    keep: bool = True,
    deadline: float | str | None = None,
    width: int | None = None,
) -> Report:
    """Check every site of *selection*; the other arguments are those of `Selection.run`.

    Each value is `{"status", "release", "checks": [{"check", "status", "saw", "wanted", "advice", "items", "elapsed"}]}`;
    a check that could not be carried out has `error` besides, which is `{"kind", "message", "code", "hint"}`.
    A site with a critical check fails as `unhealthy`; a site of which a check could not be carried out fails as what
    stood in the way. *query* is a JMESPath expression that takes the place of each value once the verdicts are counted.
    Raises `UsageError` for a check that there is none of, and for a query that can't be read.
    """
    options = options or HealthOptions()
    ask = None if query is None else _Queried(compile_query(query), on_outcome, keep)
    order = {site.name: place for place, site in enumerate(selection.sites)}
    report = await selection.run(
        verdict_work(options, load_checks() if checks is None else checks),
        command="health",
        aggregator=Verdicts(order),
        stop=stop,
        progress=progress,
        on_outcome=on_outcome if ask is None else ask,
        keep=keep and ask is None,
        deadline=deadline,
        width=width,
    )
    return report if ask is None else ask.finished(report, order)


class _Queried:
    """Takes each outcome on its way out, and gives it on with what the query makes of its value."""

    def __init__(self, ask: Callable[[Any], Any], on_outcome: Callable[[Outcome], None] | None, keep: bool) -> None:
        self._ask = ask
        self._on_outcome = on_outcome
        self._keep = keep
        self._kept: list[Outcome] = []
        self._misfits: list[ReportWarning] = []

    def __call__(self, outcome: Outcome) -> None:
        if outcome.value is not None:
            try:
                value = self._ask(outcome.value)
            except ValueError as error:
                message = f"the query does not fit this answer: {error}"
                self._misfits.append(ReportWarning(site=outcome.site, kind="query", message=message))
                value = None
            outcome = replace(outcome, value=value)
        if self._on_outcome is not None:
            self._on_outcome(outcome)
        if self._keep:
            self._kept.append(outcome)

    def finished(self, report: Report, order: Mapping[str, int]) -> Report:
        """*report* with the outcomes that were kept."""
        kept = sorted(self._kept, key=lambda outcome: order[outcome.site])
        return replace(report, outcomes=kept, warnings=[*report.warnings, *self._misfits])


def verdict_work(options: HealthOptions, known: Mapping[str, Check]) -> Work:
    """What a sweep does on one site."""
    asked = checks_of(options, known)
    named = {*options.only, *options.also}

    async def work(client: SiteClient) -> dict[str, Any]:
        settings = client.site.checks
        chosen = []
        for check in asked:
            said = settings.get(check.name)
            enabled = None if said is None else said.enabled
            if check.name in named or (enabled if enabled is not None else not check.on_demand):
                chosen.append(check)
        look = _Look(client, chosen, options)
        client.finishing = False
        client.partial = look.so_far
        with client.wide_reads(WIDE):
            await look.carry_out()
        return look.judged()

    return work


class _Look:
    """The checks of one site, and what has come of them so far."""

    def __init__(self, client: SiteClient, checks: Sequence[Check], options: HealthOptions) -> None:
        self._client = client
        self._checks = checks
        self._strict = options.strict
        self._facts = Facts(client, since=options.since)
        self._began = time.monotonic()
        self._rows: dict[str, dict[str, Any]] = {}
        self._obstacles: dict[str, SiteError] = {}

    async def carry_out(self) -> None:
        """Run every check; what each finds is on record the moment it is known."""
        async with anyio.create_task_group() as group:
            for check in self._checks:
                group.start_soon(self._one, check)

    async def _one(self, check: Check) -> None:
        said = self._client.site.checks.get(check.name)
        try:
            finding = await check.look(self._facts, check.limits_for(said))
        except SiteError as error:
            finding = _not_carried_out(error)
        except Exception as error:
            error.add_note(f"in the health check {check.name!r}, on the site {self._client.site.name}")
            raise
        if not isinstance(finding, Finding) or finding.status not in RANK:
            raise TypeError(f"the health check {check.name!r} came back with {finding!r}, which is no finding")
        self._record(check, finding, said)

    def _record(self, check: Check, finding: Finding, said: CheckSettings | None) -> None:
        status = _weighed(finding.status, said)
        obstacle = finding.obstacle
        advice = finding.advice
        if not advice and status != "ok":
            advice = advice_for(obstacle, check.name, self._client.site.name)
        row: dict[str, Any] = {
            "check": check.name,
            "status": status,
            "saw": finding.saw,
            "wanted": finding.wanted,
            "advice": advice,
            "items": list(finding.items),
            "elapsed": round(time.monotonic() - self._began, 3),
        }
        if obstacle is not None:
            self._obstacles[check.name] = obstacle
            row["error"] = error_object(obstacle)
        self._rows[check.name] = row

    def so_far(self, error: SiteError) -> dict[str, Any]:
        """The value of a look that *error* broke off: the checks that did run, and the others as `unknown`."""
        for check in self._checks:
            if check.name not in self._rows:
                self._record(check, _not_carried_out(error), None)
        return self._value()

    def _value(self) -> dict[str, Any]:
        rows = [self._rows[check.name] for check in self._checks]
        worst = max((row["status"] for row in rows), key=lambda status: RANK[status], default="unknown")
        release = self._client.release
        return {
            "status": "ok" if worst == "skipped" else worst,
            "release": None if release is None else str(release),
            "checks": rows,
        }

    def judged(self) -> dict[str, Any]:
        """The value of a site that is well; raises what makes it a failure, with the value kept."""
        value = self._value()
        error = self._failure(value)
        if error is None:
            return value
        error.value = value
        raise error

    def _failure(self, value: Mapping[str, Any]) -> SiteError | None:
        rows: Sequence[Mapping[str, Any]] = value["checks"]
        bad = [row for row in rows if row["status"] == "critical" or (self._strict and row["status"] == "warning")]
        for row in bad:
            if row["check"] not in self._obstacles:
                names = ", ".join(one["check"] for one in bad)
                return Unhealthy(f"{names}: {row['saw']}", hint=row["advice"] or None)
        if not bad and value["status"] != "unknown":
            return None
        met = [row for row in rows if row["check"] in self._obstacles]
        if not met:
            what = next((row for row in rows if row["status"] == "unknown"), None)
            if what is None:
                return Unhealthy(
                    "no check was carried out", hint="enable a check for this site, or name one with --check"
                )
            return Unhealthy(f"{what['check']}: {what['saw']}", hint=what["advice"] or None)
        # What the breaker says later is only the echo of what went wrong first.
        first = next((row for row in met if row["error"]["kind"] != "circuit_open"), met[0])
        obstacle = self._obstacles[first["check"]]
        obstacle.hint = obstacle.hint or first["advice"]
        return obstacle


def _not_carried_out(error: SiteError) -> Finding:
    return Finding(status="unknown", saw=error.message, wanted="an answer", advice=error.hint or "", obstacle=error)


def _weighed(status: Status, said: CheckSettings | None) -> Status:
    """*status* as the inventory has it weigh: no worse than a warning, or no less than critical."""
    if said is None or said.severity is None or status not in ("warning", "critical"):
        return status
    return said.severity
