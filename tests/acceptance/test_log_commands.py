"""`fleet logs` as a process: rows that come at once, every format, signals, closed pipes, files on disk, and changes."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from fleet.audit import audit_file, read_audit
from fleet.logs.rows import COLUMNS
from fleet.simulator import SimulatedSite, Simulator
from tests.acceptance.terminals import Terminal
from tests.processes import clean, ended, fleet, shell, started, wait_for

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and pipes of POSIX")


LATEST = time.time() - 60


def fill(site: SimulatedSite, ages: list[int], /, **members: Any) -> None:
    """Let the log of *site* have one record for each of *ages*, milliseconds before a minute ago, and no other."""
    site.state.log_records[:] = [
        site.state.record("WARNING", (1000 + place % 3, f"record {place}"), at=LATEST - age / 1000) | members
        for place, age in enumerate(ages)
    ]


def expected(simulator: Simulator) -> list[tuple[str, int]]:
    flat = [
        (-record["time"], place, name)
        for place, (name, site) in enumerate(simulator.sites.items())
        for record in site.state.log_records
    ]
    return [(name, -time) for time, _, name in sorted(flat)]


def rows_of(text: str) -> list[tuple[str, int]]:
    rows = [json.loads(line) for line in text.splitlines()]
    assert all(next(iter(row)) == "site" for row in rows)
    return [(row["site"], row["time"]) for row in rows]


async def test_every_format_has_all_records_in_one_order(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=3)
    chosen = random.Random(5)
    for site in simulator.sites.values():
        fill(site, [chosen.randrange(50) for _ in range(40)])
    path = str(write_inventory(simulator))
    lines = await fleet("logs", "query", "-i", path, "-o", "ndjson")
    assert lines.returncode == 0
    assert rows_of(lines.stdout) == expected(simulator)
    assert clean(lines.stderr).startswith("3 of 3 sites answered")
    turned = await fleet("logs", "query", "-i", path, "-o", "ndjson", "--oldest-first")
    assert turned.stdout.splitlines() == lines.stdout.splitlines()[::-1]
    table = list(csv.reader(io.StringIO((await fleet("logs", "query", "-i", path, "-o", "csv")).stdout)))
    assert tuple(table[0]) == COLUMNS
    assert [(row[0], int(row[COLUMNS.index("time")])) for row in table[1:]] == expected(simulator)
    report = json.loads((await fleet("logs", "query", "-i", path)).stdout)
    assert report["schema"] == "fleet.report/1"
    assert report["coverage"] == {"selected": 3, "answered": 3, "missing": {}}
    assert [(one["site"], one["row"]["time"]) for one in report["merged"]["rows"]] == expected(simulator)
    assert [outcome["value"]["records"] for outcome in report["outcomes"]] == [40, 40, 40]
    marked = await fleet("logs", "query", "-i", path, "-o", "markdown", "--columns", "site,code", "--limit", "2")
    assert len(marked.stdout.splitlines()) == 4
    for site in simulator.sites.values():
        site.state.log_records.clear()
    empty = await fleet("logs", "query", "-i", path, "-o", "csv")
    assert empty.stdout == ",".join(COLUMNS) + "\n"
    assert json.loads((await fleet("logs", "query", "-i", path)).stdout)["merged"] == {"rows": []}


async def test_a_site_that_fails_is_told_and_the_others_are_shown(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=3, faults={"sim-0002": "hang"})
    for site in simulator.sites.values():
        fill(site, list(range(20)))
    path = str(write_inventory(simulator))
    done = await fleet("logs", "query", "-i", path, "-o", "ndjson", "--timeout", "500ms")
    assert done.returncode == 1
    assert rows_of(done.stdout) == [one for one in expected(simulator) if one[0] != "sim-0002"]
    assert "1 × timeout" in clean(done.stderr)
    assert "2 of 3 sites answered, missing: 1 timeout" in done.stderr
    thin = await fleet("logs", "query", "-i", path, "--timeout", "500ms", "--require-coverage", "90%")
    assert thin.returncode == 4


async def test_hostile_records_reach_no_terminal_and_no_formula(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    evil = "=cmd()\x1b]0;owned\x07\r\nFAKE\u202e"
    fill(
        site, [0], message=evil, source=evil, machine=evil, user=evil, methodName=evil, site="elsewhere", extra={"a": 1}
    )
    path = str(write_inventory(simulator))
    for form in ("table", "csv", "markdown", "ndjson", "json"):
        done = await fleet("logs", "query", "-i", path, "-o", form)
        assert done.returncode == 0
        assert not any(character in done.stdout for character in "\x1b\x07\u202e"), form
        if form in ("table", "markdown"):
            assert "\nFAKE" not in done.stdout
    rows = list(csv.reader(io.StringIO((await fleet("logs", "query", "-i", path, "-o", "csv")).stdout)))
    assert rows[1][0] == "sim-0001"
    assert all(not cell.startswith("=") for cell in rows[1])
    row = json.loads((await fleet("logs", "query", "-i", path, "-o", "ndjson")).stdout)
    assert (row["site"], row["value.site"], row["extra"], row["message"]) == ("sim-0001", "elsewhere", {"a": 1}, evil)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("query", "--since", "yesterday"), "is no time"),
        (("query", "--since", "1h", "--until", "2h"), "lies after --until"),
        (("query", "--since", "1h", "--last", "1h"), "say the same"),
        (("query", "--code", "x"), "a log code is a number"),
        (("query", "--level", "LOUD"), "LOUD"),
        (("query", "--columns", "colour"), "there is no column 'colour'"),
        (("query", "--sort", "time"), "--sort is not for records"),
        (("query", "--query", "message"), "--query is not for records"),
        (("query", "--where", "colour=1"), "--where: there is no field 'colour'"),
        (("query", "--ignore", "code"), "--ignore, character"),
        (("query", "--spool-limit", "much"), "is no size"),
        (("top", "--by", "colour"), "counted by code, service"),
        (("top", "--sort", "colour"), "there is no column 'colour'"),
        (("retention", "-s", "all", "--yes"), "no log setting is given"),
        (("level", "DEBUG", "--yes"), "needs -s"),
        (("clean", "-s", "all"), "no terminal to ask on"),
    ],
)
async def test_what_can_not_be_is_told_before_anything_is_sent(
    simulator: Simulator, write_inventory: Write, arguments: tuple[str, ...], told: str
) -> None:
    done = await fleet("logs", *arguments, "-i", str(write_inventory(simulator)))
    assert done.returncode == 2
    assert told in done.stderr
    assert len(simulator.ledger) == 0


async def test_records_are_chosen_by_condition_and_noise(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=2)
    for site in simulator.sites.values():
        fill(site, list(range(30)))
    noise = tmp_path / "noise.txt"
    noise.write_text("# known\ncode=1001\n\nmessage='record 3'\n")
    path = str(write_inventory(simulator))
    done = await fleet(
        *("logs", "query", "-i", path, "-o", "ndjson", "--ignore-file", str(noise)),
        *("--where", "site=sim-0001 and level=warning", "--ignore", "message=*2?"),
    )
    found = [(row["code"], row["message"]) for row in map(json.loads, done.stdout.splitlines())]
    assert sorted(found) == sorted(
        (record["code"], record["message"])
        for record in simulator.sites["sim-0001"].state.log_records
        if record["code"] != 1001
        and record["message"] != "record 3"
        and not (len(record["message"]) == 9 and record["message"][-2] == "2")
    )
    top = await fleet(
        "logs", "top", "-i", path, "-o", "csv", "--ignore", "code=1001", "--by", "code,site", "--sort", "code"
    )
    table = list(csv.DictReader(io.StringIO(top.stdout)))
    assert [(row["code"], row["site"], row["count"]) for row in table] == [
        ("1000", "sim-0001", "10"),
        ("1000", "sim-0002", "10"),
        ("1002", "sim-0001", "10"),
        ("1002", "sim-0002", "10"),
    ]
    assert "40 records in 4 rows; 20 left out as noise" in top.stderr


@posix
async def test_the_first_row_is_there_before_old_pages_are_read(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2)
    fill(simulator.sites["sim-0001"], list(range(0, 6000)))
    fill(simulator.sites["sim-0002"], list(range(0, 3000)))
    path = str(write_inventory(simulator))
    with started("logs", "query", "-i", path, "-o", "ndjson") as running:
        assert running.stdout is not None
        first = await anyio.to_thread.run_sync(running.stdout.readline)
        assert json.loads(first)["site"] == "sim-0001"
        # From here on the site answers nothing: what it did not read yet can't be what the first row waited for.
        simulator.sites["sim-0001"].fault("hang")
        running.send_signal(signal.SIGINT)
        out = await anyio.to_thread.run_sync(running.stdout.read)
        _, err = await ended(running)
    assert running.returncode == 130
    shown = rows_of(first + out)
    assert shown == expected(simulator)[: len(shown)], "a whole beginning of the log"
    assert len(shown) < 9000
    clean(err)


@posix
async def test_who_reads_slowly_makes_no_site_seem_slow(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=3)
    for site in simulator.sites.values():
        fill(site, list(range(0, 5000)))
    path = str(write_inventory(simulator))
    done = await shell(
        f"fleet logs query -i {path} -o ndjson --timeout 1s 2>err.txt | (head -c 100; sleep 2.5; cat) | wc -l; "
        "echo ${PIPESTATUS[0]}; cat err.txt; rm err.txt"
    )
    lines = done.stdout.splitlines()
    assert lines[:2] == ["15000", "0"]
    assert "3 of 3 sites answered" in lines[2]


@posix
async def test_a_closed_pipe_ends_the_reading(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=3)
    for site in simulator.sites.values():
        fill(site, list(range(0, 40_000)))
    path = str(write_inventory(simulator))
    for form in ("ndjson", "csv", "table"):
        done = await shell(f"fleet logs query -i {path} -o {form} | head -2; echo ${{PIPESTATUS[0]}}")
        assert done.stdout.splitlines()[-1] == "141"
        clean(done.stderr)
    assert sum(site.count("query") for site in simulator.sites.values()) < 3 * 3 * 20


@posix
async def test_who_reads_nothing_more_does_not_hold_up_the_end(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2)
    for site in simulator.sites.values():
        fill(site, list(range(0, 20_000)))
    path = str(write_inventory(simulator))
    with started("logs", "query", "-i", path, "-o", "ndjson") as running:
        assert running.stdout is not None
        await anyio.to_thread.run_sync(running.stdout.readline)
        running.send_signal(signal.SIGTERM)
        await wait_for(lambda: running.poll() is not None, within=10)
        _, err = await ended(running)
    assert running.returncode == 130
    assert "sites answered" in clean(err)


def open_files(pid: int) -> list[str]:
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(os.readlink(link))
        except OSError:
            continue
    return found


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_the_oldest_first_leave_no_file_behind(
    simulate: Simulate, write_inventory: Write, tmp_path: Path, number: signal.Signals
) -> None:
    simulator = await simulate(sites=2)
    for site in simulator.sites.values():
        fill(site, list(range(0, 3000)))
    simulator.sites["sim-0002"].switches.latency = 0.3
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    path = str(write_inventory(simulator))
    with started(
        *("logs", "query", "-i", path, "-o", "ndjson", "--oldest-first"), env={"TMPDIR": str(temporary)}
    ) as running:
        if Path("/proc").exists():
            await wait_for(lambda: any(str(temporary) in name for name in open_files(running.pid)))
        await wait_for(lambda: simulator.sites["sim-0002"].count("query") > 0)
        assert list(temporary.iterdir()) == [], "the file has no name from its first moment on"
        running.send_signal(number)
        out, err = await ended(running)
    assert running.returncode == (130 if number != signal.SIGKILL else -signal.SIGKILL)
    assert out == ""
    assert list(temporary.iterdir()) == []
    if number != signal.SIGKILL:
        assert "the oldest records are not known" in clean(err)


async def test_a_spool_that_is_full_says_so_and_prints_nothing_half(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2)
    for site in simulator.sites.values():
        fill(site, list(range(0, 3000)))
    path = str(write_inventory(simulator))
    done = await fleet("logs", "query", "-i", path, "-o", "csv", "--oldest-first", "--spool-limit", "100KiB")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "more than 102,400 bytes of temporary room" in clean(done.stderr)


@posix
async def test_new_records_are_followed_until_ctrl_c(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2)
    first, second = simulator.sites.values()
    path = str(write_inventory(simulator))
    with started("logs", "follow", "-i", path, "--interval", "200ms", "--timeout", "2s") as running:
        assert running.stdout is not None
        await wait_for(lambda: first.count("query") > 2 and second.count("query") > 2)
        for place in range(3):
            first.state.log_records.append(first.state.record("SEVERE", (1, f"a{place}")))
            second.state.log_records.append(second.state.record("WARNING", (2, f"b{place}")))
        rows = [json.loads(await anyio.to_thread.run_sync(running.stdout.readline)) for _ in range(6)]
        second.fault("http-503")
        await anyio.sleep(0.5)
        running.send_signal(signal.SIGINT)
        out = await anyio.to_thread.run_sync(running.stdout.read)
        _, err = await ended(running)
    assert Counter(row["message"] for row in rows) == Counter(["a0", "a1", "a2", "b0", "b1", "b2"])
    assert (out, running.returncode) == ("", 130)
    clean(err)


async def test_following_ends_by_itself_after_a_time(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2, faults={"sim-0002": "refused"})
    site = simulator.sites["sim-0001"]
    fill(site, [0, 1, 2])
    path = str(write_inventory(simulator))
    done = await fleet(
        "logs", "follow", "-i", path, "--since", "10m", "--interval", "200ms", "--for", "3s", "-o", "csv"
    )
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 4
    assert done.stderr.count("sim-0002 is away: connection refused") == 1
    assert "1 of 2 sites answered" in clean(done.stderr)


@posix
async def test_a_table_fits_the_terminal(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2)
    for site in simulator.sites.values():
        fill(site, list(range(30)), message="a long message " * 20)
    path = str(write_inventory(simulator))

    def look() -> list[str]:
        with Terminal("logs", "query", "-i", path, "--limit", "15", columns=100) as terminal:
            terminal.end()
            return terminal.lines

    lines = await anyio.to_thread.run_sync(look)
    assert lines[0].split()[:2] == ["time", "(UTC)"]
    assert len([line for line in lines if "a long message" in line]) == 15
    assert all(len(line) <= 100 for line in lines)
    assert "2 of 2 sites answered" in lines[-1]


async def test_level_and_retention_are_set_and_seen_and_on_record(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=3)
    states = [site.state for site in simulator.sites.values()]
    states[2].log_settings["logLevel"] = "DEBUG"
    path = str(write_inventory(simulator))
    dry = await fleet("logs", "level", "debug", "-i", path, "-s", "all", "--dry-run")
    assert {one["site"]: one["outcome"] for one in json.loads(dry.stdout)["outcomes"]} == {
        "sim-0001": "changed",
        "sim-0002": "changed",
        "sim-0003": "noop",
    }
    assert [state.log_settings["logLevel"] for state in states] == ["INFO", "INFO", "DEBUG"]
    done = await fleet("logs", "level", "debug", "-i", path, "-s", "all", "--yes", "-o", "ndjson")
    assert done.returncode == 0
    outcomes = {one["site"]: one for one in map(json.loads, done.stdout.splitlines())}
    assert [outcomes[name]["outcome"] for name in sorted(outcomes)] == ["changed", "changed", "noop"]
    assert "verified" not in outcomes["sim-0001"]
    assert [state.log_settings["logLevel"] for state in states] == ["DEBUG"] * 3
    assert all(state.log_settings["usageMeteringEnabled"] for state in states), "what is not asked for stays as it is"
    edits = [entry for entry in simulator.ledger if entry.path.endswith("settings/edit")]
    assert {entry.site for entry in edits} == {"sim-0001", "sim-0002"}
    records = [record for record in read_audit(audit_file()) if record["site"] == "sim-0001"]
    assert [(record["operation"], record["outcome"]) for record in records] == [("logs.settings.edit", "changed")]
    done = await fleet(
        "logs", "retention", "--days", "30", "--error-reports", "3", "-i", path, "-s", "sim-0001", "--yes"
    )
    assert done.returncode == 0
    told = json.loads(done.stdout)["outcomes"][0]["value"]["changes"][0]
    assert (told["old"], told["new"]) == (
        {"maxLogFileAge": 90, "maxErrorReportsCount": 10},
        {"maxLogFileAge": 30, "maxErrorReportsCount": 3},
    )
    assert states[0].log_settings["maxLogFileAge"] == 30
    assert states[0].log_settings["logLevel"] == "DEBUG"
    shown = await fleet("logs", "settings", "-i", path, "--query", "maxLogFileAge", "-o", "json")
    groups = json.loads(shown.stdout)["merged"]["groups"]
    assert {tuple(group["sites"]): group["value"] for group in groups} == {
        ("sim-0002", "sim-0003"): 90,
        ("sim-0001",): 30,
    }


async def test_logs_are_deleted_and_that_is_seen(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2, switches={"sim-0002:lost-answers": "clean"})
    for site in simulator.sites.values():
        fill(site, list(range(20)))
    path = str(write_inventory(simulator))
    dry = await fleet("logs", "clean", "-i", path, "-s", "all", "--dry-run")
    assert dry.returncode == 0
    assert all(len(site.state.log_records) >= 20 for site in simulator.sites.values())
    done = await fleet("logs", "clean", "-i", path, "-s", "all", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    outcomes = json.loads(done.stdout)["outcomes"]
    assert [(one["outcome"], one.get("verified")) for one in outcomes] == [("changed", None), ("changed", None)]
    for site in simulator.sites.values():
        assert not any(record["message"].startswith("record ") for record in site.state.log_records)


async def test_logs_are_a_table_of_sql_and_bounds_change_no_answer(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=3)
    chosen = random.Random(7)
    for site in simulator.sites.values():
        fill(site, list(range(0, 4000, 10)))
        for record in site.state.log_records:
            record["type"] = chosen.choice(("SEVERE", "WARNING", "INFO", "DEBUG"))
    path = str(write_inventory(simulator))
    border = round(LATEST * 1000) - 2000
    for condition in (
        f"level in ('SEVERE', 'WARNING') and time >= {border}",
        f"time < {border}",
        "level = 'INFO' and site = 'sim-0002'",
        "code = 1001",
    ):
        query = f"select site, level, code, count(*) as n from logs where {condition} group by 1, 2, 3 order by 1, 2, 3"
        bounded, every = [
            await fleet("sql", query, "-i", path, "-o", "csv", *more) for more in ((), ("--no-pushdown",))
        ]
        assert bounded.returncode == 0
        assert len(bounded.stdout.splitlines()) > 1
        assert bounded.stdout == every.stdout
    everything = await fleet("sql", "select count(*) from logs", "-i", path, "-o", "csv")
    assert int(everything.stdout.splitlines()[1]) >= 1200


async def test_counts_as_lines_tell_of_sites_that_failed_on_standard_error(
    simulate: Simulate, write_inventory: Write
) -> None:
    path = str(write_inventory(await simulate(sites=2, faults={"sim-0002": "refused"})))

    done = await fleet("logs", "top", "-i", path, "-o", "ndjson")

    assert all("count" in json.loads(line) for line in done.stdout.splitlines())
    assert "1 × unreachable: connection refused" in done.stderr
    assert "1 of 2 sites answered" in done.stderr
    assert done.returncode == 1
