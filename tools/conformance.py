"""Clients that this project did not write, run against simulated sites, in a virtual environment of their own.

Each is a script in tests/conformance that gets the address as its argument and the password on standard input. After
each change it asks whether the simulator's state shows it; when it is through, the ledger must show that it did all
that its row below says.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from fleet.simulator import SimulatedSite, Simulator

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv-conformance"
FOLDER = "Scripts" if sys.platform == "win32" else "bin"
PYTHON = VENV / FOLDER / "python"
UV = Path(sys.executable).with_name("uv")
SCRIPTS = ROOT / "tests" / "conformance"
RELEASES = ("10.5.1", "10.9.1", "11.3")
PATIENCE = 120.0

TASKS = {
    "log in": ("generateToken", "signin"),
    "list": ("services",),
    "stop": ("stop",),
    "start": ("start",),
    "edit": ("edit",),
    "query logs": ("query",),
    "read machines": ("machines",),
}
"""What a client is to do -> the operations, by their name in the ledger, of which one shows it."""


@dataclass(frozen=True, slots=True)
class Client:
    """A client's script, the ways in which it reaches sites, and what it has no call for."""

    script: str
    ways: tuple[str, ...]
    unable: frozenset[str] = frozenset()


CLIENTS = (
    Client("with_agsadmin.py", ("http", "https"), frozenset({"query logs"})),
    Client("with_restapi.py", ("http", "https")),
    Client("with_arcgis.py", ("http", "https")),
    # Its OAuth2 part refuses to work in clear.
    Client("with_arcgis_portal.py", ("portal",)),
)


def install() -> None:
    """Make the environment, unless it is there and newer than what it should hold."""
    lock = ROOT / "requirements" / "conformance.lock"
    mark = VENV / ".ready"
    if mark.exists() and mark.stat().st_mtime > lock.stat().st_mtime:
        return
    subprocess.run([str(UV), "venv", "--quiet", "--clear", "--python", sys.executable, str(VENV)], check=True)
    # Nothing is resolved: what the lock file holds is all. One client comes as source only; it is built with the
    # setuptools of the lock file.
    command = [str(UV), "pip", "install", "--quiet", "--python", str(PYTHON), "--no-deps", "--require-hashes"]
    wheels = ["--only-binary", ":all:", "--no-binary", "bmi-arcgis-restapi"]
    builds = ["--build-constraints", str(lock), "--require-build-hashes"]
    subprocess.run([*command, *wheels, *builds, "-r", str(lock)], check=True)
    mark.touch()


def verdict(simulator: Simulator, line: str) -> str:
    """`so` if the service that *line* names is as the client says that it should be, else what is so instead."""
    asked = json.loads(line)
    for site in simulator.sites.values():
        root = f"{site.url}/admin/services/"
        if asked["url"].startswith(root):
            return _compare(site, asked["url"].removeprefix(root), asked["wanted"])
    return f"no site is at {asked['url']}"


def _compare(site: SimulatedSite, name: str, wanted: dict[str, Any]) -> str:
    service = site.services.get(name)
    if service is None:
        return f"there is no {name}"
    found = {**service.definition, "realTimeState": service.real, "configuredState": service.configured}
    wrong = {key: found.get(key) for key, value in wanted.items() if found.get(key) != value}
    return f"{name} has {wrong}" if wrong else "so"


def undone(simulator: Simulator, client: Client) -> list[str]:
    """What the ledger does not show although the client should have done it, on any of the sites."""
    missing = []
    for site in simulator.sites.values():
        done = {entry.operation for entry in simulator.ledger_book.of(site.name) if entry.code is None}
        if simulator.portal is not None:
            done |= {entry.operation for entry in simulator.ledger_book.of("portal") if entry.code is None}
        missing += [
            f"{site.name}: {task}"
            for task, operations in TASKS.items()
            if task not in client.unable and done.isdisjoint(operations)
        ]
    return missing


async def check(client: Client, release: str, way: str) -> bool:
    """Whether *client* gets along with fresh sites of *release* that are reached in this *way*."""
    federated = way == "portal"
    async with Simulator(2 if federated else 1, release=release, tls=way != "http", federated=federated) as simulator:
        if simulator.portal is not None:
            url = simulator.portal.url
        else:
            url = next(iter(simulator.sites.values())).url
        environment = {**os.environ, "NO_PROXY": "127.0.0.1,localhost"}
        if simulator.ca_file is not None:
            environment["REQUESTS_CA_BUNDLE"] = str(simulator.ca_file)
        process = await asyncio.create_subprocess_exec(
            str(PYTHON),
            str(SCRIPTS / client.script),
            url,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            lines = await asyncio.wait_for(_converse(process, simulator), PATIENCE)
        except TimeoutError:
            process.kill()
            lines = [f"gave no end in {PATIENCE:.0f} s"]
        code = await process.wait()
        missing = undone(simulator, client) if code == 0 else []
    good = code == 0 and not missing
    told = lines[-1] if good and lines else f"{client.script} failed"
    print(f"release {release}, {way}: {told}", flush=True)
    if not good:
        print("\n".join([*lines, *(f"not seen in the ledger: {task}" for task in missing)]), flush=True)
    return good


async def _converse(process: asyncio.subprocess.Process, simulator: Simulator) -> list[str]:
    """Give the password, answer what is asked, and keep the rest of what is said."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(simulator.password.encode() + b"\n")
    lines = []
    async for raw in process.stdout:
        line = raw.decode(errors="replace").rstrip()
        if line.startswith('{"url": '):
            process.stdin.write(verdict(simulator, line).encode() + b"\n")
        elif line:
            lines.append(line)
    return lines


async def check_all() -> list[bool]:
    """Every client on every release in each of its ways, as many at a time as there are processors."""
    limiter = anyio.CapacityLimiter(os.cpu_count() or 1)
    results: list[bool] = []

    async def one(client: Client, release: str, way: str) -> None:
        async with limiter:
            results.append(await check(client, release, way))

    async with anyio.create_task_group() as group:
        for release in RELEASES:
            for client in CLIENTS:
                for way in client.ways:
                    group.start_soon(one, client, release, way)
    return results


def main() -> int:
    install()
    results = asyncio.run(check_all())
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
