"""What is secret in the definition of a service: in no output, in no plan, and not in the rows that are kept."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path

from fleet.simulator import Simulator
from tests.processes import fleet

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]

SECRET = "never-to-be-seen-77"
KEY = "Secrets.MapServer"


async def test_secrets_in_definitions_are_hidden_wherever_rows_go(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=2)
    for site in simulator.sites.values():
        service = site.state.add_service("", "Secrets", "MapServer")
        service.definition["properties"] |= {
            "dbPassword": SECRET,
            "connection": f"SERVER=db1;USER=gis;PASSWORD={SECRET};DATABASE=gis",
            "inside": json.dumps({"sharedKey": SECRET, "url": "https://gis.example.net"}),
            "kept": "a=b;c",
        }
        service.definition["datasets"] = [{"onServerConnectionString": f"SERVER=db1;ENCRYPTED_PASSWORD={SECRET}"}]
        service.definition["extensions"] = [
            {"typeName": "Own", "enabled": "true", "properties": {"apiToken": SECRET, "maxRecordCount": "7"}}
        ]
    inventory = str(write_inventory(simulator))
    asked = "select s.properties, s.datasets, e.properties from services s join extensions e using (site, service)"

    results = [
        await fleet(*arguments, "-i", inventory, "-vv")
        for arguments in (
            ("services", "report", "--columns", "site,service,properties,datasets", "-o", "json"),
            ("services", "report", "--columns", "site,service,properties,datasets", "-o", "csv"),
            ("sql", asked, "--max-age", "1h", "-o", "csv"),
            ("sql", asked, "--max-age", "1h", "-o", "json"),
            ("services", "edit", KEY, "--set", "properties.dbPassword=", "-s", "all", "--dry-run", "-o", "json"),
        )
    ]

    assert [result.returncode for result in results] == [0] * 5, results[-1].stderr
    assert not any(SECRET in result.stdout + result.stderr for result in results)
    for result in (results[0], *results[2:4]):
        assert "SERVER=db1;USER=gis;PASSWORD=***;DATABASE=gis" in result.stdout
        assert "a=b;c" in result.stdout
    (change, *_) = json.loads(results[4].stdout)["outcomes"][0]["value"]["changes"]
    assert change["old"] == {"properties.dbPassword": "***"}
    kept = sqlite3.connect(tmp_path / "cache" / "rows.db").execute("select rows from reading").fetchall()
    assert kept
    assert not any(SECRET.encode() in zlib.decompress(rows) for (rows,) in kept)
