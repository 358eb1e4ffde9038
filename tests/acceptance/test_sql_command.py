"""`fleet sql` as it is used: formats, statuses, what is told beside the answer, and how it ends early."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fleet.simulator import Simulator
from tests.processes import ended, fleet, shell, started, wait_for

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

COUNT = "select site, count(*) as services from services group by site order by site"
ENDLESS = "with recursive t(x) as (select 1 union all select x + 1 from t) select count(*) from t, sites"


async def test_one_answer_in_every_format(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2)
    inventory = str(write_inventory(simulator))
    expected = [{"site": name, "services": len(site.services)} for name, site in simulator.sites.items()]

    told = {form: await fleet("sql", COUNT, "-i", inventory, "-o", form) for form in ("csv", "ndjson", "json", "table")}

    assert {result.returncode for result in told.values()} == {0}
    rows = list(csv.DictReader(io.StringIO(told["csv"].stdout)))
    assert [{**row, "services": int(row["services"])} for row in rows] == expected
    assert [json.loads(line) for line in told["ndjson"].stdout.splitlines()] == expected
    report = json.loads(told["json"].stdout)
    assert report["merged"] == {"columns": ["site", "services"], "rows": expected}
    assert report["coverage"] == {"selected": 2, "answered": 2, "missing": {}}
    assert "2 of 2 sites answered" in told["table"].stdout
    assert "2 of 2 sites answered" in told["csv"].stderr


async def test_an_answer_as_parquet_is_read_by_duckdb(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    duckdb = pytest.importorskip("duckdb")
    simulator = await simulate(sites=2)
    inventory = str(write_inventory(simulator))
    target = tmp_path / "rows.parquet"
    text = 'select site, max, service as "it\'s ""a"" name" from services'

    with target.open("wb") as file:
        result = await fleet("sql", text, "-i", inventory, "-o", "parquet", stdout=file)

    assert result.returncode == 0, result.stderr
    found = duckdb.sql(f"select * from '{target}'")
    assert found.columns == ["site", "max", 'it\'s "a" name']
    assert [str(kind) for kind in found.types] == ["VARCHAR", "BIGINT", "VARCHAR"]
    assert len(found.fetchall()) == sum(len(site.services) for site in simulator.sites.values())


async def test_a_query_comes_from_a_file_or_from_standard_input(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=1)
    inventory = str(write_inventory(simulator))
    (tmp_path / "count.sql").write_text(COUNT)

    from_file = await fleet("sql", f"@{tmp_path / 'count.sql'}", "-i", inventory, "-o", "csv")
    from_stdin = await shell(f"fleet sql - -i {inventory} -o csv < {tmp_path / 'count.sql'}")

    assert from_file.stdout == from_stdin.stdout
    assert from_file.stdout.splitlines()[1].startswith("sim-0001,")


async def test_what_is_missing_is_told_also_when_quiet(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2, faults={"sim-0002": "refused"})
    inventory = str(write_inventory(simulator))

    result = await fleet("sql", "select count(*) from services", "-i", inventory, "-o", "csv", "-q")
    thin = await fleet("sql", COUNT, "-i", inventory, "-o", "csv", "--require-coverage", "95%")

    assert result.returncode == 1
    assert "missing: 1 unreachable" in result.stderr
    assert thin.returncode == 4


async def test_mistakes_end_with_2_and_nothing_is_sent(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    inventory = str(write_inventory(simulator))

    for text, told in (
        ("select site from servces", "did you mean services?"),
        ("select sit from services", "no such column: sit"),
        ("select site from", "can't be read at line 1"),
        ("delete from services", "begins with select or with"),
        ("attach 'x' as y", "begins with select or with"),
        ("", "give a query"),
        (".schema servces", "did you mean services?"),
    ):
        result = await fleet("sql", text, "-i", inventory)
        assert (result.returncode, told in result.stderr) == (2, True), (text, result.stderr)
        assert "Traceback" not in result.stderr
    assert simulator.ledger == []


async def test_the_tables_are_told_without_an_inventory() -> None:
    tables = await fleet("sql", ".tables", "-o", "csv", "--columns", "table")
    columns = await fleet("sql", "--schema", "services", "-o", "json")

    wanted = {"sites", "machines", "services", "extensions", "certificates", "licenses", "logs", "datastores"}
    wanted |= {"users", "roles", "directories", "web_adaptors", "checks", "_errors"}
    assert wanted <= set(tables.stdout.split())
    assert {"site", "realTimeState", "_fetched_at"} <= {row["column"] for row in json.loads(columns.stdout)}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_one_signal_ends_an_answer_that_never_would(
    simulate: Simulate, write_inventory: Write, number: signal.Signals
) -> None:
    inventory = str(write_inventory(await simulate(sites=1)))
    with started("sql", ENDLESS, "-i", inventory) as running:
        await _busy(running)
        running.send_signal(number)
        _, told = await ended(running, within=20)

    assert running.returncode == 130
    assert "Traceback" not in told


async def _busy(running: subprocess.Popen[str]) -> None:
    """Wait until *running* has worked for longer than its start takes: by then it answers."""

    def seconds() -> float:
        fields = Path(f"/proc/{running.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100

    await wait_for(lambda: seconds() > 2.5, within=60)


async def test_a_closed_pipe_ends_it_quietly(simulate: Simulate, write_inventory: Write) -> None:
    inventory = str(write_inventory(await simulate(sites=1)))
    text = "with recursive t(x) as (select 1 union all select x + 1 from t where x < 200000) select x from t"

    result = await shell(f'fleet sql "{text}" -i {inventory} -o csv | head -n 1; echo ${{PIPESTATUS[0]}}')

    assert result.stdout.split() == ["x", "141"]
    assert "Traceback" not in result.stderr
