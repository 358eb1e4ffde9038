"""fleet services report of 1,000 sites with 50 services each, and SQL over them, beside a bare script that does the same.

`fetch` signs in and fetches, and makes no rows: the requests themselves, of which `fleet, fetch` has the checks, retries
and masking of fleet, and parses each answer. The sites run in a process of their own, whose CPU is not counted. Each row
is the better of two runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from fleet_beside_bare import Cost, run  # noqa: E402
from report_sites import EACH, FOLDERS, address  # noqa: E402

FETCH = """
import sys
import anyio
from fleet import Fleet, ops

async def fetch(client):
    await client.call(ops.services.listing())
    wanted = ("status", "instances", "description")
    async with anyio.create_task_group() as group:
        for folder in ("", "Planning"):
            group.start_soon(client.call, ops.services.report(folder, parameters=wanted))

async def main():
    async with Fleet.from_inventory(sys.argv[1], keep_clients=False) as fleet:
        await fleet.select("all").run(fetch, keep=False)

anyio.run(main)
"""


QUERIES = {
    "sql, counts": "select site, count(*) as services, sum(busy) from services where max > 0 group by site",
    "sql, rows": "select site, service, configuredState, realTimeState, busy from services where busy >= 0",
}


def main() -> None:
    count = int(os.environ.get("BENCH_SITES", "1000"))
    print(json.dumps({"python": sys.version.split()[0], "cores": os.cpu_count(), "rows": count * EACH * len(FOLDERS)}))
    folder = Path(tempfile.mkdtemp(prefix="fleet-bench-"))
    inventory = folder / "inventory.toml"
    lines = ["[defaults]", 'username = "siteadmin"', 'password = { env = "FLEET_PASSWORD" }']
    for number in range(count):
        lines += [f"[sites.site-{number:05d}]", f'url = "http://{address(number)}:16444/arcgis"']
    inventory.write_text("\n".join(lines) + "\n")
    server = subprocess.Popen(
        [sys.executable, str(HERE / "report_sites.py"), str(count)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        server.stdout.readline()
        environment = {**os.environ, "FLEET_PASSWORD": "x" * 12, "FLEET_STATE_DIR": str(folder / "state")}
        environment |= {"FLEET_CACHE_DIR": str(folder / "cache"), "FLEET_LOOP": "asyncio"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        bare = [sys.executable, str(HERE / "bare_report.py"), str(inventory)]
        report = [sys.executable, "-m", "fleet", "services", "report", "-i", str(inventory), "-q", "-o"]
        commands = {"bare, fetch": [*bare, "fetch"], "bare, csv": bare}
        commands["fleet, fetch"] = [sys.executable, "-c", FETCH, str(inventory)]
        commands |= {f"fleet, {form}": [*report, form] for form in ("csv", "json", "table", "ndjson")}
        for name, query in QUERIES.items():
            commands[f"bare, {name}"] = [*bare, query]
            asked = [sys.executable, "-m", "fleet", "sql", query, "-i", str(inventory), "-q", "-o", "csv"]
            commands[f"fleet, {name}"] = asked
        print(f"{'':18} {'wall':>8} {'CPU':>8} {'peak':>8}")
        for name, command in commands.items():
            cost = min((run(command, environment) for _ in range(2)), key=_cpu)
            print(
                f"{name:18} {cost.wall:>7.2f}s {cost.cpu:>7.2f}s {cost.memory:>6.0f}MB  {cost.lines} lines", flush=True
            )
    finally:
        server.kill()
        server.wait()


def _cpu(cost: Cost) -> float:
    return cost.cpu


if __name__ == "__main__":
    main()
