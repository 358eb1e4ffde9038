"""What the records of many sites are mostly about: counted while they are read, and none of them kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fleet.admin.log_pages import LogPages, LogQuery
from fleet.client.site import SiteClient
from fleet.errors import SiteError, UsageError
from fleet.fanout.engine import Progress
from fleet.fanout.fleet import Seconds, Selection
from fleet.fanout.stop import Stop
from fleet.logs.rows import as_row, time_text
from fleet.report import Report, ReportWarning
from fleet.rows.logs import read_page

__all__ = ["BY", "TopCounts", "top_of_logs"]

BY = {"code": "code", "service": "source", "machine": "machine", "site": "site", "level": "type", "user": "user"}
"""What records can be counted by, and the member of a row that holds it."""

MOST_GROUPS = 100_000
"""Groups that are told apart; what comes beyond them is counted together."""


class _Group:
    __slots__ = ("count", "first", "last", "message", "sites")

    def __init__(self, time: int) -> None:
        self.count = 0
        self.first = self.last = time
        self.message = ""
        self.sites: set[str] = set()


class TopCounts:
    """Counts of records by the members *by*: in any order of the records they come to the same.

    `total` is how many were counted, `noise` how many were left out.
    """

    def __init__(self, by: Sequence[str], *, most: int = MOST_GROUPS) -> None:
        unknown = [name for name in by if name not in BY]
        if unknown or not by:
            raise UsageError(f"records are counted by {', '.join(BY)}, and not by {', '.join(unknown) or 'nothing'}")
        self._by = tuple(dict.fromkeys(by))
        self._members = [BY[name] for name in self._by]
        self._most = most
        self._groups: dict[tuple[str, ...] | None, _Group] = {}
        self.total = 0
        self.noise = 0

    def add(self, site: str, time: int, record: Mapping[str, Any]) -> None:
        """Count one record of *site*; *time* is its own, in epoch milliseconds."""
        key: tuple[str, ...] | None = tuple(
            site if member == "site" else _word(record.get(member)) for member in self._members
        )
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) >= self._most:
                key = None
            group = self._groups.setdefault(key, _Group(time))
        self.total += 1
        group.count += 1
        group.sites.add(site)
        message = str(record.get("message", ""))
        # Of the newest ones the least, so that it does not depend on which site is read first.
        if time > group.last or not group.message or (time == group.last and message < group.message):
            group.message = message
        group.first = min(group.first, time)
        group.last = max(group.last, time)

    def rows(self, limit: int | None = None) -> list[dict[str, Any]]:
        """A row per group, the most frequent first: what it is counted by, `count`, `first`, `last`, `sites`, `message`.

        Equal counts stand by what was seen last, then by their names. The message is that of the newest record.
        """
        named = [(key, group) for key, group in self._groups.items() if key is not None]
        named.sort(key=lambda pair: (-pair[1].count, -pair[1].last, pair[0]))
        told: list[tuple[Sequence[str], _Group]] = list(named[:limit])
        if None in self._groups:
            told.append((["(others)"] * len(self._by), self._groups[None]))
        return [
            {
                **dict(zip(self._by, key, strict=True)),
                "count": group.count,
                "first": time_text(group.first),
                "last": time_text(group.last),
                "sites": sorted(group.sites),
                "message": group.message,
            }
            for key, group in told
        ]

    @property
    def groups(self) -> int:
        """How many groups there are."""
        return len(self._groups)


def _word(value: Any) -> str:
    return "" if value is None else str(value)


async def top_of_logs(
    selection: Selection,
    query: LogQuery | None = None,
    *,
    by: Sequence[str] = ("code",),
    limit: int | None = None,
    where: Callable[[Mapping[str, Any]], bool] | None = None,
    stop: Stop | None = None,
    progress: Progress | None = None,
    deadline: Seconds = None,
) -> Report:
    """Count the records of *selection* that *query* wants by code, service, machine, site, level or user.

    `merged` is `{"by", "total", "noise", "groups", "rows"}`, with the *limit* most frequent as `rows`: see
    `TopCounts.rows`. What *where* refuses is noise. The counts of a site that fails in the middle stay, and its outcome
    says down to when they reach. Raises `UsageError` for a *by* that there is not.
    """
    counts = TopCounts(by)
    query = query or LogQuery()
    filtered = query.filtered()
    warnings: list[ReportWarning] = []

    async def work(client: SiteClient) -> dict[str, Any]:
        site = client.site.name
        pages = LogPages(query)
        told: dict[str, Any] = {"records": 0, "pages": 0, "complete": False, "until": None}
        client.partial = lambda error: told
        try:
            while not pages.done:
                for time, record in await read_page(client, pages):
                    if filtered is not None and not filtered(record):
                        continue
                    if where is not None and not where(as_row(site, record)):
                        counts.noise += 1
                        continue
                    counts.add(site, time, record)
                    told["records"] += 1
                told |= {"pages": pages.pages, "complete": pages.done}
                told["until"] = None if pages.border == float("inf") else int(pages.border)
        except SiteError as error:
            error.value = told if told["pages"] else None
            raise
        finally:
            warnings.extend(ReportWarning(site=site, kind=kind, message=text) for kind, text in pages.notes.items())
        return told

    report = await selection.run(work, command="logs top", stop=stop, progress=progress, deadline=deadline)
    merged = {
        "by": list(dict.fromkeys(by)),
        "total": counts.total,
        "noise": counts.noise,
        "groups": counts.groups,
        "rows": counts.rows(limit),
    }
    return replace(report, merged=merged, warnings=[*report.warnings, *warnings])
