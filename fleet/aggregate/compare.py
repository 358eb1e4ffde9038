"""What differs between many sites, item by item and property by property, and which trait of a site explains it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fleet.aggregate.canonical import canonical
from fleet.aggregate.flat import Flat, same, steps, unflatten

__all__ = ["Comparison", "Gap", "ItemDiff", "Sheet", "Traits", "compare_pairs", "compare_sites", "explain"]

Item = tuple[str, str]
"""What a thing belongs to (`services`), and its name there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What is known of one site: its items as flat maps, and what is not known.

    `blind` are items of which nothing is known, and `blind_below` paths of items that are not; an item that is neither
    here nor there is one that the site does not have.
    """

    items: Mapping[Item, Flat]
    blind: frozenset[Item] = frozenset()
    blind_in: tuple[tuple[str, str], ...] = ()
    """What a thing belongs to, and the begin of the names, of which nothing is known."""
    blind_below: Mapping[Item, tuple[str, ...]] = field(default_factory=dict)

    def knows(self, item: Item) -> bool:
        """Whether it is known if the site has *item*, and what is in it."""
        if item in self.items:
            return True
        return item not in self.blind and not any(
            item[0] == what and item[1].startswith(begin) for what, begin in self.blind_in
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What may explain why some sites are different: release, groups, labels."""

    release: str | None = None
    groups: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Sites that differ from the reference in the same way: the steps from it to them; none for those that agree."""

    sites: tuple[str, ...]
    steps: tuple[Mapping[str, Any], ...]
    explained: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemDiff:
    """One item in which some sites differ: the sites that agree with the reference first, then the others.

    `reference` is the flat map that they are compared with, None where the reference is not to have the item at all.
    """

    what: str
    item: str
    reference: Flat | None
    agree: tuple[str, ...]
    gaps: tuple[Gap, ...]

    def to_dict(self) -> dict[str, Any]:
        """The item with its groups as plain JSON values, in the shape of merging by `diff`."""
        value = None if self.reference is None else unflatten(self.reference)
        groups: list[dict[str, Any]] = [
            {"sites": list(self.agree), "count": len(self.agree), "reference": True, "value": value}
        ]
        for gap in self.gaps:
            group = {"sites": list(gap.sites), "count": len(gap.sites), "reference": False, "diff": list(gap.steps)}
            groups.append(group if gap.explained is None else {**group, "explained": dict(gap.explained)})
        return {"what": self.what, "item": self.item, "groups": groups}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What a comparison came to: the items that differ, and how many are the same everywhere.

    `kind` is majority, site or snapshot; `reference` is its name.
    """

    kind: str
    reference: str
    items: tuple[ItemDiff, ...]
    same: int

    @property
    def differs(self) -> bool:
        """Whether anything does."""
        return bool(self.items)

    def of_sites(self) -> dict[str, list[dict[str, Any]]]:
        """Site -> its differences, as `{"what", "item", "diff"}`; sites without any are left out."""
        found: dict[str, list[dict[str, Any]]] = {}
        for item in self.items:
            for gap in item.gaps:
                for site in gap.sites:
                    found.setdefault(site, []).append(
                        {"what": item.what, "item": item.item, "diff": [dict(step) for step in gap.steps]}
                    )
        return found

    def to_dict(self) -> dict[str, Any]:
        """The comparison as plain JSON values."""
        return {
            "baseline": {"kind": self.kind, "name": self.reference},
            "items": [item.to_dict() for item in self.items],
            "differing": len(self.items),
            "same": self.same,
        }


