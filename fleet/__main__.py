"""The command `fleet`."""

from __future__ import annotations

import signal
import sys
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
    sys.exit(status)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupt


if __name__ == "__main__":
    main()
