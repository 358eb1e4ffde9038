"""A snapshot is taken: the selected sites are read at once, and what they say goes into the store as it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fleet.client.site import SiteClient
from fleet.errors import ServerFailed, SiteError
from fleet.fanout.engine import Progress
from fleet.fanout.fleet import Selection
from fleet.fanout.stop import Stop
from fleet.outcome import Outcome, error_object
from fleet.report import Report
from fleet.snapshots.collect import SECTIONS, Collected, collect
from fleet.snapshots.records import Kept
from fleet.snapshots.store import Store

__all__ = ["in_part", "save"]


async def save(
    selection: Selection,
    *,
    store: Store | None = None,
    name: str | None = None,
    extras: Iterable[str] = (),
    told: str = "all",
    on_outcome: Callable[[Outcome], None] | None = None,
    stop: Stop | None = None,
    progress: Progress | None = None,
) -> tuple[Kept | None, Report]:
    """Take a snapshot of *selection*: what is kept, and the report with a row of counts for each site.

    A site of which some piece could not be read is `failed`, and what was read is kept all the same. Where no site was
    read at all, or the run was stopped, nothing is kept. *extras* are of `fleet.snapshots.collect.EXTRAS`; *told* is how
    the selection was written. Raises `StoreFailed`, `LockHeld`, and `UsageError` for a name that is taken.
    """
    store = store or Store()
    extras = tuple(extras)
    mask = selection.fleet.clients.masked
    trees: dict[str, str] = {}
    counts = {"pieces": 0, "failed": 0}
    with store.writing(name=name) as writer:

        def put(value: Any) -> str:
            digest = writer.put(value)
            if progress is not None:
                progress.moved = writer.size
            return digest

        async def work(client: SiteClient) -> dict[str, Any]:
            found = await collect(client, put, extras=extras, sections=SECTIONS, mask=mask)
            site = client.site
            tree = {
                "url": site.url,
                "release": found.release,
                "groups": list(site.groups),
                "labels": dict(site.labels),
                "pieces": found.pieces,
                "absent": found.absent,
                "failed": found.failures(),
            }
            trees[site.name] = writer.put(tree)
            counts["pieces"] += len(found.pieces)
            counts["failed"] += len(found.failed)
            value = {"pieces": len(found.pieces), "absent": len(found.absent), "failed": found.failures()}
            if found.failed:
                raise in_part(found, value)
            return value

        report = await selection.run(work, command="snapshot save", on_outcome=on_outcome, stop=stop, progress=progress)
        if report.interrupted or not trees:
            return None, report
        kept = writer.finish(
            [(outcome.site, _record(outcome, trees.get(outcome.site))) for outcome in report.outcomes],
            name=name,
            made=report.started,
            elapsed=report.elapsed,
            selection=told,
            coverage=report.coverage.to_dict(),
            pieces=counts["pieces"],
            failed=counts["failed"],
            at=[max(0.0, outcome.at - report.started) for outcome in report.outcomes],
        )
    return kept, report


def in_part(found: Collected, value: Any) -> SiteError:
    """The failure of a site of which some pieces could not be read."""
    first = sorted(found.failed)[0]
    cause = found.failed[first]
    error = ServerFailed(
        f"{len(found.failed)} of {len(found.failed) + len(found.pieces)} pieces could not be read: {first}: "
        f"{cause.message}",
        code=cause.code,
        hint=cause.hint,
    )
    error.value = value
    return error


def _record(outcome: Outcome, tree: str | None) -> dict[str, Any]:
    record: dict[str, Any] = {"outcome": outcome.outcome}
    if tree is not None:
        record["tree"] = tree
    if not outcome.ok:
        told = error_object(outcome.error)  # type: ignore[union-attr]
        record["error"] = {"kind": told["kind"], "message": told["message"]}
    return record
