"""Completion as shells ask for it, and in a real bash."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio.to_thread
import pytest

from fleet.history.names import recall, remember
from fleet.simulator import Simulator
from fleet.snapshots.store import Store
from tests.acceptance.terminals import FLEET, Terminal
from tests.crashing import write_one
from tests.processes import fleet

INVENTORY = """
[defaults]
labels = { stage = "live" }
[groups.prod]
groups = ["world"]
labels = { city = "Oslo", "tier" = "gold" }
[sites.gis-0001]
url = "https://gis-0001.example.com/arcgis"
groups = ["prod"]
[sites.gis-0002]
url = "https://gis-0002.example.com/arcgis"
labels = { city = "Bergen" }
[sites.harbour]
url = "https://harbour.example.com/arcgis"
this = "is a mistake"
"""
BREAKS = " \t\n\"'><=;|&(:@"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "inventory.toml").write_text(INVENTORY)
    return tmp_path


def asked(folder: Path, **protocol: str) -> list[str]:
    done = subprocess.run(
        FLEET, cwd=folder, env={**os.environ, **protocol}, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stderr == ""
    return [line for line in done.stdout.splitlines() if line]


def completed(folder: Path, *words: str) -> list[str]:
    """The values that the library's own protocol gives for the last of *words*."""
    lines = asked(
        folder, _FLEET_COMPLETE="bash_complete", COMP_WORDS="\n".join(["fleet", *words]), COMP_CWORD=str(len(words))
    )
    return [line.removeprefix("plain,") for line in lines]


def at_line(folder: Path, line: str) -> list[str]:
    """What bash would put in the place of the last of its own words, for the *line* up to the cursor."""
    lines = asked(
        folder,
        _FLEET_COMPLETE="bash_complete",
        COMP_LINE=line,
        COMP_POINT=str(len(line.encode())),
        COMP_WORDBREAKS=BREAKS,
    )
    return [line.removeprefix("plain,") for line in lines]


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["hea"], ["health"]),
        (["inventory", "sh"], ["show"]),
        (["health", "-s", "gis"], ["gis-0001", "gis-0002"]),
        (["health", "-s", "pr"], ["prod"]),
        (["health", "-s", "wo"], ["world"]),
        (["health", "-s", "prod,har"], ["prod,harbour"]),
        (["health", "-s", "!har"], ["!harbour"]),
        (["health", "-s", "ci"], ["city="]),
        (["health", "-s", "city="], ["city=Oslo", "city=Bergen"]),
        (["health", "-s", "prod&city!=Os"], ["prod&city!=Oslo"]),
        (["health", "-s", "@un"], ["@unreachable", "@unknown"]),
        (["health", "--select", "har"], ["harbour"]),
        (["health", "--check", "lic"], ["license"]),
        (["health", "-o", "ju"], ["junit"]),
        (["inventory", "show", "ha"], ["harbour"]),
        (["call", "admin/mode", "--baseline", "h"], ["harbour"]),
        (["call", "adm"], None),
        (["call", "admin/logs/q"], ["admin/logs/query"]),
        (["call", "admin/services/Roads.MapServer/sta"], None),
        (["call", "admin/mode/update", "-p", ""], None),
        (["call", "admin/mode/update", "-p", "siteMode="], ["siteMode=READ_ONLY", "siteMode=EDITABLE"]),
        (["call", "admin/logs/query", "-p", "level=SEVERE", "-p", "lev"], []),
        (["call", "admin/mode/update", "-p", "runAsync="], ["runAsync=true", "runAsync=false"]),
        (["call", "admin/mode/update", "-p", "runAsync=t"], ["runAsync=true"]),
        (["call", "admin/services/Maps/startS"], ["admin/services/Maps/startServices"]),
        (["call", "admin/services/Model.GPServer/jobs/p"], ["admin/services/Model.GPServer/jobs/purgeQueue"]),
        (["call", "admin/uploads/upload", "-p", "item"], ["itemFile=@"]),
        (["operations", "services.jobs.q"], ["services.jobs.query"]),
        (["operations", "--effect", "d"], ["disrupt"]),
        (["simulate", "--fault", "sim-0001=serv"], ["sim-0001=service-down"]),
        (["nothing", "x"], []),
        (["health", "-i", "/nowhere.toml", "-s", "gis"], []),
    ],
)
def test_values_come_from_the_inventory_and_the_catalogue(
    folder: Path, words: list[str], values: list[str] | None
) -> None:
    found = completed(folder, *words)
    if values is not None:
        assert sorted(found) == sorted(values)
    elif words[-1] == "adm":
        assert "admin/services/report" in found
        assert "admin/machines/" in found
        assert not any("<" in path for path in found), "a name that only the site knows is not guessed"
    elif words[-1].endswith("sta"):
        assert found == [f"admin/services/Roads.MapServer/{verb}" for verb in ("status", "start", "statistics")]
    else:
        assert "siteMode=" in found


