"""The fleet as Python sees it: an inventory, selections of its sites, and work that is run on them."""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio

from fleet.admin.operation import Operation
from fleet.aggregate import Aggregator, compile_query, make_aggregator
from fleet.auth import rsa
from fleet.client.calls import CallWatch
from fleet.client.clients import Clients
from fleet.client.settings import ClientSettings, RetryPolicy
from fleet.client.site import Answer, SiteClient
from fleet.client.trace import Exchange
from fleet.durations import parse_duration
from fleet.errors import BadAnswer, UsageError
from fleet.fanout.engine import Progress, Work, fan_out
from fleet.fanout.portals import once_per_portal
from fleet.fanout.stop import Stop
from fleet.history.last import last_outcomes
from fleet.inventory.load import find_sources, load
from fleet.inventory.model import Inventory, Site
from fleet.inventory.secrets import SecretStore
from fleet.inventory.selectors import Selector, parse, select
from fleet.inventory.tables import host_of, is_loopback
from fleet.outcome import Outcome
from fleet.report import Report, ReportWarning

__all__ = ["Fleet", "Selection", "warnings_for"]

Seconds = float | str | None


def _seconds(value: Seconds) -> float | None:
    """Seconds of a number or of a text such as `30s`; None stays None. Raises `UsageError` for no time at all."""
    try:
        seconds = parse_duration(value) if isinstance(value, str) else value
    except ValueError as error:
        raise UsageError(str(error)) from None
    if seconds is not None and not seconds > 0:
        raise UsageError(f"{value!r} is no time at all; None leaves the limit out")
    return seconds


def _checked_width(width: int) -> int:
    if width < 1:
        raise UsageError("the width is how many sites are worked on at once: at least 1")
    return width


class Fleet:
    """Many sites and what may be done with them; an async context manager that holds connections and tokens.

    *timeout* limits one attempt and *deadline* one whole run, in seconds or as text with a unit; *width* is how many
    sites are worked on at once. *on_exchange* sees every request with its answer, and *on_call* every attempt and the end
    of every call, for a log.
    """

    def __init__(
        self,
        inventory: Inventory,
        *,
        timeout: Seconds = None,
        deadline: Seconds = None,
        width: int = 100,
        retry: RetryPolicy | None = None,
        on_exchange: Callable[[Exchange], None] | None = None,
        on_call: CallWatch | None = None,
        keep_clients: bool = True,
        last_run: Callable[[], Mapping[str, str] | None] = lambda: None,
    ) -> None:
        self.inventory = inventory
        self.width = _checked_width(width)
        self.deadline = _seconds(deadline)
        self._last_run = last_run
        self.secrets = SecretStore(hidden=inventory.secret_variables)
        self.clients = Clients(
            ClientSettings(timeout=_seconds(timeout), retry=retry or RetryPolicy(), on_exchange=on_exchange),
            secrets=self.secrets,
            keep=keep_clients,
            on_call=on_call,
        )

    @classmethod
    def from_inventory(cls, *paths: str | os.PathLike[str], allow_commands: bool = False, **options: Any) -> Fleet:
        """The fleet in the inventory files *paths*, or in the ones that are found as the command line finds them.

        *allow_commands* lets the secret commands of `./inventory.toml` run; *options* are those of `Fleet`. `@failed`
        and its like look at the last run of the command line on these files. Raises `InventoryError` with every
        mistake of the files.
        """
        inventory = load(find_sources([Path(path) for path in paths]), allow_commands=allow_commands)
        options.setdefault("last_run", last_outcomes(inventory.files))
        return cls(inventory, **options)

    async def __aenter__(self) -> Self:
        await self.clients.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.clients.__aexit__(kind, error, trace)

    def select(self, expression: str | Selector = "all", *, allow_empty: bool = False) -> Selection:
        """The sites that *expression* picks, in inventory order; raises `SelectorError`."""
        selector = parse(expression) if isinstance(expression, str) else expression
        picked = select(selector, self.inventory, last_run=self._last_run, allow_empty=allow_empty)
        return Selection(self, [self.inventory.sites[name] for name in picked])

    def client(self, name: str) -> SiteClient:
        """The client of the one site *name*; raises `KeyError`."""
        return self.clients[self.inventory.sites[name]]


