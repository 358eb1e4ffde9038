"""The docs are true: rules have tests, commands have pages, and the project speaks of itself alone."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import jsonschema
import pytest

from fleet.cli.main import COMMANDS
from fleet.inventory.schema import schema
from fleet.simulator import FAULTS, SWITCHES, Switches

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
TESTS = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))


def test_every_rule_of_the_security_page_has_a_test() -> None:
    rules = re.findall(r"^- \*\*([A-Z]\d+)\*\*", (DOCS / "explanation" / "security.md").read_text(), re.MULTILINE)
    assert len(rules) > 10
    missing = [rule for rule in rules if f"def test_rule_{rule.lower()}_" not in TESTS]
    assert missing == []


CLAIMS = {1: 10, 2: 11, 3: 9, 4: 5, 5: 18, 6: 9, 7: 10, 8: 14, 9: 7, 10: 6, 13: 15}
"""How many numbered claims each section of the page about the wire has; sections 11 and 12 are one claim each."""


def test_every_claim_about_the_wire_is_on_its_page_and_has_a_test() -> None:
    page = (DOCS / "reference" / "wire-behaviour.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+(?:\.\d+)?) \|", page, re.MULTILINE)
    wanted = [f"{section}.{number}" for section, count in CLAIMS.items() for number in range(1, count + 1)]
    assert sorted(rows) == sorted([*wanted, "11", "12"])
    tests = set(re.findall(r"def test_wire_((?:\d+_)+(?:and_(?:\d+_)+)*)", TESTS))
    named = {claim.strip("_") for name in tests for claim in name.split("and_")}
    assert [claim for claim in rows if claim.replace(".", "_") not in named] == []


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_a_page_that_names_every_option(command: str) -> None:
    page = (DOCS / "reference" / "cli" / f"{command}.md").read_text(encoding="utf-8")
    help_text = subprocess.run(
        [sys.executable, "-m", "fleet", command, "--help"], capture_output=True, text=True, check=True
    ).stdout
    for option in re.findall(r"--[a-z][a-z-]+", help_text):
        assert option in page


def test_every_fault_is_on_the_simulator_s_page() -> None:
    page = (DOCS / "reference" / "simulator.md").read_text(encoding="utf-8")
    assert [kind for kind, meaning in FAULTS.items() if f"| `{kind}` | {meaning} |" not in page] == []


def test_every_switch_is_on_the_simulator_s_page_and_has_a_test() -> None:
    page = (DOCS / "reference" / "simulator.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    for name in SWITCHES:
        row = next((row for row in rows if f"`{name}`" in row.split("|")[1]), None)
        assert row is not None, name
        default = getattr(Switches(), name.replace("-", "_"))
        if isinstance(default, bool | int | float | str):
            shown = (
                str(default).lower() if isinstance(default, bool) else f"{default:g}" if default == 0 else str(default)
            )
            assert f"`{shown.removesuffix('.0')}`" in row.split("|")[2], name
    tested = (ROOT / "tests" / "simulator" / "test_switches.py").read_text(encoding="utf-8")
    assert [name for name in SWITCHES if f'"{name}"' not in tested] == []


def test_every_link_leads_somewhere() -> None:
    for page in [*DOCS.rglob("*.md"), ROOT / "README.md"]:
        for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page}: {target}"


def test_the_schema_takes_the_shipped_inventory_and_refuses_wrong_ones() -> None:
    validator = jsonschema.Draft202012Validator(schema())
    assert list(validator.iter_errors(tomllib.loads((ROOT / "inventory.toml").read_text()))) == []
    for wrong in (
        "[sites.a]\nurll = 'x'",
        "[sites.a]\nurl = 'https://a'\ntimeout = 30",
        "[sites.all-right]\nurl = 5",
        "[defaults]\npassword = { envv = 'X' }",
        "nothing = 1",
    ):
        assert list(validator.iter_errors(tomllib.loads(wrong))) != []


def test_no_machine_and_no_registry_is_named() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    hosts = ["".join(parts) for parts in (("pypi", ".org"), ("python", "hosted"), ("registry.", "npmjs"))]
    places = ["".join(parts) for parts in (("/", "root", "/"), ("/", "work", "/"))]
    banned = re.compile("|".join(map(re.escape, [*hosts, *places])))
    for name in tracked:
        path = ROOT / name
        if path.suffix in (".py", ".md", ".toml", ".lock", ".txt") or path.name in ("Makefile", "run"):
            assert not banned.search(path.read_text(encoding="utf-8")), name