def test_services_that_were_read_before_are_completed(folder: Path) -> None:
    remember("gis-0001", ["Planning/Roads.MapServer", "Planning/Rivers.MapServer", "Trees.MapServer"])
    remember("harbour", ["Planning/Quays.MapServer"])
    begun = "admin/services/Planning/R"
    both = [f"admin/services/Planning/{name}.MapServer" for name in ("Rivers", "Roads")]
    assert set(both) < set(completed(folder, "call", begun)), "beside report and renameService"
    assert completed(folder, "call", "-s", "harbour", "admin/services/Planning/Q") == [
        "admin/services/Planning/Quays.MapServer"
    ]
    assert not set(both) & set(completed(folder, "call", "-s", "harbour", begun))
    assert completed(folder, "call", "admin/services/Planning/Roads.MapServer/stat") == [
        f"admin/services/Planning/Roads.MapServer/{verb}" for verb in ("status", "statistics")
    ]


def test_an_inventory_that_is_named_is_the_one_that_is_read(folder: Path) -> None:
    (folder / "other.toml").write_text('[sites.elsewhere]\nurl = "https://e.example.com/arcgis"\n')
    assert completed(folder, "health", "-i", "other.toml", "-s", "e") == ["elsewhere"]


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("fleet health -s har", ["harbour"]),
        ("fleet health -s city=Os", ["Oslo"]),
        ("fleet health -s @unr", ["@unreachable"]),
        ("fleet health -s 'prod and har", ["prod and harbour"]),
        ('fleet health -s "not (har', ["not (harbour"]),
        ("fleet health --select=har", ["harbour"]),
        ("fleet health --select=city=Os", ["Oslo"]),
        ("fleet call admin/logs/query -p level=SE", ["SEVERE"]),
        ("fleet call admin/logs/query -p 'level=SE", ["level=SEVERE"]),
        ("fleet health -s prod\\ and\\ har", ["prod\\ and\\ harbour"]),
        ("fleet health -i ", ["file,"]),
    ],
)
def test_bash_gets_the_part_of_a_word_that_it_replaces(folder: Path, line: str, values: list[str]) -> None:
    assert at_line(folder, line) == values


def test_other_shells_are_told_what_a_value_is(folder: Path) -> None:
    for shell, cword in (("zsh", "3"), ("fish", "har")):
        lines = asked(folder, _FLEET_COMPLETE=f"{shell}_complete", COMP_WORDS="fleet health -s har", COMP_CWORD=cword)
        assert any("harbour" in line for line in lines)
        assert any("https://harbour.example.com/arcgis" in line for line in lines)
    for shell in ("bash", "zsh", "fish", "powershell"):
        script = subprocess.run([*FLEET, "completion", shell], capture_output=True, text=True, check=True).stdout
        assert "_FLEET_COMPLETE" in script
        assert "%(" not in script


