"""Where a site's values come from: the loader against a small model that knows nothing of it, over random nested groups."""

from __future__ import annotations

import tempfile
from itertools import combinations
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from fleet.inventory.load import Source, load, load_with_origins

GROUPS = [f"g{number}" for number in range(7)]
LABELS = ["a", "b", "c"]
Nesting = dict[str, list[str]]


@st.composite
def nestings(draw: st.DrawFn) -> Nesting:
    """Which groups each group holds: a graph without circles, in an order of the file that says nothing about it."""
    ranks = draw(st.permutations(GROUPS))
    order = draw(st.permutations(GROUPS))
    held = {
        name: draw(st.lists(st.sampled_from(ranks[place + 1 :]), unique=True, max_size=3))
        if place + 1 < len(ranks)
        else []
        for place, name in enumerate(ranks)
    }
    return {name: held[name] for name in order}


class Model:
    """Precedence as the contract says it, by brute force: every pair of groups is asked which of the two is stronger."""

    def __init__(self, nesting: Nesting, listed: list[str]) -> None:
        self.nesting = nesting
        self.listed = listed
        self.mine = [name for name in nesting if any(name == one or self.holds(name, one) for one in listed)]

    def holds(self, outer: str, inner: str) -> bool:
        return any(name == inner or self.holds(name, inner) for name in self.nesting[outer])

    def rank(self, group: str) -> int:
        """The place of the first group in the site's list that *group* is, or holds."""
        return min(place for place, one in enumerate(self.listed) if group == one or self.holds(group, one))

    def stronger(self, one: str, other: str) -> bool | None:
        """Whether *one* wins over *other*; None where the contract leaves it open."""
        if self.rank(one) != self.rank(other):
            return self.rank(one) < self.rank(other)
        if self.holds(one, other) or self.holds(other, one):
            return self.holds(one, other)
        return None


def written(
    nesting: Nesting, labels: dict[str, list[str]], own: list[str], defaults: list[str], listed: list[str]
) -> str:
    def told(table: str, names: list[str]) -> str:
        return "labels = { " + ", ".join(f'{name} = "{table}"' for name in names) + " }\n"

    lines = ["[defaults]\n" + told("defaults", defaults)]
    for name, held in nesting.items():
        lines.append(f"[groups.{name}]\ngroups = {held!r}\n" + told(name, labels[name]))
    lines.append(f'[sites.x]\nurl = "https://x.example.com"\ngroups = {listed!r}\n' + told("x", own))
    return "".join(lines)


some_labels = st.lists(st.sampled_from(LABELS), unique=True)


@given(
    nestings(),
    st.fixed_dictionaries(dict.fromkeys(GROUPS, some_labels)),
    some_labels,
    some_labels,
    st.lists(st.sampled_from(GROUPS), unique=True, max_size=4),
)
def test_a_value_comes_from_the_site_then_the_stronger_group_then_the_defaults(
    nesting: Nesting, labels: dict[str, list[str]], own: list[str], defaults: list[str], listed: list[str]
) -> None:
    model = Model(nesting, listed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "inventory.toml"
        path.write_text(written(nesting, labels, own, defaults, listed), encoding="utf-8")
        inventory, origins = load_with_origins([Source(path, trusted=True)], "x")
    found = inventory["x"].labels
    assert set(inventory["x"].groups) == set(model.mine)
    for label in LABELS:
        having = [name for name in model.mine if label in labels[name]]
        if label in own:
            assert found[label] == "x"
        elif having:
            assert found[label] in having
            beaten_by = [name for name in having if model.stronger(name, found[label])]
            assert beaten_by == []
        elif label in defaults:
            assert found[label] == "defaults"
        else:
            assert label not in found
    tables = {"x": "sites.x", "defaults": "defaults", **{name: f"groups.{name}" for name in GROUPS}}
    for origin in origins:
        if origin.key.startswith("labels."):
            assert origin.value == found[origin.key.removeprefix("labels.")]
            assert origin.table == tables[origin.value]


@given(nestings(), st.lists(st.sampled_from(GROUPS), unique=True, min_size=1, max_size=4))
def test_the_order_of_the_groups_is_one_order_for_every_value(nesting: Nesting, listed: list[str]) -> None:
    """Each pair of groups is compared by a label that only these two have: the answers fit together in one line."""
    pairs = list(combinations(GROUPS, 2))
    lines = []
    for name, held in nesting.items():
        told = ", ".join(f'"{one}-{other}" = "{name}"' for one, other in pairs if name in (one, other))
        lines.append(f"[groups.{name}]\ngroups = {held!r}\nlabels = {{ {told} }}\n")
    lines.append(f'[sites.x]\nurl = "https://x.example.com"\ngroups = {listed!r}\n')
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "inventory.toml"
        path.write_text("".join(lines), encoding="utf-8")
        inventory = load([Source(path, trusted=True)])
    mine = set(inventory["x"].groups)
    wins = {
        name: sum(
            1 for label, winner in inventory["x"].labels.items() if winner == name and set(label.split("-")) <= mine
        )
        for name in mine
    }
    assert sorted(wins.values()) == list(range(len(mine)))
    order = sorted(mine, key=lambda name: -wins[name])
    model = Model(nesting, listed)
    assert all(model.stronger(one, other) is not False for one, other in combinations(order, 2))
