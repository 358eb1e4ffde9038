"""Clients that this project did not write, run against a simulated site, in a virtual environment of their own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from fleet.simulator import Simulator

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv-conformance"
PYTHON = VENV / ("Scripts" if sys.platform == "win32" else "bin") / "python"
CLIENTS = sorted((ROOT / "tests" / "conformance").glob("with_*.py"))
RELEASES = ("10.5.1", "11.3")


def install() -> None:
    """Make the environment, unless it is there and newer than what it should hold."""
    wanted = ROOT / "requirements" / "conformance.txt"
    mark = VENV / ".ready"
    if mark.exists() and mark.stat().st_mtime > wanted.stat().st_mtime:
        return
    subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", str(wanted)], check=True)
    mark.touch()


async def check(client: Path, release: str) -> bool:
    """Whether *client* gets along with a fresh site of *release*."""
    async with Simulator(1, release=release) as simulator:
        port = simulator.sites["sim-0001"].url.split(":")[2].split("/")[0]
        process = await asyncio.create_subprocess_exec(
            str(PYTHON),
            str(client),
            "127.0.0.1",
            port,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        out, _ = await asyncio.wait_for(process.communicate(simulator.password.encode() + b"\n"), 120)
    text = out.decode(errors="replace").strip()
    good = process.returncode == 0
    print(f"release {release}: {text.splitlines()[-1] if good else f'{client.name} failed'}")
    if not good:
        print(text)
    return good


def main() -> int:
    install()
    results = [asyncio.run(check(client, release)) for release in RELEASES for client in CLIENTS]
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
