"""Sites are compared: with each other, with one of them, or with what a snapshot holds of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from fleet.aggregate.compare import Comparison, Sheet, Traits, compare_pairs, compare_sites
from fleet.client.site import SiteClient
from fleet.errors import Cancelled, UsageError
from fleet.fanout.engine import Progress
from fleet.fanout.fleet import Fleet, Selection
from fleet.fanout.stop import Stop
from fleet.inventory.model import Site
from fleet.outcome import Answered, NotReached, Outcome
from fleet.report import Report
from fleet.snapshots.collect import SECTIONS, collect
from fleet.snapshots.records import Kept, SiteRecord
from fleet.snapshots.sheets import Masking, SheetBuilder
from fleet.snapshots.store import Store
from fleet.snapshots.taking import in_part

__all__ = ["MAJORITY", "Wanted", "compare", "compare_kept"]

MAJORITY = "majority"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is compared with what.

    With *since* each site is compared with what that snapshot holds of it; else the sites with *baseline*, one of them,
    or with the majority. *to* is the snapshot that takes the place of the sites as they are now.
    """

    baseline: str | None = None
    since: Kept | None = None
    to: Kept | None = None
    sections: tuple[str, ...] = SECTIONS
    patterns: tuple[str, ...] = ()
    masked: bool = True

    def builder(self) -> SheetBuilder:
        """What makes the sheets."""
        masking = Masking(between=self.since is None, patterns=self.patterns, off=not self.masked)
        return SheetBuilder(masking, self.sections)


async def compare(
    selection: Selection,
    wanted: Wanted,
    *,
    store: Store | None = None,
    stop: Stop | None = None,
    progress: Progress | None = None,
) -> tuple[Comparison, Report]:
    """Read *selection* and compare; the comparison, and a report whose values are the differences of each site.

    A site that the snapshot holds nothing of is `skipped`. One of which some pieces could not be read is `failed`, and
    is compared in what could be. Raises `UsageError` where the baseline was not among the sites.
    """
    store = store or Store()
    builder = wanted.builder()
    before = {} if wanted.since is None else store.sites(wanted.since)
    sheets: dict[str, Sheet] = {}
    traits: dict[str, Traits] = {}
    mask = selection.fleet.clients.masked

    async def work(client: SiteClient) -> None:
        found = await collect(client, sections=wanted.sections, mask=mask)
        site = client.site
        sheets[site.name] = builder.sheet(found.pieces, url=site.url, absent=found.absent, failed=found.failed)
        traits[site.name] = Traits(release=found.release, groups=site.groups, labels=site.labels)
        if found.failed:
            raise in_part(found, None)

    report = await selection.run(work, command="diff", stop=stop, progress=progress)
    return _compared(report, wanted, selection.sites, sheets, traits, _kept_sheets(store, builder, before, sheets, {}))


def compare_kept(
    fleet: Fleet, sites: Sequence[Site], wanted: Wanted, *, store: Store | None = None
) -> tuple[Comparison, Report]:
    """As `compare`, but with what the snapshot *to* holds of *sites* in place of the sites: nothing is sent."""
    if wanted.to is None:
        raise UsageError("say which snapshot is compared")
    store = store or Store()
    builder = wanted.builder()
    began = time.monotonic()
    records = store.sites(wanted.to)
    names = [site.name for site in sites]
    before = {} if wanted.since is None else store.sites(wanted.since)
    made: dict[str, tuple[SiteRecord, Sheet]] = {}
    sheets = _kept_sheets(store, builder, records, names, made)
    known = {site.name: site for site in sites}
    traits = {
        name: Traits(release=records[name].release, groups=records[name].groups, labels=records[name].labels)
        for name in sheets
    }
    outcomes: list[Outcome] = []
    for name in known:
        if name in sheets:
            outcomes.append(Answered(site=name, value=None, attempts=0, at=wanted.to.made))
        else:
            outcomes.append(_skipped(name, wanted.to))
    report = Report(command="diff", started=time.time(), elapsed=time.monotonic() - began, outcomes=outcomes, names={})
    older = _kept_sheets(store, builder, before, sheets, made)
    return _compared(report, wanted, sites, sheets, traits, older)


def _kept_sheets(
    store: Store,
    builder: SheetBuilder,
    records: Mapping[str, SiteRecord],
    names: Iterable[str],
    made: dict[str, tuple[SiteRecord, Sheet]],
) -> dict[str, Sheet]:
    """The sheets of what a snapshot holds of the sites *names*; of some of them it may hold nothing.

    Those *made* already are taken where another snapshot holds the very same of a site.
    """
    sheets: dict[str, Sheet] = {}
    for name in names:
        record = records.get(name)
        if record is not None and (known := made.get(name)) is not None and known[0] == record:
            sheets[name] = known[1]
            continue
        if record is not None and record.pieces:
            pieces = {piece: store.load(digest) for piece, digest in record.pieces.items() if builder.wants(piece)}
            sheets[name] = builder.sheet(pieces, url=record.url, absent=record.absent, failed=record.failed)
            made[name] = (record, sheets[name])
    return sheets


def _skipped(site: str, kept: Kept) -> NotReached:
    error = Cancelled(
        f"the snapshot {kept.name or kept.id} holds nothing of it",
        hint=f"fleet snapshot show {kept.id} tells what it covers",
    )
    return NotReached(site=site, error=error, outcome="skipped", at=kept.made)


def _compared(
    report: Report,
    wanted: Wanted,
    sites: Sequence[Site],
    sheets: Mapping[str, Sheet],
    traits: Mapping[str, Traits],
    older: Mapping[str, Sheet],
) -> tuple[Comparison, Report]:
    order = {site.name: place for place, site in enumerate(sites)}
    outcomes = list(report.outcomes)
    if wanted.since is not None:
        name = wanted.since.name or wanted.since.id
        comparison = compare_pairs(older, sheets, order, name=name, traits=traits)
        outcomes = [
            _skipped(outcome.site, wanted.since) if outcome.ok and outcome.site not in older else outcome
            for outcome in outcomes
        ]
    elif wanted.baseline is not None and wanted.baseline not in sheets:
        comparison = Comparison(kind="site", reference=wanted.baseline, items=(), same=0)
    else:
        comparison = compare_sites(sheets, order, baseline=wanted.baseline, traits=traits)
    found = comparison.of_sites()
    outcomes = [
        replace(outcome, value={"differences": found.get(outcome.site, [])})
        if outcome.site in sheets and not isinstance(outcome, NotReached)
        else outcome
        for outcome in outcomes
    ]
    counts: Counter[str] = Counter(outcome.outcome for outcome in outcomes)
    names: dict[str, str] = {outcome.site: outcome.outcome for outcome in outcomes}
    return comparison, replace(report, outcomes=outcomes, merged=comparison.to_dict(), counts=counts, names=names)
