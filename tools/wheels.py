"""Whether everything that is needed comes as a wheel, for each Python and platform that can't be run here."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = ("linux", "windows", "macos", "x86_64-apple-darwin")
AT_ONCE = 4
LIMIT = 300


def resolved(target: tuple[str, str]) -> str | None:
    """What stands in the way of installing the package with all extras on *target*, a Python and a platform; or nothing."""
    python, platform = target
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    command = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "compile",
        "pyproject.toml",
        "--quiet",
        "--no-header",
        "--no-annotate",
    ]
    command += ["--only-binary", ":all:", "--python-version", python, "--python-platform", platform]
    command += [part for extra in extras for part in ("--extra", extra)]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return f"no answer in {LIMIT} s"
    if done.returncode == 0 and "aiohttp==" in done.stdout:
        return None
    return done.stderr.strip() or "nothing was resolved"


def main() -> int:
    targets = list(product(PYTHONS, PLATFORMS))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(resolved, targets))
    failed = [(target, why) for target, why in zip(targets, found, strict=True) if why is not None]
    for (python, platform), why in failed:
        print(f"Python {python} on {platform}: not everything comes as a wheel\n{why}")
    print(
        f"wheels for {len(targets) - len(failed)} of {len(targets)} pairs of Python ({', '.join(PYTHONS)}) and platform"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
