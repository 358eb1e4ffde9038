"""The command `fleet`."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from types import FrameType


class Interrupt(KeyboardInterrupt):
    """Ctrl-C or SIGTERM. For a `KeyboardInterrupt` itself the interpreter may kill itself although it was caught."""


def main() -> None:
    """Run the command line and end with its exit status; Ctrl-C and SIGTERM end it with 130 wherever they come."""
    try:
        signal.signal(signal.SIGTERM, _interrupt)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, _interrupt)
        from fleet.cli.main import run

        status = run()
    except KeyboardInterrupt:
        status = 130
    for number in (signal.SIGINT, signal.SIGTERM):
        # All is said and done: a signal while the interpreter ends would only show a traceback.
        signal.signal(number, signal.SIG_IGN)
    threads = sys.modules.get("threading")
    if threads is not None and any(
        not each.daemon for each in threads.enumerate() if each is not threads.main_thread()
    ):
        # A thread that still waits for a key ring, or for a file on a server that is gone, must not hold up the end.
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)
    sys.exit(status)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupt


if __name__ == "__main__":
    main()
