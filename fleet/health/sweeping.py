"""A sweep: the checks of every selected site, run side by side, with a verdict on each."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import anyio

from fleet.client.site import SiteClient
from fleet.errors import SiteError, Unhealthy, UsageError
from fleet.fanout.engine import Progress, Work
from fleet.fanout.fleet import Selection
from fleet.fanout.stop import Stop
from fleet.health.check import RANK, Check, Finding
from fleet.health.facts import Facts
from fleet.health.verdicts import Verdicts
from fleet.outcome import Outcome
from fleet.report import Report

__all__ = ["HealthOptions", "checks_of", "load_checks", "sweep", "verdict_work"]

GROUP = "fleet.checks"
ORDER = ("tls", "healthcheck", "login", "release", "machines", "services", "instances", "mode", "license")


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
    """Every check that is installed, ours and others', by name; raises `UsageError` for one that can't be loaded."""
    from importlib.metadata import entry_points

    found: dict[str, Check] = {}
    for entry in entry_points(group=GROUP):
        try:
            check = entry.load()
        except Exception as error:
            raise UsageError(f"the health check {entry.name!r} of {entry.value} can't be loaded: {error}") from error
        if not isinstance(check, Check):
            raise UsageError(f"{entry.value} is named as a health check and is none")
        found[check.name] = check
    places = {name: place for place, name in enumerate(ORDER)}
    return dict(sorted(found.items(), key=lambda item: (places.get(item[0], len(ORDER)), item[0])))


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
    stop: Stop | None = None,
    progress: Progress | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
    keep: bool = True,
) -> Report:
    """Check every site of *selection*.

    Each value is `{"status", "release", "checks": [{"check", "status", "saw", "wanted", "advice", "items", "elapsed"}]}`.
    A site with a critical check fails as `unhealthy`; a site of which a check could not be carried out fails as what
    stood in the way. Raises `UsageError` for a check that there is none of.
    """
    options = options or HealthOptions()
    order = {site.name: place for place, site in enumerate(selection.sites)}
    return await selection.run(
        verdict_work(options, load_checks() if checks is None else checks),
        command="health",
        aggregator=Verdicts(order),
        stop=stop,
        progress=progress,
        on_outcome=on_outcome,
        keep=keep,
    )


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
        return await _look(client, chosen, options)

    return work


async def _look(client: SiteClient, checks: Sequence[Check], options: HealthOptions) -> dict[str, Any]:
    facts = Facts(client, since=options.since)
    results: dict[str, dict[str, Any]] = {}
    obstacles: dict[str, SiteError] = {}

    async def one(check: Check) -> None:
        started = time.monotonic()
        said = client.site.checks.get(check.name)
        limits = check.limits_for(said)
        try:
            finding = await check.look(facts, limits)
        except SiteError as error:
            obstacles[check.name] = error
            finding = Finding(status="unknown", saw=error.message, wanted="an answer", advice=error.hint or "")
        status = finding.status
        if said is not None and said.severity == "warning" and status == "critical":
            status = "warning"
        results[check.name] = {
            "check": check.name,
            "status": status,
            "saw": finding.saw,
            "wanted": finding.wanted,
            "advice": finding.advice,
            "items": list(finding.items),
            "elapsed": round(time.monotonic() - started, 3),
        }

    async with anyio.create_task_group() as group:
        for check in checks:
            group.start_soon(one, check)
    rows = [results[check.name] for check in checks]
    worst = max((row["status"] for row in rows), key=lambda status: RANK[status], default="unknown")
    value = {
        "status": "ok" if worst == "skipped" else worst,
        "release": None if client.release is None else str(client.release),
        "checks": rows,
    }
    return _judged(value, rows, obstacles, options)


def _judged(
    value: dict[str, Any],
    rows: Sequence[Mapping[str, Any]],
    obstacles: Mapping[str, SiteError],
    options: HealthOptions,
) -> dict[str, Any]:
    """*value* of a site that is well; raises what makes it a failure, with *value* kept."""
    bad = [
        row["check"] for row in rows if row["status"] == "critical" or (options.strict and row["status"] == "warning")
    ]
    if bad:
        error: SiteError = Unhealthy(f"{', '.join(bad)}: {next(row['saw'] for row in rows if row['check'] in bad)}")
        error.hint = next((row["advice"] for row in rows if row["check"] in bad and row["advice"]), None)
        error.value = value
        raise error
    if value["status"] == "unknown":
        met = [obstacles[row["check"]] for row in rows if row["check"] in obstacles]
        # What the breaker says later is only the echo of what went wrong first.
        obstacle = next((error for error in met if error.kind != "circuit_open"), met[0] if met else None)
        if obstacle is None:
            what = next(row for row in rows if row["status"] == "unknown")
            obstacle = Unhealthy(f"{what['check']}: {what['saw']}")
        obstacle.value = value
        raise obstacle
    return value
