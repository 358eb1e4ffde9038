"""The reference is complete: what the code has stands on its page, and what stands there the code has."""

from __future__ import annotations

import ast
import re
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest
from markdown_it import MarkdownIt

import fleet
from fleet import errors, ops, sync
from fleet.errors import SiteError
from fleet.outcome import OUTCOME_OF_KIND, REACHED, OutcomeName
from tools import command_pages, step_page
from tools.api_page import BEGIN, PAGE, generated

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
OTHERS = {"COLUMNS"}
"""Variables on the page that Python's library reads for us."""


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the first table below *heading* on *page*, without its head."""
    text = (DOCS / "reference" / page).read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2]
    lines = text[text.index("\n| ") :].lstrip("\n").splitlines()
    end = next((place for place, line in enumerate(lines) if not line.startswith("|")), len(lines))
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:end]]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_the_python_page_is_made_from_the_code_as_it_is() -> None:
    written = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].lstrip("\n")
    assert written == generated(), "the code has changed: make pages"
    headings = set(re.findall(r"^#+ (\S+)$", written, re.MULTILINE))
    assert set(fleet.__all__) - {"__version__", "ops"} <= headings
    assert {f"sync.{name}" for name in sync.__all__} <= headings
    for room in ops.__all__:
        assert {f"ops.{room}.{name}" for name in getattr(ops, room).__all__} <= headings


def test_the_commands_pages_have_the_help_as_it_is() -> None:
    for path, text in command_pages.pages().items():
        assert path.read_text(encoding="utf-8") == text, f"an option has changed: make pages ({path.name})"


def test_the_page_of_steps_is_made_from_the_code_as_it_is() -> None:
    written = step_page.PAGE.read_text(encoding="utf-8").partition(step_page.BEGIN)[2]
    assert written == step_page.generated(), "a step has changed: make pages"


def test_every_outcome_is_on_its_page_with_what_it_counts_as() -> None:
    found = {code(name)[0]: (ok, counted) for name, ok, _, counted in rows("outcomes.md", "Outcomes")}
    assert list(found) == list(get_args(OutcomeName))
    for name, (ok, counted) in found.items():
        assert ok == ("true" if name in ("ok", "changed", "noop") else "false")
        assert counted == ("answered" if name in REACHED else "missing")


def test_every_kind_of_error_is_on_its_page_with_its_class_and_outcome() -> None:
    found = {
        code(kind)[0]: (code(names), code(outcome))
        for kind, names, outcome, *_ in rows("outcomes.md", "Kinds of errors")
    }
    assert set(found) == set(get_args(errors.Kind))
    classes = {
        name: thing for name, thing in vars(errors).items() if isinstance(thing, type) and thing.__mro__[1] is SiteError
    }
    for kind, (names, outcomes) in found.items():
        assert sorted(names) == sorted(name for name, thing in classes.items() if thing.kind == kind)
        assert outcomes[0] == OUTCOME_OF_KIND[kind]  # type: ignore[index]
        assert set(outcomes) <= set(get_args(OutcomeName))


def read_variables() -> set[str]:
    """The variables that the package reads, by what it looks up in an environment and by names that begin with FLEET_."""
    found = set()
    for path in (ROOT / "fleet").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if re.fullmatch(r"FLEET_[A-Z_]*[A-Z]", node.value):
                    found.add(node.value)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
                if ast.unparse(node.func.value).endswith("environ") or ast.unparse(node.func.value).endswith(
                    "environment"
                ):
                    name = node.args[0]
                    if isinstance(name, ast.Constant):
                        found.add(name.value)
    return found


def test_every_variable_that_is_read_is_on_its_page_and_no_other() -> None:
    told = {name for cell, *_ in rows("environment.md", "Variables") for name in code(cell)}
    assert told - OTHERS == read_variables()


def test_the_rooms_and_their_order_are_those_of_the_code() -> None:
    page = (DOCS / "explanation" / "architecture.md").read_text(encoding="utf-8")
    listed = {name for line in page.splitlines() if line.startswith("| `") for name in code(line.split("|")[1])}
    there = {
        path.stem for path in (ROOT / "fleet").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert listed == {name for name in there if not name.startswith("_")}
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    layers = [{part.strip() for part in re.split("[:|]", layer)} for layer in contract["layers"]]
    drawn = page.partition("```text\n")[2].partition("```")[0].split("->")
    assert [set(re.findall(r"\w+", part)) for part in drawn] == layers


def anchors(page: Path) -> set[str]:
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))
    titles = [inline.content for token, inline in pairwise(tokens) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_part_of_a_page_leads_there(page: Path) -> None:
    for target, part in re.findall(r"\]\(([^)#\s]*)#([^)]+)\)", page.read_text(encoding="utf-8")):
        where = (page.parent / target).resolve() if target else page
        assert part in anchors(where), f"{target}#{part}"


def test_every_page_is_reached_from_the_index() -> None:
    linked = re.findall(r"\]\(([^)#]+)", (DOCS / "index.md").read_text(encoding="utf-8"))
    assert len(linked) == len(set(linked))
    assert {(DOCS / target).resolve() for target in linked} == set(DOCS.rglob("*.md")) - {DOCS / "index.md"}


def test_every_page_is_of_one_kind_and_begins_with_its_title() -> None:
    for page in PAGES:
        assert page.read_text(encoding="utf-8").startswith("# "), page
        if page.is_relative_to(DOCS) and page.name != "index.md":
            assert page.relative_to(DOCS).parts[0] in ("tutorials", "how-to", "reference", "explanation")
