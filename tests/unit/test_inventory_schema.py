"""The schema and the loader agree: on every example, on every mistake that stands in one table, and on what is made up."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.errors import InventoryError
from fleet.inventory.load import Source, load
from fleet.inventory.schema import schema
from fleet.inventory.tables import GROUP_KEYS, SHARED_KEYS, SITE_KEYS
from fleet.simulator import Simulator
from tests.inventory_mistakes import ACROSS_TABLES, IN_ONE_TABLE

ROOT = Path(__file__).resolve().parents[2]
VALIDATOR = jsonschema.Draft202012Validator(schema())


def refused(text: str) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(tomllib.loads(text))]


def examples() -> list[tuple[str, str]]:
    """Every inventory that a page shows, and the one that is shipped.

    Not those of a page that installs a check of its own, which they name: that page is run, and checked then.
    """
    found = [("inventory.toml", (ROOT / "inventory.toml").read_text(encoding="utf-8"))]
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        shown = page.read_text(encoding="utf-8")
        for block in re.findall(r"```toml\n(.*?)```", shown, re.DOTALL):
            if 'entry-points."fleet.checks"' not in shown and re.search(
                r"^\[(defaults|groups|sites)", block, re.MULTILINE
            ):
                found.append((page.name, block))
    return found


def test_the_schema_is_a_schema_and_is_what_the_command_prints() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    done = subprocess.run(
        [sys.executable, "-m", "fleet", "inventory", "schema"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == schema()


def test_every_key_that_the_loader_reads_has_its_place_in_the_schema() -> None:
    tables = schema()["properties"]
    assert set(tables["defaults"]["properties"]) == set(SHARED_KEYS)
    assert set(tables["groups"]["additionalProperties"]["properties"]) == set(GROUP_KEYS)
    assert set(tables["sites"]["additionalProperties"]["properties"]) == set(SITE_KEYS)


@pytest.mark.parametrize(("page", "text"), examples())
def test_every_example_is_taken_by_the_schema_and_by_the_loader(page: str, text: str, tmp_path: Path) -> None:
    assert refused(text) == []
    path = tmp_path / "inventory.toml"
    path.write_text(text, encoding="utf-8")
    assert load([Source(path, trusted=True)]).files == (path,)


async def test_what_the_simulator_writes_is_taken() -> None:
    for options in ({}, {"federated": True}, {"tls": True}, {"paths": True, "username": 'a"b\\c'}):
        async with Simulator(sites=2, **options) as simulator:  # type: ignore[arg-type]
            assert refused(simulator.inventory_toml()) == []
            assert refused(simulator.inventory_toml(password_from_environment=True)) == []


@pytest.mark.parametrize("text", [text for text, _ in IN_ONE_TABLE])
def test_the_schema_refuses_every_mistake_that_stands_in_one_table(text: str) -> None:
    assert refused(text) != []


def test_the_other_mistakes_need_the_loader() -> None:
    parsed = []
    for text, sentence in ACROSS_TABLES:
        if "this is not TOML" not in sentence:
            parsed.append(refused(text))
    assert len(parsed) > 5
    assert not any(parsed)


HEX = "0123456789abcdef" * 4
SECRETS = [{"env": "X"}, {"file": "x"}, {"keyring": "x", "user": "y"}, {"command": ["x"]}, "clear", {}, {"env": 1}, 5]
VALUES: dict[str, list[Any]] = {
    "username": ["x", "", 5],
    "password": SECRETS,
    "timeout": [
        "30s",
        "1h30m",
        "500ms",
        "5m",
        "1d",
        " 7s ",
        "0s",
        "0m0s",
        "30",
        "1s1m",
        "1s1s",
        "s",
        "1,5s",
        "-1s",
        30,
        True,
    ],
    "labels": [{}, {"a": "b"}, {"a.b-c_1": ""}, {"a b": "x"}, {"all": "x"}, {"a": 1}, {"x" * 64: "y"}, [], "x"],
    "protected": [True, False, "true", 1],
    "allow_http": [True, 0],
    "allow_plaintext": [True, False, "x"],
    "proxy": [
        "http://proxy.example.com:3128",
        "HTTP://proxy.example.com/",
        "https://proxy.example.com:3128",
        "http://u:p@proxy.example.com",
        "http://proxy.example.com/path",
        {"url": "http://proxy.example.com:3128"},
        {"url": "http://proxy.example.com", "username": "x", "password": {"env": "X"}},
        {"url": "http://proxy.example.com", "username": "x", "password": "clear"},
        {"url": "http://proxy.example.com", "username": "x", "password": "clear", "allow_plaintext": True},
        {"url": "http://proxy.example.com", "username": "x:y", "password": {"env": "X"}},
        {"url": "http://proxy.example.com", "username": "x"},
        {"url": "http://proxy.example.com", "password": {"env": "X"}},
        {"username": "x", "password": {"env": "X"}},
        {},
        "",
        5,
    ],
    "reads": [1, 64, 0, 65, "4", 1.5, True],
    "retries": [0, 10, -1, 11, "2"],
    "checks": [
        {},
        {"tls": {}},
        {"tls": {"warning": 1, "critical": "7d", "severity": "warning", "enabled": False}},
        {"tls": {"warning": -1}},
        {"tls": {"warning": "soon"}},
        {"tls": {"severity": "ok"}},
        {"tls": {"limit": 1}},
        {"nothing": {}},
        {"tls": 5},
    ],
    "auth": [
        {},
        {"kind": "server", "client": "requestip"},
        {"kind": "portal", "portal": "https://p.example.com/arcgis"},
        {"kind": "portal", "portal": "https://p.example.com/arcgis", "client": "ip", "ip": "10.0.0.1"},
        {"kind": "portal"},
        {"kind": "oauth", "portal": "https://p.example.com", "client_id": "x", "client_secret": {"env": "X"}},
        {"kind": "oauth", "portal": "https://p.example.com", "client_id": "x", "client_secret": "clear"},
        {"kind": "token", "token": {"env": "X"}},
        {"kind": "token", "token": "clear", "allow_plaintext": True},
        {"kind": "token", "token": "clear", "allow_plaintext": False},
        {"kind": "token"},
        {"kind": "basic"},
        {"client": "ip", "ip": "10.0.0.1"},
        {"client": "ip"},
        {"exchange": 1},
        {"realm": "x"},
        5,
    ],
    "tls": [
        {},
        {"ca": "ca.pem", "cert": "c.pem", "key": "k.pem", "key_password": {"env": "X"}},
        {"pin": f"sha256:{HEX}"},
        {"pin": f"SHA256:{HEX.upper()}"},
        {"pin": "sha256:" + ":".join(HEX[place : place + 2] for place in range(0, 64, 2))},
        {"pin": f"sha1:{HEX}"},
        {"pin": f"sha256:{HEX}0"},
        {"pin": f"sha256:{HEX}", "verify": False},
        {"pin": f"sha256:{HEX}", "ca": "ca.pem", "cert": "c.pem"},
        {"key_password": {"env": "X"}},
        {"key": "k.pem"},
        {"verify": "no"},
        {"ca": ""},
        {"cert": "c.pem", "key_password": "clear"},
        {"ciphers": "x"},
        [],
    ],
}
URLS = [
    "https://x.example.com",
    "https://x.example.com/arcgis",
    "HTTPS://X.example.com:6443/arcgis/",
    "http://127.0.0.1:6080/arcgis",
    "https://[::1]:6443/a/b",
    "https://x.example.com/arcgis/rest/services",
    "https://u:p@x.example.com",
    "https://x.example.com/?x",
    "https://x.example.com/#x",
    "https://x.example.com/a b",
    "https:///arcgis",
    "//x.example.com",
    "x",
    "",
    5,
]


def toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    keys = draw(st.lists(st.sampled_from([*VALUES, "unheard"]), unique=True, max_size=3))
    return {key: draw(st.sampled_from(VALUES.get(key, [1]))) for key in keys}


@given(
    tables(), st.sampled_from(["defaults", "groups.g", "sites.x"]), st.sampled_from(URLS[:4]) | st.sampled_from(URLS)
)
def test_schema_and_loader_refuse_the_same_tables(table: dict[str, Any], name: str, url: Any) -> None:
    if name.startswith("sites"):
        table = {"url": url, **table}
    text = f"[{name}]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in table.items())
    before = copy.deepcopy(table)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "inventory.toml"
        path.write_text(text, encoding="utf-8")
        try:
            load([Source(path, trusted=True)])
            told: list[str] = []
        except InventoryError as error:
            told = [str(problem) for problem in error.problems]
    assert bool(refused(text)) == bool(told), f"{before}\nschema: {refused(text)}\nloader: {told}"
