"""The step `wait`: nothing is changed, and nothing goes on, until what is waited for is so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, TypeAlias

from fleet import admin as ops
from fleet.admin.catalogue import operation_for
from fleet.admin.operation import Operation
from fleet.aggregate.query import compile_query
from fleet.aggregate.where import matches, parse
from fleet.bulk.change import Change
from fleet.bulk.services import Chosen
from fleet.bulk.verb import Done, Sender, Verb, make_by
from fleet.client.site import Answer, SiteClient
from fleet.client.waiting import until_well
from fleet.errors import SiteError, Unhealthy, UsageError, VerifyFailed
from fleet.inventory.tables import nearest
from fleet.outcome import REACHED, outcome_of
from fleet.protocol.patterns import ServicePatterns
from fleet.protocol.release import Release
from fleet.rollout.steps.kinds import Kind
from fleet.rollout.steps.parameters import Given, Making, Parameter

__all__ = ["KINDS", "Wait"]

Look: TypeAlias = Callable[[SiteClient], Awaitable[str]]
"""What is still missing, in words; the empty text once it is so."""

MEMBERS = ("services", "state", "health", "reachable", "release", "path", "where", "query")
ITEM = "wait"


@dataclass(frozen=True)
class Wait(Verb):
    """Wait until every one of *looks* says that it is so, for *timeout* seconds; they are asked *every* so often."""

    until: Mapping[str, Any]
    looks: tuple[Look, ...] = field(repr=False, compare=False)
    timeout: float = 600.0
    every: float = 5.0

    name = "wait"
    doing: str = field(default="wait for", init=False)
    thing: str = field(default="condition", init=False)
    lasting: ClassVar[bool] = False
    resumes: ClassVar[bool] = True

    def parameters(self) -> Mapping[str, Any]:
        return {"until": dict(self.until), "timeout": self.timeout, "every": self.every}

    async def plan(self, client: SiteClient) -> Sequence[Change]:
        # What is missing now may be another thing in a moment: a plan that told it would be stale at once.
        told = dict(self.until)
        try:
            missing = await self._missing(client)
        except SiteError as error:
            if outcome_of(error) not in REACHED and not self.until.get("reachable"):
                raise
            missing = error.message
        return [Change(item=ITEM, state="change" if missing else "noop", new=told)]

    async def carry_out(self, client: SiteClient, changes: Sequence[Change], sender: Sender, done: Done) -> None:
        for change in changes:
            await make_by(client, change, sender, done, partial(self._waited, client, sender))

    async def _waited(self, client: SiteClient, sender: Sender) -> Answer[Any]:
        async def look() -> str:
            # Nothing is in flight: somebody who ends the run need not wait for it.
            sender.begin()
            return await self._missing(client)

        missing = await until_well(look, self.timeout, every=self.every)
        if missing:
            raise VerifyFailed(f"after {self.timeout:g} s {missing}", may_have_arrived=False)
        return Answer(value=None, outcome="noop")

    async def _missing(self, client: SiteClient) -> str:
        for look in self.looks:
            if missing := await look(client):
                return missing
        return ""


async def _services(chosen: Chosen, wanted: str, client: SiteClient) -> str:
    rows, missing = await chosen.rows(client, ("configuredState", "realTimeState"))
    if missing:
        return f"there is no service {missing[0].item}"
    away = [row for row in rows if str(row.get("realTimeState") or "").upper() != wanted]
    if not away:
        return "" if rows else "no service fits"
    more = f" and {len(away) - 1} more" if len(away) > 1 else ""
    return f"{away[0]['service']}{more} is {away[0].get('realTimeState') or 'in no known state'}"


async def _healthy(names: tuple[str, ...], client: SiteClient) -> str:
    from fleet.health.sweeping import HealthOptions, load_checks, verdict_work

    work = verdict_work(HealthOptions(only=names), load_checks())
    try:
        await work(client)
    except Unhealthy as error:
        return error.message
    return ""


async def _reachable(client: SiteClient) -> str:
    await client.call(ops.info.rest())
    await client.call(ops.info.admin())
    return ""


async def _release(least: Release, client: SiteClient) -> str:
    release = Release.of(await client.call(ops.info.rest()))
    if release is not None and release >= least:
        return ""
    return f"its release is {release}" if release is not None else "it does not tell its release"


async def _answer(operation: Operation[Any], fits: Callable[[Any], bool], client: SiteClient) -> str:
    answer = await client.call(operation)
    return "" if fits(answer) else f"{operation.path} does not say so yet"


def _looks(until: Mapping[str, Any]) -> tuple[Look, ...]:
    """What *until* asks; raises `UsageError`."""
    for name in until:
        if name not in MEMBERS:
            near = nearest(str(name), MEMBERS)
            hint = f"did you mean {near}?" if near else f"it has {', '.join(MEMBERS)}"
            raise UsageError(f"until: there is no {str(name)[:60]!r}; {hint}")
    for name, goes_with in (("state", "services"), ("where", "path"), ("query", "path")):
        if name in until and goes_with not in until:
            raise UsageError(f"until: {name} goes with {goes_with}")
    found: list[Look] = []
    if until.get("reachable", False) is not False:
        if until["reachable"] is not True:
            raise UsageError("until: reachable is true")
        found.append(_reachable)
    if "release" in until:
        least = Release.parse(str(until["release"]))
        if least is None:
            raise UsageError('until: release is the least one, such as "11.3"')
        found.append(partial(_release, least))
    if "services" in until:
        found.append(_of_services(until))
    if "health" in until:
        found.append(partial(_healthy, _checks(until["health"])))
    if "path" in until:
        found.append(_of_answer(until))
    if not found:
        raise UsageError(f"until says nothing to wait for: give one of {', '.join(MEMBERS)}")
    return tuple(found)


def _of_services(until: Mapping[str, Any]) -> Look:
    texts = [until["services"]] if isinstance(until["services"], str) else until["services"]
    if not isinstance(texts, list | tuple) or not all(isinstance(one, str) for one in texts):
        raise UsageError("until: services is a text, or a list of texts")
    state = str(until.get("state", "started")).upper()
    if state not in ("STARTED", "STOPPED"):
        raise UsageError("until: state is started or stopped")
    return partial(_services, Chosen(ServicePatterns(tuple(texts))), state)


def _checks(health: Any) -> tuple[str, ...]:
    from fleet.health.sweeping import load_checks

    if health is True:
        return ()
    names = [health] if isinstance(health, str) else health
    if not isinstance(names, list | tuple) or not names or not all(isinstance(one, str) for one in names):
        raise UsageError("until: health is true, or a list of checks")
    known = load_checks()
    for name in names:
        if name not in known:
            near = nearest(name, known)
            hint = f"; did you mean {near}?" if near else ""
            raise UsageError(f"until: there is no health check {name!r}{hint}")
    return tuple(names)


def _of_answer(until: Mapping[str, Any]) -> Look:
    path = until["path"]
    if not isinstance(path, str) or not path.strip("/"):
        raise UsageError("until: path is below the site's base URL, such as admin/mode")
    operation, _ = operation_for(path, method="GET")
    if operation.changes:
        raise UsageError(f"until: {operation.name} is a change, and waiting only reads")
    if ("where" in until) is ("query" in until):
        raise UsageError("until: path goes with where, a condition, or with query, a JMESPath expression")
    if "where" in until:
        where = parse(str(until["where"]))
        return partial(_answer, operation, lambda answer: isinstance(answer, Mapping) and matches(where, answer))
    return partial(_answer, operation, partial(_true, compile_query(str(until["query"]))))


def _true(query: Callable[[Any], Any], answer: Any) -> bool:
    try:
        return bool(query(answer))
    except ValueError:
        return False


def _wait(given: Given, making: Making) -> Verb:
    if not given["every"]:
        raise UsageError("every is more than 0s")
    return Wait(given["until"], _looks(given["until"]), given["timeout"], given["every"])


KINDS = (
    Kind(
        do="wait",
        meaning=(
            "Wait until a condition holds; with several members all of them must. `services` (with `state`, started or "
            "stopped), `health` (true, or names of checks: none is critical), `reachable`, `release` (at least), or "
            "`path`, a read, with `where`, a condition on its answer, or `query`, a JMESPath expression."
        ),
        verbs=(Wait,),
        parameters=(
            Parameter(
                name="until", type="table", meaning='such as { services = "*", state = "started" }', required=True
            ),
            Parameter(name="timeout", type="duration", meaning="how long it may take", default=600.0),
            Parameter(name="every", type="duration", meaning="how often it is asked", default=5.0),
        ),
        make=_wait,
    ),
)
"""The step that waits."""
