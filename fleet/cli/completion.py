"""`fleet completion`: the script that makes a shell complete commands and options."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command(name="completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish", "powershell"]))
def command(shell: str) -> int:
    """Print the completion script for SHELL.

    \b
    fleet completion bash > ~/.local/share/bash-completion/completions/fleet
    """
    from click.shell_completion import get_completion_class

    from fleet.cli.main import cli

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"this version of click completes nothing in {shell}")
    click.echo(kind(cli, {}, "fleet", "_FLEET_COMPLETE").source())
    return 0
