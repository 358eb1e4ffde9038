"""fleet call beside a bare aiohttp script, in one run: wall, CPU and peak memory for the same work.

Both read the same inventory, sign in once at each site, ask for admin/info, parse the answers, and write a line for
each site. The sites are on distinct loopback addresses and take 50 ms for each answer; they run in a process of their
own, whose CPU is not counted. Each row is the better of two runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from sites import address  # noqa: E402


class Cost(NamedTuple):
    wall: float
    cpu: float
    memory: float
    lines: int


def run(command: list[str], environment: dict[str, str]) -> Cost:
    """What *command* costs: seconds of wall and of CPU, peak memory in MB, and lines written."""
    with tempfile.TemporaryFile() as out:
        started = time.monotonic()
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL, env=environment)
        _, _, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        out.seek(0)
        lines = sum(1 for _ in out)
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, lines)


def inventory(path: Path, count: int, ca: str) -> None:
    scheme = "https" if ca else "http"
    lines = ["[defaults]", 'username = "siteadmin"', 'password = { env = "FLEET_PASSWORD" }']
    lines += [f'tls = {{ ca = "{ca}" }}'] if ca else []
    for number in range(count):
        lines += [f"[sites.site-{number:05d}]", f'url = "{scheme}://{address(number)}:16443/arcgis"']
    path.write_text("\n".join(lines) + "\n")


def measure(count: int, *, tls: bool = False, uvloop: bool = False, dead: int = 0, rounds: int = 2) -> None:
    folder = Path(tempfile.mkdtemp(prefix="fleet-bench-"))
    servers = serve(count, tls, dead)
    try:
        assert servers[0].stdout is not None
        ca = servers[0].stdout.readline().strip().removeprefix("ready").strip()
        for server in servers[1:]:
            assert server.stdout is not None
            server.stdout.readline()
        path = folder / "inventory.toml"
        inventory(path, count, ca)
        environment = {**os.environ, "FLEET_PASSWORD": "x" * 12, "FLEET_STATE_DIR": str(folder / "state")}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        if uvloop:
            environment["BARE_UVLOOP"] = "1"
        else:
            environment["FLEET_LOOP"] = "asyncio"
        fleet = [sys.executable, "-m", "fleet", "call", "admin/info", "-i", str(path), "-o", "ndjson", "-q"]
        bare = [sys.executable, str(HERE / "bare.py"), str(path)]
        if dead:
            fleet += ["--timeout", "3s"]
            show("fleet, 10 % dead", count, run(fleet, environment))
            return
        costs = {"bare": [run(bare, environment)], "fleet": [run(fleet, environment)]}
        for _ in range(rounds - 1):
            costs["bare"].append(run(bare, environment))
            costs["fleet"].append(run(fleet, environment))
        best = {name: min(found, key=lambda cost: cost.cpu) for name, found in costs.items()}
        label = ("TLS" if tls else "HTTP") + (", uvloop" if uvloop else "")
        for name, cost in best.items():
            show(f"{name}, {label}", count, cost)
        ratio_cpu = best["fleet"].cpu / best["bare"].cpu
        ratio_memory = best["fleet"].memory / best["bare"].memory
        print(f"{'fleet / bare':24} {'':>6} {'':>8} {ratio_cpu:>8.2f} {'':>11} {ratio_memory:>9.2f}")
    finally:
        for server in servers:
            server.kill()
            server.wait()


def serve(count: int, tls: bool, dead: int) -> list[subprocess.Popen[str]]:
    """The sites, in as many processes as their descriptors need: the bare script keeps every connection open."""
    share = 5000
    starts = range(0, count, share) if not tls else range(1)
    return [
        subprocess.Popen(
            [
                sys.executable,
                str(HERE / "sites.py"),
                str(start),
                str(min(count, start + share) if not tls else count),
                "0.05",
                "tls" if tls else "plain",
                str(dead),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for start in starts
    ]


def show(name: str, count: int, cost: Cost) -> None:
    per_request = cost.cpu / (2 * count) * 1e6
    print(
        f"{name:24} {count:>6} {cost.wall:>7.2f}s {cost.cpu:>7.2f}s {per_request:>9.0f}µs {cost.memory:>7.0f}MB"
        f"  {cost.lines} lines",
        flush=True,
    )


def load_time(count: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="fleet-bench-"))
    path = folder / "inventory.toml"
    inventory(path, count, "")
    code = {
        "tomllib alone": "import tomllib,sys,time; t=time.process_time(); tomllib.load(open(sys.argv[1],'rb'));"
        " print(time.process_time()-t)",
        "fleet's inventory": "import sys,time; from pathlib import Path; from fleet.inventory.load import Source, load;"
        " t=time.process_time(); load([Source(Path(sys.argv[1]), True)]); print(time.process_time()-t)",
    }
    for name, text in code.items():
        seconds = min(float(subprocess.check_output([sys.executable, "-c", text, str(path)])) for _ in range(3))
        print(f"load, {name:18} {count:>6} sites {seconds:.3f} s of CPU")


def main() -> None:
    print(json.dumps({"python": sys.version.split()[0], "cores": os.cpu_count()}))
    print(f"{'':24} {'sites':>6} {'wall':>8} {'CPU':>8} {'per request':>11} {'peak':>9}")
    sizes = [int(size) for size in os.environ.get("BENCH_SITES", "100,1000,10000").split(",")]
    for count in sizes:
        measure(count)
    measure(sizes[-1], uvloop=True)
    measure(1000, tls=True)
    measure(1000, dead=100)
    load_time(10_000)


if __name__ == "__main__":
    main()
