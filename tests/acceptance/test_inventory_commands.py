"""`fleet inventory` as processes: what each command prints in each format, and what an option means on it."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.processes import FLEET

Write = Callable[[str], Path]

FILE = """[defaults]
username = "siteadmin"
password = { env = "FLEET_PASSWORD" }
timeout = "30s"
labels = { owner = "gis" }

[groups.prod]
labels = { tier = "prod" }
tls = { ca = "ca.pem", verify = false }
checks = { tls = { warning = "60d" }, mode = { enabled = false } }

[groups.emea]
groups = ["nordics"]
timeout = "1m30s"

[groups.nordics]
timeout = "10s"
auth = { kind = "oauth", portal = "https://portal.example.com/arcgis", client_id = "x", client_secret = { command = [
  "pass", "gis/hunter22"] } }
checks = { tls = { critical = 7, severity = "warning" } }

[sites.oslo]
url = "https://gis-oslo.example.com/arcgis"
groups = ["nordics", "prod"]
labels = { role = "hosting" }
protected = true

[sites.bergen]
url = "https://gis-bergen.example.com/arcgis"
groups = ["prod"]
password = "hunter22"
allow_plaintext = true

[sites.alone]
url = "https://alone.example.com/arcgis"
reads = 2
"""


def fleet(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fleet", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "160", **environment},
    )


@pytest.fixture
def folder(tmp_path: Path, write_inventory: Write) -> Path:
    write_inventory(FILE)
    return tmp_path


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_list_in_each_format(folder: Path) -> None:
    told = json.loads(fleet("inventory", "list", cwd=folder).stdout)
    assert told[0] == {
        "site": "oslo",
        "url": "https://gis-oslo.example.com/arcgis",
        "groups": ["nordics", "emea", "prod"],
        "labels": {"owner": "gis", "tier": "prod", "role": "hosting"},
        "protected": True,
    }
    lines = fleet("inventory", "list", "-s", "prod", "--explain", "-o", "ndjson", cwd=folder).stdout.splitlines()
    assert [(line["site"], line["because"]) for line in map(json.loads, lines)] == [
        ("oslo", "in group prod"),
        ("bergen", "in group prod"),
    ]
    table = fleet("inventory", "list", "-s", "emea", "-o", "table", cwd=folder)
    assert table.stdout.splitlines()[0].split() == ["site", "url", "groups", "labels", "protected"]
    assert len(table.stdout.splitlines()) == 2
    assert table.stderr == "1 of 3 sites\n"
    assert fleet("inventory", "list", "-o", "table", "-q", cwd=folder).stderr == ""
    assert fleet("inventory", "list", "-o", "markdown", cwd=folder).stdout.startswith("| site | url |")


def test_list_takes_columns_and_an_order_and_labels_are_columns_too(folder: Path) -> None:
    done = fleet(
        "inventory", "list", "--columns", "site, labels.role,labels.tier", "--sort", "-site", "-o", "csv", cwd=folder
    )
    assert rows(done.stdout) == [
        {"site": "oslo", "labels.role": "hosting", "labels.tier": "prod"},
        {"site": "bergen", "labels.role": "", "labels.tier": "prod"},
        {"site": "alone", "labels.role": "", "labels.tier": ""},
    ]
    ordered = json.loads(fleet("inventory", "list", "--sort", "labels.tier", "-o", "json", cwd=folder).stdout)
    assert [row["site"] for row in ordered] == ["oslo", "bergen", "alone"], "without a value: last"
    for option in ("--columns", "--sort"):
        wrong = fleet("inventory", "list", option, "labls.role", "-o", "json", cwd=folder)
        assert (wrong.returncode, wrong.stdout) == (2, "")
        assert "there is no column 'labls.role' (did you mean labels.role?)" in wrong.stderr


def test_what_nothing_is_selected_from_is_an_error_unless_it_is_allowed(folder: Path) -> None:
    assert fleet("inventory", "list", "-s", "prod and alone", cwd=folder).returncode == 2
    for form, printed in (("json", "[]\n"), ("ndjson", ""), ("csv", ""), ("markdown", ""), ("table", "")):
        done = fleet("inventory", "list", "-s", "prod and alone", "--allow-empty", "-o", form, cwd=folder)
        assert (done.returncode, done.stdout) == (0, printed)


def values(text: str) -> dict[str, dict[str, Any]]:
    return {row["key"]: row for row in json.loads(text)["values"]}


def test_show_tells_each_value_in_its_own_type_and_where_it_comes_from(folder: Path) -> None:
    done = fleet("inventory", "show", "oslo", "-i", "inventory.toml", "-o", "json", cwd=folder)
    told = values(done.stdout)
    assert {key: row["value"] for key, row in told.items()} == {
        "url": "https://gis-oslo.example.com/arcgis",
        "groups": ["nordics", "prod"],
        "username": "siteadmin",
        "password": {"env": "FLEET_PASSWORD"},
        "timeout": 90,
        "auth": {
            "kind": "oauth",
            "portal": "https://portal.example.com/arcgis",
            "client_id": "x",
            "client_secret": {"command": ["pass", "***"]},
        },
        "tls": {"verify": False, "ca": "ca.pem"},
        "labels.role": "hosting",
        "labels.tier": "prod",
        "labels.owner": "gis",
        "protected": True,
        "checks.tls.critical": 7,
        "checks.tls.severity": "warning",
        "checks.tls.warning": 60,
        "checks.mode.enabled": False,
        "reads": 4,
        "retries": 2,
        "allow_http": False,
    }
    lines = FILE.splitlines()
    for key, row in told.items():
        if row["table"] == "built in":
            assert (row["where"], row["file"], row["line"]) == (None, None, None)
        else:
            assert row["where"] == f"inventory.toml:{row['line']}"
            assert key.split(".")[0] in lines[row["line"] - 1]
            above = [line for line in lines[: row["line"]] if line.startswith("[")]
            assert above[-1] == f"[{row['table']}]"
    tables = {key: row["table"] for key, row in told.items()}
    assert tables["timeout"] == "groups.emea"
    assert tables["checks.tls.critical"] == "groups.nordics"
    assert tables["checks.tls.warning"] == "groups.prod"
    assert tables["reads"] == "built in"
    lines_of_json = fleet(
        "inventory", "show", "oslo", "-i", "inventory.toml", "-o", "ndjson", cwd=folder
    ).stdout.splitlines()
    assert [json.loads(line) for line in lines_of_json] == [{"site": "oslo", **row} for row in told.values()]


def test_show_writes_values_for_people_as_the_file_has_them(folder: Path) -> None:
    table = fleet("inventory", "show", "oslo", "-i", "inventory.toml", "-o", "table", cwd=folder).stdout
    told = {line.split()[0]: line for line in table.splitlines()}
    assert "1m30s" in told["timeout"]
    assert "inventory.toml:14" in told["timeout"]
    assert "verify = false, ca = ca.pem" in told["tls"]
    assert "kind = oauth, portal = https://portal.example.com/arcgis, client_id = x" in told["auth"]
    assert "env FLEET_PASSWORD" in told["password"]
    assert "built in" in told["reads"]
    far = folder / "a-folder-with-a-long-name" / "and-another-one-in-it"
    far.mkdir(parents=True)
    for inventory in ([], ["-i", "../../inventory.toml"], ["-i", str(folder / "inventory.toml")]):
        cwd = folder if not inventory else far
        table = fleet("inventory", "show", "oslo", *inventory, "-o", "table", cwd=cwd, COLUMNS="80").stdout
        assert "inventory.toml:14 " in table
    found = {
        row["key"]: row
        for row in rows(fleet("inventory", "show", "alone", "-i", "inventory.toml", "-o", "csv", cwd=folder).stdout)
    }
    line = FILE.splitlines().index("reads = 2") + 1
    assert found["reads"] == {"key": "reads", "value": "2", "where": f"inventory.toml:{line}", "table": "sites.alone"}
    assert found["auth"] == {"key": "auth", "value": "kind = server", "where": "", "table": "built in"}
    assert found["tls"]["value"] == "verify = true"


def test_no_secret_is_shown_in_any_format(folder: Path) -> None:
    for form in ("table", "json", "ndjson", "csv", "markdown"):
        for site in ("oslo", "bergen"):
            done = fleet("inventory", "show", site, "-o", form, cwd=folder)
            assert done.returncode == 0
            assert "hunter22" not in done.stdout + done.stderr


def test_check_says_its_verdict_for_people_and_for_programs(folder: Path, tmp_path: Path) -> None:
    done = fleet("inventory", "check", cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "3 sites, 3 groups, no mistakes\n", "")
    assert fleet("inventory", "check", "-q", cwd=folder).stdout == ""
    assert json.loads(fleet("inventory", "check", "-i", "inventory.toml", "-o", "json", cwd=folder).stdout) == {
        "files": ["inventory.toml"],
        "sites": 3,
        "groups": 3,
        "problems": [],
    }
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('[sites.a]\nurll = "x"\n[sites.b]\nurl = "http://b.example.com"\n')
    told = fleet("inventory", "check", "-i", str(wrong), "-o", "json")
    assert told.returncode == 2
    assert json.loads(told.stdout)["problems"] == [
        {"file": str(wrong), "line": 1, "key": "sites.a", "message": "a site needs a url", "suggestion": None},
        {"file": str(wrong), "line": 2, "key": "sites.a.urll", "message": "unknown key", "suggestion": "url"},
        {
            "file": str(wrong),
            "line": 4,
            "key": "sites.b.url",
            "message": "http:// sends tokens in clear: use https://, or say allow_http = true",
            "suggestion": None,
        },
    ]
    assert len(rows(fleet("inventory", "check", "-i", str(wrong), "-o", "csv").stdout)) == 3
    sentence = fleet("inventory", "check", "-i", str(wrong))
    assert (sentence.returncode, sentence.stdout) == (2, "")
    assert sentence.stderr.splitlines()[0] == "3 mistakes in the inventory; nothing was sent"


def test_check_looks_secrets_up_and_finds_sites_without_an_account(folder: Path, write_inventory: Write) -> None:
    write_inventory(
        FILE.replace('["prod"]', "[]")
        .replace("timeout", "# timeout")
        .replace('"pass"', json.dumps(sys.executable))
        .replace("gis/hunter22", "--version")
    )
    assert fleet("inventory", "check", "--secrets", "-i", "inventory.toml", cwd=folder).returncode == 2
    good = fleet("inventory", "check", "--secrets", "-i", "inventory.toml", cwd=folder, FLEET_PASSWORD="x")
    assert (good.returncode, good.stdout) == (0, "3 sites, 3 groups, no mistakes\n")
    write_inventory(
        '[sites.a]\nurl = "https://a.example.com"\n[sites.b]\nurl = "https://b.example.com"\nusername = "x"\n'
        'password = { env = "NOT_SET_ANYWHERE" }\n[sites.c]\nurl = "https://c.example.com"\nusername = "x"\n'
    )
    done = fleet("inventory", "check", "--secrets", cwd=folder)
    assert (done.returncode, done.stdout) == (2, "3 sites, 0 groups, 3 secrets missing\n")
    assert [line.split(" →")[0] for line in done.stderr.splitlines()] == [
        "b: the variable NOT_SET_ANYWHERE is not set",
        "a: there is no username and no password",
        "c: there is no password",
    ]
    told = json.loads(fleet("inventory", "check", "--secrets", "-o", "json", cwd=folder).stdout)
    assert [entry["sites"] for entry in told["secrets"]] == [["b"], ["a"], ["c"]]
    only = fleet("inventory", "check", "--secrets", "-s", "b", cwd=folder, NOT_SET_ANYWHERE="x")
    assert (only.returncode, only.stdout) == (0, "3 sites, 0 groups, no mistakes\n")


def test_graph_draws_groups_and_the_selected_sites(folder: Path) -> None:
    assert fleet("inventory", "graph", cwd=folder).stdout.splitlines() == [
        "prod: oslo, bergen",
        "emea",
        "  nordics: oslo",
        "(in no group): alone",
    ]
    assert fleet("inventory", "graph", "-s", "emea", cwd=folder).stdout.splitlines() == [
        "prod: oslo",
        "emea",
        "  nordics: oslo",
    ]
    assert json.loads(fleet("inventory", "graph", "-s", "bergen", "-o", "json", cwd=folder).stdout) == {
        "prod": {"sites": ["bergen"], "in": []}
    }
    dot = fleet("inventory", "graph", "-o", "dot", cwd=folder).stdout.splitlines()
    assert dot[0] == "digraph inventory {"
    assert '  "emea" -> "nordics";' in dot
    assert '  "prod" -> "bergen";' in dot
    assert '  "alone";' in dot
    mermaid = fleet("inventory", "graph", "-o", "mermaid", cwd=folder).stdout.splitlines()
    assert mermaid[0] == "graph LR"
    assert '  n2["emea"]' in mermaid
    assert "  n2 --> n3" in mermaid
    assert '  n6["alone"]' in mermaid


def test_a_group_that_is_in_many_is_drawn_once_with_what_it_holds(tmp_path: Path, write_inventory: Write) -> None:
    layers = [
        f'[groups.g{level}{side}]\ngroups = ["g{level + 1}a", "g{level + 1}b"]\n'
        for level in range(40)
        for side in "ab"
    ]
    path = write_inventory("".join(layers) + "[groups.g40a]\n[groups.g40b]\n")
    lines = fleet("inventory", "graph", "-i", str(path)).stdout.splitlines()
    assert len(lines) < 200
    assert lines.count("g0a") == lines.count("g0b") == 1


def test_verbose_says_which_files_were_read(folder: Path) -> None:
    done = fleet("inventory", "list", "-i", "inventory.toml", "-v", "--log-format", "json", cwd=folder)
    event = json.loads(done.stderr)
    assert (event["event"], event["files"], event["sites"], event["groups"]) == (
        "inventory.read",
        "inventory.toml",
        3,
        3,
    )


@pytest.mark.parametrize(
    "command",
    [
        ["inventory", "list"],
        ["inventory", "check"],
        ["inventory", "graph"],
        ["call", "admin/info"],
        ["health"],
        ["call", "admin/mode/update", "-p", "siteMode=READ_ONLY", "--change", "--yes"],
    ],
)
def test_an_empty_selector_never_means_every_site(folder: Path, command: list[str]) -> None:
    """What `-s "$TARGET"` becomes where TARGET is not set."""
    done = fleet(*command, "-s", " " if command == ["health"] else "", "--allow-empty", cwd=folder, FLEET_PASSWORD="x")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "the selector is empty; `-s all` picks every site. Nothing was sent\n"


def test_an_empty_path_is_not_this_folder(folder: Path) -> None:
    done = fleet("inventory", "list", "-i", "", cwd=folder)
    assert (done.returncode, done.stderr) == (2, "the path of the inventory is empty\n")


@pytest.mark.parametrize(
    ("command", "option", "text"),
    [
        (["call", "admin/info"], "--timeout", "0s"),
        (["call", "admin/info"], "--timeout", "-1s"),
        (["call", "admin/info"], "--timeout", "30"),
        (["call", "admin/info"], "--timeout", ""),
        (["call", "admin/info"], "--deadline", "0h0m"),
        (["health"], "--timeout", "0ms"),
        (["health"], "--deadline", "0s"),
        (["health"], "--since", "0d"),
    ],
)
def test_a_time_is_more_than_nothing_and_has_a_unit(folder: Path, command: list[str], option: str, text: str) -> None:
    done = fleet(*command, option, text, cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert option in done.stderr
    assert "number with a unit" in done.stderr or "no time at all" in done.stderr


def test_a_record_that_can_not_be_read_is_a_sentence(folder: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    database = state / "fleet.db"
    state.mkdir()

    def asked(**environment: str) -> str:
        for command in (["inventory", "list"], ["call", "admin/info"]):
            done = fleet(*command, "-s", "@failed", cwd=folder, **environment)
            assert (done.returncode, done.stdout) == (2, "")
            assert len(done.stderr.splitlines()) == 1
        return done.stderr

    assert "none of this inventory is recorded" in asked()
    assert not database.exists()
    database.write_bytes(b"junk" * 1000)
    assert f"{database}: it is damaged. Move that file away" in asked()
    database.unlink()
    database.mkdir()
    assert f"{database}: it can't be opened" in asked()
    assert "none of this inventory is recorded" in asked(FLEET_STATE_DIR="/proc/nope")
    assert "the record of the last run can't be read" in asked(FLEET_STATE_DIR=f"{folder / 'inventory.toml'}/x" * 300)


@pytest.mark.skipif(sys.platform == "win32", reason="what processes cost")
def test_ten_thousand_sites_are_loaded_and_checked_at_once(tmp_path: Path) -> None:
    import resource

    inventory = tmp_path / "many.toml"
    tables = (
        f'[sites.s{number}]\nurl = "https://s{number}.example.com/arcgis"\ngroups = ["g{number % 50}"]\n'
        f'labels = {{ role = "r{number % 7}" }}\n'
        for number in range(10_000)
    )
    groups = "".join(f"[groups.g{number}]\nreads = 3\n" for number in range(50))
    inventory.write_text('[defaults]\nusername = "a"\npassword = { env = "X" }\n' + groups + "".join(tables))
    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [*FLEET, "inventory", "check", "-i", inventory], capture_output=True, text=True, check=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.stderr + done.stdout == "10000 sites, 50 groups, no mistakes\n"
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    # Processor time: others use the machine beside this test.
    assert min(spent) < 1.2, spent
