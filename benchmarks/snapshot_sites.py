"""A snapshot of many simulated sites beside a bare script that dumps the same answers: wall, CPU, memory, bytes.

`snapshot_sites.py [SITES] [SERVICES]`, 500 sites of 50 services by default. The sites run in a process of their own, whose
CPU is not counted, on the same cores. The script keeps files; fleet masks secrets, keeps each piece once, and syncs.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from fleet_beside_bare import run  # noqa: E402

from fleet import platform  # noqa: E402
from fleet.simulator import Simulator  # noqa: E402


async def serve(sites: int, services: int, path: Path) -> None:
    """Sites until standard input ends; services differ from site to site in their descriptions."""
    platform.raise_descriptor_limit()
    async with Simulator(sites=sites, machines=1, services=services, folders=2, switches={"traffic": "0"}) as simulator:
        path.write_text(simulator.inventory_toml(password_from_environment=True))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def show(label: str, cost: object, told: str) -> None:
    sys.stdout.write(f"{label:34} {cost.wall:7.1f}s wall {cost.cpu:7.1f}s CPU {cost.memory:6.0f} MB  {told}\n")  # type: ignore[attr-defined]
    sys.stdout.flush()


def main(sites: int = 500, services: int = 50) -> None:
    with tempfile.TemporaryDirectory(prefix="fleet-bench-") as name:
        folder = Path(name)
        path = folder / "inventory.toml"
        command = [sys.executable, __file__, "serve", str(sites), str(services), str(path)]
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            server.stdout.readline()
            state = folder / "state"
            environment = {**os.environ, "FLEET_PASSWORD": "simulated", "FLEET_STATE_DIR": str(state)}
            environment |= {"FLEET_LOOP": "asyncio"}
            fleet = [sys.executable, "-m", "fleet"]
            bare = run([sys.executable, str(HERE / "bare_dump.py"), str(path), str(folder / "dump")], environment)
            files = sum(1 for path in (folder / "dump").rglob("*.json"))
            show("bare script, JSON files", bare, f"{files} files, {size(folder / 'dump') / 1e6:.1f} MB")
            save = [*fleet, "snapshot", "save", "-i", str(path), "-q", "-o", "ndjson"]
            kept: list[int] = []
            for label in ("fleet snapshot save, first", "fleet snapshot save, the same"):
                before = size(state / "snapshots")
                cost = run(save, environment)
                kept.append(size(state / "snapshots") - before)
                show(
                    label, cost, f"{cost.lines} sites, {kept[-1] / 1e6:.3f} MB ({kept[-1] / kept[0]:.3%} of the first)"
                )
            listed = [*fleet, "diff", "-i", str(path), "--from", "latest", "--to", "latest", "-q", "-o", "csv"]
            show("fleet diff of two snapshots", run(listed, environment), "")
            among = [*fleet, "diff", "-i", str(path), "--to", "latest", "-q", "-o", "csv"]
            cost = run(among, environment)
            show("fleet diff among all sites", cost, f"{cost.lines} rows")
            out = [*fleet, "snapshot", "export", "latest", str(folder / "export"), "-q"]
            show("fleet snapshot export", run(out, environment), f"{size(folder / 'export') / 1e6:.1f} MB")
            show("fleet snapshot export, again", run(out, environment), "")
        finally:
            server.stdin.close()
            server.wait()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(serve(int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])))
    else:
        main(*map(int, sys.argv[1:]))
