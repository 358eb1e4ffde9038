"""The tools that keep the rules of this repository: they find what they are there to find."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import other_pythons, platform_lint

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import os\nos.fork()", [(2, "os.fork")]),
        ("import os as system\nuser = system.getuid()", [(2, "os.getuid")]),
        ("from os import kill, path", [(1, "os.kill")]),
        ("import os\nflags = os.O_WRONLY | os.O_NOFOLLOW", [(2, "os.O_NOFOLLOW")]),
        ("import fcntl", [(1, "fcntl")]),
        ("def lock():\n    from fcntl import flock", [(2, "fcntl")]),
        ("import signal\nsignal.signal(signal.SIGHUP, None)", [(2, "signal.SIGHUP")]),
        ("from signal import SIGKILL", [(1, "signal.SIGKILL")]),
        ("loop.add_signal_handler(2, stop)", [(1, "loop.add_signal_handler")]),
        ("asyncio.get_running_loop().add_signal_handler(2, stop)", [(1, "add_signal_handler")]),
        ("import socket\nsocket.socket(socket.AF_UNIX)", [(2, "socket.AF_UNIX")]),
        ("import subprocess\nsubprocess.Popen(['x'], preexec_fn=print)", [(2, "preexec_fn")]),
        ("import resource, os\nos.geteuid()", [(1, "resource"), (2, "os.geteuid")]),
    ],
)
def test_what_only_posix_has_is_found(source: str, found: list[tuple[int, str]]) -> None:
    assert platform_lint.offences(source) == found


def test_what_every_platform_has_is_let_through() -> None:
    source = (
        "import os, signal, socket\n"
        "os.dup2(os.open(os.devnull, os.O_WRONLY), 1)\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "socket.socket(socket.AF_INET)\n"
        "site.fork()\n"
        "kill = 'os.fork'\n"
    )
    assert platform_lint.offences(source) == []


def test_the_one_module_that_may_is_not_clean_itself_and_nothing_else_is_excepted() -> None:
    (allowed,) = platform_lint.ALLOWED
    assert allowed == ROOT / "fleet" / "platform" / "posix.py"
    assert platform_lint.offences(allowed.read_text(encoding="utf-8")) != []


def python_that(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.mark.skipif(sys.platform == "win32", reason="shell scripts")
def test_another_python_is_taken_only_if_it_runs_and_is_what_it_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    python_that(tmp_path, "python9.7", "echo 'python9.7: command not found' >&2; exit 127")
    python_that(tmp_path, "python9.8", "echo 3.11")
    python_that(tmp_path, "python9.9", "echo 9.9")
    assert other_pythons.find("9.6") is None
    assert other_pythons.find("9.7") is None
    assert other_pythons.find("9.8") is None
    assert other_pythons.find("9.9") == tmp_path / "python9.9"


@pytest.mark.skipif(sys.platform == "win32", reason="shell scripts")
@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ('case "$*" in *version_info*) exit 1;; esac', "fleet needs Python 3.11 or later"),
        ('case "$*" in *venv*) exit 1;; esac', "apt-get install python3-venv"),
        (None, "apt-get install python3 python3-venv"),
    ],
    ids=["too old", "without venv", "none at all"],
)
def test_make_says_in_one_sentence_what_is_missing(tmp_path: Path, script: str | None, sentence: str) -> None:
    if script is not None:
        python_that(tmp_path, "python-of-a-fresh-machine", script)
    (tmp_path / "Makefile").write_bytes((ROOT / "Makefile").read_bytes())
    done = subprocess.run(
        ["make", "test", f"PYTHON={tmp_path / 'python-of-a-fresh-machine'}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MAKEFLAGS": ""},
    )
    said = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("make")]
    assert done.returncode != 0
    assert len(said) == 1
    assert sentence in said[0]
    assert not (tmp_path / ".venv").exists()
