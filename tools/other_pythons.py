"""Run the tests on every other Python that is found on this machine, each in a virtual environment of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = ("3.12", "3.13", "3.14")
FAST = (
    "tests/unit",
    "tests/properties",
    *(
        f"tests/simulator/test_{name}.py"
        for name in ("bulk_changes", "catalogue_is_served", "client_with_sites", "health_sweep", "python_api", "sql")
    ),
)
"""Tests without processes: what is pure, the laws, and a whole way through each room with simulated sites."""

ASK = "import sys; print('%d.%d' % sys.version_info[:2]); import venv, ssl, sqlite3"


def candidates(version: str) -> Iterator[Path]:
    """Where Python *version* may be: on the path, where uv looks, and among those of pyenv."""
    on_path = shutil.which(f"python{version}")
    if on_path:
        yield Path(on_path)
    told = _output([sys.executable, "-m", "uv", "python", "find", "--no-python-downloads", "--system", version])
    if told:
        yield Path(told)
    pyenv = _output(["pyenv", "root"])
    if pyenv:
        yield from sorted(Path(pyenv).glob(f"versions/{version}.*/bin/python"), reverse=True)


def find(version: str) -> Path | None:
    """A Python *version* that runs; some of what is on the path only says that there is none."""
    for path in candidates(version):
        if (_output([str(path), "-c", ASK]) or "").startswith(version):
            return path
    return None


def _output(command: Sequence[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def run(version: str, python: Path, tests: Sequence[str]) -> int:
    """Run *tests* on *python*; the status of the first command that failed, else 0."""
    folder = ROOT / f".venv-{version}"
    uv = [sys.executable, "-m", "uv"]
    inside = str(folder / ("Scripts" if os.name == "nt" else "bin") / "python")
    install = [*uv, "pip", "install", "--quiet", "--python", inside]
    for command in (
        [*uv, "venv", "--quiet", "--clear", "--python", str(python), str(folder)],
        [*install, "--require-hashes", "--compile-bytecode", "-r", "requirements/dev.lock"],
        [*install, "--no-deps", "--editable", "."],
        [inside, "-m", "pytest", "-n", "2", "-q", "-p", "no:cacheprovider", *tests],
    ):
        status = subprocess.run(command, cwd=ROOT, check=False).returncode
        if status:
            return status
    return 0


def main(arguments: Sequence[str]) -> int:
    tests = FAST if "--fast" in arguments else ()
    told: list[str] = []
    failed = 0
    for version in VERSIONS:
        python = find(version)
        if python is None:
            told.append(f"Python {version}: not found here, so skipped")
            continue
        print(f"Python {version}:", flush=True)
        status = run(version, python, tests)
        failed += status != 0
        told.append(f"Python {version}: {'passed' if status == 0 else 'FAILED'}")
    print("\n".join(told))
    skipped = sum("skipped" in line for line in told)
    print(
        f"{len(VERSIONS) - skipped - failed} passed, {failed} failed, {skipped} skipped, of {len(VERSIONS)} other Pythons"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
