"""The help of each command on its page in docs/reference/cli: the first block of the page, and no other part of it.

Run it after a change of an option: `make pages`. A test says when that was forgotten.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from fleet.cli.main import cli

PAGES = Path(__file__).resolve().parent.parent / "docs" / "reference" / "cli"
OPENING = "```text\n"


def pages() -> dict[Path, str]:
    """Each command's page, as it should be."""
    top = click.Context(cli, info_name="fleet", terminal_width=78, help_option_names=["-h", "--help"])
    found = {}
    for name in cli.list_commands(top):
        command = cli.get_command(top, name)
        assert command is not None
        path = PAGES / f"{name}.md"
        text = path.read_text(encoding="utf-8") if path.exists() else f"# fleet {name}\n\n{OPENING}```\n"
        before, _, rest = text.partition(OPENING)
        helps = "\n".join(_helps(command, name, top))
        found[path] = f"{before}{OPENING}{helps}```{rest.partition('```')[2]}"
    return found


def _helps(command: click.Command, name: str, parent: click.Context) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent, terminal_width=78)
    yield f"{command.get_help(context)}\n"
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            inner = command.get_command(context, below)
            assert inner is not None
            yield from _helps(inner, below, context)


def main() -> int:
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
