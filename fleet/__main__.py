"""The command `fleet`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and end with its exit status."""
    from fleet.cli.main import run

    sys.exit(run())


if __name__ == "__main__":
    main()
