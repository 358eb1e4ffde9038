"""A program that prints a secret: run without a shell, with a limit on time and output, and ended with its children."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from threading import Lock, Thread

from fleet import platform
from fleet.errors import ConfigFailed

__all__ = ["COMMAND_LIMIT", "CommandStopped", "Helpers"]

COMMAND_LIMIT = 30.0
"""Seconds that a secret command may run."""

LINGER = 1.0
"""Seconds for which output is still waited for after the command has ended: a child of it may hold the pipe open."""


class CommandStopped(ConfigFailed):
    """The command was ended because its run was: of the secret that says nothing."""


class Helpers:
    """The commands of one run; `stop` ends those that are still running. Safe to be called from several threads."""

    def __init__(self, limit: float = COMMAND_LIMIT) -> None:
        self._limit = limit
        self._running: dict[subprocess.Popen[bytes], bool] = {}
        self._lock = Lock()

    def output(self, arguments: Sequence[str], environment: Mapping[str, str], cap: int) -> bytes:
        """What the command *arguments* prints, *cap* bytes and one more at the most.

        Raises `ConfigFailed` where it can't be started, takes too long, or ends with a status other than 0. What it
        writes to standard error is not shown: it may hold anything.
        """
        name = arguments[0]
        try:
            process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                # A session of its own: Ctrl-C is for fleet to judge, and whatever the command starts ends with it.
                start_new_session=True,
            )
        except OSError as error:
            raise ConfigFailed(
                f"the secret command {name} can't be started: {error.strerror}", hint="check its path"
            ) from None
        with self._lock:
            self._running[process] = True
        data = bytearray()
        # A thread of its own, since a read on a pipe that somebody else holds open too can't be given up.
        reader = Thread(target=_drain, args=(process, data, cap), name="secret command", daemon=True)
        reader.start()
        try:
            status = process.wait(self._limit)
        except subprocess.TimeoutExpired:
            platform.kill_family(process)
            process.wait()
            raise ConfigFailed(
                f"the secret command {name} took more than {self._limit:g} s",
                hint="run it by hand: it may be waiting for an answer",
            ) from None
        finally:
            with self._lock:
                wanted = self._running.pop(process)
        if not wanted:
            raise CommandStopped(f"the secret command {name} was ended with the run")
        reader.join(LINGER)
        if len(data) > cap:
            return bytes(data)
        if status != 0:
            how = f"ended with status {status}" if status > 0 else f"was ended by signal {-status}"
            raise ConfigFailed(f"the secret command {name} {how}", hint="run it by hand to see why")
        return bytes(data)

    def stop(self) -> None:
        """End every command that still runs: nobody waits for it any more."""
        with self._lock:
            running = list(self._running)
            self._running.update(dict.fromkeys(running, False))
        for process in running:
            platform.kill_family(process)


def _drain(process: subprocess.Popen[bytes], data: bytearray, cap: int) -> None:
    """Gather the output of *process* in *data*; it is ended as soon as that is too much."""
    assert process.stdout is not None
    with process.stdout as stream:
        while len(data) <= cap:
            chunk = stream.read1(cap + 1 - len(data))  # type: ignore[attr-defined]
            if not chunk:
                return
            data += chunk
    platform.kill_family(process)