def compare_sites(
    sheets: Mapping[str, Sheet],
    order: Mapping[str, int],
    *,
    baseline: str | None = None,
    traits: Mapping[str, Traits] | None = None,
) -> Comparison:
    """What differs between sites: from the site *baseline*, or from what most of them have.

    The majority is taken for each property by itself, and whether there is such an item at all likewise; of ties the
    value wins whose first site comes first in *order*. A site of which an item, or a property, is not known does not
    count for it.
    """
    names = sorted(sheets, key=lambda site: (order.get(site, len(order)), site))
    items: dict[Item, None] = dict.fromkeys(item for site in names for item in sheets[site].items)
    found = []
    for item in sorted(items):
        if baseline is not None and not sheets[baseline].knows(item):
            continue
        diff = _compare_item(item, {site: sheets[site] for site in names if sheets[site].knows(item)}, baseline)
        if diff is not None:
            found.append(diff)
    explained = tuple(_explained(diff, traits or {}) for diff in found)
    return Comparison(
        kind="majority" if baseline is None else "site",
        reference=baseline or "majority",
        items=explained,
        same=len(items) - len(found),
    )


def _compare_item(item: Item, sheets: Mapping[str, Sheet], baseline: str | None) -> ItemDiff | None:
    """How the sites in *sheets*, which are in order, differ in *item*; None where they don't."""
    alike: dict[tuple[int, tuple[str, ...]], list[str]] = {}
    flats: dict[tuple[int, tuple[str, ...]], Flat] = {}
    without: list[str] = []
    for site, sheet in sheets.items():
        flat = sheet.items.get(item)
        if flat is None:
            without.append(site)
            continue
        # Equal maps are mostly one and the same object: the builder of sheets sees to that.
        key = (id(flat), sheet.blind_below.get(item, ()))
        alike.setdefault(key, []).append(site)
        flats[key] = flat
    if not without and len(alike) == 1:
        return None
    present = len(sheets) - len(without)
    reference: Flat | None
    if baseline is not None:
        reference = sheets[baseline].items.get(item)
        hidden = sheets[baseline].blind_below.get(item, ())
    else:
        reference = None if len(without) > present else _majority(alike, flats)
        hidden = ()
    gaps: dict[bytes, tuple[list[str], list[dict[str, Any]]]] = {}

    def add(sites: Iterable[str], taken: list[dict[str, Any]]) -> None:
        gaps.setdefault(canonical(taken), ([], taken))[0].extend(sites)

    for key, sites in alike.items():
        if reference is None:
            add(sites, [{"op": "add", "path": "", "new": unflatten(flats[key])}])
        else:
            add(sites, steps(reference, flats[key], (*key[1], *hidden)))
    if without:
        add(without, [] if reference is None else [{"op": "remove", "path": "", "old": unflatten(reference)}])
    return _item(item, reference, gaps.values(), list(sheets))


def _item(
    item: Item,
    reference: Flat | None,
    gaps: Iterable[tuple[list[str], list[dict[str, Any]]]],
    order: Sequence[str],
) -> ItemDiff | None:
    place = {site: number for number, site in enumerate(order)}
    agree: tuple[str, ...] = ()
    differing = []
    for sites, taken in gaps:
        ordered = tuple(sorted(sites, key=place.__getitem__))
        if taken:
            differing.append(Gap(sites=ordered, steps=tuple(taken)))
        else:
            agree = ordered
    if not differing:
        return None
    differing.sort(key=lambda gap: (-len(gap.sites), place[gap.sites[0]]))
    return ItemDiff(what=item[0], item=item[1], reference=reference, agree=agree, gaps=tuple(differing))


def _majority(
    alike: Mapping[tuple[int, tuple[str, ...]], Sequence[str]],
    flats: Mapping[tuple[int, tuple[str, ...]], Flat],
) -> Flat:
    """What most sites have, for each property by itself; not to have it is one of the things that they may have."""
    if len(alike) == 1:
        return flats[next(iter(alike))]
    made: dict[str, Any] = {}
    for path in sorted({path for flat in flats.values() for path in flat}):
        votes: dict[bytes | None, int] = {}
        values: dict[bytes | None, Any] = {}
        for key, sites in alike.items():
            if any(path == prefix or path.startswith(f"{prefix}/") for prefix in key[1]):
                continue
            flat = flats[key]
            token = same(flat[path]) if path in flat else None
            votes[token] = votes.get(token, 0) + len(sites)
            values.setdefault(token, flat.get(path))
        if votes:
            # The groups are in the order of their first sites, and so the first of those with most votes wins.
            best = max(votes, key=votes.__getitem__)
            if best is not None:
                made[path] = values[best]
    return made


