"""Each form of the selector language: what exactly it picks, why, and what is said where it picks nothing."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from fleet.errors import SelectorError
from fleet.inventory.load import Source, load
from fleet.inventory.model import Inventory
from fleet.inventory.selectors import parse, select

FILE = """
[groups.prod]
labels = { tier = "prod" }
[groups.emea]
groups = ["nordics"]
[groups.nordics]
[groups.empty]
[sites.gis01]
url = "https://gis01.example.com/arcgis"
groups = ["prod"]
labels = { city = "New York", role = "hosting" }
[sites.gis02]
url = "https://gis02.example.com/arcgis"
groups = ["prod", "nordics"]
labels = { role = "maps" }
[sites.gis1]
url = "https://gis1.example.com/arcgis"
groups = ["emea"]
[sites.gis10]
url = "https://gis10.example.com/arcgis"
labels = { tier = "test" }
[sites.gis100]
url = "https://gis100.example.com/arcgis"
[sites.gis-oslo]
url = "https://gis-oslo.example.com/arcgis"
groups = ["nordics"]
[sites."oslo.north_2-a"]
url = "https://oslo2.example.com/arcgis"
labels = { note = "a, b (c) & d | \\"e\\" = f \\\\ !" }
"""

LAST = {
    "gis01": "ok",
    "gis02": "changed",
    "gis1": "noop",
    "gis10": "failed",
    "gis100": "unreachable",
    "gis-oslo": "skipped",
    "gone": "timeout",
}


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    path = tmp_path / "inventory.toml"
    path.write_text(FILE, encoding="utf-8")
    return load([Source(path, trusted=True)])


ALL = ["gis01", "gis02", "gis1", "gis10", "gis100", "gis-oslo", "oslo.north_2-a"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("all", ALL),
        ("gis10", ["gis10"]),
        ("oslo.north_2-a", ["oslo.north_2-a"]),
        ("prod", ["gis01", "gis02"]),
        ("nordics", ["gis02", "gis-oslo"]),
        ("emea", ["gis02", "gis1", "gis-oslo"]),
        # globs: any text, also none; one character, not none; both
        ("*", ALL),
        ("gis1*", ["gis1", "gis10", "gis100"]),
        ("gis?", ["gis1"]),
        ("gis??", ["gis01", "gis02", "gis10"]),
        ("*os?o*", ["gis-oslo", "oslo.north_2-a"]),
        ("oslo.*", ["oslo.north_2-a"]),
        # ranges: as wide as the first number, lists, several brackets, beside globs
        ("gis[01-20]", ["gis01", "gis02", "gis10"]),
        ("gis[1-20]", ["gis1", "gis10"]),
        ("gis[01-100]", ["gis01", "gis02", "gis10", "gis100"]),
        ("gis[001-100]", ["gis100"]),
        ("gis[1,02]", ["gis02", "gis1"]),
        ("gis[0-1][0-2]", ["gis01", "gis02", "gis10"]),
        ("gis1[0]", ["gis10"]),
        ("gis[1-2]*", ["gis1", "gis10", "gis100"]),
        ("g?s[01-02]", ["gis01", "gis02"]),
        # labels
        ("tier=prod", ["gis01", "gis02"]),
        ("tier = prod", ["gis01", "gis02"]),
        ("tier!=prod", ["gis1", "gis10", "gis100", "gis-oslo", "oslo.north_2-a"]),
        ("tier != gone", ALL),
        ('city="New York"', ["gis01"]),
        ('tier="test"', ["gis10"]),
        (r'note="a, b (c) & d | \"e\" = f \\ !"', ["oslo.north_2-a"]),
        # the last run
        ("@failed", ["gis10", "gis100", "gis-oslo"]),
        ("@unreachable", ["gis100"]),
        ("@skipped", ["gis-oslo"]),
        ("@ok", ["gis01"]),
        ("@changed or @noop", ["gis02", "gis1"]),
        # operators, tightest first: not, and, or
        ("not prod", ["gis1", "gis10", "gis100", "gis-oslo", "oslo.north_2-a"]),
        ("!prod", ["gis1", "gis10", "gis100", "gis-oslo", "oslo.north_2-a"]),
        ("not not prod", ["gis01", "gis02"]),
        ("!!prod", ["gis01", "gis02"]),
        ("prod and nordics", ["gis02"]),
        ("prod & nordics", ["gis02"]),
        ("prod&nordics", ["gis02"]),
        ("gis1 or gis10", ["gis1", "gis10"]),
        ("gis10,gis1", ["gis1", "gis10"]),
        ("gis1 or prod and nordics", ["gis02", "gis1"]),
        ("(gis1 or prod) and nordics", ["gis02"]),
        ("not prod and emea", ["gis1", "gis-oslo"]),
        ("not (prod and emea)", ["gis01", "gis1", "gis10", "gis100", "gis-oslo", "oslo.north_2-a"]),
        ("prod & !nordics, gis100", ["gis01", "gis100"]),
        ("empty or gis1", ["gis1"]),
    ],
)
def test_what_each_form_picks(inventory: Inventory, text: str, names: list[str]) -> None:
    assert list(select(parse(text), inventory, last_run=lambda: LAST)) == names


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("", ["the selector is empty"]),
        (" \t", ["the selector is empty"]),
        ("(gis1", ["the parenthesis of column 1 is not closed"]),
        ("gis1)", ["a parenthesis closes nothing in column 5"]),
        ("gis1 gis10", ["an operator is missing in column 6"]),
        ("gis1 and", ["something is missing at the end"]),
        ("or gis1", ["a name is missing before 'or'"]),
        ("gis1 | gis10", ["'|' has no place here in column 6"]),
        ("-gis", ["is no name"]),
        ("a" * 64, ["is no name"]),
        ("tier=", ["the value of tier is missing"]),
        ("tier='prod'", ["has no place here", "the value of tier is missing"]),
        ("not=x", ["the name of a label is missing before '='"]),
        ("gis[9-1]", ["[9-1] runs backwards"]),
        ("gis[]", ["is no range"]),
        ("gis[a-b]", ["has no place here"]),
        ("gis[1-999999999]", ["stands for more than 100000 numbers"]),
        ("g[1-999][1-999]", ["stands for more than 100000 names"]),
        ("@faild", ["@faild is no outcome (did you mean @failed?)"]),
        ("(" * 200 + "gis1" + ")" * 200, ["nested too deeply"]),
        ("!" * 5000 + "gis1", ["nested too deeply"]),
    ],
)
def test_what_cannot_be_read(inventory: Inventory, text: str, sentences: list[str]) -> None:
    for allow_empty in (False, True):
        with pytest.raises(SelectorError) as caught:
            select(parse(text), inventory, allow_empty=allow_empty)
        assert any(sentence in str(caught.value) for sentence in sentences)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("gis-olso", "there is no site and no group 'gis-olso'; did you mean gis-oslo?"),
        ("GIS-OSLO", "there is no site and no group 'GIS-OSLO'; did you mean gis-oslo?"),
        ("prood", "there is no site and no group 'prood'; did you mean prod?"),
        ("gis03", "there is no site and no group 'gis03'; did you mean gis10, gis02 or gis01?"),
        ("nothing-like-it", "there is no site and no group 'nothing-like-it'"),
        ("not prood", "there is no site and no group 'prood'; did you mean prod?"),
        ("ber*", "'ber*' matches no site"),
        ("gis[50-60]", "'gis[50-60]' matches no site; did you mean gis100?"),
        ("teir=prod", "no site has a label 'teir'; did you mean tier?"),
        ("teir!=prod", "no site has a label 'teir'; did you mean tier?"),
        ("tier=prodd", "'tier=prodd' matches no site; did you mean tier=prod?"),
        ('city="New Yorck"', '\'city="New Yorck"\' matches no site; did you mean city="New York"?'),
        ("empty", "the selector 'empty' matches no site (--allow-empty accepts that)"),
        ("gis1 and gis10", "the selector 'gis1 and gis10' matches no site (--allow-empty accepts that)"),
        ("@cancelled", "the selector '@cancelled' matches no site (--allow-empty accepts that)"),
    ],
)
def test_what_matches_nothing_is_an_error_with_the_nearest_names(
    inventory: Inventory, text: str, sentence: str
) -> None:
    with pytest.raises(SelectorError) as caught:
        select(parse(text), inventory, last_run=lambda: LAST)
    assert str(caught.value) == sentence
    picked = select(parse(text), inventory, last_run=lambda: LAST, allow_empty=True)
    assert list(picked) == (ALL if "!=" in text or text.startswith("not ") else [])


def test_every_name_that_matches_nothing_is_told_at_once(inventory: Inventory) -> None:
    with pytest.raises(SelectorError) as caught:
        select(parse("gis1 or gis-olso or (prood and teir=x) or ber*"), inventory)
    assert [line.split(";")[0] for line in str(caught.value).splitlines()] == [
        "there is no site and no group 'gis-olso'",
        "there is no site and no group 'prood'",
        "no site has a label 'teir'",
        "'ber*' matches no site",
    ]
    with pytest.raises(SelectorError) as caught:
        select(parse(",".join(f"x{number}" for number in range(30))), inventory)
    assert str(caught.value).splitlines()[-1] == "and 20 more"


def test_without_a_recorded_run_its_outcomes_can_not_be_asked_for(inventory: Inventory) -> None:
    with pytest.raises(SelectorError, match="@failed asks for the last run, and none of this inventory is recorded"):
        select(parse("@failed"), inventory)


def test_several_thousand_names_are_one_selector(inventory: Inventory) -> None:
    many = parse(",".join(["gis1"] * 5000 + ["gis10"]))
    assert list(select(many, inventory)) == ["gis1", "gis10"]
    assert parse(str(many)) == many
    assert list(select(parse(" and ".join(["gis1"] * 5000)), inventory)) == ["gis1"]


def test_a_glob_of_many_stars_is_quick(inventory: Inventory) -> None:
    assert select(parse("*s" * 30 + "*x"), inventory, allow_empty=True) == {}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("all", "all"),
        ("gis02", "named gis02"),
        ("prod", "in group prod"),
        ("emea", "in group emea, which holds nordics"),
        ("gis0*", "fits gis0*"),
        ("gis[01-02]", "fits gis[01-02]"),
        ("role=maps", "role=maps"),
        ("role!=hosting", "role=maps"),
        ("city!=x", "no label city"),
        ("@failed", "timeout in the last run"),
        ("@file:names", "line 3 of names"),
        ("not gis01", "not gis01"),
        ("not (gis01 or gis1)", "not (gis01 or gis1)"),
        ("prod and role!=hosting", "in group prod and role=maps"),
        ("gis1 or prod", "in group prod"),
    ],
)
def test_why_a_site_was_picked(inventory: Inventory, text: str, why: str) -> None:
    found = select(
        parse(text), inventory, last_run=lambda: {"gis02": "timeout"}, read_file=lambda path: "# c\n\ngis02 # x\n"
    )
    assert found["gis02"] == why


@pytest.mark.parametrize(
    "data",
    [
        b"gis1\n\n  # a comment\ngis10   # and one behind\n\tgis100\t\n",
        b"\xef\xbb\xbfgis1\r\ngis10\r\ngis100\r\n",
        b"gis1\r\n\r\n#\r\ngis10\r\ngis100",
        "gis1\r\ngis10\r\ngis100\r\n".encode("utf-16"),
    ],
)
def test_a_file_of_names(inventory: Inventory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    path = tmp_path / "names of sites.txt"
    path.write_bytes(data)
    wanted = ["gis1", "gis10", "gis100"]
    assert list(select(parse(f'@file:"{path}"'), inventory)) == wanted
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert list(select(parse("@file:- and not (@file:- and gis10)"), inventory)) == ["gis1", "gis100"]


def test_a_file_of_names_may_name_groups(inventory: Inventory) -> None:
    found = select(parse("@file:names"), inventory, read_file=lambda path: "prod\ngis02\n")
    assert found == {"gis01": "line 1 of names", "gis02": "line 1 of names"}


def test_what_is_wrong_with_a_file_of_names(inventory: Inventory, tmp_path: Path) -> None:
    path = tmp_path / "names"
    path.write_text("gis1\ngis-olso\n\nprood\n")
    with pytest.raises(SelectorError) as caught:
        select(parse(f"@file:{path}"), inventory)
    assert str(caught.value).splitlines() == [
        f"{path}:2: there is no site and no group 'gis-olso'; did you mean gis-oslo?",
        f"{path}:4: there is no site and no group 'prood'; did you mean prod?",
    ]
    assert list(select(parse(f"@file:{path}"), inventory, allow_empty=True)) == ["gis1"]
    path.write_text("# nobody\n")
    with pytest.raises(SelectorError, match="matches no site"):
        select(parse(f"@file:{path}"), inventory)
    path.write_bytes(b"gis\xff1\n")
    with pytest.raises(SelectorError, match="is not UTF-8 text"):
        select(parse(f"@file:{path}"), inventory)
    for missing, reason in (
        (tmp_path / "nothing", "No such file"),
        (tmp_path, "Is a directory"),
        (Path("~nobody-at-all/names"), "No such file"),
        (Path("/dev/zero"), "larger than 16 MiB"),
    ):
        with pytest.raises(SelectorError, match=reason):
            select(parse(f"@file:{missing}"), inventory)
