"""`fleet health` as a process: what its options and formats give, and checks of others that are installed beside it."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from xml.etree import ElementTree

import anyio.to_thread
import pytest

from fleet.simulator import Simulator

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

ILL = {"sim-0002": "service-down", "sim-0003": "read-only", "sim-0004": "refused"}


async def health(path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    def go() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "fleet", "health", "-i", str(path), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
            check=False,
            env={**os.environ, **environment},
        )

    return await anyio.to_thread.run_sync(go)


async def test_a_query_takes_the_place_of_every_value_and_leaves_the_verdicts(
    simulate: Simulate, write_inventory: Write
) -> None:
    path = write_inventory(await simulate(sites=4, faults=ILL))
    expression = "{status: status, bad: checks[?status=='critical'].check}"
    done = await health(path, "--query", expression, "-o", "json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert [outcome.get("value") for outcome in report["outcomes"]] == [
        {"status": "ok", "bad": []},
        {"status": "critical", "bad": ["services"]},
        {"status": "warning", "bad": []},
        {"status": "unknown", "bad": []},
    ]
    assert report["merged"]["verdicts"] == {"ok": 1, "warning": 1, "critical": 1, "unknown": 1}
    lines = await health(path, "--query", "status", "-o", "ndjson")
    told = {line["site"]: line["value"] for line in map(json.loads, lines.stdout.splitlines())}
    assert told == {"sim-0001": "ok", "sim-0002": "critical", "sim-0003": "warning", "sim-0004": "unknown"}
    rows = await health(path, "--query", expression, "-o", "csv", "--columns", "site,outcome,status")
    assert rows.stdout.splitlines() == [
        "site,outcome,status",
        "sim-0001,ok,ok",
        "sim-0002,failed,critical",
        "sim-0003,ok,warning",
        "sim-0004,unreachable,unknown",
    ]
    assert "sim-0002  failed" in (await health(path, "--query", "status", "-o", "table")).stdout
    misfit = await health(path, "-s", "sim-0001", "--query", "abs(status)", "-o", "json")
    report = json.loads(misfit.stdout)
    assert (misfit.returncode, report["outcomes"][0]["value"]) == (0, None)
    assert [(warning["site"], warning["kind"]) for warning in report["warnings"]] == [("sim-0001", "query")]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--query", "]["], "no JMESPath expression"),
        (["--query", "nothing(@)"], "no such function"),
        (["--query", "status", "-o", "junit"], "--query leaves no checks for -o junit"),
        (["--columns", "site,state", "-o", "csv"], "there is no column 'state'"),
        (["--sort", "-nope", "-o", "markdown"], "there is no column 'nope'"),
        (["--columns", "nope"], "there is no column 'nope'"),
        (["--check", "service"], "there is no health check 'service'"),
    ],
)
async def test_what_is_wrong_is_said_before_anything_is_sent(
    simulator: Simulator, write_inventory: Write, arguments: list[str], sentence: str
) -> None:
    done = await health(write_inventory(simulator), *arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stdout == ""
    assert simulator.ledger == []


async def test_columns_and_order_hold_for_csv_markdown_and_the_table(
    simulate: Simulate, write_inventory: Write
) -> None:
    path = write_inventory(await simulate(sites=2, faults={"sim-0002": "service-down"}))
    asked = ("--check", "services", "--check", "mode")
    whole = list(csv.DictReader(io.StringIO((await health(path, *asked, "-o", "csv")).stdout)))
    assert list(whole[0]) == "site check status saw wanted advice items release elapsed".split()
    assert [(row["site"], row["check"]) for row in whole] == [
        (site, check) for site in ("sim-0001", "sim-0002") for check in ("services", "mode")
    ]
    assert whole[2]["items"].count("; ") == 1
    chosen = await health(path, *asked, "-o", "csv", "--columns", "status,site", "--sort", "-status")
    assert chosen.stdout.splitlines() == [
        "status,site",
        "ok,sim-0001",
        "ok,sim-0001",
        "ok,sim-0002",
        "critical,sim-0002",
    ]
    marked = await health(path, *asked, "-o", "markdown", "--columns", "site,check", "--sort", "check")
    rows = [line.replace("\\", "") for line in marked.stdout.splitlines()[2:]]
    assert rows == [f"| sim-000{site} | {check} |" for check in ("mode", "services") for site in (1, 2)]
    table = await health(path, *asked, "-o", "table", "--columns", "check,status", "--sort", "status")
    assert re.sub(" +", " ", table.stdout).splitlines()[:3] == ["check status", "services critical", "services ok"]
    other = await health(path, *asked, "-o", "json", "--sort", "status")
    assert "--columns and --sort say nothing to -o json" in other.stderr
    assert json.loads(other.stdout)["coverage"]["selected"] == 2


async def test_junit_is_what_a_build_server_reads(simulate: Simulate, write_inventory: Write) -> None:
    path = write_inventory(await simulate(sites=4, faults=ILL))
    for strict, failures in ((False, 1), (True, 2)):
        done = await health(path, "-o", "junit", *(["--strict"] if strict else []))
        assert done.returncode == 1
        root = ElementTree.fromstring(done.stdout)
        assert [suite.get("name") for suite in root] == ["sim-0001", *ILL]
        cases = root.findall("testsuite/testcase")
        for key, tag in (("tests", None), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            found = len(cases) if tag is None else len([case for case in cases if case.find(tag) is not None])
            assert found == sum(int(suite.attrib[key]) for suite in root)
            if key != "skipped":
                assert found == int(root.attrib[key])
        assert int(root.attrib["failures"]) == failures
    # The schema of Jenkins' xUnit plug-in knows these elements and attributes, and numbers and times in these forms.
    allowed = {
        "testsuites": {"name", "time", "tests", "failures", "errors"},
        "testsuite": {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
        "testcase": {"name", "classname", "time"},
        "failure": {"type", "message"},
        "error": {"type", "message"},
        "skipped": {"message"},
        "system-out": set(),
    }
    for element in root.iter():
        assert set(element.keys()) <= allowed[element.tag]
    assert root.tag == "testsuites"
    for element in [*root.iter("testsuite"), *root.iter("testcase"), root]:
        assert re.fullmatch(r"\d{1,3}\.\d{3}", element.attrib["time"])
    for suite in root:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
    down = root.find("testsuite[@name='sim-0002']/testcase[@name='services']/failure")
    assert down is not None
    assert "should run" in down.attrib["message"]
    assert (down.text or "").startswith("fleet services start ")


PERFORMANCE = re.compile(r"(?:[a-z]+=\d+(?:\.\d+)?(?:s)?;;;0;?\d*(?: |$))+")


@pytest.mark.parametrize(
    ("select", "status", "word"),
    [
        ("sim-0001", 0, "OK"),
        ("sim-0001,sim-0003", 1, "WARNING"),
        ("all", 2, "CRITICAL"),
        ("sim-0001,sim-0004", 3, "UNKNOWN"),
    ],
)
async def test_nagios_gets_a_status_line_with_performance_data_and_its_own_statuses(
    simulate: Simulate, write_inventory: Write, select: str, status: int, word: str
) -> None:
    path = write_inventory(await simulate(sites=4, faults=ILL))
    done = await health(path, "-o", "nagios", "-s", select)
    assert done.returncode == status
    first, *rest = done.stdout.splitlines()
    told, bar, performance = first.partition(" | ")
    assert told.startswith(f"FLEET {word} - ")
    assert bar
    assert PERFORMANCE.fullmatch(performance)
    assert len(rest) == len([site for site in ILL if site in select or select == "all"])
    assert all("|" not in line for line in rest)
    assert len(done.stdout.encode()) < 8192


async def test_nagios_is_told_unknown_where_nothing_could_be_asked(
    simulator: Simulator, write_inventory: Write
) -> None:
    path = write_inventory(simulator)
    for arguments in (["--check", "nothing"], ["-s", "nowhere"], ["--query", "status"]):
        done = await health(path, "-o", "nagios", *arguments)
        assert done.returncode == 3
        assert done.stdout.startswith("FLEET UNKNOWN - ")
    broken = write_inventory("[sites.a]\nurll = 'x'\n")
    done = await health(broken, "-o", "nagios")
    assert done.returncode == 3
    assert done.stdout.startswith("FLEET UNKNOWN - ")
    assert "urll" in done.stdout
    assert simulator.ledger == []


async def test_nagios_takes_thin_coverage_for_critical(simulate: Simulate, write_inventory: Write) -> None:
    path = write_inventory(await simulate(sites=2, faults={"sim-0002": "refused"}))
    assert (await health(path, "-o", "nagios", "--require-coverage", "50%")).returncode == 3
    done = await health(path, "-o", "nagios", "--require-coverage", "90%")
    assert done.returncode == 2
    assert "50% of the sites answered and 90% should" in done.stdout.splitlines()[0]


async def test_strict_makes_a_warning_count(simulate: Simulate, write_inventory: Write) -> None:
    path = write_inventory(await simulate(sites=1, faults={"sim-0001": "read-only"}))
    assert (await health(path, "-o", "json")).returncode == 0
    done = await health(path, "--strict", "-o", "json")
    assert done.returncode == 1
    (outcome,) = json.loads(done.stdout)["outcomes"]
    assert (outcome["outcome"], outcome["error"]["kind"]) == ("failed", "unhealthy")
    assert outcome["error"]["message"] == "mode: the site is READ_ONLY"
    assert outcome["error"]["hint"].endswith("fleet site mode EDITABLE -s sim-0001")
    assert outcome["value"]["status"] == "warning"


# Checks of others


PLUGIN = """
from fleet.health import Check, Facts, Finding, Limits