def compare_pairs(
    before: Mapping[str, Sheet],
    after: Mapping[str, Sheet],
    order: Mapping[str, int],
    *,
    name: str,
    traits: Mapping[str, Traits] | None = None,
) -> Comparison:
    """What has changed on each site that is in both; sites with the same change of the same item are one group."""
    names = sorted(before.keys() & after.keys(), key=lambda site: (order.get(site, len(order)), site))
    changes: dict[Item, dict[bytes, tuple[list[str], list[dict[str, Any]]]]] = {}
    known: dict[Item, list[str]] = {}
    for site in names:
        old, new = before[site], after[site]
        for item in old.items.keys() | new.items.keys():
            if not (old.knows(item) and new.knows(item)):
                continue
            known.setdefault(item, []).append(site)
            taken = _since(item, old, new)
            changes.setdefault(item, {}).setdefault(canonical(taken), ([], taken))[0].append(site)
    found = []
    for item in sorted(changes):
        reference = next((before[site].items[item] for site in known[item] if item in before[site].items), None)
        diff = _item(item, reference, changes[item].values(), known[item])
        if diff is not None:
            found.append(diff)
    explained = tuple(_explained(diff, traits or {}) for diff in found)
    return Comparison(kind="snapshot", reference=name, items=explained, same=len(changes) - len(found))


def _since(item: Item, old: Sheet, new: Sheet) -> list[dict[str, Any]]:
    first, last = old.items.get(item), new.items.get(item)
    if first is not None and last is not None:
        if first is last:
            return []
        return steps(first, last, (*old.blind_below.get(item, ()), *new.blind_below.get(item, ())))
    if last is None:
        return [] if first is None else [{"op": "remove", "path": "", "old": unflatten(first)}]
    return [{"op": "add", "path": "", "new": unflatten(last)}]


def _explained(diff: ItemDiff, traits: Mapping[str, Traits]) -> ItemDiff:
    everybody = frozenset(diff.agree).union(*(gap.sites for gap in diff.gaps))
    gaps = tuple(
        Gap(sites=gap.sites, steps=gap.steps, explained=explain(frozenset(gap.sites), everybody, traits))
        for gap in diff.gaps
    )
    return ItemDiff(what=diff.what, item=diff.item, reference=diff.reference, agree=diff.agree, gaps=gaps)


def explain(sites: frozenset[str], everybody: frozenset[str], traits: Mapping[str, Traits]) -> dict[str, str] | None:
    """The one trait that *sites* have and nobody else of *everybody* has, as `{"by", "key", "value"}`; None without one.

    A single site always has something of its own: there the others must have one and the same value in its place.
    """
    if not sites or sites >= everybody:
        return None
    known = {site: traits.get(site, Traits()) for site in everybody}
    first = known[min(sites)]
    if first.release is not None and _holds({site: one.release for site, one in known.items()}, first.release, sites):
        return {"by": "release", "key": "release", "value": first.release}
    for group in first.groups if len(sites) > 1 else ():
        if frozenset(site for site, one in known.items() if group in one.groups) == sites:
            return {"by": "group", "key": "group", "value": group}
    for key in sorted(first.labels):
        if _holds({site: one.labels.get(key) for site, one in known.items()}, first.labels[key], sites):
            return {"by": "label", "key": key, "value": first.labels[key]}
    return None


def _holds(held: Mapping[str, str | None], value: str, sites: frozenset[str]) -> bool:
    """Whether *sites*, and they alone, hold *value*."""
    if frozenset(site for site in held if held[site] == value) != sites:
        return False
    return len(sites) > 1 or len({held[site] for site in held.keys() - sites}) == 1