class Selection:
    """Some sites of a fleet, in inventory order."""

    def __init__(self, fleet: Fleet, sites: Sequence[Site]) -> None:
        self.fleet = fleet
        self.sites = tuple(sites)

    def __len__(self) -> int:
        return len(self.sites)

    def portals(self, work: Operation[Any] | Work) -> Work:
        """*work* for the portals of these sites: each is asked once, and every site that shares it has its answer.

        `await selection.run(selection.portals(operation))`; paths are below the portal's address (`sharing/rest/info`).
        """
        return once_per_portal(self.sites, _as_work(work), self.fleet.clients)

    def stream(
        self,
        work: Operation[Any] | Work,
        *,
        stop: Stop | None = None,
        progress: Progress | None = None,
        deadline: Seconds = None,
        width: int | None = None,
    ) -> AbstractAsyncContextManager[AsyncIterator[Outcome]]:
        """Do *work* on every site and give the outcomes as they come, one per site.

        *work* is an operation, or an async function of a `SiteClient` that returns a value (or an `Answer`) or raises a
        `SiteError`. Leaving the context early cancels what is under way.
        """
        limit = _seconds(deadline) or self.fleet.deadline
        return fan_out(
            self.sites,
            _as_work(work),
            self.fleet.clients,
            width=self.fleet.width if width is None else _checked_width(width),
            deadline=math.inf if limit is None else anyio.current_time() + limit,
            stop=stop,
            progress=progress,
        )

    async def run(
        self,
        work: Operation[Any] | Work,
        *,
        command: str = "call",
        merge: str | None = None,
        baseline: str | None = None,
        aggregator: Aggregator[Any] | None = None,
        query: str | None = None,
        on_outcome: Callable[[Outcome], None] | None = None,
        keep: bool = True,
        stop: Stop | None = None,
        progress: Progress | None = None,
        deadline: Seconds = None,
        width: int | None = None,
        dry_run: bool = False,
    ) -> Report:
        """Do *work* on every site and report: outcomes in inventory order, coverage, and the merged answer.

        *merge* is union, group, diff, matrix or stats; *aggregator* is one of the caller's own in its place. *query* is
        a JMESPath expression that is applied to each value before it is merged. *on_outcome* sees every outcome the
        moment it is known; with *keep* False none is held beyond that. Raises `UsageError` for a bad mode or query.
        """
        ask = None if query is None else compile_query(query)
        order = {site.name: place for place, site in enumerate(self.sites)}
        if aggregator is None and merge is not None:
            if baseline is not None and baseline not in order:
                raise UsageError(f"the baseline {baseline!r} is not among the selected sites")
            aggregator = make_aggregator(merge, order=order, baseline=baseline, mask=self.fleet.inventory.mask)
        state = None if aggregator is None else aggregator.empty()
        counts: Counter[str] = Counter()
        kept: list[Outcome] = []
        names: dict[str, str] = {}
        wall, clock = time.time(), time.monotonic()
        stop = stop or Stop()
        wanted = _as_work(work)
        misfits: list[ReportWarning] = []
        if ask is not None:
            wanted = _queried(wanted, ask, misfits)
        async with self.stream(wanted, stop=stop, progress=progress, deadline=deadline, width=width) as outcomes:
            async for outcome in outcomes:
                counts[outcome.outcome] += 1
                names[outcome.site] = outcome.outcome
                if aggregator is not None:
                    state = aggregator.observe(state, outcome)
                if on_outcome is not None:
                    on_outcome(outcome)
                if keep:
                    kept.append(outcome)
        kept.sort(key=lambda outcome: order[outcome.site])
        return Report(
            command=command,
            started=wall,
            elapsed=time.monotonic() - clock,
            outcomes=kept,
            merged=None if aggregator is None else aggregator.report(state),
            warnings=[*warnings_for(self.sites), *misfits, *self._notes(order)],
            dry_run=dry_run,
            interrupted=not stop.launching,
            counts=counts,
            names=names,
        )

    def _notes(self, order: Mapping[str, int]) -> list[ReportWarning]:
        """What was noted about sites of this selection since somebody asked last, in inventory order."""
        notes = self.fleet.clients.notes
        mine = sorted((key for key in notes if key[0] in order), key=lambda key: (order[key[0]], key[1]))
        return [ReportWarning(site=site, kind=kind, message=notes.pop((site, kind))) for site, kind in mine]


def _as_work(work: Operation[Any] | Work) -> Work:
    if not isinstance(work, Operation):
        return work
    operation = work

    async def ask(client: SiteClient) -> Answer[Any]:
        client.finishing = not operation.changes
        return await client.ask(operation)

    return ask


def _queried(work: Work, ask: Callable[[Any], Any], misfits: list[ReportWarning]) -> Work:
    """*work* with each value replaced by what the query makes of it.

    An answer that the query does not fit fails; a change that was carried out stays one, and its site is told in
    *misfits*.
    """

    async def answer(client: SiteClient) -> Answer[Any]:
        result = await work(client)
        found = result if isinstance(result, Answer) else Answer(value=result)
        try:
            value = ask(found.value)
        except ValueError as error:
            message = f"the query does not fit this answer: {error}"
            if found.outcome == "ok":
                raise BadAnswer(message) from None
            misfits.append(ReportWarning(site=client.site.name, kind="query", message=message))
            value = None
        return Answer(value=value, outcome=found.outcome, verified=found.verified)

    return answer


def warnings_for(sites: Iterable[Site]) -> list[ReportWarning]:
    """What every report must say of *sites*: certificates that are not verified, tokens that travel in clear."""
    warnings = []
    for site in sites:
        if not site.tls.verify and not site.in_clear:
            warnings.append(
                ReportWarning(site=site.name, kind="tls_unverified", message="the certificate is not verified")
            )
        if site.in_clear and site.allow_http and not is_loopback(host_of(site.url)):
            message = "tokens travel in clear over http"
            if site.auth.kind == "server" and not rsa.available():
                message += ", and so does the password (install arcgis-fleet[crypto])"
            warnings.append(ReportWarning(site=site.name, kind="in_clear", message=message))
        portal = site.auth.portal
        if portal is not None and portal.startswith("http://") and not is_loopback(host_of(portal)):
            message = "the portal is asked over http: password and tokens travel in clear"
            warnings.append(ReportWarning(site=site.name, kind="in_clear", message=message))
    return warnings
