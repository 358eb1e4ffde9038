"""The demonstration: 25 simulated sites, some of them ill, a health sweep that must find them, and one merged call."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SITES = 25
BASE = 16080
FAULTS = {
    "sim-0003": "service-down",
    "sim-0006": "wrong-password",
    "sim-0009": "refused",
    "sim-0012": "machine-down",
    "sim-0015": "html",
    "sim-0018": "unhealthy",
    "sim-0021": "hang",
    "sim-0024": "read-only",
}
WARNED = {"sim-0024"}
"""Sites that are ill enough for a warning only."""


def free(base: int) -> bool:
    """Whether every port that the sites need can be had."""
    for port in range(base + 1, base + SITES + 1):
        with socket.socket() as probe:
            if sys.platform != "win32":
                # Connections of the demonstration before this one may still be dying there, which takes no port.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def fleet(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "fleet", *arguments]


def run(*arguments: str, capture: bool = False) -> subprocess.CompletedProcess[str]:
    print(f"\n$ fleet {' '.join(arguments)}", flush=True)
    return subprocess.run(fleet(*arguments), text=True, capture_output=capture, timeout=60, check=False)


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="fleet-demo-") as folder:
        os.environ["FLEET_PASSWORD"] = secrets.token_urlsafe(24)
        os.environ["FLEET_STATE_DIR"] = str(Path(folder) / "state")
        inventory = ROOT / "inventory.toml"
        base = next((base for base in range(BASE, 60_000, 100) if free(base)), None)
        if base is None:
            print("there are no 25 free ports in a row on this machine")
            return 1
        if base != BASE:
            print(f"a port from {BASE + 1} to {BASE + SITES} is taken: the sites are at {base + 1} and on")
            text = re.sub(
                r"127\.0\.0\.1:(\d+)",
                lambda match: f"127.0.0.1:{int(match[1]) - BASE + base}",
                inventory.read_text(encoding="utf-8"),
            )
            inventory = Path(folder) / "inventory.toml"
            inventory.write_text(text, encoding="utf-8")
        return demonstrate(Path(folder), inventory, base)


def demonstrate(folder: Path, inventory: Path, base: int) -> int:
    """Start the sites, look at them, and end them whatever happens."""
    faults = [part for site, kind in FAULTS.items() for part in ("--fault", f"{site}={kind}")]
    matching = str(folder / "simulated.toml")
    command = fleet(
        "simulate", "--sites", str(SITES), "--port", str(base), "--inventory-out", matching, "--for", "5m", *faults
    )
    print(f"starting {SITES} simulated sites, {len(FAULTS)} of them ill", flush=True)
    # Whoever ends the demonstration ends its sites with it.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    simulator = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert simulator.stderr is not None
        ready = simulator.stderr.readline()
        print(ready.strip())
        if not ready.startswith("ready:"):
            print(simulator.stderr.read())
            return 1
        return look(str(inventory))
    finally:
        simulator.send_signal(signal.SIGINT)
        try:
            simulator.wait(timeout=10)
        except subprocess.TimeoutExpired:
            simulator.kill()
            simulator.wait()


def look(inventory: str) -> int:
    """The sweep and the call, and whether they say what is so."""
    started = time.monotonic()
    shown = run("health", "-i", inventory, "--timeout", "3s", "-o", "table")
    told = run("health", "-i", inventory, "--timeout", "3s", "-o", "json", capture=True)
    report = json.loads(told.stdout)
    ill = {outcome["site"] for outcome in report["outcomes"] if not outcome["ok"] or outcome["value"]["status"] != "ok"}
    failed = {outcome["site"] for outcome in report["outcomes"] if not outcome["ok"]}
    print(f"(the same as JSON: {len(report['outcomes'])} outcomes, {len(ill)} sites not well)")
    if shown.returncode != 1 or told.returncode != 1 or ill != set(FAULTS) or failed != set(FAULTS) - WARNED:
        print(f"the sweep should have ended with 1 and found {sorted(FAULTS)}; it found {sorted(ill)}")
        return 1
    call = run("call", "admin/info", "-i", inventory, "--timeout", "3s", "-o", "table", "--query", "fullVersion")
    if call.returncode != 1:
        print(f"the call should have ended with 1, since some sites are ill, and ended with {call.returncode}")
        return 1
    print(
        f"\nthe sweep found the {len(FAULTS)} sites that are ill, in {time.monotonic() - started:.1f} s for all three"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
