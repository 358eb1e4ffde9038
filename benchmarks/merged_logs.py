"""A merged log query beside a bare aiohttp script that reads everything into one list and sorts it, in one run.

Both sign in once at each site, read all pages of its log, and write a line for each record, the newest first. The sites
are on distinct loopback addresses, in a process of their own, whose CPU is not counted. A third run asks the Python API
how many rows were held at most, and looks at the order of all of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from fleet_beside_bare import Cost, run  # noqa: E402
from log_sites import PORT  # noqa: E402
from sites import address  # noqa: E402

HELD = """
import anyio, sys
from fleet import Fleet
from fleet.logs import merged_logs

async def main():
    last, count = None, 0
    async with Fleet.from_inventory(sys.argv[1]) as fleet, merged_logs(fleet.select()) as records:
        while batch := await records.batch():
            for site, record in batch:
                key = (-record["time"], site)
                assert last is None or last < key
                last = key
            count += len(batch)
    print(count, records.most_held)

anyio.run(main)
"""


def inventory(path: Path, count: int) -> None:
    lines = ["[defaults]", 'username = "siteadmin"', 'password = { env = "FLEET_PASSWORD" }']
    for number in range(count):
        lines += [f"[sites.site-{number:05d}]", f'url = "http://{address(number)}:{PORT}/arcgis"']
    path.write_text("\n".join(lines) + "\n")


def first_row(command: list[str], environment: dict[str, str]) -> float:
    """Seconds until the first row is there."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
    assert process.stdout is not None
    process.stdout.readline()
    took = time.monotonic() - began
    process.stdout.close()
    process.kill()
    process.wait()
    return took


def measure(count: int, records: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="fleet-bench-"))
    server = subprocess.Popen(
        [sys.executable, str(HERE / "log_sites.py"), str(count), str(records)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout is not None
        server.stdout.readline()
        path = folder / "inventory.toml"
        inventory(path, count)
        environment = {**os.environ, "FLEET_PASSWORD": "x" * 12, "FLEET_STATE_DIR": str(folder / "state")}
        fleet = [sys.executable, "-m", "fleet", "logs", "query", "-i", str(path), "-o", "ndjson", "-q"]
        bare = [sys.executable, str(HERE / "bare_logs.py"), str(path)]
        show("bare", count, run(bare, environment), count * records)
        show("fleet logs query", count, run(fleet, environment), count * records)
        show("the same, oldest first", count, run([*fleet, "--oldest-first"], environment), count * records)
        print(f"{'first row of fleet':24} {first_row(fleet, environment):.2f} s")
        told = subprocess.check_output([sys.executable, "-c", HELD, str(path)], env=environment, text=True).split()
        assert int(told[0]) == count * records, told
        print(f"{'rows held at most':24} {int(told[1]):,} of {int(told[0]):,}")
    finally:
        server.kill()
        server.wait()


def show(name: str, count: int, cost: Cost, wanted: int) -> None:
    assert cost.lines == wanted, (name, cost.lines, wanted)
    per_row = cost.cpu / wanted * 1e6
    print(
        f"{name:24} {count:>6} {cost.wall:>7.2f}s {cost.cpu:>7.2f}s {per_row:>9.1f}µs {cost.memory:>7.0f}MB"
        f"  {cost.lines} lines",
        flush=True,
    )


def main() -> None:
    print(json.dumps({"python": sys.version.split()[0], "cores": os.cpu_count()}))
    print(f"{'':24} {'sites':>6} {'wall':>8} {'CPU':>8} {'per row':>11} {'peak':>9}")
    sites, records = (int(part) for part in os.environ.get("BENCH_LOGS", "500x2000").split("x"))
    measure(sites, records)


if __name__ == "__main__":
    main()