async def _names(facts: Facts, limits: Limits) -> Finding:
    names = await facts.machine_names()
    return Finding(status=limits.at_least(len(names)), saw=f"{len(names)} machines", wanted="few", items=tuple(names))


async def _broken(facts: Facts, limits: Limits) -> Finding:
    raise LookupError("a mistake of this check")


crowd = Check(name="crowd", look=_names, limits=Limits(warning=2, critical=5))
broken = Check(name="broken", look=_broken, on_demand=True)
nothing = "no check at all"
"""


def install(folder: Path, points: str) -> str:
    """A distribution in *folder* as an installer leaves one behind; the value of PYTHONPATH that makes it seen."""
    (folder / "crowded.py").write_text(PLUGIN, encoding="utf-8")
    info = folder / "crowded-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: crowded\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[fleet.checks]\n{points}", encoding="utf-8")
    return os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))


async def test_a_check_of_an_installed_distribution_runs_with_the_others(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=2, machines=3)
    path = write_inventory(
        simulator.inventory_toml() + 'groups = ["big"]\n[groups.big.checks]\ncrowd = { warning = 4 }\n'
    )
    seen = install(tmp_path, "crowd = crowded:crowd\nbroken = crowded:broken\n")
    done = await health(path, "-o", "json", PYTHONPATH=seen)
    first, second = json.loads(done.stdout)["outcomes"]
    found = [next(check for check in one["value"]["checks"] if check["check"] == "crowd") for one in (first, second)]
    assert [check["status"] for check in found] == ["warning", "ok"]
    assert found[0]["items"] == list(simulator.sites["sim-0001"].machines)
    assert found[0]["advice"] == "look at it alone: fleet health --check crowd -v -s sim-0001"
    assert "broken" not in {check["check"] for check in first["value"]["checks"]}
    # With its own facts it asks nothing that the built-in checks have asked already.
    assert simulator.sites["sim-0001"].count("machines") == 1
    alone = await health(path, "--check", "crowd", "-o", "csv", "--columns", "site,check", PYTHONPATH=seen)
    assert alone.stdout.splitlines() == ["site,check", "sim-0001,crowd", "sim-0002,crowd"]
    assert (await health(path, "--check", "crowd")).returncode == 2, "where it is not installed there is no such check"


async def test_a_mistake_in_a_check_of_others_is_no_site_s_failure_and_names_the_check(
    simulator: Simulator, write_inventory: Write, tmp_path: Path
) -> None:
    seen = install(tmp_path, "broken = crowded:broken\n")
    done = await health(write_inventory(simulator), "--check", "broken", "-s", "sim-0001", PYTHONPATH=seen)
    assert done.returncode == 1
    assert "LookupError: a mistake of this check" in done.stderr
    assert "in the health check 'broken', on the site sim-0001" in done.stderr


@pytest.mark.parametrize(
    ("points", "sentence"),
    [
        ("crowd = crowded:nothing\n", "crowded:nothing is named as a health check and is none"),
        ("crowd = crowded:absent\n", "the health check 'crowd' of crowded:absent can't be loaded"),
        ("lost = nowhere.to.be.found:crowd\n", "the health check 'lost' of nowhere.to.be.found:crowd can't be loaded"),
    ],
)
async def test_a_check_that_is_none_is_a_usage_error(
    simulator: Simulator, write_inventory: Write, tmp_path: Path, points: str, sentence: str
) -> None:
    seen = install(tmp_path, points)
    done = await health(write_inventory(simulator), PYTHONPATH=seen)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert simulator.ledger == []


async def test_two_checks_of_one_name_are_a_usage_error(
    simulator: Simulator, write_inventory: Write, tmp_path: Path
) -> None:
    seen = install(tmp_path, "mode = crowded:mode\n")
    with (tmp_path / "crowded.py").open("a", encoding="utf-8") as module:
        module.write('mode = Check(name="mode", look=_names)\n')
    done = await health(write_inventory(simulator), PYTHONPATH=seen)
    assert done.returncode == 2
    assert "two health checks are called 'mode'" in done.stderr
