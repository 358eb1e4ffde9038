"""How much the services of a site are used: by a usage report that is added for it, read, and given up in any case."""

from __future__ import annotations

import math
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import anyio

from fleet import admin as ops
from fleet.admin.operation import Operation
from fleet.aggregate.usage import AVERAGES, Total
from fleet.client.site import SiteClient
from fleet.errors import NotFound, ServerFailed, SiteError, UsageError
from fleet.protocol.fields import ServiceId, as_bool, as_int
from fleet.rows.reports import ServiceReports

__all__ = ["PREFIX", "Period", "Usage", "Used", "read_usage", "used_in"]

PREFIX = "fleet_tmp_"
"""What the names of our temporary reports begin with: time in milliseconds, and something random."""

LEFT_BEHIND = 900.0
"""Seconds after which a temporary report is one that a run which was killed has left behind."""

SERVICES_AT_ONCE = 200
"""Services that one report asks for."""

GIVING_UP = 10.0
"""Seconds that giving a report up may take where the run is broken off."""

_OURS = re.compile(rf"{PREFIX}(\d{{13}})_[0-9a-f]{{16}}")

Change = Callable[[Operation[Any]], Awaitable[Any]]
"""How a change is made: `SiteClient.ask`, or with a record of it."""


@dataclass(frozen=True, slots=True)
class Period:
    """From when to when, in epoch seconds, in slices of *minutes*."""

    begin: float
    end: float
    minutes: int

    @classmethod
    def last(cls, seconds: float, unit: str = "day", now: float | None = None) -> Period:
        """The last *seconds* in whole units, `day` or `hour` of UTC; the first unit is whole, the last is today's."""
        end = time.time() if now is None else now
        size = 86_400 if unit == "day" else 3_600
        begin = math.floor((end - seconds) / size) * size
        return cls(begin, end, size // 60)

    def label(self, moment: float) -> str:
        """The slice that begins at *moment*: `2026-11-24`, or with the hour `2026-11-24T13:00Z`."""
        form = "%Y-%m-%d" if self.minutes >= 1440 else "%Y-%m-%dT%H:00Z"
        return datetime.fromtimestamp(moment, UTC).strftime(form)


@dataclass(frozen=True, slots=True)
class Used:
    """What one service did in one slice of time, by metric."""

    service: ServiceId
    slice: str
    numbers: Mapping[str, Total]


@dataclass(slots=True)
class Usage:
    """The services of a site that were asked about, and what they did; *warning* says what makes the numbers less."""

    services: Sequence[ServiceId] = ()
    used: list[Used] = field(default_factory=list)
    warning: str | None = None

    def requests(self) -> dict[ServiceId, int]:
        """How many requests each service had, also those that had none."""
        found = dict.fromkeys(self.services, 0.0)
        for one in self.used:
            total = one.numbers.get("RequestCount")
            if total is not None and total.seen and one.service in found:
                found[one.service] += total.total
        return {service: round(count) for service, count in found.items()}


async def read_usage(
    client: SiteClient,
    period: Period,
    metrics: Sequence[str],
    *,
    chosen: Callable[[ServiceId], bool] = lambda service: True,
    folders: Collection[str] | None = None,
    change: Change | None = None,
) -> Usage:
    """The *metrics* of the *chosen* services of a site in *period*.

    A usage report is added to the site for it and given up in any case, also where the run is broken off; those that a
    killed run has left behind are given up as well. *change* makes these changes. Raises `ServerFailed` where the site
    is in read-only mode or counts nothing, and the `SiteError` that stood in the way.
    """
    send = change or client.ask
    warning = await _countable(client, period)
    entries = await ServiceReports(client.call, ["status"]).services(folders)
    usage = Usage([entry.service for entry in entries if chosen(entry.service)], warning=warning)
    if not usage.services:
        return usage
    await _give_up_left_behind(client, send)
    for first in range(0, len(usage.services), SERVICES_AT_ONCE):
        part = usage.services[first : first + SERVICES_AT_ONCE]
        usage.used += used_in(await _reported(client, period, part, metrics, send), period, metrics)
    return usage


async def _countable(client: SiteClient, period: Period) -> str | None:
    """Why the numbers may be too small, if they may; raises `ServerFailed` where there can be none."""
    try:
        mode = str((await client.call(ops.site.mode())).get("siteMode", "")).upper()
    except NotFound:
        # Before 10.4 there is no such mode.
        mode = ""
    if mode == "READ_ONLY":
        raise ServerFailed(
            "the site is in read-only mode, in which no usage report can be added to read the numbers by",
            hint="ask again when it is editable: fleet site mode shows it",
            may_have_arrived=False,
        )
    settings = await client.call(ops.usage.settings())
    if as_bool(settings.get("enabled")) is False:
        raise ServerFailed(
            "the site does not count requests: its usage statistics are off",
            hint="fleet usage settings shows which sites count",
            may_have_arrived=False,
        )
    kept = as_int(settings.get("maxHistory")) or 0
    if kept and (period.end - period.begin) > kept * 86_400:
        return f"the site keeps its numbers for {kept} days only, and was asked for more"
    return None


async def _give_up_left_behind(client: SiteClient, send: Change) -> None:
    """Give up reports that an earlier run, which was killed, has left behind."""
    reports = (await client.call(ops.usage.reports())).get("metrics")
    now = time.time()
    for told in reports if isinstance(reports, list) else ():
        name = told.get("reportname") if isinstance(told, Mapping) else None
        match = _OURS.fullmatch(name) if isinstance(name, str) else None
        if match is not None and now - int(match[1]) / 1000 > LEFT_BEHIND:
            await send(ops.usage.delete(match[0]))


async def _reported(
    client: SiteClient, period: Period, services: Sequence[ServiceId], metrics: Sequence[str], send: Change
) -> Mapping[str, Any]:
    """The answer of a report of *services*, which is added for it and given up again."""
    name = f"{PREFIX}{round(time.time() * 1000):013d}_{secrets.token_hex(8)}"
    report = {
        "reportname": name,
        "since": "CUSTOM",
        "from": round(period.begin * 1000),
        "to": round(period.end * 1000),
        "aggregationInterval": period.minutes,
        "queries": [{"resourceURIs": [f"services/{service}" for service in services], "metrics": list(metrics)}],
        "metadata": {"temp": True, "title": "fleet", "managerReport": False},
    }
    try:
        await send(ops.usage.add(report))
        answer: Mapping[str, Any] = await client.call(ops.usage.data(name))
    finally:
        # It may have been added also where adding it failed or was broken off: giving it up looks first.
        with anyio.CancelScope(shield=True), anyio.move_on_after(GIVING_UP) as scope:
            try:
                await send(ops.usage.delete(name))
                client.change_in_flight = None
            except SiteError as error:
                client.note("usage_report", f"the temporary usage report {name} was not given up: {error.message}")
        if scope.cancelled_caught:
            client.note("usage_report", f"the temporary usage report {name} was not given up in time")
    return answer


def used_in(answer: Mapping[str, Any], period: Period, metrics: Sequence[str]) -> Iterator[Used]:
    """What *answer* tells, service by service and slice by slice; what is no number is no number."""
    report = answer.get("report")
    report = report if isinstance(report, Mapping) else {}
    slices = [as_int(moment) for moment in _list(report.get("time-slices"))]
    columns: dict[tuple[ServiceId, int], dict[str, float]] = {}
    for query in _list(report.get("report-data")):
        for told in _list(query):
            if not isinstance(told, Mapping) or told.get("metric-type") not in metrics:
                continue
            service = _service(told.get("resourceURI"))
            if service is None:
                continue
            for place, value in enumerate(_list(told.get("data"))[: len(slices)]):
                number = _number(value)
                if number is not None:
                    columns.setdefault((service, place), {})[str(told["metric-type"])] = number
    for (service, place), numbers in columns.items():
        moment = slices[place]
        if moment is None or not 0 < moment < 32_503_680_000_000:
            continue
        kept = {}
        for metric, number in numbers.items():
            total = kept[metric] = Total(metric)
            total.add(number, numbers.get("RequestCount", 0.0) if metric in AVERAGES else 1.0)
        yield Used(service, period.label(moment / 1000), kept)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _service(uri: Any) -> ServiceId | None:
    if not isinstance(uri, str):
        return None
    try:
        return ServiceId.parse(uri.strip("/").removeprefix("services/"))
    except UsageError:
        return None


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, int | float) and math.isfinite(value) and value >= 0:
        return float(value)
    return None