def test_a_cursor_in_the_middle_of_a_line_counts(folder: Path) -> None:
    line = "fleet health -s har --strict"
    lines = asked(
        folder,
        _FLEET_COMPLETE="bash_complete",
        COMP_LINE=line,
        COMP_POINT=str(len("fleet health -s har")),
        COMP_WORDBREAKS=BREAKS,
    )
    assert lines == ["plain,harbour"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_a_real_bash_completes(folder: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {"PATH": path, "PS1": "$ ", "INPUTRC": "/dev/null"}
    with Terminal(
        "--norc", "--noprofile", "-i", command=["bash"], columns=120, environment=environment, cwd=str(folder)
    ) as terminal:
        terminal.wait_for("$ ".strip())
        terminal.type("PS1='> '; bind 'set bell-style none'; eval \"$(fleet completion bash)\"; echo loaded $?")
        terminal.wait_for("loaded 0")

        def typed(text: str, result: str) -> None:
            terminal.process.send(text + "\t")
            terminal.wait_for(lambda lines: lines[-1].rstrip() == result)
            # Not Ctrl-C: the shell now and then shows no new prompt after one that comes just behind a completion.
            terminal.press("u")
            terminal.wait_for(lambda lines: lines[-1].rstrip() == ">")

        typed("fleet hea", "> fleet health")
        typed("fleet health -s har", "> fleet health -s harbour")
        typed("fleet health -s gis", "> fleet health -s gis-000")
        typed("fleet health -s 'prod and har", "> fleet health -s 'prod and harbour'")
        typed("fleet health -s city=Os", "> fleet health -s city=Oslo")
        typed("fleet health -s @unr", "> fleet health -s @unreachable")
        typed("fleet call admin/logs/q", "> fleet call admin/logs/query")
        typed("fleet call admin/logs/query -p level=SEV", "> fleet call admin/logs/query -p level=SEVERE")
        typed("fleet health -i inv", "> fleet health -i inventory.toml")


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
async def test_a_real_bash_completes_services_that_a_report_has_listed_without_asking_a_site(
    simulate: Callable[..., Awaitable[Simulator]], write_inventory: Callable[[Simulator], Path], tmp_path: Path
) -> None:
    environment = {"FLEET_CACHE_DIR": str(tmp_path / "cache"), "FLEET_STATE_DIR": str(tmp_path / "state")}
    simulator = await simulate(sites=2, services=0)
    for site, names in (("sim-0001", ("Roads", "Rivers")), ("sim-0002", ("Quays",))):
        for name in names:
            simulator.sites[site].state.add_service("Planning", name, "MapServer")
    (tmp_path / "inventory.toml").write_text(write_inventory(simulator).read_text())
    listed = await fleet("services", "report", "-s", "all", env=environment, cwd=str(tmp_path))
    assert listed.returncode == 0, listed.stderr
    asked = len(simulator.ledger)

    def type_at_a_shell() -> None:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        shell = {**environment, "PATH": path, "PS1": "$ ", "INPUTRC": "/dev/null"}
        with Terminal(
            "--norc", "--noprofile", "-i", command=["bash"], columns=120, environment=shell, cwd=str(tmp_path)
        ) as terminal:
            terminal.wait_for("$ ".strip())
            terminal.type("PS1='> '; bind 'set bell-style none'; eval \"$(fleet completion bash)\"; echo loaded $?")
            terminal.wait_for("loaded 0")

            def typed(text: str, result: str) -> None:
                terminal.process.send(text + "\t")
                terminal.wait_for(lambda lines: lines[-1].rstrip() == result)
                terminal.press("u")
                terminal.wait_for(lambda lines: lines[-1].rstrip() == ">")

            typed("fleet services stop Planning/Q", "> fleet services stop Planning/Quays.MapServer")
            typed("fleet services report 'Planning/Ro", "> fleet services report 'Planning/Roads.MapServer'")
            typed("fleet services start -s sim-0001 Planning/R", "> fleet services start -s sim-0001 Planning/R")
            typed("fleet services restart Planning/Ri", "> fleet services restart Planning/Rivers.MapServer")
            typed(
                "fleet services stop Planning/Quays.MapServer Planning/Roa",
                "> fleet services stop Planning/Quays.MapServer Planning/Roads.MapServer",
            )

    await anyio.to_thread.run_sync(type_at_a_shell)
    assert len(simulator.ledger) == asked


async def test_only_a_report_of_all_services_replaces_what_is_known_of_a_site(
    simulate: Callable[..., Awaitable[Simulator]],
    write_inventory: Callable[[Simulator], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FLEET_CACHE_DIR", str(tmp_path / "cache"))
    simulator = await simulate(sites=1)
    path = str(write_inventory(simulator))
    every = sorted(simulator.sites["sim-0001"].services)
    for arguments in (["--where", "busy>100000"], [every[0]], []):
        assert (await fleet("services", "report", *arguments, "-i", path)).returncode in (0, 1)
        if arguments[:1] == ["--where"]:
            assert sorted(recall(["sim-0001"])) == every, "a condition is looked at when all have been read"
    assert sorted(recall(["sim-0001"])) == every


def test_five_hundred_sites_are_completed_at_once(tmp_path: Path) -> None:
    text = "".join(
        f'[sites.gis-{number:04d}]\nurl = "https://gis-{number:04d}.example.com/arcgis"\nlabels = {{ n = "{number}" }}\n'
        for number in range(500)
    )
    (tmp_path / "inventory.toml").write_text(text)

    def spent(run: Callable[[], object]) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert len(completed(tmp_path, "health", "-s", "gis")) == 500
    # Processor time, beside what the mere start of the program takes: others use the machine beside this test. On an idle
    # one it is 0.1 s, and 0.06 s for the start.
    turns = [
        (
            spent(lambda: subprocess.run([*FLEET, "--version"], capture_output=True, check=True)),
            spent(lambda: completed(tmp_path, "health", "-s", "gis")),
        )
        for _ in range(7)
    ]
    assert min(completion for _, completion in turns) < 2.5 * min(start for start, _ in turns), turns


def test_snapshots_are_completed_by_name_and_id(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_STATE_DIR", str(folder / "state"))
    store = Store()
    write_one(store, 1, name="before-upgrade")
    write_one(store, 2)
    first, second = (kept.id for kept in store.snapshots())
    assert completed(folder, "snapshot", "show", "") == [second, "before-upgrade", first, "latest"]
    assert completed(folder, "diff", "--from", "be") == ["before-upgrade"]
    assert completed(folder, "diff", "--baseline", "ma") == ["majority"]
    assert completed(folder, "diff", "--baseline", "gis-0001") == ["gis-0001"]
    assert completed(folder, "snapshot", "export", "la") == ["latest"]
